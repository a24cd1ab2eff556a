//! One run from its first question to its verdict: its parts submitted in order and watched together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::carry::{Context, Ended, HubLife, Waiting};
use super::event::{Cut, Happening, Left, RunEvents};
use super::find::{Found, Located};
use super::jobs::{Failure, Jobs};
use super::outcome::Tally;
use super::predecessors::{Predecessors, Unsuccessful};
use super::results::{self, CountedJob};
use super::slots::{Ticket, Urgency};
use super::snapshot::JobEnd;
use super::state::RunState;
use super::submit::{Submitted, submit};
use super::verdict::Verdict;
use super::watch as poll;
use crate::manifest::Success;
use crate::model::limits::RUN_PARTS_MAX;
use crate::model::{JobId, JobRequest, JobResponse, JobStatus};
use crate::plan::{Step, part_id};

/// Where a run comes from.
enum Origin {
    Step(Box<Located>),
    Job,
}

/// A run that is looked after.
pub(super) struct Run<J: Jobs> {
    context: Arc<Context<J>>,
    id: String,
    events: RunEvents,
    state: RunState,
    origin: Origin,
    /// Its place in the queue for job slots, until its first part is created.
    ticket: Mutex<Option<Ticket>>,
    waits_for_runs: AtomicBool,
}

/// A job that was watched to its end.
struct Accounted {
    end: JobEnd,
    reason: Option<String>,
    tally: Tally,
}

/// How looking after a run came to an end, short of a failure.
enum Outcome {
    Accounted(Vec<Accounted>),
    Cut(Cut),
    Skipped(Unsuccessful),
}

impl<J: Jobs> Run<J> {
    /// The run of a step.
    pub(super) fn of_step(context: Arc<Context<J>>, located: Located) -> Self {
        let id = located.step.run_id.to_string();
        let run = Self::new(context, id, Origin::Step(Box::new(located)));
        if let Origin::Step(located) = &run.origin {
            run.state.has_parts(located.step.parts.len());
        }
        run
    }

    /// The run of a job, or of the parts that its id stands for, which somebody made.
    pub(super) fn of_job(context: Arc<Context<J>>, id: &str) -> Self {
        Self::new(context, id.to_owned(), Origin::Job)
    }

    fn new(context: Arc<Context<J>>, id: String, origin: Origin) -> Self {
        let events = context.events.of(&id);
        let (state, ticket) = (RunState::new(), Mutex::new(None));
        Self { context, id, events, state, origin, ticket, waits_for_runs: AtomicBool::new(false) }
    }

    /// Makes the run known before any run begins, so that all of them are known in the manifests' order.
    pub(super) async fn announce(&self) {
        if let Origin::Step(located) = &self.origin {
            self.events.tell(planned(&located.step)).await;
        }
    }

    /// Takes a place in the queue for job slots, unless others come first.
    pub(super) fn queue_up(mut self, predecessors: &Predecessors) -> Self {
        if let (Origin::Step(located), true) = (&self.origin, predecessors.is_empty())
            && matches!(located.found, Ok(Found::New))
        {
            let ticket = self.context.slots.enter(urgency(&located.step));
            self.ticket = Mutex::new(Some(ticket));
        }
        self
    }

