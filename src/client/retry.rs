//! Which failures are tried again, after how long, and for how long (product.md 3, promise 3; REST.md 10).

use std::sync::Arc;
use std::time::Duration;

use super::error::{ClientError, ErrorKind, ServiceError};
use crate::model::Rng;
use crate::model::limits::{FIRST_CONTACT_S, REQUEST_S, SERVER_FAULT_TRIES_MAX, SILENCE_S, THROTTLED_S};

/// How long the client keeps trying. Every wait is bounded by one of these, counted from the start of a call.
#[derive(Debug, Clone)]
pub struct Patience {
    /// With a hub that was never reached.
    pub first_contact: Duration,
    /// With a hub that was reached before and is silent now, or broken.
    pub silence: Duration,
    /// With a hub that asks for fewer calls (429).
    pub throttled: Duration,
    /// With one request, from sending it to the end of its answer.
    pub request: Duration,
    /// How long to pause between tries.
    pub pace: Pace,
}

impl Patience {
    /// What product.md 3 promises.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            first_contact: Duration::from_secs(FIRST_CONTACT_S),
            silence: Duration::from_secs(SILENCE_S),
            throttled: Duration::from_secs(THROTTLED_S),
            request: Duration::from_secs(REQUEST_S),
            pace: Pace::standard(),
        }
    }
}

/// The pauses between tries: a random share of a bound that doubles with each try ("full jitter").
#[derive(Debug, Clone)]
pub struct Pace {
    /// The bound after the first failure.
    pub first: Duration,
    /// The bound that is never exceeded.
    pub longest: Duration,
    /// The least pause after a 429; the jitter comes on top (REST.md 3.3: "wait 10 seconds").
    pub throttled_least: Duration,
}

impl Pace {
    /// Half a second, doubling up to 15 s; at least 10 s after a 429.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(15),
            throttled_least: Duration::from_secs(10),
        }
    }

    fn jitter(first: Duration, longest: Duration, failures: u32, rng: &Rng) -> Duration {
        let bound = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
        bound.mul_f64(rng.fraction())
    }

    fn after_failure(&self, failures: u32, rng: &Rng) -> Duration {
        Self::jitter(self.first, self.longest, failures, rng)
    }

    fn after_throttling(&self, failures: u32, rng: &Rng) -> Duration {
        let longest = self.throttled_least.saturating_mul(6);
        self.throttled_least + Self::jitter(self.throttled_least, longest, failures, rng)
    }
}

/// Told before each pause.
pub type Notify = Arc<dyn Fn(&Waiting<'_>) + Send + Sync>;

/// A pause before the next try.
#[derive(Debug)]
pub struct Waiting<'e> {
    /// What went wrong.
    pub error: &'e ClientError,
    /// How long the pause is.
    pub delay: Duration,
}

/// What may be repeated of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Anything: doing it twice is doing it once.
    Freely,
    /// What was surely not carried out: nothing was sent, or the answer is a 429.
    IfNotCarriedOut,
    /// After a 429 only: a call that comes minutes late may harm as much as one that comes twice.
    IfThrottled,
}

/// Whether the hub has ever answered this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    Never,
    Made,
}

/// The failures of one call so far.
pub(super) struct Failures<'p> {
    patience: &'p Patience,
    rng: &'p Rng,
    repeat: Repeat,
    count: u32,
}

impl<'p> Failures<'p> {
    pub(super) fn new(patience: &'p Patience, rng: &'p Rng, repeat: Repeat) -> Self {
        Self { patience, rng, repeat, count: 0 }
    }

    /// How long to pause before the next try; `None` means to give up. `elapsed` counts from the start of the call.
    pub(super) fn next_pause(&mut self, error: &ClientError, contact: Contact, elapsed: Duration) -> Option<Duration> {
        self.count = self.count.saturating_add(1);
        match &*error.kind {
            ErrorKind::NotReached { cause, .. } if !cause.is_final() && self.repeat != Repeat::IfThrottled => {
                let budget = match contact {
                    Contact::Never => self.patience.first_contact,
                    Contact::Made => self.patience.silence,
                };
                self.pause_within(budget, elapsed)
            }
            ErrorKind::Lost { .. } if self.repeat == Repeat::Freely => {
                self.pause_within(self.patience.silence, elapsed)
            }
            ErrorKind::Service(answer) => self.after_answer(answer, error.is_without_job_slot(), elapsed),
            _ => None,
        }
    }

    fn after_answer(&self, answer: &ServiceError, without_slot: bool, elapsed: Duration) -> Option<Duration> {
        match answer.status {
            429 if without_slot => None,
            429 => {
                let pace = &self.patience.pace;
                let pause = answer.retry_after.unwrap_or_else(|| pace.after_throttling(self.count, self.rng));
                let remaining = self.patience.throttled.checked_sub(elapsed)?;
                (pause <= remaining).then_some(pause)
            }
            500 if self.count >= SERVER_FAULT_TRIES_MAX => None,
            500 | 502 | 503 | 504 if self.repeat == Repeat::Freely => self.pause_within(self.patience.silence, elapsed),
            _ => None,
        }
    }

