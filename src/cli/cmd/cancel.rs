//! `iotjob cancel ID`: cancels a job that has not begun.

use std::time::Duration;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, job_failure};
use crate::cli::json_line::to_json_line;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::run_jobs::{known_job, known_jobs};
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
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
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
    let cancelled = match cancel(&client, &args.id, LOOK_EVERY).await {
        Ok(job) => vec![job],
        Err(failure) if failure.exit == Exit::Usage => cancel_parts(&client, &args.id, failure).await?,
        Err(failure) => return Err(failure),
    };
    for job in &cancelled {
        match args.output {
            OutputFormat::Json => printer.data(&to_json_line(job)),
            OutputFormat::Text => printer.say(&format!("`{}` is cancelled", job.job_id)),
        }
    }
    Ok(Exit::Success)
}

/// Cancels every part of a run, the last first: what has not begun is cancelled even when the rest runs.
async fn cancel_parts(client: &HubClient, id: &str, unknown: Failure) -> Result<Vec<JobResponse>, Failure> {
    let parts = known_jobs(client, id).await.map_err(|_| unknown)?;
    let (mut cancelled, mut refusal) = (Vec::new(), None);
    for part in parts.iter().rev() {
        match cancel(client, &part.job_id, LOOK_EVERY).await {
            Ok(job) => cancelled.push(job),
            Err(failure) if failure.exit == Exit::Refused => refusal = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    match refusal {
        None => Ok(cancelled),
        Some(refusal) => {
            let done: Vec<String> = cancelled.iter().map(|job| format!("`{}`", job.job_id)).collect();
            Err(if done.is_empty() { refusal } else { refusal.hint(format!("cancelled: {}", done.join(", "))) })
        }
    }
}

async fn cancel(client: &HubClient, id: &str, look_every: Duration) -> Result<JobResponse, Failure> {
    match client.cancel_job_by_text(id).await {
        Ok(_) => settled(client, id, look_every).await,
        // Cancelling what is cancelled is refused too, and may be the echo of a first try whose answer was lost.
        Err(error) if error.is_forbidden_by_state() => match known_job(client, id).await? {
            job if job.status == JobStatus::Cancelled => Ok(job),
            job => Err(refused(&job)),
        },
        Err(error) => Err(job_failure(id, &error)),
    }
}

/// Looks until the job reads as cancelled.
async fn settled(client: &HubClient, id: &str, look_every: Duration) -> Result<JobResponse, Failure> {
    for look in 0..LOOKS_MAX {
        if look > 0 {
            tokio::time::sleep(look_every).await;
        }
        let job = client.job_by_text(id).await.map_err(|error| job_failure(id, &error))?;
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
    let status = job.status.name();
    let failure = Failure::new(Exit::Refused, format!("`{}` cannot be cancelled: it is {status}", job.job_id));
    if job.status == JobStatus::Running {
        return failure.hint("the service cancels only what has not begun; the job's time-out ends it");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::scripted_hub::{ScriptedHub, Step, answer, ok};

    fn job(status: &str) -> Step {
        ok(&[], &format!(r#"{{"jobId":"j","type":"scheduleUpdateTwin","status":"{status}"}}"#))
    }

    fn not_allowed() -> Step {
        answer("405 Method Not Allowed", &["iothub-errorcode: OperationNotAllowedInCurrentState"], "")
    }

    async fn cancelling(script: Vec<Step>) -> Result<JobStatus, Exit> {
        let hub = ScriptedHub::start(script).await;
        let outcome = cancel(&hub.client(), "j", Duration::from_millis(1)).await;
        outcome.map(|job| job.status).map_err(|failure| failure.exit)
    }

    #[tokio::test]
    async fn it_is_over_when_reading_agrees() {
        let script = vec![job("cancelled"), job("scheduled"), job("unknown"), job("cancelled")];
        assert_eq!(cancelling(script).await, Ok(JobStatus::Cancelled));
    }

    #[tokio::test]
    async fn what_runs_or_has_ended_is_refused() {
        assert_eq!(cancelling(vec![not_allowed(), job("running")]).await, Err(Exit::Refused));
        assert_eq!(cancelling(vec![not_allowed(), job("completed")]).await, Err(Exit::Refused));
        assert_eq!(cancelling(vec![job("cancelled"), job("running")]).await, Err(Exit::Refused), "it began meanwhile");
    }

    #[tokio::test]
    async fn a_lost_answer_does_not_turn_a_success_into_a_refusal() {
        let script = vec![Step::Close, not_allowed(), job("cancelled")];
        assert_eq!(cancelling(script).await, Ok(JobStatus::Cancelled));
    }

    #[tokio::test]
    async fn an_unknown_job_is_wrong_usage_and_an_endless_wait_ends() {
        let unknown = answer("404 Not Found", &["iothub-errorcode: JobNotFound"], "");
        assert_eq!(cancelling(vec![unknown]).await, Err(Exit::Usage));
        let mut script = vec![job("cancelled")];
        script.extend((0..LOOKS_MAX).map(|_| job("scheduled")));
        assert_eq!(cancelling(script).await, Err(Exit::StillRunning));
    }
}
