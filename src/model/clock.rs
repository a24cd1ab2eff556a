//! The only place that asks what time it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time of day and the time that has passed; a test puts its own in.
///
/// Sleeping is tokio's business (its time can be paused); what time it *is* comes from here.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn system() -> Self {
        let origin = std::time::Instant::now();
        Self {
            wall: Arc::new(Timestamp::now),
            monotonic: Arc::new(move || std::time::Instant::now().duration_since(origin)),
        }
    }

    /// A clock that starts at `start` and moves as `elapsed` says, for tests and simulations.
    #[must_use]
    pub fn driven(start: Timestamp, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let elapsed = Arc::new(elapsed);
        let source = Arc::clone(&elapsed);
        Self {
            wall: Arc::new(move || start.saturating_add(source()).unwrap_or(Timestamp::MAX)),
            monotonic: Arc::new(move || elapsed()),
        }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// Time since an arbitrary origin; never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        (self.monotonic)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_week_passes_when_the_driver_says_so() {
        let seconds = Arc::new(AtomicU64::new(0));
        let driver = Arc::clone(&seconds);
        let clock = Clock::driven(Timestamp::UNIX_EPOCH, move || Duration::from_secs(driver.load(Ordering::SeqCst)));
        seconds.store(7 * 86_400, Ordering::SeqCst);
        assert_eq!(clock.now().to_string(), "1970-01-08T00:00:00Z");
        assert_eq!(clock.monotonic(), Duration::from_secs(7 * 86_400));
    }
}
