//! The gate that every request passes when a tier was chosen: refuses, lets wait, lets through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::bucket::{Bucket, TooLong};
use super::quota::{Quota, UsedUp};
use crate::hub::HubError;
use crate::hub::metrics::Metrics;
use crate::model::limits::{SHAPED_CONNECT_S_MAX, SHAPED_REQUEST_S_MAX};
use crate::model::tier::Tier;
use crate::model::tier::{Operation, allowance, messages_a_day, metered};
use crate::model::{Clock, ErrorCode};

/// The limits of a hub's tier; without a tier there are none. Cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    limits: Option<Arc<Limits>>,
    metrics: Metrics,
}

struct Limits {
    tier: Tier,
    clock: Clock,
    stop: CancellationToken,
    counts: Mutex<Counts>,
}

struct Counts {
    buckets: Vec<(Operation, Bucket)>,
    quota: Quota,
}

impl Throttle {
    /// No limits at all.
    #[must_use]
    pub fn off() -> Self {
        Self { limits: None, metrics: Metrics::default() }
    }

    /// The limits of a tier; who waits at `stop` is sent away.
    #[must_use]
    pub fn of(tier: Tier, clock: Clock, stop: CancellationToken) -> Self {
        let bucket = |operation| (operation, Bucket::new(allowance(tier, operation)));
        let counts = Counts {
            buckets: Operation::ALL.into_iter().map(bucket).collect(),
            quota: Quota::new(messages_a_day(tier)),
        };
        let limits = Some(Arc::new(Limits { tier, clock, stop, counts: Mutex::new(counts) }));
        Self { limits, metrics: Metrics::default() }
    }

    /// The same, counting what waits and what is refused.
    #[must_use]
    pub fn counted(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Returns when a request of so many bytes has its turn.
    ///
    /// # Errors
    /// `OperationNotAvailableInCurrentTier`; `IotHubQuotaExceeded`; `ThrottlingBacklogTimeout`, at once, when the turn
    /// lies too far ahead; `ServiceUnavailable` when the hub stops.
    // conformance-choice: REST.md 10: a request whose turn lies more than 10 s ahead (a connection's: 60 s) is refused at once instead of after that wait
    pub async fn admit(&self, operation: Operation, bytes: usize) -> Result<(), HubError> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let wait =
            limits.reserve(operation, bytes).inspect_err(|_| self.metrics.shaped(operation.name(), "refused"))?;
        if wait.is_zero() {
            return Ok(());
        }
        self.metrics.shaped(operation.name(), "delayed");
        tracing::debug!(target: "iotjob::hub::throttle", operation = operation.name(), ?wait, "delayed");
        tokio::select! {
            biased;
            () = sleep(wait) => Ok(()),
            () = limits.stop.cancelled() => Err(HubError::unavailable("the hub stopped while the request waited")),
        }
    }

    /// Whether the day has messages left: without, devices connect and are then sent away (DEVICE.md 1.10).
    ///
    /// # Errors
    /// `IotHubQuotaExceeded`.
    pub fn check_quota(&self) -> Result<(), HubError> {
        let Some(limits) = &self.limits else { return Ok(()) };
        limits.counts().quota.check(limits.clock.now()).map_err(|used_up| quota_exceeded(&used_up))
    }
}

impl Limits {
    /// Takes the request's place in all that it uses, or in nothing.
    fn reserve(&self, operation: Operation, bytes: usize) -> Result<Duration, HubError> {
        if self.tier.edition().is_basic() && operation.needs_standard() {
            let text = "The operation is not available in the current tier of this hub.";
            return Err(HubError::new(ErrorCode::OperationNotAvailableInCurrentTier, text)
                .because(format!("tier {} has no twins, methods and jobs", self.tier)));
        }
        let (now, passed) = (self.clock.now(), self.clock.monotonic());
        let mut counts = self.counts();
        if operation.is_metered() {
            counts.quota.check(now).map_err(|used_up| quota_exceeded(&used_up))?;
        }
        let (_, bucket) =
            counts.buckets.iter_mut().find(|(of, _)| *of == operation).expect("there is a bucket for each operation");
        let wait = bucket
            .take(operation.count(bytes), passed, patience(operation))
            .map_err(|too_long| self.throttled(operation, too_long))?;
        if operation.is_metered() {
            counts.quota.take(metered(self.tier, bytes), now).map_err(|used_up| quota_exceeded(&used_up))?;
        }
        Ok(wait)
    }

    fn throttled(&self, operation: Operation, TooLong { wait }: TooLong) -> HubError {
        let text = format!(
            "The request has been throttled. Wait 10 seconds and try again. Operation type: {}",
            operation.name()
        );
        let every = allowance(self.tier, operation).period;
        HubError::new(ErrorCode::ThrottlingBacklogTimeout, text).because(format!(
            "tier {} takes one {} every {every:?}; this one's turn would come in {wait:?}",
            self.tier,
            operation.name()
        ))
    }

    // Each change is made in one go: a poisoned lock hides nothing half done.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn patience(operation: Operation) -> Duration {
    Duration::from_secs(match operation {
        Operation::Connection => SHAPED_CONNECT_S_MAX,
        _ => SHAPED_REQUEST_S_MAX,
    })
}

