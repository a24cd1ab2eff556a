//! What a device has to tell.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::model::{JsonObject, TwinId};
use crate::mqtt::ConnAckCode;

/// Something that happened to one device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceEvent {
    /// The device.
    pub id: Arc<TwinId>,
    /// What happened.
    pub kind: DeviceEventKind,
}

/// Who is told what happens to devices.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where events go.
    pub sender: mpsc::Sender<DeviceEvent>,
    /// Which of them.
    pub hears: Hears,
}

/// What a listener wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Every event.
    Everything,
    /// How devices come and go. Waking somebody for each call of a crowd costs more than the answers do.
    ComingAndGoing,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceEventKind {
    /// The hub accepted the connection.
    Connected,
    /// Subscribed, and the twin is read: from here on method calls arrive.
    Ready {
        /// Version of the desired properties.
        desired_version: u64,
    },
    /// A direct method was called.
    MethodCalled {
        /// The method.
        name: String,
        /// What came with it; `null` for nothing.
        payload: Value,
    },
    /// A call was answered.
    MethodAnswered {
        /// The method.
        name: String,
        /// With which status.
        status: i64,
    },
    /// A call was taken and will never be answered.
    MethodHung {
        /// The method.
        name: String,
    },
    /// The hub acknowledged a telemetry message.
    TelemetrySent {
        /// The message's number, from 1.
        count: u64,
    },
    /// Desired properties changed.
    DesiredPatch {
        /// Their new version.
        version: u64,
        /// The patch as the hub sent it, or all desired properties when they were read.
        patch: JsonObject,
        /// How the device learned of it.
        origin: DesiredOrigin,
    },
    /// The hub took the reported properties.
    Reported {
        /// Their new version.
        version: Option<u64>,
    },
    /// The hub refused the reported properties.
    ReportRefused {
        /// With which status.
        status: u16,
        /// The hub's words.
        body: String,
    },
    /// The device neither answers nor pings any more, but holds its connection.
    WentSilent,
    /// A second connection with the same identity is made while the first is open.
    TakingOver,
    /// The device never connects.
    StaysOffline,
    /// The connection is gone and will be made again.
    Disconnected {
        /// Why.
        reason: LossReason,
        /// After how long.
        retry_after: Duration,
    },
    /// The device will not try again.
    GaveUp {
        /// Why.
        reason: LossReason,
    },
}

impl DeviceEventKind {
    /// Whether who hears so much is to be told.
    pub(super) fn is_for(&self, hears: Hears) -> bool {
        match (hears, self) {
            (Hears::Everything, _) => true,
            (
                Hears::ComingAndGoing,
                Self::Connected
                | Self::Ready { .. }
                | Self::WentSilent
                | Self::TakingOver
                | Self::StaysOffline
                | Self::Disconnected { .. }
                | Self::GaveUp { .. },
            ) => true,
            (
                Hears::ComingAndGoing,
                Self::MethodCalled { .. }
                | Self::MethodAnswered { .. }
                | Self::MethodHung { .. }
                | Self::TelemetrySent { .. }
                | Self::DesiredPatch { .. }
                | Self::Reported { .. }
                | Self::ReportRefused { .. },
            ) => false,
        }
    }
}

/// How a device learned of desired properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesiredOrigin {
    /// The hub notified it.
    Notification,
    /// It read its twin and found a newer version than it knew.
    Read,
}

/// Why a connection ended or was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossReason {
    /// The endpoint was not reached.
    Unreachable(String),
    /// The server's certificate is not trusted: nothing that passes.
    Untrusted(String),
    /// The hub refused the CONNECT.
    Refused(ConnAckCode),
    /// The hub closed the connection.
    Closed,
    /// The hub closes each connection soon after it was made: mostly a second client with the same identity.
    ClosedAgainAndAgain,
    /// The connection broke.
    Broken(String),
    /// The hub broke the protocol.
    Protocol(String),
    /// An answer did not come in time.
    NoAnswer(&'static str),
    /// The token is about to expire; the device reconnects with a new one (DEVICE.md 1.7).
    TokenRenewal,
    /// The device went away by itself, for a while.
    Flapping,
}

/// The kinds of [`LossReason`], to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are those of `LossReason`")]
pub enum LossKind {
    Unreachable,
    Untrusted,
    Refused,
    Closed,
    ClosedAgainAndAgain,
    Broken,
    Protocol,
    NoAnswer,
    TokenRenewal,
    Flapping,
}

impl LossKind {
    /// All of them, in their order.
    pub const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::Untrusted,
        Self::Refused,
        Self::Closed,
        Self::ClosedAgainAndAgain,
        Self::Broken,
        Self::Protocol,
        Self::NoAnswer,
        Self::TokenRenewal,
        Self::Flapping,
    ];

    /// One word for labels and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::ClosedAgainAndAgain => "closedAgainAndAgain",
            Self::Broken => "broken",
            Self::Protocol => "protocol",
            Self::NoAnswer => "noAnswer",
            Self::TokenRenewal => "tokenRenewal",
            Self::Flapping => "flapping",
        }
    }
}

impl LossReason {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> LossKind {
        match self {
            Self::Unreachable(_) => LossKind::Unreachable,
            Self::Untrusted(_) => LossKind::Untrusted,
            Self::Refused(_) => LossKind::Refused,
            Self::Closed => LossKind::Closed,
            Self::ClosedAgainAndAgain => LossKind::ClosedAgainAndAgain,
            Self::Broken(_) => LossKind::Broken,
            Self::Protocol(_) => LossKind::Protocol,
            Self::NoAnswer(_) => LossKind::NoAnswer,
            Self::TokenRenewal => LossKind::TokenRenewal,
            Self::Flapping => LossKind::Flapping,
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the hub cannot be reached: {why}"),
            Self::Untrusted(why) => write!(f, "the hub's certificate is not trusted: {why}"),
            Self::Refused(code) => write!(f, "the hub refused the connection: {code}"),
            Self::Closed => f.write_str("the hub closed the connection"),
            Self::ClosedAgainAndAgain => f.write_str(
                "the hub closed the connection soon after it was made, several times in a row; \
                 perhaps another client uses the same identity",
            ),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::Protocol(why) => write!(f, "the hub broke the protocol: {why}"),
            Self::NoAnswer(what) => write!(f, "the hub did not answer {what} in time"),
            Self::TokenRenewal => f.write_str("the token is renewed"),
            Self::Flapping => f.write_str("the device went away for a while"),
        }
    }
}
