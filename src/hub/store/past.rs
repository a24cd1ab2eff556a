//! Twins as they were a while ago: what a query index that lags would still show (REST.md 9).
//!
//! The store holds the present. What a change replaced is kept here for as long as the lag, in memory and up to
//! [`PAST_BYTES_MAX`]: past that the oldest is let go early and the index is just less late, as a real one may be. A
//! restart forgets the past too. Reads look a twin up, one short lock each, so that no scan holds the writer up.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::read::{IdentityRecord, RecordTable, TwinRow, TwinScan, TwinTables, TwinVisitor};
use super::schema::twin_key;
use super::{StoreError, TwinCollection};
use crate::model::limits::PAST_BYTES_MAX;
use crate::model::{Clock, TwinId};

/// What a twin was made of, as it was stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PastTwin {
    pub(super) identity: Vec<u8>,
    pub(super) twin: Vec<u8>,
}

/// Until when a twin was like that; none is no twin at all.
#[derive(Debug)]
struct Change {
    at: Duration,
    before: Option<Arc<PastTwin>>,
}

/// What a lagging index has not taken over yet.
#[derive(Debug)]
pub struct Past {
    clock: Clock,
    lag: Duration,
    changes: RwLock<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    by_twin: BTreeMap<TwinId, VecDeque<Change>>,
    /// All changes, oldest first.
    order: VecDeque<(Duration, TwinId)>,
    bytes: usize,
}

/// The past as of one moment.
struct View<'p> {
    past: &'p Past,
    now: Duration,
}

/// Two entries, two ids and their places in the collections, roughly.
const CHANGE_BYTES: usize = 256;

impl Past {
    /// An index that lags by so much.
    pub(super) fn new(clock: Clock, lag: Duration) -> Self {
        Self { clock, lag, changes: RwLock::default() }
    }

    /// Keeps what a twin is before it is changed.
    pub(super) fn note(&self, id: &TwinId, before: Option<PastTwin>) {
        let now = self.clock.monotonic();
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        let change = Change { at: now, before: before.map(Arc::new) };
        changes.bytes += change.bytes();
        changes.by_twin.entry(id.clone()).or_default().push_back(change);
        changes.order.push_back((now, id.clone()));
        while changes.order.front().is_some_and(|(at, _)| *at + self.lag <= now) || changes.bytes > PAST_BYTES_MAX {
            if !changes.forget_oldest() {
                break;
            }
        }
    }

    fn view(&self) -> View<'_> {
        View { past: self, now: self.clock.monotonic() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Changes> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    fn bytes(&self) -> usize {
        CHANGE_BYTES + self.before.as_ref().map_or(0, |twin| twin.identity.len() + twin.twin.len())
    }
}

impl Changes {
    fn forget_oldest(&mut self) -> bool {
        let Some((_, id)) = self.order.pop_front() else { return false };
        if let Some(list) = self.by_twin.get_mut(&id) {
            self.bytes -= list.pop_front().map_or(0, |change| change.bytes());
            if list.is_empty() {
                self.by_twin.remove(&id);
            }
        }
        true
    }
}

impl View<'_> {
    /// The first change that the index has not seen says what it still shows.
    fn shown<'c>(&self, list: &'c VecDeque<Change>) -> Option<&'c Option<Arc<PastTwin>>> {
        list.iter().find(|change| change.at + self.past.lag > self.now).map(|change| &change.before)
    }

    /// What the index shows of a twin; the outer none is the present.
    fn of(&self, id: &TwinId) -> Option<Option<Arc<PastTwin>>> {
        self.past.read().by_twin.get(id).and_then(|list| self.shown(list)).cloned()
    }

    /// The next twin of a stretch that the index shows and that `wanted` takes.
    fn next(
        &self,
        after: Option<&TwinId>,
        below: Option<&TwinId>,
        wanted: impl Fn(&TwinId) -> bool,
    ) -> Option<(TwinId, Arc<PastTwin>)> {
        if after.zip(below).is_some_and(|(after, below)| after >= below) {
            return None;
        }
        let bounds = (after.map_or(Bound::Unbounded, Bound::Excluded), below.map_or(Bound::Unbounded, Bound::Excluded));
        let changes = self.past.read();
        let mut shown = changes.by_twin.range::<TwinId, _>(bounds).filter(|(id, _)| wanted(id));
        shown.find_map(|(id, list)| Some((id.clone(), self.shown(list)?.clone()?)))
    }
}

/// A scan of the past: the present, with changes undone and deleted twins put back in their places.
pub(super) struct PastScan<'s, 'a, T> {
    pub(super) tables: &'s TwinTables<'a, T>,
    pub(super) past: &'s Past,
    pub(super) scan: &'s TwinScan<'s>,
}

impl<T: RecordTable> PastScan<'_, '_, T> {
    /// Walks as [`TwinTables::scan`] does.
    pub(super) fn walk(&self, visit: TwinVisitor<'_>) -> Result<(), StoreError> {
        let view = self.past.view();
        let mut last = self.scan.after.cloned();
        let flow = self.tables.rows(self.scan, &mut |row| {
            let id = row.id()?;
            let flow = self.step(&view, last.as_ref(), (&id, row), visit)?;
            last = Some(id);
            Ok(flow)
        })?;
        if flow.is_break() {
            return Ok(());
        }
        self.show_deleted(&view, last.as_ref(), None, visit).map(drop)
    }

    /// One twin of the present, and before it the deleted ones since the last.
    fn step(
        &self,
        view: &View<'_>,
        last: Option<&TwinId>,
        (id, present): (&TwinId, &TwinRow<'_, T>),
        visit: TwinVisitor<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        if self.show_deleted(view, last, Some(id), visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match view.of(id) {
            None => self.scan.judge(present, visit),
            Some(Some(before)) => self.judge_past(id, &before, visit),
            // Created, and the index has not heard of it.
            Some(None) => Ok(ControlFlow::Continue(())),
        }
    }

    /// Twins between two of the present that the index shows: those that were deleted.
    fn show_deleted(
        &self,
        view: &View<'_>,
        last: Option<&TwinId>,
        below: Option<&TwinId>,
        visit: TwinVisitor<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let of_modules = self.scan.collection == TwinCollection::Modules;
        let wanted = |id: &TwinId| id.module.is_some() == of_modules && self.scan.range.contains(id.device.as_str());
        let mut last = last.cloned();
        while let Some((id, twin)) = view.next(last.as_ref(), below, wanted) {
            if self.judge_past(&id, &twin, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            last = Some(id);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn judge_past(&self, id: &TwinId, past: &PastTwin, visit: TwinVisitor<'_>) -> Result<ControlFlow<()>, StoreError> {
        let row = TwinRow {
            key: &twin_key(id),
            twin: &past.twin,
            identity: IdentityRecord::<T>::Bytes(&past.identity),
            presence: self.tables.presence,
        };
        self.scan.judge(&row, visit)
    }
}

#[cfg(test)]
mod tests;
