//! How fast jobs work on their devices, and how many of them there may be (REST.md 10).

use std::time::Duration;

use jiff::Timestamp;

use super::job::{ActiveJob, Next, Phase};
use super::timer::Timer;
use super::{Engine, Turn};
use crate::hub::throttle::{Bucket, Operation, Tier, allowance, jobs_at_a_time};
use crate::model::limits::{JOB_CALLS_MAX, JOBS_ACTIVE_MAX};

/// A tier's job slots and device operations; all jobs share them.
#[derive(Debug)]
pub(super) struct Pace {
    /// Jobs that may be active at a time.
    pub(super) slots: usize,
    operations: Option<Bucket>,
}

impl Pace {
    /// That of a tier; without one only memory is a limit.
    pub(super) fn of(tier: Option<Tier>) -> Self {
        match tier {
            None => Self { slots: JOBS_ACTIVE_MAX, operations: None },
            Some(tier) => Self {
                slots: jobs_at_a_time(tier),
                operations: Some(Bucket::new(allowance(tier, Operation::JobDevice))),
            },
        }
    }

    /// Device operations that may be done now.
    pub(super) fn ready(&mut self, now: Timestamp) -> usize {
        let now = since_epoch(now);
        self.operations.as_mut().map_or(usize::MAX, |bucket| {
            bucket.adjust(now);
            bucket.ready(now)
        })
    }

    /// Counts a device operation that is done now.
    pub(super) fn spend(&mut self, now: Timestamp) {
        if let Some(bucket) = &mut self.operations {
            // Whoever works on devices asked how many were ready.
            let _ = bucket.take(1, since_epoch(now), Duration::MAX);
        }
    }

    /// When the next device operation may be done.
    fn next(&self, now: Timestamp) -> Timestamp {
        let wait = self.operations.as_ref().map_or(Duration::ZERO, |bucket| bucket.next(since_epoch(now)));
        now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}

fn since_epoch(now: Timestamp) -> Duration {
    Duration::try_from(now.as_duration()).unwrap_or(Duration::ZERO)
}

impl Engine {
    /// When a job gets its next turn after a piece of work on its rows.
    pub(super) fn next_turn(&mut self, job: &ActiveJob, turn: &Turn<'_, '_>) -> Next {
        let more = matches!(job.phase, Phase::Dispatching(_)) || !job.ready.is_empty();
        // Without room the end of a call gives the job its next turn.
        if !more || job.calls.len() >= JOB_CALLS_MAX {
            return Next::Idle;
        }
        if self.pace.ready(turn.now) > 0 {
            return Next::Again;
        }
        self.timers.arm(self.pace.next(turn.now), Timer::Pace(job.record.request.job_id.clone()));
        Next::Idle
    }
}
