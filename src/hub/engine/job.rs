//! Jobs v2: taken in, started, ended, forgotten (REST.md 4).
//!
//! ```text
//! create ─▶ Due ─▶ (start is ahead: scheduled, timer) ─▶ Evaluating ─▶ Dispatching ─▶ Waiting ─▶ completed
//!                          │ cancel                  bad condition ─▶ failed │ deadline ─▶ Expiring ─▶ completed
//! ```

use std::collections::{BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::command::{Fault, Reply};
use super::method::CallEnd;
use super::target::Evaluation;
use super::timer::Timer;
use super::{Engine, Turn};
use crate::hub::HubError;
use crate::hub::notice::CallId;
use crate::hub::store::{JobRecord, StoreError};
use crate::model::limits::JOB_HISTORY_DAYS;
use crate::model::{ErrorCode, JobId, JobRequest, JobStatus, TwinId, WireTime};

/// A job that has not ended.
#[derive(Debug)]
pub(super) struct ActiveJob {
    pub(super) record: JobRecord,
    pub(super) phase: Phase,
    /// Devices that came after the cursor had passed them.
    pub(super) ready: VecDeque<TwinId>,
    /// Calls under way.
    pub(super) calls: BTreeSet<CallId>,
}

/// What the next step of a job does.
#[derive(Debug)]
pub(super) enum Phase {
    /// Looks at its start.
    Due,
    /// Looks for its targets.
    Evaluating(Evaluation),
    /// Works on the rows after this one.
    Dispatching(Option<TwinId>),
    /// All rows were worked on; answers and devices are awaited.
    Waiting,
    /// Time is up: ends the rows after this one.
    Expiring(Option<TwinId>),
}

/// Whether a job needs another step soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more to do now.
    Again,
    /// Something must happen first.
    Idle,
}

/// Jobs that have something to do now; they take turns.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    order: VecDeque<JobId>,
    members: BTreeSet<JobId>,
}

impl RunQueue {
    /// Adds a job at the end, unless it waits for its turn already.
    pub(super) fn push(&mut self, id: JobId) {
        if !self.members.contains(&id) {
            self.members.insert(id.clone());
            self.order.push_back(id);
        }
    }

    /// Takes the next job.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        let id = self.order.pop_front()?;
        self.members.remove(&id);
        Some(id)
    }

    /// Whether no job has anything to do.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl ActiveJob {
    fn new(record: JobRecord, phase: Phase) -> Self {
        Self { record, phase, ready: VecDeque::new(), calls: BTreeSet::new() }
    }

    /// Whether every row has ended.
    pub(super) fn is_done(&self) -> bool {
        self.record.statistics.is_some_and(|counts| counts.pending_count + counts.running_count == 0)
    }
}

impl Engine {
    /// Takes a job in.
    pub(super) fn create_job(&mut self, request: JobRequest, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        super::request::check(&request, turn.now)?;
        let id = request.job_id.clone();
        if turn.tables.job(&id)?.is_some() {
            let text = format!("Job with ID '{id}' already exists.");
            return Err(HubError::new(ErrorCode::JobAlreadyExists, text).into());
        }
        // A scheduled job holds a slot too (REST.md 4.7).
        if self.jobs.len() >= self.pace.slots {
            let text = format!("The hub has reached its maximum of {} active jobs.", self.pace.slots);
            return Err(HubError::new(ErrorCode::ThrottlingMaxActiveJobCountExceeded, text).into());
        }
        let created = WireTime::from(turn.now);
        let record = JobRecord {
            // conformance-choice: REST.md 4.2: a start in the past means now, however far back it lies
            // A start that has passed means now; the deadline counts from when the job could begin.
            start: request.start_time.filter(|start| *start > created).unwrap_or(created),
            request,
            status: JobStatus::Queued,
            created,
            end: None,
            failure: None,
            statistics: None,
            rows_created: None,
        };
        turn.tables.put_job(&record)?;
        let receipt = record.receipt();
        self.jobs.insert(id.clone(), Box::new(ActiveJob::new(record, Phase::Due)));
        self.run_queue.push(id);
        Ok(Reply::Job(Box::new(receipt)))
    }

    // conformance-choice: REST.md 5: a job that is cancelled before it ran has no rows
    /// Cancels a job that does not run yet (REST.md 4.7).
    pub(super) fn cancel_job(&mut self, id: &JobId, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        let stored = turn.tables.job(id)?;
        let status = self.jobs.get(id).map(|job| job.record.status).or(stored.map(|record| record.status));
        match status {
            None => Err(HubError::new(ErrorCode::JobNotFound, id.as_str()).into()),
            Some(JobStatus::Queued | JobStatus::Scheduled) => {
                let Some(job) = self.jobs.remove(id) else {
                    return Err(HubError::new(ErrorCode::JobNotFound, id.as_str()).into());
                };
                if matches!(job.phase, Phase::Evaluating(_)) {
                    turn.tables.remove_rows(id)?;
                }
                let ended = self.end_job(job, JobStatus::Cancelled, turn)?;
                Ok(Reply::Job(Box::new(ended.response())))
            }
            Some(status) => {
                let text = format!("Job cannot be cancelled in '{status:?}' status.");
                Err(HubError::new(ErrorCode::OperationNotAllowedInCurrentState, text).into())
            }
        }
    }

