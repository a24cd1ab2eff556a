//! Which jobs hold the hub's slots.

use crate::client::{ClientError, HubClient};
use crate::model::JobStatus;
use crate::plan::ActiveJob;

/// Jobs that are not over, the scheduled among them (REST.md 4.7).
pub(super) async fn active_jobs(client: &HubClient) -> Result<Vec<ActiveJob>, ClientError> {
    let mut active = Vec::new();
    for status in [JobStatus::Running, JobStatus::Queued, JobStatus::Scheduled] {
        let jobs = client.list_jobs(None, Some(status)).await?;
        active.extend(jobs.into_iter().map(|job| ActiveJob { job_id: job.job_id, status: job.status }));
    }
    Ok(active)
}
