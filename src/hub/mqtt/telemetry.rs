//! Telemetry: counted, shown in the log, handed to the tap, and the last messages kept in memory. Never durable
//! (product.md 5).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::tap::Tap;
use crate::model::TwinId;
use crate::model::limits::TELEMETRY_KEPT_MAX;
use crate::mqtt::{PropertyBag, TopicError, Upstream};

/// The properties of a message: taken apart, and as the topic has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageProperties {
    pub(super) bag: PropertyBag,
    pub(super) text: String,
}

impl MessageProperties {
    /// Those of a telemetry topic.
    ///
    /// # Errors
    /// [`TopicError`] for any other topic.
    pub(super) fn of_topic(topic: &str, own: &TwinId) -> Result<Self, TopicError> {
        let text = Upstream::bag_text(topic, own)?.to_owned();
        Ok(Self { bag: PropertyBag::parse(&text), text })
    }

    /// Adds what the hub has to say, in words that need no escapes; it counts more than what the device wrote.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        self.bag.set(key, Some(value));
        let separator = if self.text.is_empty() { "" } else { "&" };
        self.text.push_str(&format!("{separator}{key}={value}"));
    }
}

/// A device-to-cloud message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryMessage {
    /// Who sent it.
    pub from: TwinId,
    /// When it arrived.
    pub enqueued: Timestamp,
    /// System and application properties, as in the topic and in its order; the value is missing where no `=` was.
    pub properties: Vec<(String, Option<String>)>,
    /// The properties as the topic has them, with what the hub added at the end.
    pub bag: String,
    /// The body.
    pub body: Bytes,
}

/// Where telemetry ends up: a counter, a window on the newest messages of all devices, and the tap if there is one.
#[derive(Debug, Default)]
pub struct Telemetry {
    window: Mutex<Window>,
    tap: Option<Tap>,
}

#[derive(Debug, Default)]
struct Window {
    received: u64,
    newest: VecDeque<TelemetryMessage>,
}

impl Telemetry {
    /// Telemetry that is also written down.
    #[must_use]
    pub fn with_tap(tap: Option<Tap>) -> Self {
        Self { tap, ..Self::default() }
    }

    /// Lets the tap write what it has. Nothing reaches it afterwards.
    pub async fn finish(&self) {
        if let Some(tap) = &self.tap {
            tap.finish().await;
        }
    }

    /// Counts and keeps a message, and the oldest gives way; waits for the tap while its queue is full.
    pub async fn receive(&self, message: TelemetryMessage) {
        tracing::info!(
            target: "iotjob::hub::mqtt",
            device = %message.from,
            bytes = message.body.len(),
            properties = message.properties.len(),
            "telemetry"
        );
        if let Some(tap) = &self.tap {
            tap.take(message.from.clone(), message.bag.clone(), message.body.clone()).await;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.received += 1;
        if window.newest.len() == TELEMETRY_KEPT_MAX {
            window.newest.pop_front();
        }
        window.newest.push_back(message);
    }

    /// How many messages arrived since the start.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).received
    }

    /// The newest messages, oldest first, at most [`TELEMETRY_KEPT_MAX`].
    #[must_use]
    pub fn newest(&self) -> Vec<TelemetryMessage> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).newest.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_adds_stands_behind_what_the_device_wrote() {
        let own = TwinId::device("d".parse().unwrap());
        for (topic, text) in [
            ("devices/d/messages/events/", "mqtt-retain=true"),
            ("devices/d/messages/events", "mqtt-retain=true"),
            ("devices/d/messages/events/?a=%20&b/", "?a=%20&b&mqtt-retain=true"),
        ] {
            let mut properties = MessageProperties::of_topic(topic, &own).unwrap();
            properties.add("mqtt-retain", "true");
            assert_eq!((properties.text.as_str(), properties.bag.get("mqtt-retain")), (text, Some("true")));
            assert_eq!(PropertyBag::parse(&properties.text), properties.bag);
        }
    }

    #[tokio::test]
    async fn the_newest_stay_and_all_count() {
        let telemetry = Telemetry::default();
        for n in 0..TELEMETRY_KEPT_MAX + 3 {
            telemetry
                .receive(TelemetryMessage {
                    from: TwinId::device("d".parse().unwrap()),
                    enqueued: Timestamp::UNIX_EPOCH,
                    properties: Vec::new(),
                    bag: String::new(),
                    body: Bytes::from(n.to_string()),
                })
                .await;
        }
        assert_eq!(telemetry.received(), 67);
        assert_eq!(telemetry.newest().len(), TELEMETRY_KEPT_MAX);
        assert_eq!(telemetry.newest()[0].body, "3");
    }
}
