//! The log on stderr: quiet by default, `-v` and `IOTJOB_LOG` open it.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::args::GlobalArgs;

/// Environment variable with a filter such as `iotjob::hub=debug`; it wins over `-v` and `-q`.
const FILTER_VARIABLE: &str = "IOTJOB_LOG";

/// Starts the log. A second call changes nothing.
pub fn start(args: &GlobalArgs) {
    let default = match (args.quiet, args.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,iotjob::hub=info",
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
