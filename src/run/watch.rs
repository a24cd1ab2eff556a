//! Polls a job until it is over, and says what changes.

use std::time::Duration;

use super::carry::Context;
use super::event::RunEvents;
use super::jobs::{Failure, Jobs};
use super::snapshot::{JobEnd, Phase};
use super::state::PartState;
use super::verdict::Verdict;
use crate::model::limits::UNKNOWN_POLLS_MAX;
use crate::model::{JobResponse, WireTime};

/// A job that is over.
pub(super) struct EndedJob {
    /// How it ended.
    pub(super) end: JobEnd,
    /// The hub's words.
    pub(super) reason: Option<String>,
    /// When, by the hub's clock.
    pub(super) end_time: Option<WireTime>,
}

/// Watches `id` to its end. `seen` is what is known of it already.
pub(super) async fn until_end<J: Jobs>(
    context: &Context<J>,
    events: &RunEvents,
    state: PartState<'_>,
    id: &str,
    seen: Option<JobResponse>,
) -> Result<EndedJob, Failure> {
    let (mut polls, mut unknown_polls) = (0, 0);
    let mut next = seen;
    loop {
        let job = match next.take() {
            Some(job) => job,
            None => context.read(id).await?,
        };
        if Phase::of(&job).is_none() {
            unknown_polls += 1;
            if unknown_polls > UNKNOWN_POLLS_MAX {
                return Err(forgotten(id));
            }
        } else {
            unknown_polls = 0;
            let news = state.observe(&job);
            if !news.is_empty() {
                polls = 0;
            }
            events.tell_all(news).await;
        }
        let phase = state.snapshot(|snapshot| snapshot.phase.clone());
        if let Phase::Ended { end, reason } = phase {
            return Ok(EndedJob { end, reason, end_time: job.end_time });
        }
        // A job that reads `unknown` is given the whole of REST.md 4.6's patience.
        let wait = if unknown_polls > 0 { context.pace.look } else { pause(context, &phase, polls) };
        polls += 1;
        tokio::time::sleep(wait).await;
    }
}

fn pause<J: Jobs>(context: &Context<J>, phase: &Phase, polls: u32) -> Duration {
    let pace = &context.pace;
    let usual = pace.poll.jittered(polls, &context.rng);
    let Phase::Scheduled { start_time: Some(WireTime::At(start)) } = phase else { return usual };
    let ahead = start.duration_since(context.clock.now()).unsigned_abs();
    if *start <= context.clock.now() { usual } else { ahead.clamp(usual, pace.poll_scheduled.max(usual)) }
}

fn forgotten(id: &str) -> Failure {
    let mut failure = Failure::final_of(Verdict::Unexpected, format!("the hub does not know the job `{id}` any more"));
    failure.hint = Some("the hub forgets jobs after 30 days; was the hub replaced or its data lost?".to_owned());
    failure
}
