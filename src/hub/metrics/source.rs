//! What a scrape finds: the counts, and what only the store knows.

use async_trait::async_trait;

use super::Metrics;
use super::families::STATUSES;
use crate::hub::engine::EngineHandle;
use crate::hub::store::{Counts, Snapshot, StoreError};
use crate::metrics::MetricsSource;
use crate::model::JobStatus;

const LOG: &str = "iotjob::hub::metrics";

/// A hub's counts and its store.
pub(crate) struct HubSource {
    /// What is counted along the way.
    pub(crate) metrics: Metrics,
    /// Whose state it is.
    pub(crate) engine: EngineHandle,
}

#[async_trait]
impl MetricsSource for HubSource {
    async fn text(&self) -> Option<String> {
        match self.engine.read(look).await {
            Ok((devices, jobs)) => self.metrics.render(self.engine.queued(), devices, &jobs).ok(),
            Err(error) => {
                tracing::error!(target: LOG, error = error.chain(), "the store cannot be read");
                None
            }
        }
    }
}

/// What nobody counts along the way.
fn look(snapshot: &Snapshot) -> Result<(Counts, Vec<(JobStatus, i64)>), StoreError> {
    let mut jobs: Vec<(JobStatus, i64)> = STATUSES.into_iter().map(|status| (status, 0)).collect();
    for job in snapshot.jobs()? {
        if let Some((_, count)) = jobs.iter_mut().find(|(status, _)| *status == job.status) {
            *count += 1;
        }
    }
    Ok((snapshot.counts()?, jobs))
}
