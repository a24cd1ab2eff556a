//! The log on stderr: quiet by default, `-v` and `IOTJOB_LOG` open it.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use super::global_args::GlobalArgs;
use super::printer::Printer;

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

/// Starts the log, above whatever `printer` draws. A second call changes nothing.
pub fn start(args: &GlobalArgs, audience: Audience, printer: &Printer) {
    let default = match (args.quiet, args.verbose) {
        (true, _) => "error",
        (false, 0) if audience == Audience::HubOperator => "warn,iotjob::hub=info",
        (false, 0) => "warn",
        (false, 1) => "iotjob=info",
        (false, 2) => "iotjob=debug",
        (false, _) => "iotjob=trace,info",
    };
    let wanted = std::env::var(FILTER_VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = wanted.and_then(|text| match text.parse::<EnvFilter>() {
        Ok(filter) => Some(filter),
        Err(error) => {
            printer.warn(&format!("{FILTER_VARIABLE} is not used: `{text}` is no filter: {error}"));
            None
        }
    });
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let lines = LogLines(printer.clone());
    // Only a second call can fail, and then a log is there already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || lines.clone())
        .with_ansi(printer.colours_stderr())
        .with_target(false)
        .compact()
        .try_init();
}

/// Takes the log's lines, each in one piece, to stderr.
#[derive(Clone)]
struct LogLines(Printer);

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.stderr_bytes(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
