//! Notices when clients fight for one identity: each takes the other's connection away, and both come back at once.
//!
//! The service lets them fight in silence (DEVICE.md 1.9); here the log says so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::TwinId;
use crate::model::limits::{TAKEOVERS_NOTED_MAX, TAKEOVERS_OF_A_FIGHT, TAKEOVERS_WINDOW_S};

/// The connections that the hub took away of late, by identity.
#[derive(Debug, Default)]
pub(crate) struct Takeovers(Mutex<HashMap<TwinId, Lately>>);

#[derive(Debug)]
struct Lately {
    since: Duration,
    count: u32,
}

impl Takeovers {
    /// Counts a connection that was taken away; true when it is time to say that two clients fight.
    pub(crate) fn note(&self, id: &TwinId, now: Duration) -> bool {
        let is_old = |lately: &Lately| now.saturating_sub(lately.since) > Duration::from_secs(TAKEOVERS_WINDOW_S);
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= TAKEOVERS_NOTED_MAX {
            noted.retain(|_, lately| !is_old(lately));
        }
        if noted.len() >= TAKEOVERS_NOTED_MAX && !noted.contains_key(id) {
            return false;
        }
        let lately = noted.entry(id.clone()).or_insert(Lately { since: now, count: 0 });
        if is_old(lately) {
            *lately = Lately { since: now, count: 0 };
        }
        lately.count += 1;
        lately.count == TAKEOVERS_OF_A_FIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TwinId {
        TwinId::device(text.parse().unwrap())
    }

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    // conformance: DEVICE.md 1.9: two clients that fight for one identity are told of in the log
    #[test]
    fn a_fight_is_told_once_in_a_while() {
        let takeovers = Takeovers::default();
        let told: Vec<bool> = (0..7).map(|second| takeovers.note(&id("d"), at(second))).collect();
        assert_eq!(told, [false, false, false, false, true, false, false]);
        let later: Vec<bool> = (100..105).map(|second| takeovers.note(&id("d"), at(second))).collect();
        assert_eq!(later, [false, false, false, false, true]);
    }

    #[test]
    fn single_takeovers_are_nobodys_business() {
        let takeovers = Takeovers::default();
        assert!((0..20).all(|n| !takeovers.note(&id("d"), at(n * 61))));
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let takeovers = Takeovers::default();
        for n in 0..2 * TAKEOVERS_NOTED_MAX {
            takeovers.note(&id(&format!("d{n}")), at(0));
        }
        assert_eq!(takeovers.0.lock().unwrap().len(), TAKEOVERS_NOTED_MAX);
        takeovers.note(&id("later"), at(1_000));
        assert_eq!(takeovers.0.lock().unwrap().len(), 1);
    }
}
