//! What a run has come to, readable from outside at the moment it is cut off.

use std::sync::{Mutex, PoisonError};

use super::event::Left;
use super::outcome::Tally;
use super::snapshot::{Phase, Snapshot};
use super::submit::Watermark;

/// A run's snapshot and what of it lies on the hub.
#[derive(Debug)]
pub(super) struct RunState(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    left: Left,
    snapshot: Snapshot,
}

impl RunState {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner { left: Left::NotSubmitted, snapshot: Snapshot::default() }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        // Nothing in here is ever half done: a poisoned state is still a state.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hub has the job.
    pub(super) fn on_hub(&self) {
        self.with(|inner| inner.left = Left::OnHub);
    }

    /// Looks at the snapshot.
    pub(super) fn snapshot<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        self.with(|inner| look(&inner.snapshot))
    }

    /// Changes the snapshot.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Snapshot) -> T) -> T {
        self.with(|inner| {
            let changed = change(&mut inner.snapshot);
            if matches!(inner.snapshot.phase, Phase::Ended { .. }) {
                inner.left = Left::Ended;
            }
            changed
        })
    }

    /// What the hub has.
    pub(super) fn left(&self) -> Left {
        self.with(|inner| inner.left)
    }

    /// The sum so far, and how many of its unknown targets are merely not read yet.
    pub(super) fn tally_so_far(&self) -> (Tally, u64) {
        self.snapshot(|snapshot| {
            let tally = Tally::of(snapshot.results.values(), snapshot.device_count().unwrap_or(0), 0);
            let read = u64::try_from(snapshot.results.len()).unwrap_or(u64::MAX);
            (tally, tally.targets().saturating_sub(read))
        })
    }
}

impl Watermark for RunState {
    fn sending(&self) {
        self.with(|inner| inner.left = Left::MaybeSubmitted);
    }

    fn refused(&self) {
        self.with(|inner| inner.left = Left::NotSubmitted);
    }
}
