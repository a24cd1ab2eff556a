//! Carries runs out, each in a task of its own, side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::event::{Cut, Events, Happening, Left, RunEvents};
use super::find::{self, Found, Located, Rerun};
use super::jobs::{Failure, Jobs};
use super::outcome::Tally;
use super::pace::{Budget, Pace};
use super::results;
use super::snapshot::JobEnd;
use super::state::RunState;
use super::submit::{Submitted, submit};
use super::verdict::{NoTargets, Verdict};
use super::watch;
use crate::model::{Clock, DeviceId, JobRequest, JobResponse, JobStatus, Rng};
use crate::plan::{StartOutOfReach, Step, check_start};

/// What all runs of one command share.
pub struct Context<J: Jobs> {
    pub(super) jobs: Arc<J>,
    pub(super) clock: Clock,
    pub(super) rng: Rng,
    pub(super) pace: Pace,
    pub(super) queries: Budget,
    job_operations: Budget,
    events: Events,
    options: Options,
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
            clock,
            rng,
            pace,
            events,
            options,
        })
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

/// Submits what is new, attaches to what is there, and looks after all of it until it ends or nobody waits.
///
/// When `stop` is cancelled every run is left as it is, and says what the hub has of it.
pub async fn carry_out<J: Jobs>(
    context: &Arc<Context<J>>,
    located: Vec<Located>,
    stop: &CancellationToken,
) -> Vec<Ended> {
    let mut runs = Vec::with_capacity(located.len());
    for located in located {
        let run = Run::of_step(Arc::clone(context), located);
        run.announce().await;
        runs.push(run);
    }
    let mut tasks = JoinSet::new();
    for (index, run) in runs.into_iter().enumerate() {
        let stop = stop.clone();
        tasks.spawn(async move { (index, run.look_after(&stop).await) });
    }
    in_order(tasks).await
}

