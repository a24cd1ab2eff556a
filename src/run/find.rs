//! Finds a manifest's run on the hub before anything is sent.

use super::carry::Context;
use super::jobs::{Failure, Jobs};
use super::verdict::Verdict;
use crate::model::{JobResponse, JobStatus};
use crate::plan::{RunId, Step};

/// Whether an ended run is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rerun {
    /// The highest run there is, is the run.
    No,
    /// The next free number is (`--rerun`).
    Yes,
}

/// What the hub has of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Nothing: it is to be created.
    New,
    /// This job, which is the first part's when the run has several.
    Job(Box<JobResponse>),
}

/// A step and what the hub has of it.
#[derive(Debug, Clone)]
pub struct Located {
    /// The step, under the id of the run that was found or that is free.
    pub step: Step,
    /// What the hub has.
    pub found: Result<Found, Failure>,
}

/// Looks for the manifest's first run and its re-runs, until a number is free.
///
/// The hub forgets an id after 30 days (REST.md 4.7), the first before its re-runs: so `-r1` is looked for even when
/// the first is not there.
pub(super) async fn locate<J: Jobs>(context: &Context<J>, step: Step, rerun: Rerun) -> Located {
    match find(context, &step, rerun).await {
        Ok((run_id, found)) => Located { step: step.under(&run_id), found: Ok(found) },
        Err(failure) => Located { step, found: Err(failure) },
    }
}

async fn find<J: Jobs>(context: &Context<J>, step: &Step, rerun: Rerun) -> Result<(RunId, Found), Failure> {
    let first = &step.run_id;
    let mut highest: Option<(RunId, JobResponse)> = None;
    let mut next = Some(first.clone());
    while let Some(run_id) = next {
        let job = context.read(step.job_id_under(&run_id).as_str()).await?;
        let is_known = job.status != JobStatus::Unknown;
        if !is_known && !run_id.is_first() {
            return Ok(match (highest, rerun) {
                (None, _) => (first.clone(), Found::New),
                (Some(_), Rerun::Yes) => (run_id, Found::New),
                (Some((run_id, job)), Rerun::No) => (run_id, Found::Job(Box::new(job))),
            });
        }
        next = run_id.next_rerun();
        if is_known {
            highest = Some((run_id, job));
        }
    }
    match (highest, rerun) {
        (Some((run_id, job)), Rerun::No) => Ok((run_id, Found::Job(Box::new(job)))),
        _ => Err(Failure::final_of(Verdict::Usage, format!("every re-run of `{first}` up to the last number exists"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::scripted::{ScriptedHub, context, step};

    #[tokio::test(start_paused = true)]
    async fn the_highest_run_is_found_and_rerun_takes_the_next() {
        let cases: [(&[&str], Rerun, &str, bool); 6] = [
            (&[], Rerun::No, "lock-0", false),
            (&[], Rerun::Yes, "lock-0", false),
            (&["lock-0"], Rerun::No, "lock-0", true),
            (&["lock-0"], Rerun::Yes, "lock-0-r1", false),
            (&["lock-0", "lock-0-r1", "lock-0-r2"], Rerun::No, "lock-0-r2", true),
            // The hub has forgotten the first.
            (&["lock-0-r1"], Rerun::No, "lock-0-r1", true),
        ];
        for (there, rerun, want, exists) in cases {
            let hub = ScriptedHub::with_jobs(there);
            let (context, _events) = context(hub);
            let located = locate(&context, step("lock-0"), rerun).await;
            assert_eq!(located.step.request().job_id.as_str(), want, "{there:?} {rerun:?}");
            assert_eq!(matches!(located.found, Ok(Found::Job(_))), exists, "{there:?} {rerun:?}");
        }
    }
}
