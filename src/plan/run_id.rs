//! The identity of a run: `NAME-HASH`, then `-rN` for a re-run, and `-pN` behind it for the hub's job of a part.

use std::fmt;

use crate::model::JobId;
use crate::model::limits::RERUNS_MAX;

/// Id of a run and of its job on the hub (product.md 3.1). The same manifest makes the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId {
    base: JobId,
    rerun: u32,
}

impl RunId {
    /// The first run of a manifest, `NAME-HASH`.
    #[must_use]
    pub fn first(base: JobId) -> Self {
        Self { base, rerun: 0 }
    }

    /// The run that `--rerun` takes after this one; `None` past the last number.
    #[must_use]
    pub fn next_rerun(&self) -> Option<Self> {
        (self.rerun < RERUNS_MAX).then(|| Self { base: self.base.clone(), rerun: self.rerun + 1 })
    }

    /// Whether this is the manifest's first run.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.rerun == 0
    }

    /// The id that the hub knows a part of it by: the run's own when there is only one.
    #[must_use]
    pub fn job_id(&self, part: usize, parts: usize) -> JobId {
        let id = if parts == 1 { self.to_string() } else { part_id(&self.to_string(), part) };
        id.parse().expect("40 + 13 + 5 + 6 characters of a job id's set are a job id")
    }
}

/// The id of a run's part on the hub, counted from 0.
#[must_use]
pub fn part_id(run_id: &str, part: usize) -> String {
    format!("{run_id}-p{}", part + 1)
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rerun {
            0 => write!(f, "{}", self.base),
            n => write!(f, "{}-r{n}", self.base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::RUN_PARTS_MAX;

    #[test]
    fn reruns_are_counted_behind_the_hash_and_end() {
        let longest = format!("{}-0123456789ab", "n".repeat(40));
        let mut run = RunId::first(longest.parse().unwrap());
        assert_eq!(run.to_string(), longest);
        assert!(run.is_first());
        while let Some(next) = run.next_rerun() {
            run = next;
        }
        assert_eq!(run.job_id(0, 1).as_str(), format!("{longest}-r{RERUNS_MAX}"));
        assert_eq!(run.job_id(RUN_PARTS_MAX - 1, RUN_PARTS_MAX).as_str().len(), 64);
    }
}