/// Attaches to any job of the hub by its id.
pub async fn reattach<J: Jobs>(context: &Arc<Context<J>>, id: &str, stop: &CancellationToken) -> Ended {
    Run::of_job(Arc::clone(context), id).look_after(stop).await
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

/// Where a run comes from.
enum Origin {
    Step(Box<Located>),
    Job,
}

struct Run<J: Jobs> {
    context: Arc<Context<J>>,
    id: String,
    events: RunEvents,
    state: RunState,
    origin: Origin,
}

/// A run that was watched to its end.
struct Accounted {
    end: JobEnd,
    reason: Option<String>,
    tally: Tally,
}

impl<J: Jobs> Run<J> {
    fn of_step(context: Arc<Context<J>>, located: Located) -> Self {
        let id = located.step.run_id.to_string();
        let events = context.events.of(&id);
        Self { context, id, events, state: RunState::new(), origin: Origin::Step(Box::new(located)) }
    }

    fn of_job(context: Arc<Context<J>>, id: &str) -> Self {
        let events = context.events.of(id);
        Self { context, id: id.to_owned(), events, state: RunState::new(), origin: Origin::Job }
    }

    /// Makes the run known before any run begins, so that all of them are known in the manifests' order.
    async fn announce(&self) {
        if let Origin::Step(located) = &self.origin {
            self.events.tell(planned(&located.step)).await;
        }
    }

    /// Carries the run on until it ends, fails, or nobody waits for it.
    async fn look_after(self, stop: &CancellationToken) -> Ended {
        let patience = async {
            match self.context.options.waiting {
                Waiting::AtMost(limit) => tokio::time::sleep(limit).await,
                Waiting::No | Waiting::UntilEnd => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            // A run that ends in the same moment has ended.
            biased;
            result = self.carry_on() => result,
            () = stop.cancelled() => Ok(Err(Cut::Interrupted)),
            () = patience => Ok(Err(Cut::WaitTimeout)),
        };
        match result {
            Ok(Ok(accounted)) => self.end(accounted).await,
            Ok(Err(cut)) => self.detach(cut).await,
            Err(failure) => self.fail(failure).await,
        }
    }

    async fn carry_on(&self) -> Result<Result<Accounted, Cut>, Failure> {
        let (seen, listed) = match &self.origin {
            Origin::Step(located) => (self.begin(located).await?, located.step.listed.as_slice()),
            Origin::Job => (Some(self.attach_to_job().await?), [].as_slice()),
        };
        self.state.on_hub();
        let is_over = seen.as_ref().is_some_and(|job| job.status.is_terminal());
        if self.context.options.waiting == Waiting::No && !is_over {
            return Ok(Err(Cut::NoWait));
        }
        self.to_the_end(seen, listed).await.map(Ok)
    }

    /// Submits the step, or attaches to what is there. Gives what is known of the job.
    async fn begin(&self, located: &Located) -> Result<Option<JobResponse>, Failure> {
        let request = &located.step.request;
        match &located.found {
            Err(failure) => Err(failure.clone()),
            Ok(Found::Job(job)) => {
                self.events.tell(Happening::Attached { status: job.status }).await;
                Ok(Some((**job).clone()))
            }
            Ok(Found::New) => match submit(&self.context, &self.events, request, &self.state).await? {
                Submitted::Created(job) => {
                    self.state.on_hub();
                    self.events.tell(Happening::Submitted).await;
                    Ok(job.map(|job| *job))
                }
                Submitted::Joined => {
                    self.state.on_hub();
                    self.events.tell(Happening::Attached { status: JobStatus::Queued }).await;
                    Ok(None)
                }
            },
        }
    }

    /// A job that was created a moment ago may read `unknown` (REST.md 4.6): a few looks, then the id is wrong.
    async fn attach_to_job(&self) -> Result<JobResponse, Failure> {
        const LOOKS: u32 = 3;
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(self.context.pace.poll.after(look)).await;
            }
            let job = self.context.read(&self.id).await?;
            if job.status != JobStatus::Unknown {
                self.events.tell(watched(&self.id, &job)).await;
                self.events.tell(Happening::Attached { status: job.status }).await;
                return Ok(job);
            }
        }
        let mut failure = Failure::final_of(Verdict::Usage, format!("the hub does not know a job `{}`", self.id));
        failure.hint = Some("`iotjob list` shows the hub's jobs; the hub forgets them after 30 days".to_owned());
        Err(failure)
    }

    async fn to_the_end(&self, seen: Option<JobResponse>, listed: &[DeviceId]) -> Result<Accounted, Failure> {
        let (context, events, state) = (&*self.context, &self.events, &self.state);
        let ended = watch::until_end(context, events, state, &self.id, seen).await?;
        let tally = results::collect(context, events, state, (&self.id, listed), &ended).await?;
        Ok(Accounted { end: ended.end, reason: ended.reason, tally })
    }

    async fn end(self, accounted: Accounted) -> Ended {
        let Accounted { end, reason, tally } = accounted;
        if end == JobEnd::Completed && tally.targets() == 0 {
            let message = "the job found no target: nothing was done".to_owned();
            self.events.tell(Happening::Warning { message }).await;
        }
        let verdict = Verdict::of_ended(end, &tally, self.context.options.no_targets);
        let ended = Happening::RunEnded {
            targets: tally.targets(),
            outcomes: tally.outcomes(),
            job_status: end,
            reason,
            exit_code: verdict.exit_code(),
        };
        self.events.tell(ended).await;
        Ended { run_id: self.id, verdict, tally: Some(tally) }
    }

    async fn detach(self, cut: Cut) -> Ended {
        let job = self.state.left();
        let verdict = match (cut, job) {
            (Cut::Interrupted, _) => Verdict::Interrupted,
            (Cut::NoWait, _) => Verdict::Done,
            // Nothing runs that one could come back to: the hub kept refusing until time was up.
            (Cut::WaitTimeout, Left::NotSubmitted | Left::MaybeSubmitted) => Verdict::HubUnavailable,
            (Cut::WaitTimeout, Left::OnHub | Left::Ended) => Verdict::StillRunning,
        };
        let (tally, not_yet_read) = self.state.tally_so_far();
        let detached = Happening::Detached {
            cut,
            job,
            reattach: self.way_back(job),
            targets: tally.targets(),
            outcomes: tally.outcomes(),
            not_yet_read,
            exit_code: verdict.exit_code(),
        };
        self.events.tell(detached).await;
        Ended { run_id: self.id, verdict, tally: None }
    }

    async fn fail(self, failure: Failure) -> Ended {
        let (job, verdict) = (self.state.left(), failure.verdict());
        let failed = Happening::RunFailed {
            error: failure.message,
            hint: failure.hint,
            job,
            reattach: self.way_back(job),
            exit_code: verdict.exit_code(),
        };
        self.events.tell(failed).await;
        Ended { run_id: self.id, verdict, tally: None }
    }

    /// The command that finds the run again, when there is something to find.
    fn way_back(&self, job: Left) -> Option<String> {
        let is_there = job != Left::NotSubmitted && self.context.options.hub == HubLife::Lasting;
        is_there.then(|| format!("iotjob watch {}", self.id))
    }
}

fn planned(step: &Step) -> Happening {
    Happening::RunPlanned {
        name: step.name.clone(),
        job_type: step.request.job_type,
        query_condition: Some(step.request.query_condition.clone()),
        listed: (!step.listed.is_empty()).then_some(step.listed.len()),
        timeout_in_seconds: Some(step.request.max_execution_time_in_seconds),
        start_time: step.request.start_time,
    }
}

fn watched(id: &str, job: &JobResponse) -> Happening {
    Happening::RunPlanned {
        name: id.to_owned(),
        job_type: job.job_type,
        query_condition: job.query_condition.clone(),
        listed: None,
        timeout_in_seconds: job.max_execution_time_in_seconds,
        start_time: job.start_time,
    }
}
