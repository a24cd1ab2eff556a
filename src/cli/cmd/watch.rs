//! `iotjob watch ID`: re-attaches to a job of the hub, whoever made it.

use std::time::Duration;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, duration};
use crate::cli::output::OutputFormat;
use crate::cli::prepared::pace_for;
use crate::cli::printer::Printer;
use crate::cli::report_args::ReportArgs;
use crate::cli::watched::{Watched, equipment, exit_of_runs};
use crate::model::Clock;
use crate::run::{Context, HubLife, NoTargets, Options, Waiting, reattach};

/// What `watch` takes.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    id: String,
    /// Exit 6 when the job found no target
    #[arg(long)]
    require_targets: bool,
    /// Leave after so long, with exit 8; the job goes on [default: watch to the end]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait_timeout: Option<Duration>,
    /// How to write to stdout: a table at the end, or one JSON event a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    reports: ReportArgs,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for a hub that cannot be used. An unknown id is exit 2, too.
pub async fn run(args: WatchArgs, printer: &Printer) -> Result<Exit, Failure> {
    let files = args.reports.open()?;
    let client = args.hub.client(printer)?;
    let pace = pace_for(client.host_name());
    let no_targets = if args.require_targets { NoTargets::Fail } else { NoTargets::Warn };
    let waiting = args.wait_timeout.map_or(Waiting::UntilEnd, Waiting::AtMost);
    let options = Options { waiting, no_targets, hub: HubLife::Lasting };
    let clock = Clock::system();
    let watched = Watched::new(args.output, files, &clock, printer);
    let context = Context::new(client, equipment(pace, options, &clock, watched.events.clone()));
    watched.until_done(async move |stop| exit_of_runs(&[reattach(&context, &args.id, &stop).await])).await
}
