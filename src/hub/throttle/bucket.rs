//! A token bucket that knows when a request's turn comes, so that traffic can be shaped before it is refused.

use std::time::Duration;

use crate::model::tier::Allowance;

/// Lets a rate through, with bursts, in the order of asking.
///
/// It keeps one time only: when all that was promised will have been paid for. Time is told from outside, as a span
/// since an arbitrary origin, and may stand still but is not to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    period: Duration,
    full: Duration,
    paid_at: Duration,
}

/// A request's turn lies too far ahead; it took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// How far.
    pub wait: Duration,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        let Allowance { period, burst } = allowance;
        Self { period, full: period * burst, paid_at: Duration::ZERO }
    }

    /// Takes `count` tokens and says how long to wait before going on.
    ///
    /// # Errors
    /// [`TooLong`] when that would be more than `patience`.
    pub fn take(&mut self, count: u32, now: Duration, patience: Duration) -> Result<Duration, TooLong> {
        let paid_at = self.paid_at.max(now) + self.period * count;
        let wait = paid_at.saturating_sub(now + self.full);
        if wait > patience {
            return Err(TooLong { wait });
        }
        self.paid_at = paid_at;
        Ok(wait)
    }

    /// How many tokens can be taken now without waiting.
    #[must_use]
    pub fn ready(&self, now: Duration) -> usize {
        let saved = (now + self.full).saturating_sub(self.paid_at.max(now));
        let count = saved.as_nanos() / self.period.as_nanos().max(1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// How long until one token can be taken.
    #[must_use]
    pub fn next(&self, now: Duration) -> Duration {
        (self.paid_at.max(now) + self.period).saturating_sub(now + self.full)
    }

    /// Forgets promises that no present could have made: the clock went back.
    pub(crate) fn adjust(&mut self, now: Duration) {
        self.paid_at = self.paid_at.min(now + self.full);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Ten a second, five at once.
    fn bucket() -> Bucket {
        Bucket::new(Allowance { period: Duration::from_millis(100), burst: 5 })
    }

    fn waits(bucket: &mut Bucket, count: usize, now: Duration) -> Vec<Option<u128>> {
        (0..count).map(|_| bucket.take(1, now, SECOND / 4).ok().map(|wait| wait.as_millis())).collect()
    }

    #[test]
    fn a_burst_passes_then_requests_wait_in_turn_then_they_are_refused() {
        let mut bucket = bucket();
        let now = Duration::from_secs(9);
        assert_eq!(bucket.ready(now), 5);
        assert_eq!(
            waits(&mut bucket, 9, now),
            [Some(0), Some(0), Some(0), Some(0), Some(0), Some(100), Some(200), None, None]
        );
        assert_eq!(bucket.take(1, now, Duration::ZERO), Err(TooLong { wait: Duration::from_millis(300) }));
        // A refused request took nothing: the third place in the queue is still the next.
        assert_eq!(waits(&mut bucket, 1, now + Duration::from_millis(100)), [Some(200)]);
    }

    #[test]
    fn it_fills_up_again_but_never_past_its_burst() {
        let mut bucket = bucket();
        waits(&mut bucket, 5, Duration::ZERO);
        assert_eq!((bucket.ready(Duration::ZERO), bucket.next(Duration::ZERO)), (0, Duration::from_millis(100)));
        assert_eq!(bucket.ready(Duration::from_millis(250)), 2);
        assert_eq!(bucket.ready(Duration::from_secs(3_600)), 5);
        assert_eq!(bucket.next(Duration::from_secs(3_600)), Duration::ZERO);
    }

    #[test]
    fn more_than_a_burst_at_once_waits_for_the_rest() {
        let mut bucket = bucket();
        assert_eq!(bucket.take(12, Duration::ZERO, SECOND), Ok(Duration::from_millis(700)));
    }

    #[test]
    fn a_clock_that_went_back_stops_nothing_for_long() {
        let mut bucket = bucket();
        waits(&mut bucket, 5, Duration::from_secs(1_000));
        let now = Duration::from_secs(1);
        bucket.adjust(now);
        assert_eq!(bucket.next(now), Duration::from_millis(100));
    }

    proptest! {
        #[test]
        fn what_passes_never_exceeds_the_rate_and_the_burst(steps in prop::collection::vec((0_u64..400, 1_u32..4), 1..60)) {
            let mut bucket = bucket();
            let (mut now, mut passed) = (Duration::ZERO, Vec::new());
            for (pause, count) in steps {
                now += Duration::from_millis(pause);
                if let Ok(wait) = bucket.take(count, now, SECOND) {
                    passed.push((now + wait, count));
                }
            }
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0;
                for (until, count) in &passed[first..] {
                    sum += u128::from(*count);
                    // Within any stretch: the burst, what came in meanwhile, and one request that was under way.
                    prop_assert!(sum <= 5 + (*until - *from).as_millis() / 100 + 3, "{passed:?}");
                }
            }
        }
    }
}
