//! A running job at work: patches twins, sends calls, and ends what time has run out for.
//!
//! Rows are worked on in id order by a cursor. A method job's row whose device is away is left to wait for it; when it
//! comes, the job finds it in `ready`. A row met in `running` was sent in a former life of the hub: nobody knows what
//! became of it, and it is not sent again (product.md 5).
//!
//! Calls that a step sends are marked as sent together, by the last of them: a row is written once, when its call ends.

use super::command::Fault;
use super::job::{ActiveJob, Next, Phase};
use super::method::{CallEnd, TIMED_OUT};
use super::row::{Move, never_came};
use super::timer::after_seconds;
use super::{Engine, Turn};
use crate::hub::notice::CallId;
use crate::hub::store::{JobRow, StoreError};
use crate::model::limits::{JOB_CALLS_MAX, JOB_STEP_MAX, RESPONSE_TIMEOUT_S};
use crate::model::{DeviceJobStatus, ErrorCode, JobId, JobType, TwinId, TwinPatch};
use crate::mqtt::Subscription;

/// What a row still needs that was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marking {
    /// Nothing.
    Done,
    /// Its call goes out in this turn, and the step marks it as sent with the others.
    WithOthers,
}

impl Engine {
    /// Works on the next rows.
    pub(super) fn dispatch(&mut self, job: &mut ActiveJob, turn: &mut Turn<'_, '_>) -> Result<Next, StoreError> {
        let room = match job.record.request.job_type {
            JobType::ScheduleDeviceMethod => JOB_STEP_MAX.min(JOB_CALLS_MAX.saturating_sub(job.calls.len())),
            JobType::ScheduleUpdateTwin | JobType::Unknown => JOB_STEP_MAX,
        };
        let room = room.min(self.pace.ready(turn.now));
        let served = self.serve_ready(job, room, turn)?;
        let rest = room - served;
        if rest > 0
            && let Phase::Dispatching(after) = &job.phase
        {
            let rows = turn.tables.rows_after(&job.record.request.job_id, after.as_ref(), rest)?;
            job.phase = match rows.last() {
                Some((last, _)) if rows.len() == rest => Phase::Dispatching(Some(last.clone())),
                _ => Phase::Waiting,
            };
            let mut sent_through = None;
            for (target, row) in rows {
                if self.work_on(job, &target, &row, turn)? == Marking::WithOthers {
                    sent_through = Some(target);
                }
            }
            if let Some(target) = sent_through {
                turn.tables.mark_sent(&job.record.request.job_id, &target, turn.now)?;
            }
        }
        Ok(self.next_turn(job, turn))
    }

    fn serve_ready(&mut self, job: &mut ActiveJob, room: usize, turn: &mut Turn<'_, '_>) -> Result<usize, StoreError> {
        let mut served = 0;
        while served < room
            && let Some(target) = job.ready.pop_front()
        {
            served += 1;
            if let Some(record) = turn.tables.written_row(&job.record.request.job_id, &target)?
                && record.status == DeviceJobStatus::Pending
            {
                self.work_on(job, &target, &JobRow { record, is_written: true }, turn)?;
            }
        }
        Ok(served)
    }