    /// Carries the run on until it ends, fails, or nobody waits for it.
    pub(super) async fn look_after(self, predecessors: Predecessors, stop: &CancellationToken) -> Ended {
        let patience = async {
            match self.context.options.waiting {
                Waiting::AtMost(limit) => tokio::time::sleep(limit).await,
                Waiting::No | Waiting::UntilEnd => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            // A run that ends in the same moment has ended.
            biased;
            result = self.carry_on(predecessors) => result,
            () = stop.cancelled() => Ok(Outcome::Cut(Cut::Interrupted)),
            () = patience => Ok(Outcome::Cut(Cut::WaitTimeout)),
        };
        match result {
            Ok(Outcome::Accounted(parts)) => self.end(parts).await,
            Ok(Outcome::Cut(cut)) => self.detach(cut).await,
            Ok(Outcome::Skipped(because)) => self.skip(because).await,
            Err(failure) => self.fail(failure).await,
        }
    }

    async fn carry_on(&self, predecessors: Predecessors) -> Result<Outcome, Failure> {
        if !predecessors.is_empty() {
            self.waits_for_runs.store(true, Ordering::Relaxed);
            self.events.tell(Happening::WaitingForRuns { names: predecessors.names() }).await;
            if let Err(unsuccessful) = predecessors.succeed().await {
                return Ok(Outcome::Skipped(unsuccessful));
            }
            self.waits_for_runs.store(false, Ordering::Relaxed);
        }
        let parts = match &self.origin {
            Origin::Step(located) => self.carry_parts(located).await?,
            Origin::Job => self.carry_jobs().await?,
        };
        Ok(match parts.into_iter().collect() {
            Some(parts) => Outcome::Accounted(parts),
            None => Outcome::Cut(Cut::NoWait),
        })
    }

    /// Submits the parts one after the other and watches each from then on; `None` for those that nobody waits for.
    async fn carry_parts(&self, located: &Located) -> Result<Vec<Option<Accounted>>, Failure> {
        let found = located.found.clone()?;
        let step = &located.step;
        let begun = watch::Sender::new(0_usize);
        let parts = step.parts.iter().enumerate().map(|(number, part)| {
            let (begun, found) = (&begun, &found);
            async move {
                // The sender outlives every receiver: both live in this function.
                let _ = begun.subscribe().wait_for(|begun| *begun == number).await;
                let seen = self.begin(number, step, found).await?;
                begun.send_replace(number + 1);
                let job = CountedJob { id: part.request.job_id.as_str(), listed: &part.listed, success: &step.success };
                self.follow(number, seen, job).await
            }
        });
        try_join_all(parts).await
    }

    /// Attaches to a job, or to all parts of a run, by id.
    async fn carry_jobs(&self) -> Result<Vec<Option<Accounted>>, Failure> {
        let jobs = self.attach_to_jobs().await?;
        self.state.has_parts(jobs.len());
        let success = Success::default();
        let parts = jobs.iter().enumerate().map(|(number, job)| {
            self.state.part(number).on_hub();
            self.follow(number, Some(job.clone()), CountedJob { id: &job.job_id, listed: &[], success: &success })
        });
        try_join_all(parts).await
    }

    /// Submits a part, or attaches to what is there. Gives what is known of its job.
    async fn begin(&self, number: usize, step: &Step, found: &Found) -> Result<Option<JobResponse>, Failure> {
        let request = &step.parts[number].request;
        let events = self.events_of(number, step);
        let there = match found {
            Found::New => None,
            Found::Job(job) if number == 0 => Some((**job).clone()),
            // Whoever submitted the first part may have been stopped before the others.
            Found::Job(_) => {
                let job = self.context.read(request.job_id.as_str()).await?;
                (job.status != JobStatus::Unknown).then_some(job)
            }
        };
        if let Some(job) = there {
            self.state.part(number).on_hub();
            events.tell(Happening::Attached { status: job.status }).await;
            return Ok(Some(job));
        }
        self.submit(number, request, urgency(step), &events).await
    }

    async fn submit(
        &self,
        number: usize,
        request: &JobRequest,
        urgency: Urgency,
        events: &RunEvents,
    ) -> Result<Option<JobResponse>, Failure> {
        let state = self.state.part(number);
        let kept = self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ticket = kept.unwrap_or_else(|| self.context.slots.enter(urgency));
        let submitted = submit(&self.context, events, request, &state, ticket).await?;
        state.on_hub();
        match submitted {
            Submitted::Created(job) => {
                events.tell(Happening::Submitted).await;
                Ok(job.map(|job| *job))
            }
            Submitted::Joined => {
                events.tell(Happening::Attached { status: JobStatus::Queued }).await;
                Ok(None)
            }
        }
    }

    /// Watches a job to its end and counts its devices, unless nobody waits for what is not over.
    async fn follow(
        &self,
        number: usize,
        seen: Option<JobResponse>,
        job: CountedJob<'_>,
    ) -> Result<Option<Accounted>, Failure> {
        let (context, events, state) = (&*self.context, &self.events, self.state.part(number));
        let is_over = seen.as_ref().is_some_and(|job| job.status.is_terminal());
        if context.options.waiting == Waiting::No && !is_over {
            return Ok(None);
        }
        let ended = poll::until_end(context, events, state, job.id, seen).await?;
        let tally = results::collect(context, events, state, job, &ended).await?;
        Ok(Some(Accounted { end: ended.end, reason: ended.reason, tally }))
    }

    /// The events of a part name its job where the run has several.
    fn events_of(&self, number: usize, step: &Step) -> RunEvents {
        match step.parts.as_slice() {
            [_] => self.events.clone(),
            parts => self.events.of_part(&parts[number].request.job_id),
        }
    }

    /// A job that was created a moment ago may read `unknown` (REST.md 4.6): a few looks, then the id is wrong. A run
    /// of several parts has no job of its own name.
    async fn attach_to_jobs(&self) -> Result<Vec<JobResponse>, Failure> {
        const LOOKS: u32 = 3;
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(self.context.pace.poll.after(look)).await;
            }
            let job = self.context.read(&self.id).await?;
            let jobs = if job.status == JobStatus::Unknown { self.parts_of_id().await? } else { vec![job] };
            if let Some(first) = jobs.first() {
                self.events.tell(watched(&self.id, first, jobs.len())).await;
                for job in &jobs {
                    let events = if jobs.len() == 1 { self.events.clone() } else { self.events.of_part(&job.job_id) };
                    events.tell(Happening::Attached { status: job.status }).await;
                }
                return Ok(jobs);
            }
        }
        let mut failure = Failure::final_of(Verdict::Usage, format!("the hub does not know a job `{}`", self.id));
        failure.hint = Some("`iotjob list` shows the hub's jobs; the hub forgets them after 30 days".to_owned());
        Err(failure)
    }

    async fn parts_of_id(&self) -> Result<Vec<JobResponse>, Failure> {
        let mut jobs = Vec::new();
        // Only an id that leaves room for `-pN` can be that of a run.
        let is_run_id = |id: &str| id.parse::<JobId>().is_ok();
        while jobs.len() < RUN_PARTS_MAX && is_run_id(&part_id(&self.id, jobs.len())) {
            let job = self.context.read(&part_id(&self.id, jobs.len())).await?;
            if job.status == JobStatus::Unknown {
                break;
            }
            jobs.push(job);
        }
        Ok(jobs)
    }

    async fn end(self, parts: Vec<Accounted>) -> Ended {
        let success = match &self.origin {
            Origin::Step(located) => located.step.success.clone(),
            Origin::Job => Success::default(),
        };
        let end = JobEnd::of_all(parts.iter().map(|part| part.end));
        let mut reasons: Vec<String> = parts.iter().filter_map(|part| part.reason.clone()).collect();
        reasons.dedup();
        let tally = parts.into_iter().map(|part| part.tally).reduce(|sum, more| sum + more).unwrap_or_default();
        if end == JobEnd::Completed && tally.counted(&success) == 0 {
            let message = match tally.targets() {
                0 => "the job found no target: nothing was done",
                _ => "every target was offline: nothing was done",
            };
            self.events.tell(Happening::Warning { message: message.to_owned() }).await;
        }
        let verdict = Verdict::of_ended(end, &tally, &success, self.context.options.no_targets);
        let ended = Happening::RunEnded {
            targets: tally.targets(),
            outcomes: tally.outcomes(),
            job_status: end,
            asked_for: success.in_words(),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            exit_code: verdict.exit_code(),
        };
        self.events.tell(ended).await;
        Ended { run_id: self.id, verdict, tally: Some(tally) }
    }

    async fn detach(self, cut: Cut) -> Ended {
        let job = self.state.left();
        let waits_for_runs = self.waits_for_runs.load(Ordering::Relaxed);
        let verdict = match (cut, job) {
            (Cut::Interrupted, _) => Verdict::Interrupted,
            (Cut::NoWait, _) => Verdict::Done,
            // Nothing runs that one could come back to: the hub kept refusing until time was up.
            (Cut::WaitTimeout, Left::NotSubmitted | Left::MaybeSubmitted) if !waits_for_runs => Verdict::HubUnavailable,
            (Cut::WaitTimeout, _) => Verdict::StillRunning,
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

    async fn skip(self, because: Unsuccessful) -> Ended {
        let Unsuccessful { name, verdict } = because;
        self.events.tell(Happening::RunSkipped { because: name, exit_code: verdict.exit_code() }).await;
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

fn urgency(step: &Step) -> Urgency {
    if step.start.is_some() { Urgency::Scheduled } else { Urgency::Immediate }
}

fn planned(step: &Step) -> Happening {
    let (request, count) = (step.request(), step.parts.len());
    let listed = step.listed_count();
    Happening::RunPlanned {
        name: step.name.clone(),
        job_type: request.job_type,
        query_condition: (count == 1).then(|| request.query_condition.clone()),
        listed: (listed > 0).then_some(listed),
        parts: (count > 1).then_some(count),
        timeout_in_seconds: Some(request.max_execution_time_in_seconds),
        start_time: request.start_time,
    }
}

fn watched(id: &str, job: &JobResponse, count: usize) -> Happening {
    Happening::RunPlanned {
        name: id.to_owned(),
        job_type: job.job_type,
        query_condition: job.query_condition.clone().filter(|_| count == 1),
        listed: None,
        parts: (count > 1).then_some(count),
        timeout_in_seconds: job.max_execution_time_in_seconds,
        start_time: job.start_time,
    }
}
