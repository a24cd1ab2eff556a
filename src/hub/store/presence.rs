//! Who is connected, and when it last said something: in memory only, shared by engine, edges and reads.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use foldhash::HashMap;
use jiff::Timestamp;

use crate::model::limits::STATES_KEPT_MAX;
use crate::model::{Clock, ConnectionState, TwinId, WireTime};

/// What the hub knows of an identity's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Is a connection open.
    pub state: ConnectionState,
    /// When that last changed.
    pub state_updated: WireTime,
    /// When the identity last connected, disconnected or sent something.
    pub last_activity: WireTime,
}

impl Default for Presence {
    /// The presence of who never connected.
    fn default() -> Self {
        Self { state: ConnectionState::Disconnected, state_updated: WireTime::Never, last_activity: WireTime::Never }
    }
}

/// The presence of all identities. Exempt from durability: after a restart nobody is connected yet.
#[derive(Debug, Default)]
pub struct PresenceBoard {
    board: RwLock<Board>,
    lag: Option<Lag>,
}

/// How late a connection's state is seen (DEVICE.md 6.2).
#[derive(Debug)]
struct Lag {
    clock: Clock,
    span: Duration,
}

#[derive(Debug, Default)]
struct Board {
    entries: HashMap<TwinId, Presence>,
    /// What lagging eyes still see, oldest first; empty without a lag.
    earlier: HashMap<TwinId, Vec<Earlier>>,
    devices_connected: u64,
}

/// A state that is over, and seen until then.
#[derive(Debug, Clone, Copy)]
struct Earlier {
    until: Duration,
    state: ConnectionState,
    state_updated: WireTime,
}

impl PresenceBoard {
    /// A board that shows states so much later; counts and activity are never late.
    pub(super) fn lagging(clock: Clock, span: Duration) -> Self {
        Self { board: RwLock::default(), lag: Some(Lag { clock, span }) }
    }

    /// The presence of an identity.
    #[must_use]
    pub fn get(&self, id: &TwinId) -> Presence {
        let board = self.read();
        let mut presence = board.entries.get(id).copied().unwrap_or_default();
        if let Some(lag) = &self.lag
            && let Some(earlier) = board.earlier.get(id)
            && let Some(seen) = earlier.iter().find(|earlier| earlier.until > lag.clock.monotonic())
        {
            (presence.state, presence.state_updated) = (seen.state, seen.state_updated);
        }
        presence
    }

    /// How many devices, modules not counted, are connected.
    #[must_use]
    pub fn devices_connected(&self) -> u64 {
        self.read().devices_connected
    }

    /// Notes that an identity sent something.
    pub fn active(&self, id: &TwinId, now: Timestamp) {
        let mut board = self.write();
        match board.entries.get_mut(id) {
            Some(presence) => presence.last_activity = now.into(),
            None => board.entries.entry(id.clone()).or_default().last_activity = now.into(),
        }
    }

    /// Notes that a connection opened or that the last one ended.
    pub fn set(&self, id: &TwinId, state: ConnectionState, now: Timestamp) {
        let mut board = self.write();
        let entry = board.entries.entry(id.clone()).or_default();
        let before = std::mem::replace(entry, Presence { state, state_updated: now.into(), last_activity: now.into() });
        board.count(id, before.state, state);
        if let Some(lag) = &self.lag {
            let now = lag.clock.monotonic();
            let earlier = board.earlier.entry(id.clone()).or_default();
            earlier.retain(|earlier| earlier.until > now);
            if earlier.len() == STATES_KEPT_MAX {
                earlier.remove(0);
            }
            let Presence { state, state_updated, .. } = before;
            earlier.push(Earlier { until: now + lag.span, state, state_updated });
        }
    }

    /// Forgets a deleted identity.
    pub fn forget(&self, id: &TwinId) {
        let mut board = self.write();
        board.earlier.remove(id);
        if let Some(entry) = board.entries.remove(id) {
            board.count(id, entry.state, ConnectionState::Disconnected);
        }
    }

    // A poisoned board is still a board: each entry is written in one go.
    fn read(&self) -> RwLockReadGuard<'_, Board> {
        self.board.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Board> {
        self.board.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn count(&mut self, id: &TwinId, before: ConnectionState, after: ConnectionState) {
        if id.module.is_some() {
            return;
        }
        self.devices_connected -= u64::from(before == ConnectionState::Connected);
        self.devices_connected += u64::from(after == ConnectionState::Connected);
    }
}
