//! Puts a job once: the run's id is the job's, and a lost answer is answered by looking (product.md 3.1).

use std::time::Duration;

use super::carry::Context;
use super::event::{Happening, RunEvents};
use super::jobs::{Failed, Failure, Jobs};
use super::slots::Ticket;
use super::verdict::Verdict;
use crate::model::limits::{LOST_ANSWER_LOOKS_MAX, LOST_ANSWERS_MAX, SLOT_WAIT_H_MAX};
use crate::model::{JobRequest, JobResponse, JobStatus};

/// Whose a job is that is there after submitting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Submitted {
    /// This run created it.
    Created(Option<Box<JobResponse>>),
    /// Somebody else applied the same manifest at the same time.
    Joined,
}

/// Told around each request that may have an effect.
pub(super) trait Watermark {
    /// A creation is about to be sent.
    fn sending(&self);
    /// The hub refused it: nothing was created.
    fn refused(&self);
}

struct Submission<'a, J: Jobs, W> {
    context: &'a Context<J>,
    events: &'a RunEvents,
    request: &'a JobRequest,
    watermark: &'a W,
    ticket: Ticket,
    lost_answers: u32,
    slot_tries: u32,
    slot_waited: Duration,
}

/// Creates the job when it is its turn, or finds that it is there.
pub(super) async fn submit<J: Jobs, W: Watermark>(
    context: &Context<J>,
    events: &RunEvents,
    request: &JobRequest,
    watermark: &W,
    ticket: Ticket,
) -> Result<Submitted, Failure> {
    let (lost_answers, slot_tries, slot_waited) = (0, 0, Duration::ZERO);
    let mut submission =
        Submission { context, events, request, watermark, ticket, lost_answers, slot_tries, slot_waited };
    loop {
        submission.ticket.turn().await;
        if let Some(submitted) = submission.try_once().await? {
            return Ok(submitted);
        }
    }
}

impl<J: Jobs, W: Watermark> Submission<'_, J, W> {
    /// One creation and what follows from its answer; `None` means to try again.
    async fn try_once(&mut self) -> Result<Option<Submitted>, Failure> {
        self.watermark.sending();
        let failure = match self.context.create(self.request).await {
            Ok(job) => return Ok(Some(Submitted::Created(Some(Box::new(job))))),
            Err(failure) => failure,
        };
        match failure.kind {
            // After a lost answer the id can only be taken by the creation whose answer was lost.
            Failed::Exists if self.lost_answers > 0 => Ok(Some(Submitted::Created(None))),
            Failed::Exists => Ok(Some(Submitted::Joined)),
            Failed::NoSlot => self.wait_for_slot(failure).await,
            Failed::Lost => self.look_for_lost(failure).await,
            Failed::Final(_) => {
                if self.lost_answers == 0 {
                    self.watermark.refused();
                }
                Err(failure)
            }
        }
    }

    async fn wait_for_slot(&mut self, failure: Failure) -> Result<Option<Submitted>, Failure> {
        if self.lost_answers == 0 {
            self.watermark.refused();
        }
        self.ticket.refused();
        let wait = self.context.pace.slot.jittered(self.slot_tries, &self.context.rng);
        self.slot_tries += 1;
        self.slot_waited += wait;
        if self.slot_waited > Duration::from_secs(SLOT_WAIT_H_MAX * 3_600) {
            return Err(Failure { kind: Failed::Final(Verdict::HubUnavailable), ..failure });
        }
        let wait_seconds = wait.as_secs_f64().ceil() as u64;
        let at_most_seconds = self.context.patience_for_slot().saturating_sub(self.slot_waited - wait).as_secs();
        let waiting = Happening::WaitingForSlot { attempt: self.slot_tries, wait_seconds, at_most_seconds };
        self.events.tell(waiting).await;
        tokio::time::sleep(wait).await;
        // The job whose answer was lost may be the one that holds the slot.
        if self.lost_answers > 0 { self.look().await } else { Ok(None) }
    }

    /// A fresh job may read `unknown` for a while: six looks, then the same id is put again.
    async fn look_for_lost(&mut self, failure: Failure) -> Result<Option<Submitted>, Failure> {
        self.lost_answers += 1;
        if self.lost_answers > LOST_ANSWERS_MAX {
            return Err(failure);
        }
        let wait_seconds = self.context.pace.look.as_secs();
        self.events.tell(Happening::Retrying { reason: failure.message, wait_seconds }).await;
        for look in 0..LOST_ANSWER_LOOKS_MAX {
            if look > 0 {
                tokio::time::sleep(self.context.pace.look).await;
            }
            if let Some(found) = self.look().await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn look(&self) -> Result<Option<Submitted>, Failure> {
        let job = self.context.read(self.request.job_id.as_str()).await?;
        Ok((job.status != JobStatus::Unknown).then_some(Submitted::Created(Some(Box::new(job)))))
    }
}
