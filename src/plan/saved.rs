//! A plan in a file: the filled manifests and what their targets were like, so that apply does exactly that or nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::WireTime;

/// Version of the file's form.
pub const SAVED_VERSION: u32 = 1;

/// What `plan --out` writes. It holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// [`SAVED_VERSION`].
    pub iotjob_plan: u32,
    /// The hub that was asked.
    pub hub: String,
    /// When.
    pub saved_at: WireTime,
    /// The runs.
    pub runs: Vec<SavedRun>,
}

/// One run of a saved plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedRun {
    /// The id that it is applied under.
    pub run_id: String,
    /// The manifest, its variables filled in.
    pub manifest: Value,
    /// Each target with a digest of what the run would touch of it, empty for methods.
    pub targets: BTreeMap<String, String>,
}

/// How far a fleet has moved since a plan was saved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Targets that the plan did not have.
    pub added: Vec<String>,
    /// Targets of the plan that are none any more.
    pub removed: Vec<String>,
    /// Targets with another value where the run would write.
    pub changed: Vec<String>,
}

impl Moved {
    /// Compares a plan's targets with those of now.
    #[must_use]
    pub fn between(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Self {
        let missing_in = |other: &BTreeMap<String, String>, of: &BTreeMap<String, String>| {
            of.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
        };
        let changed = now.iter().filter(|(id, digest)| then.get(*id).is_some_and(|before| before != *digest));
        Self {
            added: missing_in(then, now),
            removed: missing_in(now, then),
            changed: changed.map(|(id, _)| id.clone()).collect(),
        }
    }

    /// How many targets are concerned.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.removed.len() + self.changed.len()
    }
}

/// How many targets may have moved: a number, or a share of the plan's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(f64),
}

impl Tolerance {
    /// How many that is of `targets`.
    #[must_use]
    pub fn of(self, targets: usize) -> usize {
        match self {
            Self::Count(count) => count,
            #[expect(clippy::cast_precision_loss, reason = "a share of a fleet")]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the fleet")]
            Self::Percent(percent) => (targets as f64 * percent / 100.0).floor() as usize,
        }
    }
}

impl std::str::FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a number of devices, or a share such as 5%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(share) => match share.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

/// A digest of a value: 16 hex digits of SHA-256 over its JSON; empty for null.
#[must_use]
pub fn digest(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, value.to_string().as_bytes());
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, digest)| ((*id).to_owned(), (*digest).to_owned())).collect()
    }

    #[test]
    fn a_fleet_moves_by_those_who_come_go_and_change() {
        let then = targets(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let moved = Moved::between(&then, &targets(&[("b", "2"), ("c", "1"), ("d", "1")]));
        assert_eq!((moved.added, moved.removed, moved.changed), (vec!["d".into()], vec!["a".into()], vec!["b".into()]));
        assert_eq!(Moved::between(&then, &then).count(), 0);
    }

    #[test]
    fn a_tolerance_is_a_number_or_a_share() {
        let of = |text: &str, targets| text.parse::<Tolerance>().map(|tolerance| tolerance.of(targets));
        assert_eq!((of("3", 100), of("5%", 99), of("0", 5), of("2.5%", 1_000)), (Ok(3), Ok(4), Ok(0), Ok(25)));
        for bad in ["", "x", "-1", "101%", "5 percent", "NaN%"] {
            assert!(of(bad, 1).is_err(), "{bad}");
        }
    }
}
