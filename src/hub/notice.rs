//! What the engine tells a live device connection.

use serde_json::Value;

use crate::model::JsonObject;

/// Names one live MQTT connection for as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names one method call on its way to a device; its lower-case hex is the `$rid` (DEVICE.md 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A message from the engine to a connection. Sent only to connections that subscribed to its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Call a direct method; QoS 0. Already marked as sent, durably, when this arrives.
    Method {
        /// Becomes the `$rid`.
        call: CallId,
        /// The method's name.
        name: String,
        /// Its payload.
        payload: Value,
    },
    /// The desired properties changed: the patch as applied, nulls included, and the new `$version` (DEVICE.md 2.9).
    DesiredPatch {
        /// The new `$version` of the desired properties.
        version: u64,
        /// The patch.
        patch: JsonObject,
    },
    /// Close the connection without a packet; the text goes to the log.
    Close {
        /// Why.
        reason: String,
    },
}
