//! What a run has come to, readable from outside at the moment it is cut off.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::diff::diff;
use super::event::{Happening, Left};
use super::outcome::{DeviceResult, Tally, TargetId};
use super::snapshot::{Phase, Snapshot};
use super::submit::Watermark;
use crate::model::JobResponse;

/// The snapshots of a run's parts and what of each lies on the hub. A run of one job has one part.
#[derive(Debug)]
pub(super) struct RunState(Mutex<Vec<Part>>);

#[derive(Debug)]
struct Part {
    left: Left,
    snapshot: Snapshot,
}

impl RunState {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Makes room for so many parts.
    pub(super) fn has_parts(&self, count: usize) {
        let part = || Part { left: Left::NotSubmitted, snapshot: Snapshot::default() };
        self.parts().resize_with(count, part);
    }

    /// One part; there is room for it.
    pub(super) fn part(&self, index: usize) -> PartState<'_> {
        PartState { run: self, index }
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        // Nothing in here is ever half done: a poisoned state is still a state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the hub has of the run as a whole.
    pub(super) fn left(&self) -> Left {
        let parts = self.parts();
        let any = |left: Left| parts.iter().any(|part| part.left == left);
        let is_sent_in_part = any(Left::OnHub) || any(Left::Ended);
        match (any(Left::MaybeSubmitted), any(Left::NotSubmitted) || parts.is_empty()) {
            (true, _) => Left::MaybeSubmitted,
            (false, true) if is_sent_in_part => Left::Partly,
            (false, true) => Left::NotSubmitted,
            (false, false) if any(Left::OnHub) => Left::OnHub,
            (false, false) => Left::Ended,
        }
    }

    /// The sum of the run, parts whose jobs have ended and been read like all others; and how many of its unknown
    /// targets are merely not read yet.
    pub(super) fn tally_so_far(&self) -> (Tally, u64) {
        let parts = self.parts();
        let results = parts.iter().flat_map(|part| part.snapshot.results.values());
        let device_count = parts.iter().filter_map(|part| part.snapshot.device_count()).sum();
        let tally = Tally::of(results, device_count, 0);
        let read: usize = parts.iter().map(|part| part.snapshot.results.len()).sum();
        (tally, tally.targets().saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)))
    }
}

/// One part of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartState<'r> {
    run: &'r RunState,
    index: usize,
}

impl PartState<'_> {
    fn with<T>(self, act: impl FnOnce(&mut Part) -> T) -> T {
        act(&mut self.run.parts()[self.index])
    }

    /// The hub has the job.
    pub(super) fn on_hub(self) {
        self.with(|part| part.left = Left::OnHub);
    }

    /// Looks at the part's snapshot.
    pub(super) fn snapshot<T>(self, look: impl FnOnce(&Snapshot) -> T) -> T {
        self.with(|part| look(&part.snapshot))
    }

    /// Takes in what a poll saw; what it means for the run as a whole.
    pub(super) fn observe(self, job: &JobResponse) -> Vec<Happening> {
        let mut parts = self.run.parts();
        let before = whole(&parts);
        let part = &mut parts[self.index];
        let seen = part.snapshot.after(job);
        part.snapshot = Snapshot { results: std::mem::take(&mut part.snapshot.results), ..seen };
        if matches!(part.snapshot.phase, Phase::Ended { .. }) {
            part.left = Left::Ended;
        }
        let mut after = whole(&parts);
        if let (Phase::Running { .. }, Phase::Running { .. }) = (&before.phase, &after.phase) {
            // Another part has begun or ended; the run goes on.
            after.phase = before.phase.clone();
        }
        diff(&before, &after)
    }

    /// Takes in a page of results; what was news.
    pub(super) fn absorb(self, page: BTreeMap<TargetId, DeviceResult>) -> Vec<Happening> {
        self.with(|Part { snapshot, .. }| {
            let mut with_page =
                Snapshot { phase: snapshot.phase.clone(), statistics: snapshot.statistics, results: page };
            let news = diff(snapshot, &with_page);
            snapshot.results.append(&mut with_page.results);
            news
        })
    }
}

impl Watermark for PartState<'_> {
    fn sending(&self) {
        self.with(|part| part.left = Left::MaybeSubmitted);
    }

    fn refused(&self) {
        self.with(|part| part.left = Left::NotSubmitted);
    }
}

/// The run's phase and counts over all of its parts.
fn whole(parts: &[Part]) -> Snapshot {
    let phases = parts.iter().map(|part| &part.snapshot.phase);
    let counts = parts.iter().filter_map(|part| part.snapshot.statistics);
    Snapshot {
        phase: Phase::of_all(phases),
        statistics: counts.reduce(|sum, more| sum + more),
        results: BTreeMap::new(),
    }
}
