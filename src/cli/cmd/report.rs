//! `iotjob report EVENTS`: the table and the reports of runs, from the events that `--output json` wrote.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::cli::report_args::ReportArgs;
use crate::cli::watched::{Aloud, summary};
use crate::report::{Account, Lines, Reporter, StreamError, Tail, Voice, read_events};

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub struct ReportCommand {
    /// What `apply` or `watch` wrote with --output json; - for standard input
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    #[command(flatten)]
    reports: ReportArgs,
}

/// Runs the command; the exit code is that of the runs.
///
/// # Errors
/// [`Failure`]: exit 2 for a stream that cannot be read, exit 1 for one that holds no run or for a report that cannot
/// be written.
pub fn run(args: &ReportCommand, printer: &Printer) -> Result<Exit, Failure> {
    let files = args.reports.open()?;
    let account = Arc::new(Mutex::new(Account::default()));
    let mut reporters: Vec<Box<dyn Reporter>> = vec![
        Box::new(Lines::new(Trouble(Aloud(printer.clone())))),
        Box::new(summary(printer)),
        Box::new(Arc::clone(&account)),
    ];
    let name = if args.events == Path::new("-") { "<stdin>".to_owned() } else { args.events.display().to_string() };
    let tail = read_events(open(&args.events, &name)?, |event| {
        reporters.iter_mut().for_each(|reporter| reporter.on(&event));
    });
    let tail = tail.map_err(|error| match error {
        StreamError::Read(error) => unreadable(&name, &error),
        StreamError::Malformed { .. } => Failure::usage(format!("{name}:{error}")),
    })?;
    reporters.iter_mut().for_each(|reporter| reporter.finish());
    if let Tail::Torn(line) = tail {
        printer.warn(&format!("{name}:{line}: the last event is cut off"));
    }
    let account = account.lock().unwrap_or_else(PoisonError::into_inner);
    files.write(&account)?;
    exit_of(&account, &name, printer)
}

fn open(path: &Path, name: &str) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| unreadable(name, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("the events `{name}` cannot be read: {error}"))
}

/// The exit of all runs together. A run without its end is none that anybody could call a success.
fn exit_of(account: &Account, name: &str, printer: &Printer) -> Result<Exit, Failure> {
    if account.runs().is_empty() {
        return Err(Failure::unexpected(format!("`{name}` holds no event"))
            .hint("`iotjob apply --output json` writes events to stdout"));
    }
    let exits = account.runs().iter().map(|run| match run.exit_code() {
        Some(code) => Exit::from_code(code).unwrap_or(Exit::Unexpected),
        None => {
            let way = format!("`iotjob watch {}` has the rest", run.run_id);
            printer.warn(&format!("{}: its end is missing in `{name}`: {way}", run.run_id));
            Exit::Unexpected
        }
    });
    Ok(Exit::of_runs(&exits.collect::<Vec<_>>()))
}

/// Speaks of what went wrong; how things went on the way is history.
struct Trouble(Aloud);

impl Voice for Trouble {
    fn say(&self, _: &str) {}

    fn warn(&self, line: &str) {
        self.0.warn(line);
    }

    fn fail(&self, message: &str, hints: &[String]) {
        self.0.fail(message, hints);
    }
}
