//! `iotjob cancel ID`: cancels a job that has not begun.

use std::time::Duration;

use crate::cli::args::OutputFormat;
use crate::cli::cmd::status::known_job;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, failure, unknown_job};
use crate::cli::printer::Printer;
use crate::cli::words::{status_name, to_json_line};
use crate::client::HubClient;
use crate::model::{JobResponse, JobStatus};

/// The hub says `cancelled` before reading shows it (REST.md 4.7): how often to look, and how many times.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_MAX: u32 = 30;

/// What `cancel` takes.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    id: String,
    /// How to write the job to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    output: OutputFormat,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for an unknown id, 9 for a job that runs or has ended.
pub async fn run(args: CancelArgs, printer: &Printer) -> Result<Exit, Failure> {
    let client = args.hub.client(printer)?;
    let job = match client.cancel_job_by_text(&args.id).await {
        Ok(_) => settled(&client, &args.id).await?,
        Err(error) if error.is_not_found() => return Err(unknown_job(&args.id)),
        // Cancelling what is cancelled is refused too, and may be the echo of a first try whose answer was lost.
        Err(error) if error.is_forbidden_by_state() => match known_job(&client, &args.id).await? {
            job if job.status == JobStatus::Cancelled => job,
            job => return Err(refused(&job)),
        },
        Err(error) => return Err(failure(&error)),
    };
    match args.output {
        OutputFormat::Json => printer.data(&to_json_line(&job)),
        OutputFormat::Text => printer.say(&format!("`{}` is cancelled", args.id)),
    }
    Ok(Exit::Success)
}

/// Looks until the job reads as cancelled.
async fn settled(client: &HubClient, id: &str) -> Result<JobResponse, Failure> {
    for look in 0..LOOKS_MAX {
        if look > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let job = client.job_by_text(id).await.map_err(|error| failure(&error))?;
        match job.status {
            JobStatus::Cancelled => return Ok(job),
            JobStatus::Running | JobStatus::Completed | JobStatus::Failed => return Err(refused(&job)),
            JobStatus::Queued | JobStatus::Scheduled | JobStatus::Unknown => {}
        }
    }
    Err(Failure::new(Exit::StillRunning, format!("the hub took the cancellation of `{id}` but does not show it yet"))
        .hint(format!("look again with `iotjob status {id}`")))
}

fn refused(job: &JobResponse) -> Failure {
    let status = status_name(job.status);
    let failure = Failure::new(Exit::Refused, format!("`{}` cannot be cancelled: it is {status}", job.job_id));
    if job.status == JobStatus::Running {
        return failure.hint("the service cancels only what has not begun; the job's time-out ends it");
    }
    failure
}
