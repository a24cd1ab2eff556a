//! Asks a hub what plans would do, and creates nothing.
//!
//! ```text
//! Located ─ questions ─▶ hub ─ rows ─▶ compare ─▶ Changes ┐
//!         └ tags, slots ─▶ hub ───────────────────────────┴▶ Outlook
//! ```

mod questions;
mod slots;
mod tags;
mod targets;

pub use targets::{Finding, Watcher};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::{ClientError, HubClient};
use crate::manifest::{Action, Manifest};
use crate::model::tier::{Operation, Tier, jobs_at_a_time};
use crate::model::{Clock, JobResponse, JobStatus};
use crate::plan::{Changes, Outlook, PLAN_VERSION, RunOutlook, Source, Standing, Step, forecast, time_for};
use crate::run::{Budget, Found};

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Where twins are read.
    pub source: Source,
    /// Whether every target is asked for by name.
    pub names: Names,
    /// Most targets of a run that are read, when not all.
    pub sample: Option<u64>,
}

impl Scope {
    /// For who only counts.
    #[must_use]
    pub const fn counting() -> Self {
        Self { source: Source::Index, names: Names::Some, sample: None }
    }
}

/// Whether a plan wants every target by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Counts are enough where they are to be had.
    Some,
    /// It does.
    All,
}

/// Whose throttles a forecast follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierChoice {
    /// The tier.
    pub tier: Tier,
    /// Whether nobody named it.
    pub is_assumed: bool,
}

/// A manifest with its step, and what the hub has of its run.
pub struct Subject<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Its step, under the id of the run.
    pub step: &'a Step,
    /// What the hub has.
    pub found: &'a Found,
}

/// Asks a hub, within a budget of queries.
pub struct Survey<'a> {
    client: &'a HubClient,
    queries: Arc<Budget>,
    clock: Clock,
    scope: Scope,
    asked: AtomicU64,
}

impl<'a> Survey<'a> {
    /// Gets ready.
    #[must_use]
    pub fn new(client: &'a HubClient, queries: Budget, clock: Clock, scope: Scope) -> Self {
        Self { client, queries: Arc::new(queries), clock, scope, asked: 0.into() }
    }

    /// Surveys all runs of a command. `watcher` hears of every target as it is read.
    ///
    /// # Errors
    /// [`ClientError`] of the first question that was not answered.
    pub async fn outlook(
        &self,
        subjects: &[Subject<'_>],
        choice: TierChoice,
        watcher: &mut dyn Watcher,
    ) -> Result<Outlook, ClientError> {
        let asked_at = self.clock.now().into();
        let active_jobs = slots::active_jobs(self.client).await?;
        let mut runs = Vec::with_capacity(subjects.len());
        for subject in subjects {
            runs.push(self.run((subject, subjects), choice.tier, watcher).await?);
        }
        let queries = self.asked.load(Ordering::Relaxed);
        Ok(Outlook {
            v: PLAN_VERSION,
            hub: self.client.host_name().to_owned(),
            asked_at,
            tier: choice.tier,
            tier_assumed: choice.is_assumed,
            slots: jobs_at_a_time(choice.tier),
            active_jobs,
            queries,
            query_seconds: time_for(choice.tier, Operation::Query, queries).as_secs(),
            runs,
        })
    }

    /// Surveys one run of a plan.
    async fn run(
        &self,
        (subject, plan): (&Subject<'_>, &[Subject<'_>]),
        tier: Tier,
        watcher: &mut dyn Watcher,
    ) -> Result<RunOutlook, ClientError> {
        let Subject { manifest, step, found } = subject;
        let standing = standing(found);
        let mut warnings = Vec::new();
        let looked = self.targets(subject, tier, watcher).await?;
        if looked.checked > 0 && looked.stale > 0 {
            warnings.push(format!(
                "the index is behind: {} of {} twins that were read have other values by now; --exact reads every twin",
                looked.stale, looked.checked
            ));
        }
        warnings.extend(self.unknown_tags(manifest, plan).await?);
        let request = step.request();
        let (is_listed, method) = (
            step.listed_count() > 0,
            match &manifest.action {
                Action::Method { name, .. } => Some(name.to_string()),
                Action::Twin { .. } => None,
            },
        );
        let changes = matches!(manifest.action, Action::Twin { .. }).then(|| Changes::sorted(looked.changes));
        Ok(RunOutlook {
            name: step.name.clone(),
            run_id: step.run_id.to_string(),
            standing,
            job_type: request.job_type,
            method,
            query_condition: (!is_listed).then(|| request.query_condition.clone()),
            listed: is_listed.then(|| step.listed_count()),
            parts: step.parts.len(),
            start_time: request.start_time,
            timeout_in_seconds: request.max_execution_time_in_seconds,
            after: step.after.clone(),
            forecast: forecast(step, &manifest.action, looked.targets.count, tier),
            targets: looked.targets,
            changes,
            warnings,
            devices: None,
        })
    }

    /// One query's worth of patience.
    async fn take_query(&self) {
        self.queries.take().await;
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

fn standing(found: &Found) -> Standing {
    let told = |job: &JobResponse| (job.status, job.device_job_statistics);
    match found {
        Found::New => Standing::New,
        Found::Job(job) => {
            let (status, statistics) = told(job);
            match status {
                JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => {
                    Standing::Ended { status, statistics }
                }
                JobStatus::Queued | JobStatus::Scheduled | JobStatus::Running | JobStatus::Unknown => {
                    Standing::UnderWay { status, statistics }
                }
            }
        }
    }
}
