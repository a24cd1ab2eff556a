//! Live connections of devices and what they subscribed to.

use crate::mqtt::Subscription;

/// What a CONNECT asks of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// Clean session 1: what was stored is dropped, nothing will be stored (DEVICE.md 1.6).
    Clean,
    /// Clean session 0: subscriptions survive the connection and the process.
    Persistent,
}

/// What a device gets on CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOpened {
    /// Whether a session was there to restore: the CONNACK's session-present flag.
    pub session_present: bool,
    /// Subscriptions in force from the start, with their granted QoS.
    pub subscriptions: Vec<(Subscription, u8)>,
}
