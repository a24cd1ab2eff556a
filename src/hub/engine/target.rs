//! Which devices a job works on: its condition, judged once for every twin when the job starts (REST.md 4.5).

use std::ops::ControlFlow;

use super::job::{ActiveJob, Next, Phase};
use super::timer::Timer;
use super::{Engine, Turn};
use crate::hub::store::{Portion, StoreError, TwinCollection, TwinScan, WriteTables};
use crate::model::limits::JOB_STEP_MAX;
use crate::model::{JobStatistics, JobStatus, TwinId};
use crate::query::{Collection, Condition, KeyRange, Strictness, parse_condition_with};

/// The search for a job's targets, as far as it got.
///
/// Each twin is judged once, in id order, and gets its row in the same transaction; the job runs when all have been.
/// A restart in between begins the search anew, and rows of the search before it go first.
#[derive(Debug)]
pub(super) struct Evaluation {
    condition: Condition,
    collection: TwinCollection,
    range: KeyRange,
    after: Option<TwinId>,
    former: FormerRows,
    targets: u64,
}

/// Whether a search that a crash cut off may have left rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormerRows {
    MayBe,
    Gone,
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
        Ok(Self { condition, collection, range, after: None, former: FormerRows::MayBe, targets: 0 })
    }
}

/// Whether a search has seen every twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    GoesOn,
    IsOver,
}

impl Evaluation {
    /// Judges some more twins and gives those that are targets.
    fn go_on(&mut self, tables: &WriteTables<'_>) -> Result<(Vec<TwinId>, Search), StoreError> {
        if self.condition.is_everything() { self.take_some(tables) } else { self.judge_some(tables) }
    }

    /// A condition that everybody fulfils needs no documents.
    fn take_some(&mut self, tables: &WriteTables<'_>) -> Result<(Vec<TwinId>, Search), StoreError> {
        let ids = tables.twins_after(self.collection, self.after.as_ref(), JOB_STEP_MAX)?;
        let search = if ids.len() < JOB_STEP_MAX { Search::IsOver } else { Search::GoesOn };
        self.after = ids.last().cloned();
        Ok((ids, search))
    }

    fn judge_some(&mut self, tables: &WriteTables<'_>) -> Result<(Vec<TwinId>, Search), StoreError> {
        let Self { condition, collection, range, after, .. } = self;
        let mut found = Vec::new();
        let mut judged = 0;
        let mut last = None;
        let shows = Portion::of(&condition.filter_reads());
        let scan = TwinScan { collection: *collection, range, after: after.as_ref(), filter: None, shows: &shows };
        tables.scan_twins(&scan, &mut |id, document| {
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
        let search = if last.is_none() { Search::IsOver } else { Search::GoesOn };
        *after = last;
        Ok((found, search))
    }
}

impl Engine {
    /// Judges some more twins and makes the rows of those that are targets; after the last, lets the job run.
    pub(super) fn evaluate(&mut self, job: &mut ActiveJob, turn: &mut Turn<'_, '_>) -> Result<Next, StoreError> {
        let id = job.record.request.job_id.clone();
        let Phase::Evaluating(evaluation) = &mut job.phase else { return Ok(Next::Again) };
        if evaluation.former == FormerRows::MayBe {
            turn.tables.remove_rows(&id)?;
            evaluation.former = FormerRows::Gone;
            job.record.rows_created = Some(turn.now.into());
            self.unsaved_jobs.insert(id);
            return Ok(Next::Again);
        }
        let (targets, search) = evaluation.go_on(turn.tables)?;
        turn.tables.add_targets(&id, &targets, turn.now)?;
        evaluation.targets += targets.len() as u64;
        if search == Search::IsOver {
            let count = evaluation.targets;
            self.run_job(job, count);
        }
        Ok(Next::Again)
    }

    fn run_job(&mut self, job: &mut ActiveJob, targets: u64) {
        let id = job.record.request.job_id.clone();
        job.record.status = JobStatus::Running;
        job.record.statistics =
            Some(JobStatistics { device_count: targets, pending_count: targets, ..JobStatistics::default() });
        job.phase = Phase::Dispatching(None);
        self.timers.arm(job.record.deadline(), Timer::Deadline(id.clone()));
        self.unsaved_jobs.insert(id);
    }
}
