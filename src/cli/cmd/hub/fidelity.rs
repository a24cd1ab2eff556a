//! The flags that make a local hub as slow and narrow as the real one, and what they mean in words.

use std::time::Duration;

use crate::cli::hub_target::duration;
use crate::hub::Fidelity;
use crate::hub::throttle::{Operation, Tier, allowance, jobs_at_a_time, messages_a_day};
use crate::query::Strictness;

/// How close a hub comes to the real service.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FidelityArgs {
    /// Job slots, throttles and daily quota of a tier: F1, S1, S2, S3, or B1, B2, B3 without twins, methods and jobs
    #[arg(long, value_name = "TIER[:UNITS]")]
    pub tier: Option<Tier>,
    /// How late queries and job targeting see twins, as the service's index is; GET of a twin never is
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub query_lag: Option<Duration>,
    /// How late connectionState is seen
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub state_lag: Option<Duration>,
    /// Refuse what nobody has confirmed, or only one hub has shown: capitals in job ids, doubtful queries, and the like
    #[arg(long)]
    pub strict: bool,
}

impl FidelityArgs {
    /// What the hub is told.
    #[must_use]
    pub fn fidelity(&self) -> Fidelity {
        Fidelity {
            tier: self.tier,
            query_lag: self.query_lag.unwrap_or_default(),
            state_lag: self.state_lag.unwrap_or_default(),
            strictness: if self.strict { Strictness::Strict } else { Strictness::Lenient },
        }
    }
}

/// What was chosen, a line each, for whoever started the hub.
pub(super) fn described(fidelity: &Fidelity) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(tier) = fidelity.tier {
        lines.push(described_tier(tier));
    }
    if !fidelity.query_lag.is_zero() {
        lines.push(format!("Queries and jobs see twins as they were {:?} ago", fidelity.query_lag));
    }
    if !fidelity.state_lag.is_zero() {
        lines.push(format!("connectionState is seen {:?} late", fidelity.state_lag));
    }
    if fidelity.strictness == Strictness::Strict {
        lines.push("Strict: what nobody has confirmed is refused".to_owned());
    }
    lines
}

fn described_tier(tier: Tier) -> String {
    let a_minute = |operation| 60_000 / allowance(tier, operation).period.as_millis().max(1);
    let jobs = if tier.edition().is_basic() {
        "no twins, methods and jobs".to_owned()
    } else {
        let slots = jobs_at_a_time(tier);
        let s = if slots == 1 { "" } else { "s" };
        format!("{slots} job{s} at a time, {} device operations a second", a_minute(Operation::JobDevice) / 60)
    };
    format!(
        "Tier {tier}: {jobs}, {} queries a minute, {} registry operations a minute, {} messages a day",
        a_minute(Operation::Query),
        a_minute(Operation::Registry),
        messages_a_day(tier)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_described_by_its_numbers() {
        let line = |tier: &str| described_tier(tier.parse().unwrap());
        assert_eq!(
            line("S1"),
            "Tier S1: 1 job at a time, 10 device operations a second, 20 queries a minute, \
             100 registry operations a minute, 400000 messages a day"
        );
        assert!(line("S2:2").starts_with("Tier S2:2: 5 jobs at a time"), "{}", line("S2:2"));
        assert!(line("B1").starts_with("Tier B1: no twins, methods and jobs, 20 queries"), "{}", line("B1"));
    }
}
