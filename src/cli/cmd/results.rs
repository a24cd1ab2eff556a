//! `iotjob results ID`: what a job did on each device.

use serde_json::Value;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, failure};
use crate::cli::json_line::to_json_line;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::run_jobs::known_jobs;
use crate::cli::table;
use crate::client::{HubClient, QueryPage, device_jobs_query};
use crate::manifest::Success;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{DeviceJob, JobResponse, JobStatus};
use crate::run::{OutcomeClass, classify};

/// What `results` takes.
#[derive(Debug, clap::Args)]
pub struct ResultsArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    id: String,
    /// Show only devices that ended without success, also those that answered a method with a status outside 2xx
    #[arg(long)]
    failed: bool,
    /// How to write the rows to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    hub: HubArgs,
}

/// A device's row as the hub wrote it, and as we read it.
struct Row {
    written: Value,
    read: DeviceJob,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for an unknown id.
pub async fn run(args: ResultsArgs, printer: &Printer) -> Result<Exit, Failure> {
    let client = args.hub.client(printer)?;
    let jobs = known_jobs(&client, &args.id).await?;
    let devices =
        jobs.iter().filter_map(|job| job.device_job_statistics).map(|counts| counts.device_count).sum::<u64>();
    if devices > PAGE_ITEMS_MAX as u64 {
        printer.say(&format!("reading the rows of {devices} devices, {PAGE_ITEMS_MAX} a query"));
    }
    let mut table = Vec::new();
    for job in &jobs {
        let outcome = read(&client, &job.job_id, &args, printer, &mut table).await;
        if outcome.is_err() || jobs.len() == 1 {
            // What was read before a failure is worth showing.
            print_table(&mut table, printer);
        }
        if let Some(words) = what_is_missing(job, outcome?) {
            printer.say(&words);
        }
    }
    print_table(&mut table, printer);
    Ok(Exit::Success)
}

/// Reads all rows; prints them, or gathers them in `table`. Gives their number, shown or not.
async fn read(
    client: &HubClient,
    job_id: &str,
    args: &ResultsArgs,
    printer: &Printer,
    table: &mut Vec<Vec<String>>,
) -> Result<u64, Failure> {
    let mut rows_read = 0;
    let mut pages = client.query_pages(&device_jobs_query(job_id), PAGE_ITEMS_MAX);
    while let Some(page) = pages.next_page().await.map_err(|error| failure(&error))? {
        for row in rows(client, page)? {
            rows_read += 1;
            if args.failed && !ended_without_success(&row.read) {
                continue;
            }
            match args.output {
                OutputFormat::Json => printer.data(&to_json_line(&row.written)),
                OutputFormat::Text => table.push(row_cells(&row.read)),
            }
        }
        if table.len() >= table::ROWS_MAX {
            print_table(table, printer);
        }
    }
    Ok(rows_read)
}

fn print_table(rows: &mut Vec<Vec<String>>, printer: &Printer) {
    if !rows.is_empty() {
        printer.data(&table::render(&["DEVICE", "STATUS", "ANSWER", "UPDATED", "DETAIL"], rows.drain(..)));
    }
}

fn rows(client: &HubClient, page: QueryPage) -> Result<Vec<Row>, Failure> {
    let written = page.rows.clone();
    let read = client.device_job_rows(page).map_err(|error| failure(&error))?;
    Ok(written.into_iter().zip(read).map(|(written, read)| Row { written, read }).collect())
}

fn ended_without_success(row: &DeviceJob) -> bool {
    classify(row, &Success::default()).is_some_and(|result| result.outcome != OutcomeClass::Succeeded)
}

/// Says how many rows the hub does not show: it makes them some time after the job has begun (REST.md 5).
fn what_is_missing(job: &JobResponse, rows_read: u64) -> Option<String> {
    let expected = job.device_job_statistics.map(|counts| counts.device_count);
    match expected {
        None if rows_read == 0 && job.status == JobStatus::Cancelled => {
            Some("the job was cancelled before it began, so there are no rows".to_owned())
        }
        None if rows_read == 0 => Some("the job has not begun, so there are no rows".to_owned()),
        Some(expected) if expected > rows_read => {
            Some(format!("the hub shows {rows_read} of {expected} rows; they follow the job by some seconds"))
        }
        _ => None,
    }
}

fn row_cells(row: &DeviceJob) -> Vec<String> {
    let device = match &row.module_id {
        Some(module) => format!("{}/{module}", row.device_id),
        None => row.device_id.clone(),
    };
    let answer = row.outcome.as_ref().and_then(|outcome| outcome.device_method_response.as_ref());
    let detail = match (&row.error, answer) {
        (Some(error), _) if error.description.is_empty() => error.code.clone(),
        (Some(error), _) => format!("{}: {}", error.code, error.description),
        (None, Some(answer)) if !answer.payload.is_null() => answer.payload.to_string(),
        _ => String::new(),
    };
    vec![
        device,
        row.status.name().to_owned(),
        answer.map_or_else(|| "-".to_owned(), |answer| answer.status.to_string()),
        table::time(row.last_updated_date_time_utc),
        detail,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Vec<DeviceJob> {
        let base = json!({"jobId": "j", "jobType": "scheduleDeviceMethod"});
        let row = |more: Value| {
            let mut row = base.clone();
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(row).unwrap()
        };
        vec![
            row(json!({"deviceId": "good", "status": "completed", "lastUpdatedDateTimeUtc": "2026-05-01T02:00:01.7Z",
                "outcome": {"deviceMethodResponse": {"status": 200, "payload": {"ok": true}}}})),
            row(json!({"deviceId": "refuses", "status": "completed",
                "outcome": {"deviceMethodResponse": {"status": 403, "payload": null}}})),
            row(json!({"deviceId": "away", "status": "failed", "outcome": {},
                "error": {"code": "DeviceNotOnline", "description": "Timed out waiting for device to connect."}})),
            row(json!({"deviceId": "edge", "moduleId": "m", "status": "running"})),
        ]
    }

    #[test]
    fn each_row_says_how_it_went() {
        let cells = sample().iter().map(row_cells).collect::<Vec<_>>();
        insta::assert_snapshot!(table::render(&["DEVICE", "STATUS", "ANSWER", "UPDATED", "DETAIL"], cells), @r#"
        DEVICE   STATUS     ANSWER  UPDATED               DETAIL
        good     completed  200     2026-05-01T02:00:01Z  {"ok":true}
        refuses  completed  403     -
        away     failed     -       -                     DeviceNotOnline: Timed out waiting for device to connect.
        edge/m   running    -       -
        "#);
    }

    #[test]
    fn a_refusal_is_no_success_and_what_runs_has_not_failed() {
        let failed: Vec<_> = sample().into_iter().filter(ended_without_success).map(|row| row.device_id).collect();
        assert_eq!(failed, ["refuses", "away"]);
    }

    #[test]
    fn missing_rows_are_told() {
        let job = |counts: Value| -> JobResponse {
            serde_json::from_value(json!({"jobId": "j", "status": "running", "deviceJobStatistics": counts})).unwrap()
        };
        assert!(what_is_missing(&job(json!(null)), 0).unwrap().contains("not begun"));
        let cancelled = JobResponse { status: JobStatus::Cancelled, ..job(json!(null)) };
        assert!(what_is_missing(&cancelled, 0).unwrap().contains("cancelled"));
        assert!(what_is_missing(&job(json!({"deviceCount": 3})), 2).unwrap().contains("2 of 3"));
        assert_eq!(what_is_missing(&job(json!({"deviceCount": 3})), 3), None);
    }
}
