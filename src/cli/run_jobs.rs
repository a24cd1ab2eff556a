//! The hub's jobs behind an id: the job of that id, or all parts of the run.

use super::failure::Failure;
use super::hub_target::{job_failure, unknown_job};
use crate::client::HubClient;
use crate::model::limits::RUN_PARTS_MAX;
use crate::model::{JobId, JobResponse, JobStatus};
use crate::plan::part_id;

/// Reads a job that the hub must know.
///
/// # Errors
/// Exit 2 when it does not.
pub async fn known_job(client: &HubClient, id: &str) -> Result<JobResponse, Failure> {
    let job = client.job_by_text(id).await.map_err(|error| job_failure(id, &error))?;
    if job.status == JobStatus::Unknown { Err(unknown_job(id)) } else { Ok(job) }
}

/// Reads the job of an id, or every part of the run of that id: one of the two must be there.
///
/// # Errors
/// Exit 2 when the hub knows neither.
pub async fn known_jobs(client: &HubClient, id: &str) -> Result<Vec<JobResponse>, Failure> {
    let unknown = match known_job(client, id).await {
        Ok(job) => return Ok(vec![job]),
        Err(failure) => failure,
    };
    let mut jobs = Vec::new();
    while jobs.len() < RUN_PARTS_MAX {
        let part = part_id(id, jobs.len());
        // What is too long with `-pN` behind it is no run's id.
        if part.parse::<JobId>().is_err() {
            break;
        }
        match client.job_by_text(&part).await {
            Ok(job) if job.status != JobStatus::Unknown => jobs.push(job),
            Ok(_) => break,
            Err(error) if error.is_not_found() => break,
            Err(error) => return Err(job_failure(&part, &error)),
        }
    }
    if jobs.is_empty() { Err(unknown) } else { Ok(jobs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::client::tests::scripted_hub::{ScriptedHub, Step, answer, ok};

    fn job(id: &str, status: &str) -> Step {
        ok(&[], &format!(r#"{{"jobId":"{id}","type":"scheduleDeviceMethod","status":"{status}"}}"#))
    }

    #[tokio::test]
    async fn an_id_that_the_hub_does_not_know_is_wrong_usage() {
        let hub = ScriptedHub::start(vec![
            job("gone", "unknown"),
            answer("400 Bad Request", &["iothub-errorcode: ArgumentInvalid"], ""),
            answer("400 Bad Request", &["iothub-errorcode: ArgumentInvalid"], ""),
        ])
        .await;
        let client = hub.client();
        for (id, exit) in
            [("gone", Exit::Usage), ("no id", Exit::Usage), ("..", Exit::Usage), ("legal", Exit::Unexpected)]
        {
            let failure = known_job(&client, id).await.unwrap_err();
            assert_eq!(failure.exit, exit, "{id}: {failure}");
        }
    }

    #[tokio::test]
    async fn a_run_of_parts_is_found_by_its_own_id() {
        let hub = ScriptedHub::start(vec![
            job("run", "unknown"),
            job("run-p1", "completed"),
            job("run-p2", "running"),
            job("run-p3", "unknown"),
        ])
        .await;
        let ids: Vec<String> =
            known_jobs(&hub.client(), "run").await.unwrap().into_iter().map(|job| job.job_id).collect();
        assert_eq!(ids, ["run-p1", "run-p2"]);
    }
}
