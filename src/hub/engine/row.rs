//! One device's share of a job: its moves from `pending` to an end, with the job's counts always in step (REST.md 5).

use std::collections::BTreeSet;

use super::job::ActiveJob;
use super::{Engine, Turn};
use crate::hub::store::{RowRecord, StoreError};
use crate::model::{DeviceJobError, DeviceJobStatus, ErrorCode, JobId, JobStatistics, MethodResponse, TwinId};

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Move {
    /// The call is marked as sent.
    Sent,
    /// The device answered, or its twin was patched.
    Completed(Option<MethodResponse>),
    /// It ended without.
    Failed(ErrorCode, String),
}

/// A row of a method job whose device never came (REST.md 5).
pub(super) fn never_came() -> Move {
    let text = "The job did not start on the device within the given period: \
                the device was not connected, or the end time of the job is invalid.";
    Move::Failed(ErrorCode::JobRunPreconditionFailed, text.to_owned())
}

impl Engine {
    /// Moves a row that is in status `from`, and the job's counts with it.
    pub(super) fn move_row(
        &mut self,
        job: &mut ActiveJob,
        target: &TwinId,
        from: DeviceJobStatus,
        change: Move,
        turn: &mut Turn<'_, '_>,
    ) -> Result<(), StoreError> {
        write_move(&mut self.unsaved_jobs, job, (target, from, change), turn)
    }

    /// As [`Self::move_row`], for a job that is not in a step.
    pub(super) fn move_row_of(
        &mut self,
        id: &JobId,
        target: &TwinId,
        from: DeviceJobStatus,
        change: Move,
        turn: &mut Turn<'_, '_>,
    ) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get_mut(id) else { return Ok(()) };
        write_move(&mut self.unsaved_jobs, job, (target, from, change), turn)?;
        self.end_if_done(id, turn)
    }

    /// Counts a row that moves and is not written by itself.
    pub(super) fn count_move(&mut self, job: &mut ActiveJob, from: DeviceJobStatus, to: DeviceJobStatus) {
        count(&mut self.unsaved_jobs, job, from, to);
    }
}

fn write_move(
    unsaved: &mut BTreeSet<JobId>,
    job: &mut ActiveJob,
    (target, from, change): (&TwinId, DeviceJobStatus, Move),
    turn: &mut Turn<'_, '_>,
) -> Result<(), StoreError> {
    let row = moved(change, turn);
    turn.tables.put_row(&job.record.request.job_id, target, &row)?;
    count(unsaved, job, from, row.status);
    Ok(())
}

fn count(unsaved: &mut BTreeSet<JobId>, job: &mut ActiveJob, from: DeviceJobStatus, to: DeviceJobStatus) {
    if let Some(counts) = &mut job.record.statistics {
        *count_of(counts, from) -= 1;
        *count_of(counts, to) += 1;
    }
    let id = &job.record.request.job_id;
    if !unsaved.contains(id) {
        unsaved.insert(id.clone());
    }
}

fn moved(change: Move, turn: &Turn<'_, '_>) -> RowRecord {
    let (status, response, error) = match change {
        Move::Sent => (DeviceJobStatus::Running, None, None),
        Move::Completed(response) => (DeviceJobStatus::Completed, response, None),
        Move::Failed(code, description) => {
            let error = DeviceJobError { code: code.name().to_owned(), description };
            (DeviceJobStatus::Failed, None, Some(error))
        }
    };
    RowRecord { status, updated: turn.now, response, error }
}

fn count_of(counts: &mut JobStatistics, status: DeviceJobStatus) -> &mut u64 {
    match status {
        DeviceJobStatus::Completed => &mut counts.succeeded_count,
        DeviceJobStatus::Running => &mut counts.running_count,
        DeviceJobStatus::Failed | DeviceJobStatus::Canceled => &mut counts.failed_count,
        DeviceJobStatus::Pending | DeviceJobStatus::Scheduled | DeviceJobStatus::Unknown => &mut counts.pending_count,
    }
}
