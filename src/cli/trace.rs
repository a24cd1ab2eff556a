//! The log on stderr: quiet by default, `-v` and `IOTJOB_LOG` open it.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::args::GlobalArgs;

/// Environment variable with a filter such as `iotjob::hub=debug`; it wins over `-v` and `-q`.
const FILTER_VARIABLE: &str = "IOTJOB_LOG";

/// Who reads the log when no flag says how much of it there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Wants to know what the hub refuses and why.
    HubOperator,
    /// Wants to know what goes wrong.
    Everybody,
}

/// Starts the log. A second call changes nothing.
pub fn start(args: &GlobalArgs, audience: Audience) {
    let default = match (args.quiet, args.verbose) {
        (true, _) => "error",
        (false, 0) if audience == Audience::HubOperator => "warn,iotjob::hub=info",
        (false, 0) => "warn",
        (false, 1) => "iotjob=info",
        (false, 2) => "iotjob=debug",
        (false, _) => "iotjob=trace,info",
    };
    let filter = std::env::var(FILTER_VARIABLE)
        .ok()
        .and_then(|text| text.parse::<EnvFilter>().ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // Only a second call can fail, and then a log is there already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .with_target(false)
        .compact()
        .try_init();
}
