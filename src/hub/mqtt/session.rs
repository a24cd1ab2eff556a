//! One device's side of the conversation, as a synchronous machine: packets and notices in, actions out.
//!
//! It never awaits and knows no socket, so that a test reads like a protocol trace. Who runs the actions keeps their
//! order: what a packet changes is durable before that packet is acknowledged.

use bytes::Bytes;
use serde_json::Value;

use super::telemetry::MessageProperties;
use crate::hub::HubError;
use crate::hub::notice::{CallId, Notice};
use crate::model::limits::{METHOD_PAYLOAD_BYTES_MAX, TELEMETRY_BYTES_MAX};
use crate::model::{ErrorCode, JsonObject, MethodResponse, TwinId};
use crate::mqtt::{
    ClientPacket, Delivery, Downstream, PacketId, PropertyBag, Publish, QoS, RequestedSubscription, ServerPacket,
    SubAckCode, Subscription, TopicError, Upstream,
};
use crate::query::Strictness;

/// What the connection does next, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Write a packet.
    Send(ServerPacket),
    /// Make subscriptions durable.
    Subscribe(Vec<(Subscription, QoS)>),
    /// End subscriptions, durably.
    Unsubscribe(Vec<Subscription>),
    /// Read the twin, then come back with [`Session::twin_reply`].
    ReadTwin {
        /// The request to answer.
        rid: String,
    },
    /// Change reported properties, then come back with [`Session::twin_reply`].
    Report {
        /// The request to answer.
        rid: String,
        /// The patch.
        patch: JsonObject,
        /// The version that must still be current.
        base_version: Option<u64>,
    },
    /// Answer a twin request with an error.
    Refuse {
        /// The request to answer.
        rid: String,
        /// Why.
        error: HubError,
    },
    /// Hand a method's answer to the engine.
    Answer {
        /// The call.
        call: CallId,
        /// The answer.
        response: MethodResponse,
    },
    /// Take a device-to-cloud message.
    Receive {
        /// Its properties.
        properties: MessageProperties,
        /// Its body.
        body: Bytes,
    },
    /// Say something in the log that closes nothing.
    Remark(String),
    /// Close the connection; nothing comes after it.
    Close(Closing),
}

/// Why a connection ends. To the device every reason looks alike: the socket closes (DEVICE.md 1.8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closing {
    /// The device said goodbye: the only end without a will.
    #[error("the device disconnected")]
    Goodbye,
    /// A second CONNECT [MQTT-3.1.0-2].
    #[error("a second CONNECT on one connection")]
    SecondConnect,
    /// A filter that is not on the hub's list, or another identity's.
    #[error("the hub has no subscription `{filter}` for this identity")]
    Filter {
        /// As received.
        filter: String,
    },
    /// A topic that is not on the hub's list, or another identity's.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// An acknowledgement of nothing; a strict hub's reason only.
    #[error("PUBACK for packet {id}, which the hub never sent")]
    UnknownPubAck {
        /// The packet's number.
        id: u16,
    },
    /// A message past its limit.
    #[error("{what} of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// The engine wants it so.
    #[error("{0}")]
    Ordered(String),
}

/// The outcome of a twin request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TwinReply {
    /// The twin.
    Read(Value),
    /// The new version of the reported properties.
    Patched(u64),
    /// An error's status and body.
    Refused {
        /// HTTP-like.
        status: u16,
        /// Never empty (DEVICE.md 2.10).
        body: Vec<u8>,
    },
}

/// The state of one connection after CONNACK.
#[derive(Debug)]
pub(crate) struct Session {
    id: TwinId,
    /// At most a handful: one for each kind.
    subscriptions: Vec<(Subscription, QoS)>,
    strictness: Strictness,
}

impl Session {
    /// A session with the subscriptions that an earlier connection left.
    pub(crate) fn new(id: TwinId, restored: Vec<(Subscription, QoS)>) -> Self {
        Self { id, subscriptions: restored, strictness: Strictness::Lenient }
    }

