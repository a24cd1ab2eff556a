//! What a run needs of a hub, and nothing more: the seam at which tests lose answers and kill runs.

use std::future::Future;

use super::verdict::Verdict;
use crate::model::{DeviceId, DeviceJob, JobRequest, JobResponse};

/// The hub, as a run sees it. Implementations repeat what is safe to repeat; a lost answer to [`Self::create`] is not.
///
/// Ids are plain text: a job that somebody else made may have one that iotjob would not give.
pub trait Jobs: Send + Sync + 'static {
    /// A job's rows, page by page.
    type Rows: RowPages;

    /// Creates a job, at most one request that may have any effect.
    fn create(&self, request: &JobRequest) -> impl Future<Output = Result<JobResponse, Failure>> + Send;
    /// Reads a job; its status is unknown when the hub does not know it, or not yet.
    fn read(&self, id: &str) -> impl Future<Output = Result<JobResponse, Failure>> + Send;
    /// Starts to read a job's rows; nothing is asked before the first page.
    fn rows(&self, id: &str) -> Self::Rows;
    /// Whether the hub knows the device.
    fn is_registered(&self, id: &DeviceId) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// A job's rows, page by page.
pub trait RowPages: Send {
    /// Whether another page is to be asked for.
    fn has_more(&self) -> bool;
    /// The next page, `None` after the last. A page may be short or empty though more follow (REST.md 9).
    fn next_page(&mut self) -> impl Future<Output = Result<Option<Vec<DeviceJob>>, Failure>> + Send;
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
