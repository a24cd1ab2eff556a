//! Who is connected, and when it last said something: in memory only, shared by engine, edges and reads.

use crate::model::{ConnectionState, WireTime};

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

/// The presence of all identities.
#[derive(Debug, Default)]
pub struct PresenceBoard {}