    /// The same, strict or not.
    pub(crate) fn with_strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    // conformance-choice: DEVICE.md 2.3: a PUBACK for nothing is ignored
    /// Takes a packet of the device.
    pub(crate) fn on_packet(&mut self, packet: ClientPacket) -> Vec<Action> {
        match packet {
            ClientPacket::Connect(_) => vec![Action::Close(Closing::SecondConnect)],
            ClientPacket::Disconnect => vec![Action::Close(Closing::Goodbye)],
            ClientPacket::PingReq => vec![Action::Send(ServerPacket::PingResp)],
            // The hub sends nothing that wants one: newer gateways of the service close, older ones ignore it.
            // conformance-choice: DEVICE.md 2.3: a PUBACK for an unknown id is ignored, unless the hub is strict
            ClientPacket::PubAck(id) if self.strictness == Strictness::Lenient => {
                vec![Action::Remark(format!("PUBACK for packet {}, which the hub never sent", id.get()))]
            }
            ClientPacket::PubAck(id) => vec![Action::Close(Closing::UnknownPubAck { id: id.get() })],
            ClientPacket::Subscribe { id, filters } => self.on_subscribe(id, &filters),
            ClientPacket::Unsubscribe { id, filters } => self.on_unsubscribe(id, &filters),
            ClientPacket::Publish(publish) => self.on_publish(publish).unwrap_or_else(|why| vec![Action::Close(why)]),
        }
    }

    /// Takes a notice of the engine. What the device no longer subscribes to is not delivered (DEVICE.md 2.2).
    pub(crate) fn on_notice(&mut self, notice: Notice) -> Vec<Action> {
        let (wanted, topic, body) = match notice {
            Notice::Close { reason } => return vec![Action::Close(Closing::Ordered(reason))],
            Notice::Method { call, name, payload } => {
                let topic = Downstream::MethodRequest { name, rid: format!("{:x}", call.0) };
                (Subscription::Methods, topic, payload.to_string())
            }
            Notice::DesiredPatch { version, mut patch } => {
                patch.insert("$version".to_owned(), version.into());
                (Subscription::DesiredPatches, Downstream::DesiredPatch { version }, Value::Object(patch).to_string())
            }
        };
        if !self.subscribes(wanted) {
            return Vec::new();
        }
        vec![Action::Send(self.publish(&topic, body.into_bytes()))]
    }

    /// Answers a twin request, unless the device does not listen to answers: then it is lost, as on the service.
    pub(crate) fn twin_reply(&self, rid: String, reply: TwinReply) -> Option<ServerPacket> {
        if !self.subscribes(Subscription::TwinResponses) {
            return None;
        }
        let (status, version, body) = match reply {
            TwinReply::Read(twin) => (200, None, twin.to_string().into_bytes()),
            // 204, not 200: one SDK tells replies apart by it.
            TwinReply::Patched(version) => (204, Some(version), Vec::new()),
            TwinReply::Refused { status, body } => (status, None, body),
        };
        Some(self.publish(&Downstream::TwinResponse { status, rid, version }, body))
    }

    fn subscribes(&self, wanted: Subscription) -> bool {
        self.subscriptions.iter().any(|&(subscription, _)| subscription == wanted)
    }

    /// Methods, desired patches and twin replies go out at QoS 0 whatever was granted (DEVICE.md 2.3).
    fn publish(&self, topic: &Downstream, body: Vec<u8>) -> ServerPacket {
        ServerPacket::Publish(Publish::at_most_once(topic.format(&self.id), body))
    }

