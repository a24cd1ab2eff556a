//! The packets of MQTT 3.1.1 that a hub and its devices exchange, and no others.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::PacketId;

/// A quality of service that somebody asks for. The hub grants at most 1 (DEVICE.md 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QoS {
    /// 0.
    AtMostOnce,
    /// 1.
    AtLeastOnce,
    /// 2: never granted.
    ExactlyOnce,
}

impl QoS {
    /// What the hub grants: the least of this and 1.
    #[must_use]
    pub fn granted(self) -> Self {
        self.min(Self::AtLeastOnce)
    }
}

/// A packet that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPacket {
    /// Opens the session.
    Connect(Box<Connect>),
    /// Carries a message.
    Publish(Publish),
    /// Acknowledges a message of quality 1.
    PubAck(PacketId),
    /// Asks for subscriptions, at least one.
    Subscribe {
        /// What the acknowledgement will name.
        id: PacketId,
        /// The filters in order.
        filters: Vec<RequestedSubscription>,
    },
    /// Ends subscriptions, at least one.
    Unsubscribe {
        /// What the acknowledgement will name.
        id: PacketId,
        /// The filters in order.
        filters: Vec<String>,
    },
    /// Asks for a sign of life.
    PingReq,
    /// Ends the session; no will is sent.
    Disconnect,
}

/// A packet that the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerPacket {
    /// Answers CONNECT.
    ConnAck {
        /// Whether subscriptions of an earlier session live on; only with [`ConnAckCode::Accepted`].
        session_present: bool,
        /// The verdict.
        code: ConnAckCode,
    },
    /// Carries a message.
    Publish(Publish),
    /// Acknowledges a message of quality 1.
    PubAck(PacketId),
    /// Answers SUBSCRIBE, one code a filter.
    SubAck {
        /// The identifier of the SUBSCRIBE.
        id: PacketId,
        /// One for each filter, in order.
        codes: Vec<SubAckCode>,
    },
    /// Answers UNSUBSCRIBE.
    UnsubAck(PacketId),
    /// Gives a sign of life.
    PingResp,
}

/// What a client says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The client's name; on IoT Hub the identity.
    pub client_id: String,
    /// Whether the client wants an earlier session dropped.
    pub clean_session: bool,
    /// Seconds between signs of life; 0 for none.
    pub keep_alive_s: u16,
    /// User name and password.
    pub login: Option<Login>,
    /// What to publish when the link ends without DISCONNECT.
    pub will: Option<Will>,
}

/// User name and password. An empty password is none (DEVICE.md 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Never empty.
    pub user_name: String,
    /// A SAS token; none with a certificate.
    pub password: Option<Password>,
}

/// A password, which no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the place that checks or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// A message to be published when its owner vanishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// Asked-for quality.
    pub qos: QoS,
    /// The retain flag.
    pub retain: bool,
}

/// One filter of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedSubscription {
    /// The filter as written.
    pub filter: String,
    /// Asked-for quality.
    pub qos: QoS,
}

/// A message under way. Quality 2 does not exist here: IoT Hub closes the connection (DEVICE.md 1.8).
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// How surely.
    pub delivery: Delivery,
    /// The retain flag.
    pub retain: bool,
}

impl Publish {
    /// A message of quality 0.
    #[must_use]
    pub fn at_most_once(topic: String, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), delivery: Delivery::AtMostOnce, retain: false }
    }

    /// A message of quality 1, sent for the first time.
    #[must_use]
    pub fn at_least_once(topic: String, payload: impl Into<Bytes>, id: PacketId) -> Self {
        Self { topic, payload: payload.into(), delivery: Delivery::AtLeastOnce { id, dup: false }, retain: false }
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, payload, delivery, retain } = self;
        write!(f, "Publish({topic}, {} bytes, {delivery:?}, retain={retain})", payload.len())
    }
}

/// How surely a message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Sent once and forgotten.
    AtMostOnce,
    /// Sent until it is acknowledged.
    AtLeastOnce {
        /// What the acknowledgement names.
        id: PacketId,
        /// Whether it was sent before.
        dup: bool,
    },
}

/// The server's verdict on a CONNECT (DEVICE.md 1.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnAckCode {
    /// 0.
    Accepted,
    /// 1: not MQTT 3.1.1.
    UnacceptableProtocolVersion,
    /// 2.
    IdentifierRejected,
    /// 3: passes; clients try again.
    ServerUnavailable,
    /// 4.
    BadUserNameOrPassword,
    /// 5: SDKs give up on it.
    NotAuthorized,
}

impl ConnAckCode {
    /// Every code, at the index that is its number.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::UnacceptableProtocolVersion,
        Self::IdentifierRejected,
        Self::ServerUnavailable,
        Self::BadUserNameOrPassword,
        Self::NotAuthorized,
    ];
}

impl fmt::Display for ConnAckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::UnacceptableProtocolVersion => "protocol version refused (CONNACK 1)",
            Self::IdentifierRejected => "client id refused (CONNACK 2)",
            Self::ServerUnavailable => "server unavailable (CONNACK 3)",
            Self::BadUserNameOrPassword => "bad user name or password (CONNACK 4)",
            Self::NotAuthorized => "not authorized (CONNACK 5)",
        })
    }
}

/// The server's verdict on one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubAckCode {
    /// Granted with this quality.
    Granted(QoS),
    /// Refused; IoT Hub never says so but closes (DEVICE.md 2.2).
    Failure,
}
