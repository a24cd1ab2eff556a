//! Which devices a job works on: its condition, judged once for every twin when the job starts (REST.md 4.5).

use std::ops::ControlFlow;

use super::job::{ActiveJob, Next, Phase};
use super::timer::Timer;
use super::{Engine, Turn};
use crate::hub::store::{RowRecord, StoreError, TwinCollection, WriteTables};
use crate::model::limits::JOB_STEP_MAX;
use crate::model::{DeviceJobStatus, JobStatistics, JobStatus, TwinId};
use crate::query::{Collection, Condition, KeyRange, Strictness, parse_condition_with};

/// The search for a job's targets, as far as it got.
///
/// Each twin is judged once, at one moment, in id order; rows are made when all have been, in one transaction.
/// A restart in between begins the search anew.
#[derive(Debug)]
pub(super) struct Evaluation {
    condition: Condition,
    collection: TwinCollection,
    range: KeyRange,
    after: Option<TwinId>,
    found: Vec<TwinId>,
}

impl Evaluation {
    /// Prepares the search.
    ///
    /// # Errors
    /// Why the condition cannot be used, in the service's form.
    pub(super) fn of(text: &str, strictness: Strictness) -> Result<Self, String> {
        let condition = parse_condition_with(text, strictness).map_err(|error| error.service_text(text))?;
        let collection = match condition.collection() {
            Collection::Devices => TwinCollection::Devices,
            Collection::Modules => TwinCollection::Modules,
            Collection::Jobs => {
                return Err(
                    "SQL query parse failed due to following errors:\n\tjobs cannot target devices.jobs".to_owned()
                );
            }
        };
        let range = condition.key_range();
        Ok(Self { condition, collection, range, after: None, found: Vec::new() })
    }
}

/// Whether a search has seen every twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    GoesOn,
    IsOver,
}

impl Evaluation {
    /// Judges some more twins.
    fn go_on(&mut self, tables: &WriteTables<'_>) -> Result<Search, StoreError> {
        if self.condition.is_everything() { self.take_some(tables) } else { self.judge_some(tables) }
    }

    /// A condition that everybody fulfils needs no documents.
    fn take_some(&mut self, tables: &WriteTables<'_>) -> Result<Search, StoreError> {
        let ids = tables.twins_after(self.collection, self.after.as_ref(), JOB_STEP_MAX)?;
        let search = if ids.len() < JOB_STEP_MAX { Search::IsOver } else { Search::GoesOn };
        self.after = ids.last().cloned();
        self.found.extend(ids);
        Ok(search)
    }

    fn judge_some(&mut self, tables: &WriteTables<'_>) -> Result<Search, StoreError> {
        let Self { condition, collection, range, after, found } = self;
        let mut judged = 0;
        let mut last = None;
        tables.scan_twins(*collection, range, after.as_ref(), &mut |id, document| {
            if condition.matches(&document) {
                found.push(id.clone());
            }
            judged += 1;
            if judged < JOB_STEP_MAX {
                return ControlFlow::Continue(());
            }
            last = Some(id.clone());
            ControlFlow::Break(())
        })?;
        if last.is_none() {
            return Ok(Search::IsOver);
        }
        *after = last;
        Ok(Search::GoesOn)
    }
}

impl Engine {
    /// Judges some more twins; after the last, makes the rows and lets the job run.
    pub(super) fn evaluate(&mut self, job: &mut ActiveJob, turn: &mut Turn<'_, '_>) -> Result<Next, StoreError> {
        let Phase::Evaluating(evaluation) = &mut job.phase else { return Ok(Next::Again) };
        if evaluation.go_on(turn.tables)? == Search::IsOver {
            let targets = std::mem::take(&mut evaluation.found);
            self.run_job(job, &targets, turn)?;
        }
        Ok(Next::Again)
    }

    fn run_job(&mut self, job: &mut ActiveJob, targets: &[TwinId], turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let id = job.record.request.job_id.clone();
        let row = RowRecord { status: DeviceJobStatus::Pending, updated: turn.now.into(), response: None, error: None };
        for target in targets {
            turn.tables.put_row(&id, target, &row)?;
        }
        let count = targets.len() as u64;
        job.record.status = JobStatus::Running;
        job.record.rows_created = Some(turn.now.into());
        job.record.statistics =
            Some(JobStatistics { device_count: count, pending_count: count, ..JobStatistics::default() });
        job.phase = Phase::Dispatching(None);
        self.timers.arm(job.record.deadline(), Timer::Deadline(id.clone()));
        self.unsaved_jobs.insert(id);
        Ok(())
    }
}