    /// Takes up the jobs of a former life.
    pub(super) fn restore_jobs(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for mut record in turn.tables.jobs()? {
            let id = record.request.job_id.clone();
            if record.status.is_terminal() {
                self.timers.arm(forgotten(&record), Timer::Forget(id));
                continue;
            }
            let phase = if record.status == JobStatus::Running {
                self.timers.arm(record.deadline(), Timer::Deadline(id.clone()));
                Phase::Dispatching(None)
            } else {
                if record.start < turn.now.into() {
                    // Nobody was there to start it: its time counts from now.
                    record.start = turn.now.into();
                    turn.tables.put_job(&record)?;
                }
                Phase::Due
            };
            self.jobs.insert(id.clone(), Box::new(ActiveJob::new(record, phase)));
            self.run_queue.push(id);
        }
        Ok(())
    }

    /// Does one bounded piece of a job's work.
    pub(super) fn step_job(&mut self, id: &JobId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(mut job) = self.jobs.remove(id) else { return Ok(()) };
        let next = match &mut job.phase {
            Phase::Due => match self.begin(&mut job, turn)? {
                Ok(next) => next,
                Err(reason) => return self.fail_job(job, reason, turn),
            },
            Phase::Evaluating(_) => self.evaluate(&mut job, turn)?,
            Phase::Dispatching(_) | Phase::Waiting => self.dispatch(&mut job, turn)?,
            Phase::Expiring(_) => self.expire_rows(&mut job, turn)?,
        };
        if job.is_done() {
            self.end_job(job, JobStatus::Completed, turn)?;
            return Ok(());
        }
        self.jobs.insert(id.clone(), job);
        if next == Next::Again {
            self.run_queue.push(id.clone());
        }
        Ok(())
    }

    /// Waits for the start or begins; the inner error is why the job cannot run.
    fn begin(&mut self, job: &mut ActiveJob, turn: &mut Turn<'_, '_>) -> Result<Result<Next, String>, StoreError> {
        let id = &job.record.request.job_id;
        if let Some(start) = job.record.start.timestamp().filter(|start| *start > turn.now) {
            if job.record.status != JobStatus::Scheduled {
                job.record.status = JobStatus::Scheduled;
                turn.tables.put_job(&job.record)?;
            }
            self.timers.arm(start, Timer::Start(id.clone()));
            return Ok(Ok(Next::Idle));
        }
        Ok(Evaluation::of(&job.record.request.query_condition, self.strictness).map(|evaluation| {
            job.phase = Phase::Evaluating(evaluation);
            Next::Again
        }))
    }

    // conformance-choice: REST.md 4.5: the reason of a failed job stands in failureReason and in statusMessage
    fn fail_job(&mut self, mut job: Box<ActiveJob>, reason: String, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        job.record.failure = Some(reason);
        self.end_job(job, JobStatus::Failed, turn)?;
        Ok(())
    }

    /// A job's time is up: calls under way end now, the other rows in steps.
    pub(super) fn job_overdue(&mut self, id: &JobId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get_mut(id) else { return Ok(()) };
        job.phase = Phase::Expiring(None);
        for call in std::mem::take(&mut job.calls) {
            self.end_call(call, CallEnd::TimedOut, turn)?;
        }
        if self.jobs.contains_key(id) {
            self.run_queue.push(id.clone());
        }
        Ok(())
    }

    // conformance-choice: REST.md 4.5: a job that matches nobody completes with zero counts
    /// Ends a job if its last row has ended, or gives it its turn for what it has still to do.
    pub(super) fn end_if_done(&mut self, id: &JobId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        if job.is_done() {
            if let Some(job) = self.jobs.remove(id) {
                self.end_job(job, JobStatus::Completed, turn)?;
            }
            return Ok(());
        }
        if matches!(job.phase, Phase::Dispatching(_) | Phase::Expiring(_)) || !job.ready.is_empty() {
            self.run_queue.push(id.clone());
        }
        Ok(())
    }

    fn end_job(
        &mut self,
        mut job: Box<ActiveJob>,
        status: JobStatus,
        turn: &mut Turn<'_, '_>,
    ) -> Result<JobRecord, StoreError> {
        job.record.status = status;
        job.record.end = Some(turn.now.into());
        turn.tables.put_job(&job.record)?;
        let id = job.record.request.job_id.clone();
        if let Some(start) = job.record.start.timestamp() {
            self.timers.disarm(start, Timer::Start(id.clone()));
        }
        self.timers.disarm(job.record.deadline(), Timer::Deadline(id.clone()));
        self.timers.arm(forgotten(&job.record), Timer::Forget(id));
        Ok(job.record)
    }
}

/// When an ended job leaves the history (REST.md 4.7).
fn forgotten(record: &JobRecord) -> Timestamp {
    let end = record.end.and_then(WireTime::timestamp).unwrap_or(Timestamp::MIN);
    end.saturating_add(SignedDuration::from_hours(24 * JOB_HISTORY_DAYS)).unwrap_or(Timestamp::MAX)
}
