//! `iotjob status ID`: where a job stands.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::HubArgs;
use crate::cli::json_line::to_json_line;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::run_jobs::known_jobs;
use crate::cli::table;
use crate::model::JobResponse;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
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
/// [`Failure`]: exit 2 for an unknown id.
pub async fn run(args: StatusArgs, printer: &Printer) -> Result<Exit, Failure> {
    let client = args.hub.client(printer)?;
    let jobs = known_jobs(&client, &args.id).await?;
    match args.output {
        OutputFormat::Json => jobs.iter().for_each(|job| printer.data(&to_json_line(job))),
        OutputFormat::Text => printer.data(&jobs.iter().map(describe).collect::<Vec<_>>().join("\n\n")),
    }
    Ok(Exit::Success)
}

fn describe(job: &JobResponse) -> String {
    let mut lines = vec![
        ("job", job.job_id.clone()),
        ("type", job.job_type.name().to_owned()),
        ("status", job.status.name().to_owned()),
    ];
    if let Some(condition) = &job.query_condition {
        lines.push(("condition", condition.clone()));
    }
    lines.extend([
        ("created", table::time(job.created_time)),
        ("start", table::time(job.start_time)),
        ("end", table::time(job.end_time)),
    ]);
    if let Some(seconds) = job.max_execution_time_in_seconds {
        lines.push(("time-out", format!("{seconds} s")));
    }
    if let Some(counts) = &job.device_job_statistics {
        let text = format!(
            "{}: {} succeeded, {} failed, {} running, {} pending",
            counts.device_count,
            counts.succeeded_count,
            counts.failed_count,
            counts.running_count,
            counts.pending_count
        );
        lines.push(("devices", text));
    }
    // Which of the two holds the words is not known (REST.md 4.5); a hub may fill both.
    let message = job.status_message.as_ref().filter(|message| job.failure_reason.as_ref() != Some(message));
    for (title, text) in [("reason", job.failure_reason.as_ref()), ("message", message)] {
        if let Some(text) = text {
            lines.push((title, text.clone()));
        }
    }
    let rows: Vec<String> =
        lines.into_iter().map(|(title, text)| format!("{title:<10} {}", text.replace(char::is_control, " "))).collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_job_says_why_on_one_line() {
        let job: JobResponse = serde_json::from_value(json!({
            "jobId": "patch-7", "type": "scheduleUpdateTwin", "status": "failed", "queryCondition": "tags.a =",
            "createdTime": "2026-05-01T02:00:00.1Z", "startTime": "2026-05-01T02:00:00.1Z",
            "endTime": "2026-05-01T02:00:05Z", "maxExecutionTimeInSeconds": 900,
            "failureReason": "SQL query parse failed due to following errors:\n\tLine 1:36, end of text",
            "statusMessage": "SQL query parse failed due to following errors:\n\tLine 1:36, end of text",
            "deviceJobStatistics": {"deviceCount": 2, "failedCount": 2},
        }))
        .unwrap();
        insta::assert_snapshot!(describe(&job), @r"
        job        patch-7
        type       scheduleUpdateTwin
        status     failed
        condition  tags.a =
        created    2026-05-01T02:00:00Z
        start      2026-05-01T02:00:00Z
        end        2026-05-01T02:00:05Z
        time-out   900 s
        devices    2: 0 succeeded, 2 failed, 0 running, 0 pending
        reason     SQL query parse failed due to following errors:  Line 1:36, end of text
        ");
    }
}