    // conformance-choice: DEVICE.md 2.2: one bad filter of several closes; of each kind one subscription is kept, so there is no sixth
    fn on_subscribe(&mut self, id: PacketId, filters: &[RequestedSubscription]) -> Vec<Action> {
        let mut granted = Vec::with_capacity(filters.len());
        for RequestedSubscription { filter, qos } in filters {
            let Some(subscription) = Subscription::parse(filter, &self.id) else {
                return vec![Action::Close(Closing::Filter { filter: filter.clone() })];
            };
            granted.push((subscription, qos.granted()));
        }
        for &(subscription, qos) in &granted {
            self.subscriptions.retain(|&(known, _)| known != subscription);
            self.subscriptions.push((subscription, qos));
        }
        let codes = granted.iter().map(|&(_, qos)| SubAckCode::Granted(qos)).collect();
        vec![Action::Subscribe(granted), Action::Send(ServerPacket::SubAck { id, codes })]
    }

    fn on_unsubscribe(&mut self, id: PacketId, filters: &[String]) -> Vec<Action> {
        let ended: Vec<Subscription> =
            filters.iter().filter_map(|filter| Subscription::parse(filter, &self.id)).collect();
        self.subscriptions.retain(|(subscription, _)| !ended.contains(subscription));
        let mut actions = Vec::with_capacity(2);
        if !ended.is_empty() {
            actions.push(Action::Unsubscribe(ended));
        }
        actions.push(Action::Send(ServerPacket::UnsubAck(id)));
        actions
    }

    fn on_publish(&self, publish: Publish) -> Result<Vec<Action>, Closing> {
        let Publish { topic, payload, delivery, retain } = publish;
        let mut actions = Vec::with_capacity(2);
        match Upstream::parse(&topic, &self.id)? {
            Upstream::Telemetry { bag } => {
                check_size("a message", message_bytes(&bag, &payload), TELEMETRY_BYTES_MAX)?;
                let mut properties = MessageProperties { bag, text: Upstream::bag_text(&topic, &self.id)?.to_owned() };
                if retain {
                    // Nothing is retained; the service hands the flag on as a property (DEVICE.md 1.8).
                    properties.add("mqtt-retain", "true");
                }
                actions.push(Action::Receive { properties, body: payload });
            }
            Upstream::TwinGet { rid } => actions.push(Action::ReadTwin { rid }),
            Upstream::ReportedPatch { rid, base_version } => actions.push(match serde_json::from_slice(&payload) {
                Ok(Value::Object(patch)) => Action::Report { rid, patch, base_version },
                Ok(_) => refuse(rid, "reported properties must be a JSON object".to_owned()),
                Err(error) => refuse(rid, format!("reported properties are not JSON: {error}")),
            }),
            Upstream::MethodResponse { status, rid } => {
                check_size("a method response", payload.len(), METHOD_PAYLOAD_BYTES_MAX)?;
                match u64::from_str_radix(&rid, 16) {
                    Ok(call) => {
                        let response = MethodResponse { status, payload: method_payload(&payload) };
                        actions.push(Action::Answer { call: CallId(call), response });
                    }
                    // Unknown and late answers are ignored (DEVICE.md 2.7).
                    Err(_) => actions.push(Action::Remark(format!("a method response to the unknown $rid `{rid}`"))),
                }
            }
        }
        if let Delivery::AtLeastOnce { id, .. } = delivery {
            actions.push(Action::Send(ServerPacket::PubAck(id)));
        }
        Ok(actions)
    }
}

fn refuse(rid: String, message: String) -> Action {
    Action::Refuse { rid, error: HubError::new(ErrorCode::ArgumentInvalid, message) }
}

fn check_size(what: &'static str, bytes: usize, max: usize) -> Result<(), Closing> {
    if bytes > max { Err(Closing::TooLarge { what, bytes, max }) } else { Ok(()) }
}

/// Body, names and values count (DEVICE.md 1.8).
fn message_bytes(bag: &PropertyBag, body: &Bytes) -> usize {
    body.len() + bag.iter().map(|(key, value)| key.len() + value.map_or(0, str::len)).sum::<usize>()
}

// conformance-choice: DEVICE.md 2.7: an answer that is no JSON is passed on as a text
/// An empty body is null. What is not JSON is passed on as text: nothing settles what the service does.
fn method_payload(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests;
