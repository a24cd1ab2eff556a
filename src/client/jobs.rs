//! Jobs v2: create, read, cancel, list (REST.md 4).

use reqwest::Method;
use serde_json::{Value, json};

use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::pages::Pages;
use super::retry::Repeat;
use super::transport::{Answer, Call};
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{JobId, JobRequest, JobResponse, JobStatus, JobType};

impl HubClient {
    /// Creates a job. What may have reached the hub is never sent again: see
    /// [`ClientError::may_have_been_carried_out`], and look for the job before another try.
    ///
    /// # Errors
    /// [`ClientError`]; `is_conflict` when the id exists, `is_without_job_slot` when all slots are taken.
    pub async fn create_job(&self, request: &JobRequest) -> Result<JobResponse, ClientError> {
        let id = request.job_id.as_str();
        let call = Call::new(Operation::CreateJob, Repeat::IfNotCarriedOut, Method::PUT, &["jobs", "v2", id])?;
        read_job(&self.send(&call.json(request)).await?, id)
    }

    /// Reads a job. An id that the hub does not know is no error: its status is [`JobStatus::Unknown`], and a fresh job
    /// may read so for a while (REST.md 4.6, 4.7).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job(&self, id: &JobId) -> Result<JobResponse, ClientError> {
        self.job_by_text(id.as_str()).await
    }

    /// Reads a job by any id of the hub, also one that is no [`JobId`].
    ///
    /// # Errors
    /// [`ClientError`]; [`ErrorKind::Unaddressable`](super::ErrorKind::Unaddressable) for an id that no URL can hold.
    pub async fn job_by_text(&self, id: &str) -> Result<JobResponse, ClientError> {
        let call = Call::new(Operation::ReadJob, Repeat::Freely, Method::GET, &["jobs", "v2", id])?;
        read_job(&self.send(&call).await?, id)
    }

    /// Asks the hub to cancel a job. Its answer may run ahead of what reading shows (REST.md 4.7).
    ///
    /// # Errors
    /// [`ClientError`]; `is_not_found` for an unknown id, `is_forbidden_by_state` for a job that runs or has ended. The
    /// call is repeated when its answer is lost, so the latter may also mean that the first try cancelled it.
    pub async fn cancel_job(&self, id: &JobId) -> Result<JobResponse, ClientError> {
        self.cancel_job_by_text(id.as_str()).await
    }

    /// Asks the hub to cancel the job of any id, also one that is no [`JobId`].
    ///
    /// # Errors
    /// As [`HubClient::cancel_job`].
    pub async fn cancel_job_by_text(&self, id: &str) -> Result<JobResponse, ClientError> {
        let call = Call::new(Operation::CancelJob, Repeat::Freely, Method::POST, &["jobs", "v2", id, "cancel"])?;
        read_job(&self.send(&call.json(&json!({}))).await?, id)
    }

    /// Lists the hub's jobs, all pages, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_jobs(
        &self,
        job_type: Option<JobType>,
        status: Option<JobStatus>,
    ) -> Result<Vec<JobResponse>, ClientError> {
        let mut call = Call::new(Operation::ListJobs, Repeat::Freely, Method::GET, &["jobs", "v2", "query"])?;
        if let Some(job_type) = job_type {
            call = call.parameter("jobType", &wire_name(&job_type));
        }
        if let Some(status) = status {
            call = call.parameter("jobStatus", &wire_name(&status));
        }
        let mut pages = Pages::new(self.clone(), call, PAGE_ITEMS_MAX);
        let mut jobs: Vec<JobResponse> = Vec::new();
        while let Some(page) = pages.next_page().await? {
            for row in page.rows {
                jobs.push(
                    serde_json::from_value(row)
                        .map_err(|error| self.bad_row(Operation::ListJobs, "an array of jobs", &error))?,
                );
            }
        }
        // The service promises no order (REST.md 4.8).
        jobs.sort_by_key(|job| std::cmp::Reverse(job.created_time));
        Ok(jobs)
    }
}

/// The word that the wire uses for an enum without fields.
fn wire_name(word: &impl serde::Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Reads a job; whether an unknown one echoes its id is not known (REST.md 4.7), so it is filled in.
fn read_job(answer: &Answer, id: &str) -> Result<JobResponse, ClientError> {
    const EXPECTED: &str = "a job";
    let mut job: Value = answer.json(EXPECTED)?;
    if let Some(members) = job.as_object_mut() {
        let echoed = members.entry("jobId").or_insert(Value::Null);
        if echoed.is_null() {
            *echoed = id.into();
        }
    }
    serde_json::from_value(job).map_err(|error| answer.bad_body(EXPECTED, &error))
}