    fn work_on(
        &mut self,
        job: &mut ActiveJob,
        target: &TwinId,
        row: &JobRow,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Marking, StoreError> {
        match (row.record.status, job.record.request.job_type) {
            (DeviceJobStatus::Pending, JobType::ScheduleDeviceMethod) => {
                return self.call_or_wait(job, target, row, turn);
            }
            (DeviceJobStatus::Pending, JobType::ScheduleUpdateTwin) => self.patch_target(job, target, turn)?,
            (DeviceJobStatus::Running, _) => {
                let lost = Move::Failed(ErrorCode::GatewayTimeout, TIMED_OUT.to_owned());
                self.move_row(job, target, DeviceJobStatus::Running, lost, turn)?;
            }
            _ => {}
        }
        Ok(Marking::Done)
    }

    /// Patches one twin; what the twin does not take fails the row, not the job.
    fn patch_target(
        &mut self,
        job: &mut ActiveJob,
        target: &TwinId,
        turn: &mut Turn<'_, '_>,
    ) -> Result<(), StoreError> {
        self.pace.spend(turn.now);
        let half = job.record.request.update_twin.as_ref();
        let desired = half.and_then(|twin| twin.properties.as_ref()).and_then(|properties| properties.desired.clone());
        let patch = TwinPatch {
            tags: half.and_then(|twin| twin.tags.clone()).map(Into::into),
            desired: desired.map(Into::into),
        };
        let change = match self.write_twin(target, patch, turn) {
            Ok(()) => Move::Completed(None),
            Err(Fault::Refused(error)) => Move::Failed(error.code, error.message),
            Err(Fault::Store(error)) => return Err(error),
        };
        self.move_row(job, target, DeviceJobStatus::Pending, change, turn)
    }

    /// Marks a row as sent and sends the call, or lets it wait for its device.
    fn call_or_wait(
        &mut self,
        job: &mut ActiveJob,
        target: &TwinId,
        row: &JobRow,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Marking, StoreError> {
        let id = job.record.request.job_id.clone();
        let Some(connection) = self.subscribed(target, Subscription::Methods) else {
            if turn.tables.identity(target)?.is_none() {
                let gone = Move::Failed(ErrorCode::DeviceNotFound, target.to_string());
                self.move_row(job, target, DeviceJobStatus::Pending, gone, turn)?;
                return Ok(Marking::Done);
            }
            if !row.is_written {
                // By itself, so that those who are sent with its neighbours do not take it along.
                turn.tables.put_row(&id, target, &row.record)?;
            }
            self.wait_for_device(target.clone(), &id);
            return Ok(Marking::Done);
        };
        let Some(method) = job.record.request.cloud_to_device_method.clone() else { return Ok(Marking::Done) };
        self.pace.spend(turn.now);
        let marking = if row.is_written {
            self.move_row(job, target, DeviceJobStatus::Pending, Move::Sent, turn)?;
            Marking::Done
        } else {
            self.count_move(job, DeviceJobStatus::Pending, DeviceJobStatus::Running);
            Marking::WithOthers
        };
        let timeout = method.response_timeout_in_seconds.unwrap_or(RESPONSE_TIMEOUT_S.2);
        let due = after_seconds(turn.now, timeout).min(job.record.deadline());
        let call = self.send_job_call(&id, target.clone(), connection, due, (method.method_name, method.payload));
        job.calls.insert(call);
        Ok(marking)
    }

    /// A call of a job ended.
    ///
    /// A link lost in mid-call has a code of its own, so that "may have run" can be told from "was offline": the
    /// service's is unknown (REST.md 7), ours is `DeviceConnectionClosedRemotely`.
    pub(super) fn job_call_ended(
        &mut self,
        id: &JobId,
        target: &TwinId,
        call: CallId,
        end: CallEnd,
        turn: &mut Turn<'_, '_>,
    ) -> Result<(), StoreError> {
        if let Some(job) = self.jobs.get_mut(id) {
            job.calls.remove(&call);
        }
        let change = match end {
            CallEnd::Answered(response) => Move::Completed(Some(response)),
            CallEnd::TimedOut => Move::Failed(ErrorCode::GatewayTimeout, TIMED_OUT.to_owned()),
            CallEnd::LinkLost => {
                let text =
                    "Device unavailable: the connection ended before the device answered; the method may have run.";
                Move::Failed(ErrorCode::DeviceConnectionClosedRemotely, text.to_owned())
            }
        };
        self.move_row_of(id, target, DeviceJobStatus::Running, change, turn)
    }

    /// A device came that a job's row waited for.
    pub(super) fn target_came(&mut self, id: &JobId, target: &TwinId) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.ready.push_back(target.clone());
            self.run_queue.push(id.clone());
        }
    }

    /// A device was deleted that a job's row waited for.
    pub(super) fn target_deleted(
        &mut self,
        id: &JobId,
        target: &TwinId,
        turn: &mut Turn<'_, '_>,
    ) -> Result<(), StoreError> {
        let gone = Move::Failed(ErrorCode::DeviceNotFound, target.to_string());
        self.move_row_of(id, target, DeviceJobStatus::Pending, gone, turn)
    }

    /// Ends the next rows of a job whose time is up.
    pub(super) fn expire_rows(&mut self, job: &mut ActiveJob, turn: &mut Turn<'_, '_>) -> Result<Next, StoreError> {
        let Phase::Expiring(after) = &job.phase else { return Ok(Next::Idle) };
        let id = job.record.request.job_id.clone();
        let rows = turn.tables.rows_after(&id, after.as_ref(), JOB_STEP_MAX)?;
        if let Some((last, _)) = rows.last() {
            job.phase = Phase::Expiring(Some(last.clone()));
        }
        for (target, row) in rows {
            let from = row.record.status;
            let change = match from {
                DeviceJobStatus::Pending => never_came(),
                DeviceJobStatus::Running => Move::Failed(ErrorCode::GatewayTimeout, TIMED_OUT.to_owned()),
                _ => continue,
            };
            self.wait_no_more(&target, &id);
            self.move_row(job, &target, from, change, turn)?;
        }
        Ok(Next::Again)
    }
}
