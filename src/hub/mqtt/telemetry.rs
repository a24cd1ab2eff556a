//! Telemetry: counted, shown in the log, and the last messages kept in memory. Never durable (product.md 5).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::TwinId;
use crate::model::limits::TELEMETRY_KEPT_MAX;

/// A device-to-cloud message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryMessage {
    /// Who sent it.
    pub from: TwinId,
    /// When it arrived.
    pub enqueued: Timestamp,
    /// System and application properties, as in the topic and in its order; the value is missing where no `=` was.
    pub properties: Vec<(String, Option<String>)>,
    /// The body.
    pub body: Bytes,
}

/// Where telemetry ends up: a counter and a window on the newest messages of all devices.
#[derive(Debug, Default)]
pub struct Telemetry(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    received: u64,
    newest: VecDeque<TelemetryMessage>,
}

impl Telemetry {
    /// Counts and keeps a message; the oldest gives way.
    pub fn receive(&self, message: TelemetryMessage) {
        tracing::info!(
            target: "iotjob::hub::mqtt",
            device = %message.from,
            bytes = message.body.len(),
            properties = message.properties.len(),
            "telemetry"
        );
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        window.received += 1;
        if window.newest.len() == TELEMETRY_KEPT_MAX {
            window.newest.pop_front();
        }
        window.newest.push_back(message);
    }

    /// How many messages arrived since the start.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).received
    }

    /// The newest messages, oldest first, at most [`TELEMETRY_KEPT_MAX`].
    #[must_use]
    pub fn newest(&self) -> Vec<TelemetryMessage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).newest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_all_count() {
        let telemetry = Telemetry::default();
        for n in 0..TELEMETRY_KEPT_MAX + 3 {
            telemetry.receive(TelemetryMessage {
                from: TwinId::device("d".parse().unwrap()),
                enqueued: Timestamp::UNIX_EPOCH,
                properties: Vec::new(),
                body: Bytes::from(n.to_string()),
            });
        }
        assert_eq!(telemetry.received(), 67);
        assert_eq!(telemetry.newest().len(), TELEMETRY_KEPT_MAX);
        assert_eq!(telemetry.newest()[0].body, "3");
    }
}
