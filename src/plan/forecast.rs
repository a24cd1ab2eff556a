//! How long a run takes by the documented throttles of a tier, and what its time limit cuts off (REST.md 10).

use std::time::Duration;

use serde::Serialize;

use super::Step;
use crate::manifest::Action;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::tier::{Operation, Tier, allowance};

/// What is to be expected of a run on a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Devices of one job that the hub works on in a second; the throttle is shared by all jobs.
    pub devices_per_second: u64,
    /// Seconds for all devices at that rate, at least.
    pub seconds: u64,
    /// Devices that the run's time limit leaves out at that rate.
    pub cut_off: u64,
    /// Seconds that a method may take longer for a device that is slow or comes late.
    pub slowest_device_seconds: u64,
    /// Queries for the results of all devices.
    pub result_queries: u64,
    /// Seconds that those take, at least.
    pub result_seconds: u64,
}

/// Forecasts a run over `targets` devices, none counted twice.
#[must_use]
pub fn forecast(step: &Step, action: &Action, targets: u64, tier: Tier) -> Forecast {
    let devices_per_second = per_second(tier, Operation::JobDevice).max(1);
    let limit = step.request().max_execution_time_in_seconds;
    let parts = u64::try_from(step.parts.len()).unwrap_or(u64::MAX);
    // Parts have their limit each, and their share of the targets.
    let each = targets.div_ceil(parts);
    let cut_off = each.saturating_sub(devices_per_second.saturating_mul(limit)).saturating_mul(parts).min(targets);
    let slowest_device_seconds = match action {
        Action::Method { response_timeout_s, .. } => *response_timeout_s,
        Action::Twin { .. } => 0,
    };
    let result_queries = targets.div_ceil(u64::try_from(PAGE_ITEMS_MAX).unwrap_or(u64::MAX));
    Forecast {
        devices_per_second,
        seconds: targets.div_ceil(devices_per_second),
        cut_off,
        slowest_device_seconds,
        result_queries,
        result_seconds: time_for(tier, Operation::Query, result_queries).as_secs(),
    }
}

/// How long `count` operations take on a tier, the burst after a rest included.
#[must_use]
pub fn time_for(tier: Tier, operation: Operation, count: u64) -> Duration {
    let allowance = allowance(tier, operation);
    let beyond = count.saturating_sub(u64::from(allowance.burst));
    allowance.period.saturating_mul(u32::try_from(beyond).unwrap_or(u32::MAX))
}

fn per_second(tier: Tier, operation: Operation) -> u64 {
    let period = allowance(tier, operation).period.as_micros().max(1);
    u64::try_from(1_000_000 / period).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_text;
    use crate::plan::build;

    #[test]
    fn the_tiers_throttles_say_how_long_and_whom_the_limit_leaves_out() {
        let of = |timeout: &str, targets: u64, tier: &str| {
            let text =
                format!("type: scheduleUpdateTwin\nquery: '*'\npatch: {{ tags: {{ a: 1 }} }}\ntimeout: {timeout}\n");
            let manifest = &parse_text("j.yaml", &text).manifests[0];
            let forecast = forecast(&build(manifest), &manifest.action, targets, tier.parse().unwrap());
            (forecast.seconds, forecast.cut_off, forecast.result_queries, forecast.result_seconds)
        };
        assert_eq!(of("60s", 25, "S1"), (3, 0, 1, 0));
        assert_eq!(of("60s", 1_000, "S1"), (100, 400, 10, 0));
        assert_eq!(of("1h", 100_000, "S1"), (10_000, 64_000, 1_000, 2_940));
        assert_eq!(of("1h", 100_000, "S3:2"), (1_000, 0, 1_000, 0));
    }
}
