//! Arguments, wiring, exit codes: the only place that prints.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

pub mod answers;
pub mod args;
pub mod cmd;
pub mod exit;
pub mod failure;
pub mod flag_value;
pub mod fleet_file;
pub mod global_args;
pub mod guarded;
pub mod help;
mod hub_env;
pub mod hub_target;
pub mod json_line;
pub mod local_hub;
pub mod looking;
pub mod output;
pub mod pending_file;
pub mod prepared;
pub mod printer;
pub mod problems;
pub mod report_args;
pub mod run_jobs;
pub mod sarif;
pub mod saved_plan;
pub mod secret_arg;
pub mod signals;
pub mod table;
pub mod trace;
pub mod var_args;
pub mod watched;

use args::{Args, Command};
use exit::Exit;
use failure::Failure;
use printer::Printer;
use trace::Audience;

/// Runs the program on the process's own arguments and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()).code())
}

/// Parses `arguments`, runs the command, prints what went wrong.
fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // Nothing is left to tell anybody when even the help text cannot be written.
            let _ = error.print();
            return exit;
        }
    };
    let printer = Printer::from_args(&args.global);
    trace::start(&args.global, audience(&args.command), &printer);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&printer, &Failure::unexpected(format!("no runtime could be started: {error}"))),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(dispatch(args.command, &printer))));
    // Blocking reads of standard input must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(exit)) => match printer.data_lost() {
            Some(error) => {
                report(&printer, &Failure::unexpected(format!("standard output takes no more data: {error}")))
            }
            None => exit,
        },
        Ok(Err(failure)) => report(&printer, &failure),
        // The panic hook has printed where and why.
        Err(_) => Exit::Unexpected,
    }
}

/// Who runs a hub wants to know what it refuses and why; who runs anything else does not.
fn audience(command: &Command) -> Audience {
    match command {
        Command::Hub(_) => Audience::HubOperator,
        _ => Audience::Everybody,
    }
}

fn report(printer: &Printer, failure: &Failure) -> Exit {
    printer.failure(failure);
    failure.exit
}

async fn dispatch(command: Command, printer: &Printer) -> Result<Exit, Failure> {
    match command {
        Command::Validate(args) => cmd::validate::run(&args, printer),
        Command::Schema(args) => Ok(cmd::schema::run(&args, printer)),
        Command::Init(args) => cmd::init::run(&args, printer),
        Command::Completions(args) => Ok(cmd::completions::run(&args, printer)),
        Command::Man(args) => cmd::man::run(&args, printer),
        Command::Plan(args) => cmd::plan::run(*args, printer).await,
        Command::Apply(args) => cmd::apply::run(*args, printer).await,
        Command::Watch(args) => cmd::watch::run(*args, printer).await,
        Command::Report(args) => cmd::report::run(&args, printer),
        Command::List(args) => cmd::list::run(args, printer).await,
        Command::Status(args) => cmd::status::run(args, printer).await,
        Command::Results(args) => cmd::results::run(args, printer).await,
        Command::Cancel(args) => cmd::cancel::run(args, printer).await,
        Command::Query(args) => cmd::query::run(args, printer).await,
        Command::Device(args) => Box::pin(cmd::device::run(*args, printer)).await,
        Command::Hub(args) => cmd::hub::run(*args, printer).await,
    }
}
