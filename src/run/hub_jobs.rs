//! The hub over REST, as a run sees it.

use super::jobs::{Failed, Failure, Jobs, RowPages};
use super::verdict::Verdict;
use crate::client::{ClientError, ErrorClass, HubClient, QueryPages, device_jobs_query};
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{DeviceId, DeviceJob, JobRequest, JobResponse, TwinId};

impl Jobs for HubClient {
    type Rows = JobRows;

    async fn create(&self, request: &JobRequest) -> Result<JobResponse, Failure> {
        self.create_job(request).await.map_err(|error| {
            let kind = if error.is_conflict() {
                Failed::Exists
            } else if error.is_without_job_slot() {
                Failed::NoSlot
            } else if error.may_have_been_carried_out() {
                Failed::Lost
            } else {
                Failed::Final(verdict(&error))
            };
            failure(kind, &error)
        })
    }

    async fn read(&self, id: &str) -> Result<JobResponse, Failure> {
        self.job_by_text(id).await.map_err(|error| last_failure(&error))
    }

    fn rows(&self, id: &str) -> JobRows {
        JobRows { pages: self.query_pages(&device_jobs_query(id), PAGE_ITEMS_MAX), client: self.clone() }
    }

    async fn is_registered(&self, id: &DeviceId) -> Result<bool, Failure> {
        match self.twin(&TwinId::device(id.clone())).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(last_failure(&error)),
        }
    }
}

/// A query for rows under way.
pub struct JobRows {
    pages: QueryPages,
    client: HubClient,
}

impl RowPages for JobRows {
    fn has_more(&self) -> bool {
        self.pages.has_more()
    }

    async fn next_page(&mut self) -> Result<Option<Vec<DeviceJob>>, Failure> {
        let page = self.pages.next_page().await.map_err(|error| last_failure(&error))?;
        page.map(|page| self.client.device_job_rows(page).map_err(|error| last_failure(&error))).transpose()
    }
}

fn last_failure(error: &ClientError) -> Failure {
    failure(Failed::Final(verdict(error)), error)
}

fn failure(kind: Failed, error: &ClientError) -> Failure {
    Failure { kind, message: error.to_string(), hint: error.hint() }
}

fn verdict(error: &ClientError) -> Verdict {
    match error.class() {
        ErrorClass::Usage => Verdict::Usage,
        ErrorClass::NotPermitted => Verdict::NotPermitted,
        ErrorClass::Unavailable => Verdict::HubUnavailable,
        ErrorClass::Unexpected => Verdict::Unexpected,
    }
}