fn quota_exceeded(UsedUp { limit, used }: &UsedUp) -> HubError {
    let text = format!(
        "Total number of messages on IotHub exceeded the allocated quota. Max allowed message count: '{limit}', \
         current message count: '{used}'."
    );
    HubError::new(ErrorCode::IotHubQuotaExceeded, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time that passes as tokio's paused time does.
    #[expect(clippy::disallowed_methods, reason = "the paused time of tokio is what this clock shows")]
    fn throttle(tier: &str) -> (Throttle, CancellationToken) {
        let (origin, stop) = (tokio::time::Instant::now(), CancellationToken::new());
        let start = "2026-02-03T00:00:00Z".parse().unwrap();
        let clock = Clock::driven(start, move || tokio::time::Instant::now().duration_since(origin));
        (Throttle::of(tier.parse().unwrap(), clock, stop.clone()), stop)
    }

    async fn burst(throttle: &Throttle, operation: Operation, count: usize) {
        for _ in 0..count {
            throttle.admit(operation, 0).await.unwrap();
        }
    }

    // conformance: REST.md 10: requests above the rate wait first and get 429 only when the wait is long
    #[tokio::test(start_paused = true)]
    async fn queries_above_the_rate_wait_and_then_are_refused() {
        let (throttle, _stop) = throttle("S1");
        burst(&throttle, Operation::Query, 20).await;
        let waiting = futures_util::future::join_all((0..4).map(|_| throttle.admit(Operation::Query, 0))).await;
        let codes: Vec<_> = waiting.into_iter().map(|outcome| outcome.map_err(|error| error.code)).collect();
        assert_eq!(codes, [Ok(()), Ok(()), Ok(()), Err(ErrorCode::ThrottlingBacklogTimeout)]);
        // The refused one took nothing, and the three waited 3, 6 and 9 s: a token comes 3 s later.
        assert_eq!(throttle.admit(Operation::Query, 0).await, Ok(()));
        assert_eq!(throttle.limits.unwrap().clock.monotonic().as_secs(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn each_operation_has_its_own_budget() {
        let (throttle, _stop) = throttle("S1");
        burst(&throttle, Operation::Job, 100).await;
        burst(&throttle, Operation::Registry, 250).await;
        burst(&throttle, Operation::TwinUpdate, 50).await;
        assert_eq!(throttle.limits.unwrap().clock.monotonic(), Duration::ZERO);
    }

    // conformance: REST.md 3.3: a throttled request is told to wait 10 seconds, and its operation type
    #[tokio::test(start_paused = true)]
    async fn the_refusal_speaks_as_the_service_does() {
        let (throttle, _stop) = throttle("S1");
        let error = throttle.admit(Operation::DirectMethod, 10_000_000).await.unwrap_err();
        assert_eq!(
            error.message,
            "The request has been throttled. Wait 10 seconds and try again. Operation type: DirectMethod"
        );
    }

    // conformance: DEVICE.md 6.1: basic tiers refuse twins, methods and jobs with 403010
    #[tokio::test(start_paused = true)]
    async fn basic_hubs_lack_twins_methods_and_jobs() {
        use Operation::{Connection, DirectMethod, Job, Message, Query, Registry, TwinRead, TwinUpdate};
        let (throttle, _stop) = throttle("B1");
        for operation in [TwinRead, TwinUpdate, DirectMethod, Job] {
            let error = throttle.admit(operation, 0).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::OperationNotAvailableInCurrentTier, "{operation:?}");
        }
        for operation in [Registry, Query, Connection, Message] {
            assert_eq!(throttle.admit(operation, 0).await, Ok(()), "{operation:?}");
        }
    }

    // conformance: DEVICE.md 6.1: the free tier has 8,000 messages a day of half a kilobyte each
    #[tokio::test(start_paused = true)]
    async fn a_used_up_quota_stops_what_it_meters_until_midnight() {
        let (throttle, _stop) = throttle("F1");
        throttle.admit(Operation::Message, 512 * 8_000).await.unwrap();
        for operation in [Operation::Message, Operation::TwinRead] {
            assert_eq!(throttle.admit(operation, 1).await.unwrap_err().code, ErrorCode::IotHubQuotaExceeded);
        }
        assert_eq!(throttle.check_quota().unwrap_err().code, ErrorCode::IotHubQuotaExceeded);
        assert_eq!(throttle.admit(Operation::Registry, 0).await, Ok(()));
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(throttle.check_quota(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_when_the_hub_stops_is_sent_away() {
        let (throttle, stop) = throttle("S1");
        burst(&throttle, Operation::Query, 20).await;
        stop.cancel();
        assert_eq!(throttle.admit(Operation::Query, 0).await.unwrap_err().code, ErrorCode::ServiceUnavailable);
    }

    #[tokio::test]
    async fn without_a_tier_nothing_is_counted() {
        let throttle = Throttle::off();
        burst(&throttle, Operation::Query, 10_000).await;
        assert_eq!(throttle.check_quota(), Ok(()));
    }
}
