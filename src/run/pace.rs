//! How fast a run asks: poll intervals and the budgets of the service's throttles (REST.md 10).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::limits::{JOB_OPERATIONS_PER_MIN, LOST_ANSWER_LOOK_S, QUERIES_PER_MIN};
use crate::model::{Clock, Rng};

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As often as one likes.
    Unlimited,
    /// So often a minute; that many at once after a rest.
    PerMinute(u32),
}

/// A wait that grows by half from `first` to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The first wait.
    pub first: Duration,
    /// The last one.
    pub longest: Duration,
}

impl BackOff {
    /// The wait after `tries` tries.
    #[must_use]
    pub fn after(&self, tries: u32) -> Duration {
        self.first.mul_f64(1.5_f64.powi(i32::try_from(tries.min(64)).unwrap_or(64))).min(self.longest)
    }

    /// The same with up to a quarter less, so that many runs do not ask together.
    #[must_use]
    pub fn jittered(&self, tries: u32, rng: &Rng) -> Duration {
        self.after(tries).mul_f64(1.0 - rng.fraction() / 4.0)
    }
}

/// How fast runs ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at a job that is not over.
    pub poll: BackOff,
    /// The longest time between two looks at a job whose start lies ahead.
    pub poll_scheduled: Duration,
    /// Between two tries for a job slot.
    pub slot: BackOff,
    /// Between two looks after a lost answer.
    pub look: Duration,
    /// Between two readings of rows that are not all there.
    pub rows: BackOff,
    /// Creations and looks, over all runs together.
    pub job_operations: Rate,
    /// Pages of rows, over all runs together.
    pub queries: Rate,
}

impl Pace {
    /// For Azure IoT Hub: within the budgets of one S1 unit.
    #[must_use]
    pub const fn service() -> Self {
        Self {
            poll: BackOff { first: Duration::from_secs(1), longest: Duration::from_secs(5) },
            poll_scheduled: Duration::from_secs(30),
            slot: BackOff { first: Duration::from_secs(5), longest: Duration::from_secs(30) },
            look: Duration::from_secs(LOST_ANSWER_LOOK_S),
            rows: BackOff { first: Duration::from_secs(3), longest: Duration::from_secs(15) },
            job_operations: Rate::PerMinute(JOB_OPERATIONS_PER_MIN),
            queries: Rate::PerMinute(QUERIES_PER_MIN),
        }
    }

    /// For a hub on this machine, which throttles only when it was told to.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            poll: BackOff { first: Duration::from_millis(50), longest: Duration::from_secs(1) },
            poll_scheduled: Duration::from_secs(1),
            slot: BackOff { first: Duration::from_millis(200), longest: Duration::from_secs(5) },
            look: Duration::from_secs(LOST_ANSWER_LOOK_S),
            rows: BackOff { first: Duration::from_millis(200), longest: Duration::from_secs(5) },
            job_operations: Rate::Unlimited,
            queries: Rate::Unlimited,
        }
    }
}

/// A token bucket that all runs draw from.
#[derive(Debug)]
pub struct Budget {
    rate: Rate,
    clock: Clock,
    /// When the bucket would be full again; each draw moves it.
    full_at: Mutex<Duration>,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, clock: Clock) -> Self {
        Self { rate, clock, full_at: Mutex::new(Duration::ZERO) }
    }

    /// Takes one, when one is there.
    pub async fn take(&self) {
        let wait = self.draw();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn draw(&self) -> Duration {
        let Some((each, burst)) = self.each() else { return Duration::ZERO };
        let now = self.clock.monotonic();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(now) + each;
        full_at.saturating_sub(now).saturating_sub(each * burst)
    }

    /// How long `count` more take.
    #[must_use]
    pub fn time_for(&self, count: u64) -> Duration {
        let Some((each, burst)) = self.each() else { return Duration::ZERO };
        let drawn = self.full_at.lock().unwrap_or_else(PoisonError::into_inner).saturating_sub(self.clock.monotonic());
        let needed = drawn + each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        needed.saturating_sub(each * burst)
    }

    /// The time that one costs, and how many may be taken at once.
    fn each(&self) -> Option<(Duration, u32)> {
        match self.rate {
            Rate::Unlimited | Rate::PerMinute(0) => None,
            Rate::PerMinute(count) => Some((Duration::from_secs(60) / count, count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::scripted::paused_clock;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let clock = paused_clock();
        let budget = Budget::new(Rate::PerMinute(20), clock.clone());
        assert_eq!(budget.time_for(20), Duration::ZERO);
        for _ in 0..20 {
            budget.take().await;
        }
        assert_eq!(clock.monotonic(), Duration::ZERO);
        assert_eq!(budget.time_for(10), Duration::from_secs(30));
        for _ in 0..10 {
            budget.take().await;
        }
        assert_eq!(clock.monotonic().as_secs(), 30);
    }

    #[test]
    fn waits_grow_to_the_longest_and_stay() {
        let poll = Pace::service().poll;
        assert_eq!(poll.after(0), Duration::from_secs(1));
        assert!(poll.after(1) > poll.after(0));
        assert_eq!(poll.after(4_000_000), Duration::from_secs(5));
    }
}
