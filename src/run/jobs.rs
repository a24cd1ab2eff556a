//! What a run needs of a hub, and nothing more: the seam at which tests lose answers and kill runs.

use std::future::Future;

use super::verdict::Verdict;
use crate::model::{DeviceId, DeviceJob, JobId, JobRequest, JobResponse};

/// The hub, as a run sees it. Implementations repeat what is safe to repeat; a lost answer to [`Self::create`] is not.
pub trait Jobs: Send + Sync + 'static {
    /// Creates a job, at most one request that may have any effect.
    fn create(&self, request: &JobRequest) -> impl Future<Output = Result<JobResponse, Failure>> + Send;
    /// Reads a job; `None` when the hub does not know it, or not yet.
    fn read(&self, id: &JobId) -> impl Future<Output = Result<Option<JobResponse>, Failure>> + Send;
    /// Reads a page of a job's rows, the first without a continuation.
    fn rows(
        &self,
        id: &JobId,
        continuation: Option<String>,
    ) -> impl Future<Output = Result<RowPage, Failure>> + Send;
    /// Whether the hub knows the device.
    fn is_registered(&self, id: &DeviceId) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowPage {
    /// The rows; a page may be short or empty though more follow (REST.md 9).
    pub rows: Vec<DeviceJob>,
    /// Where the next page begins.
    pub continuation: Option<String>,
}

/// What a run does about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// 409: a job of this id is there.
    Exists,
    /// Every job slot is taken; the call had no effect.
    NoSlot,
    /// The call may have been carried out.
    Lost,
    /// Nothing can be done about it; the run ends so.
    Final(Verdict),
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What to do about it.
    pub kind: Failed,
    /// What happened.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that ends the run.
    #[must_use]
    pub fn final_of(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { kind: Failed::Final(verdict), message: message.into(), hint: None }
    }

    /// What the run comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.kind {
            Failed::Final(verdict) => verdict,
            Failed::Exists => Verdict::Unexpected,
            Failed::NoSlot | Failed::Lost => Verdict::HubUnavailable,
        }
    }
}
