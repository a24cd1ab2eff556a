//! Carries runs out, each in a task of its own: side by side, or one after the other where the manifests say so.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::event::Events;
use super::find::{self, Found, Located, Rerun};
use super::jobs::{Failure, Jobs};
use super::life::Run;
use super::outcome::Tally;
use super::pace::{Budget, Pace};
use super::predecessors::{Announced, Predecessors};
use super::slots::SlotQueue;
use super::verdict::{NoTargets, Verdict};
use crate::model::limits::SLOT_WAIT_H_MAX;
use crate::model::{Clock, JobRequest, JobResponse, Rng};
use crate::plan::{StartOutOfReach, Step, check_start};

/// What all runs of one command share.
pub struct Context<J: Jobs> {
    pub(super) jobs: Arc<J>,
    pub(super) clock: Clock,
    pub(super) rng: Rng,
    pub(super) pace: Pace,
    pub(super) queries: Budget,
    pub(super) slots: Arc<SlotQueue>,
    pub(super) options: Options,
    pub(super) events: Events,
    job_operations: Budget,
}

/// How runs are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long anybody waits.
    pub waiting: Waiting,
    /// Whether a run without targets is a success.
    pub no_targets: NoTargets,
    /// Whether the hub is there tomorrow.
    pub hub: HubLife,
}

/// How long a command waits for its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Not at all: what goes on is left alone (`--no-wait`).
    No,
    /// To the end.
    UntilEnd,
    /// To the end, or for so long (`--wait-timeout`).
    AtMost(Duration),
}

/// Whether a hub outlives the command, so that there is something to come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubLife {
    /// It does.
    Lasting,
    /// It ends with the command (`--local`).
    WithCommand,
}

/// A run that nobody looks after any longer.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its id.
    pub run_id: String,
    /// What it came to.
    pub verdict: Verdict,
    /// The sum of its targets, when it ended.
    pub tally: Option<Tally>,
}

/// Everything a run needs besides its step.
pub struct Equipment {
    /// How fast to ask.
    pub pace: Pace,
    /// The time.
    pub clock: Clock,
    /// Chance, for jitter.
    pub rng: Rng,
    /// Where to say what happens.
    pub events: Events,
    /// How runs are looked after.
    pub options: Options,
}

impl<J: Jobs> Context<J> {
    /// Gets ready to ask a hub.
    #[must_use]
    pub fn new(jobs: J, equipment: Equipment) -> Arc<Self> {
        let Equipment { pace, clock, rng, events, options } = equipment;
        Arc::new(Self {
            jobs: Arc::new(jobs),
            queries: Budget::new(pace.queries, clock.clone()),
            job_operations: Budget::new(pace.job_operations, clock.clone()),
            slots: SlotQueue::new(),
            clock,
            rng,
            pace,
            events,
            options,
        })
    }

    /// How long a run waits for a job slot.
    pub(super) fn patience_for_slot(&self) -> Duration {
        let most = Duration::from_secs(SLOT_WAIT_H_MAX * 3_600);
        match self.options.waiting {
            Waiting::AtMost(limit) => limit.min(most),
            Waiting::No | Waiting::UntilEnd => most,
        }
    }

    /// Reads a job within the budget.
    pub(super) async fn read(&self, id: &str) -> Result<JobResponse, Failure> {
        self.job_operations.take().await;
        self.jobs.read(id).await
    }

    /// Creates a job within the budget.
    pub(super) async fn create(&self, request: &JobRequest) -> Result<JobResponse, Failure> {
        self.job_operations.take().await;
        self.jobs.create(request).await
    }
}

/// Finds the runs of `steps` on the hub, in their order. Creates nothing.
pub async fn locate<J: Jobs>(context: &Arc<Context<J>>, steps: Vec<Step>, rerun: Rerun) -> Vec<Located> {
    let mut tasks = JoinSet::new();
    for (index, step) in steps.into_iter().enumerate() {
        let context = Arc::clone(context);
        tasks.spawn(async move { (index, find::locate(&context, step, rerun).await) });
    }
    in_order(tasks).await
}

/// The start of a new run that the hub would refuse (product.md 1).
///
/// # Errors
/// When the run is new and its start lies too far ahead or back.
pub fn check_new_start(located: &Located, clock: &Clock) -> Result<(), StartOutOfReach> {
    match located.found {
        Ok(Found::New) => check_start(located.step.start, clock.now()),
        Ok(Found::Job(_)) | Err(_) => Ok(()),
    }
}

/// Submits what is new, attaches to what is there, and looks after all of it until it ends or nobody waits. A run comes
/// after those that its manifest names, and is skipped when one of them does not succeed.
///
/// When `stop` is cancelled every run is left as it is, and says what the hub has of it.
pub async fn carry_out<J: Jobs>(
    context: &Arc<Context<J>>,
    located: Vec<Located>,
    stop: &CancellationToken,
) -> Vec<Ended> {
    let mut announced = Announced::default();
    let mut runs = Vec::with_capacity(located.len());
    for located in located {
        let (name, after) = (located.step.name.clone(), located.step.after.clone());
        let run = Run::of_step(Arc::clone(context), located);
        run.announce().await;
        runs.push((run, announced.run(name), after));
    }
    // Places in the queue are taken in the manifests' order, before any task has a chance to be quicker.
    let runs: Vec<_> = runs
        .into_iter()
        .map(|(run, done, after)| {
            let predecessors = announced.predecessors(&after);
            (run.queue_up(&predecessors), predecessors, done)
        })
        .collect();
    let mut tasks = JoinSet::new();
    for (index, (run, predecessors, done)) in runs.into_iter().enumerate() {
        let stop = stop.clone();
        tasks.spawn(async move {
            let ended = run.look_after(predecessors, &stop).await;
            done.send_replace(Some(ended.verdict));
            (index, ended)
        });
    }
    in_order(tasks).await
}

/// Attaches to any job of the hub by its id.
pub async fn reattach<J: Jobs>(context: &Arc<Context<J>>, id: &str, stop: &CancellationToken) -> Ended {
    Run::of_job(Arc::clone(context), id).look_after(Predecessors::none(), stop).await
}

async fn in_order<T: 'static>(mut tasks: JoinSet<(usize, T)>) -> Vec<T> {
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(numbered) => done.push(numbered),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts these tasks but the end of the runtime.
            Err(_) => {}
        }
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, item)| item).collect()
}
