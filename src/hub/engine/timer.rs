//! What the engine has to do at a later time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::command::Ticket;
use crate::hub::notice::CallId;
use crate::model::JobId;

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A device must have answered.
    Response(CallId),
    /// A device must have come.
    Connect(Ticket),
    /// A job starts.
    Start(JobId),
    /// A job may work on its next devices.
    Pace(JobId),
    /// A job is ended.
    Deadline(JobId),
    /// A job is forgotten.
    Forget(JobId),
}

/// All timers, by time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    /// Adds a timer.
    pub(super) fn arm(&mut self, due: Timestamp, timer: Timer) {
        self.0.insert((due, timer));
    }

    /// Removes a timer; `due` is the time it was armed with.
    pub(super) fn disarm(&mut self, due: Timestamp, timer: Timer) {
        self.0.remove(&(due, timer));
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// When the first timer is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|&(due, _)| due)
    }
}

/// `now` plus seconds, at the end of time at the latest.
pub(super) fn after_seconds(now: Timestamp, seconds: u64) -> Timestamp {
    now.saturating_add(std::time::Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