    /// The last try falls on the end of the budget, so that nobody waits for less than was promised.
    fn pause_within(&self, budget: Duration, elapsed: Duration) -> Option<Duration> {
        let remaining = budget.checked_sub(elapsed).filter(|remaining| !remaining.is_zero())?;
        Some(self.patience.pace.after_failure(self.count, self.rng).min(remaining))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Unreached;
    use crate::client::{Asker, Operation};
    use crate::model::ErrorCode;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn error(kind: ErrorKind) -> ClientError {
        ClientError::new(Operation::ReadJob, kind)
    }

    fn unreached(cause: Unreached) -> ClientError {
        error(ErrorKind::NotReached { host: "h".to_owned(), cause, detail: String::new() })
    }

    fn lost() -> ClientError {
        error(ErrorKind::Lost { host: "h".to_owned(), detail: String::new() })
    }

    fn answered(status: u16, code: Option<ErrorCode>, retry_after: Option<Duration>) -> ClientError {
        error(ErrorKind::Service(ServiceError {
            status,
            code,
            code_text: None,
            message: String::new(),
            tracking_id: None,
            retry_after,
            asker: Asker::Principal,
        }))
    }

    #[test]
    fn what_is_tried_again() {
        use Repeat::{Freely, IfNotCarriedOut, IfThrottled};
        let slot = Some(ErrorCode::ThrottlingMaxActiveJobCountExceeded);
        let cases = [
            (unreached(Unreached::Refused), [true, true, false]),
            (unreached(Unreached::UnknownName), [true, true, false]),
            (unreached(Unreached::UnknownCa), [false, false, false]),
            (lost(), [true, false, false]),
            (answered(429, None, None), [true, true, true]),
            (answered(429, slot, None), [false, false, false]),
            (answered(500, None, None), [true, false, false]),
            (answered(503, None, None), [true, false, false]),
            (answered(401, None, None), [false, false, false]),
            (answered(404, None, None), [false, false, false]),
            (answered(409, None, None), [false, false, false]),
        ];
        let (patience, rng) = (Patience::standard(), Rng::seeded(1));
        for (error, want) in cases {
            let got = [Freely, IfNotCarriedOut, IfThrottled].map(|repeat| {
                Failures::new(&patience, &rng, repeat).next_pause(&error, Contact::Made, seconds(1)).is_some()
            });
            assert_eq!(got, want, "{error}");
        }
    }

    #[test]
    fn patience_ends() {
        let (patience, rng) = (Patience::standard(), Rng::seeded(1));
        let cases = [
            (unreached(Unreached::Refused), Contact::Never, 19, 20),
            (unreached(Unreached::Refused), Contact::Made, 299, 300),
            (lost(), Contact::Made, 299, 300),
            (answered(502, None, None), Contact::Made, 299, 300),
            (answered(429, None, Some(seconds(30))), Contact::Made, 270, 271),
        ];
        for (error, contact, last, over) in cases {
            let pause = |at| Failures::new(&patience, &rng, Repeat::Freely).next_pause(&error, contact, seconds(at));
            assert!(pause(last).is_some(), "{error}");
            assert_eq!(pause(over), None, "{error}");
        }
    }

    #[test]
    fn a_fault_of_the_hub_is_asked_about_a_few_times_only() {
        let (patience, rng) = (Patience::standard(), Rng::seeded(1));
        let mut failures = Failures::new(&patience, &rng, Repeat::Freely);
        let fault = answered(500, None, None);
        let pauses = (0..20).filter_map(|_| failures.next_pause(&fault, Contact::Made, seconds(1))).count();
        assert_eq!(pauses + 1, SERVER_FAULT_TRIES_MAX as usize);
    }

    #[test]
    fn pauses_grow_stay_within_bounds_and_obey_retry_after() {
        let (patience, rng) = (Patience::standard(), Rng::seeded(7));
        let mut longest = Duration::ZERO;
        for failures in 1..200 {
            let pause = patience.pace.after_failure(failures, &rng);
            assert!(pause <= seconds(15), "{pause:?}");
            longest = longest.max(pause);
            let pause = patience.pace.after_throttling(failures, &rng);
            assert!((seconds(10)..=seconds(70)).contains(&pause), "{pause:?}");
        }
        assert!(longest > seconds(10), "the bound grows");
        assert!(patience.pace.after_failure(1, &rng) <= Duration::from_millis(500));
        let told = answered(429, None, Some(seconds(3)));
        let pause = Failures::new(&patience, &rng, Repeat::Freely).next_pause(&told, Contact::Made, Duration::ZERO);
        assert_eq!(pause, Some(seconds(3)));
    }
}
