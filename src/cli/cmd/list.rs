//! `iotjob list`: the hub's jobs.

use clap::ValueEnum;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, failure};
use crate::cli::json_line::to_json_line;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::table;
use crate::model::{JobResponse, JobStatistics, JobStatus, JobType};

/// What `list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Show jobs of this type only
    #[arg(long = "type", value_name = "TYPE", value_enum, ignore_case = true)]
    job_type: Option<TypeFilter>,
    /// Show jobs in this status only
    #[arg(long, value_enum, ignore_case = true)]
    status: Option<StatusFilter>,
    /// How to write the jobs to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TypeFilter {
    #[value(name = "scheduleDeviceMethod", alias = "method")]
    Method,
    #[value(name = "scheduleUpdateTwin", alias = "twin")]
    Twin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusFilter {
    Queued,
    Scheduled,
    Running,
    Completed,
    Failed,
    #[value(alias = "canceled")]
    Cancelled,
}

impl From<TypeFilter> for JobType {
    fn from(filter: TypeFilter) -> Self {
        match filter {
            TypeFilter::Method => Self::ScheduleDeviceMethod,
            TypeFilter::Twin => Self::ScheduleUpdateTwin,
        }
    }
}

impl From<StatusFilter> for JobStatus {
    fn from(filter: StatusFilter) -> Self {
        match filter {
            StatusFilter::Queued => Self::Queued,
            StatusFilter::Scheduled => Self::Scheduled,
            StatusFilter::Running => Self::Running,
            StatusFilter::Completed => Self::Completed,
            StatusFilter::Failed => Self::Failed,
            StatusFilter::Cancelled => Self::Cancelled,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] when the hub cannot be asked.
pub async fn run(args: ListArgs, printer: &Printer) -> Result<Exit, Failure> {
    let client = args.hub.client(printer)?;
    let jobs = client
        .list_jobs(args.job_type.map(Into::into), args.status.map(Into::into))
        .await
        .map_err(|error| failure(&error))?;
    match args.output {
        OutputFormat::Json => jobs.iter().for_each(|job| printer.data(&to_json_line(job))),
        OutputFormat::Text if jobs.is_empty() => printer.say("no jobs"),
        OutputFormat::Text => printer.data(&render(&jobs)),
    }
    Ok(Exit::Success)
}

fn render(jobs: &[JobResponse]) -> String {
    // When each was created is in the JSON: here it would push the counts off a terminal of 100 columns.
    let header = ["ID", "TYPE", "STATUS", "START", "END", "SUCCEEDED", "FAILED", "TOTAL"];
    table::render(&header, jobs.iter().map(row))
}

fn row(job: &JobResponse) -> Vec<String> {
    let count = |of: fn(&JobStatistics) -> u64| match &job.device_job_statistics {
        Some(statistics) => of(statistics).to_string(),
        None => "-".to_owned(),
    };
    vec![
        job.job_id.clone(),
        job.job_type.name().to_owned(),
        job.status.name().to_owned(),
        table::time(job.start_time),
        table::time(job.end_time),
        count(|statistics| statistics.succeeded_count),
        count(|statistics| statistics.failed_count),
        count(|statistics| statistics.device_count),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_runs_has_no_end_and_one_that_waits_no_counts() {
        let jobs: Vec<JobResponse> = serde_json::from_value(json!([
            {"jobId": "lock-1", "type": "scheduleDeviceMethod", "status": "running",
             "createdTime": "2026-05-01T02:00:00.1Z", "startTime": "2026-05-01T02:00:01Z",
             "endTime": "9999-12-31T23:59:59.9999999Z",
             "deviceJobStatistics": {"deviceCount": 3, "succeededCount": 2, "failedCount": 1}},
            {"jobId": "x", "type": "scheduleUpdateTwin", "status": "queued"},
        ]))
        .unwrap();
        insta::assert_snapshot!(render(&jobs), @r"
        ID      TYPE                  STATUS   START                 END  SUCCEEDED  FAILED  TOTAL
        lock-1  scheduleDeviceMethod  running  2026-05-01T02:00:01Z  -    2          1       3
        x       scheduleUpdateTwin    queued   -                     -    -          -       -
        ");
    }
}
