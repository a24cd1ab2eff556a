//! Why a connection ended: for the log, and for the will.

use std::time::Duration;

use super::session::Closing;
use crate::hub::HubError;
use crate::mqtt::StreamError;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    /// What the device or the engine did.
    #[error(transparent)]
    Session(#[from] Closing),
    /// The socket closed between two packets, without DISCONNECT.
    #[error("the device closed the connection without DISCONNECT")]
    LinkLost,
    /// The bytes made no sense, or the socket broke.
    #[error(transparent)]
    Stream(StreamError),
    /// Neither packet nor ping for one and a half keep-alive intervals.
    #[error("nothing heard for {:.1} s, longer than keep-alive allows", .silence.as_secs_f64())]
    Silent {
        /// How long.
        silence: Duration,
    },
    /// The token's time is over; the device is to come back with a fresh one.
    #[error("the token expired")]
    TokenExpired,
    /// The device does not read.
    #[error("the device is too slow to take what it is sent")]
    Slow,
    /// The engine let go of the connection without a word.
    #[error("the hub let go of the connection; the device took its messages too slowly")]
    Dropped,
    /// The engine refused.
    #[error("the hub refused: {0}")]
    Engine(HubError),
    /// The tier's limits, in their hardest form.
    #[error("{0}; {reason}", reason = .0.reason.as_deref().unwrap_or("no more messages are taken today"))]
    Throttled(HubError),
    /// The hub goes down.
    #[error("the hub is stopping")]
    HubStops,
}

impl Ending {
    /// Whether somebody should look at the device.
    pub(crate) fn is_misbehaviour(&self) -> bool {
        match self {
            Self::Session(closing) => !matches!(closing, Closing::Goodbye | Closing::Ordered(_)),
            Self::LinkLost | Self::TokenExpired | Self::HubStops => false,
            // A broken link is the network's doing.
            Self::Stream(error) => matches!(error, StreamError::Frame(_)),
            Self::Silent { .. } | Self::Slow | Self::Dropped | Self::Engine(_) | Self::Throttled(_) => true,
        }
    }

    /// One word for the metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Session(Closing::Goodbye) => "goodbye",
            Self::Session(Closing::Ordered(_)) => "ordered",
            Self::Session(_) => "protocol",
            Self::Stream(StreamError::Frame(_)) => "malformed",
            Self::LinkLost | Self::Stream(_) => "link_lost",
            Self::Silent { .. } => "silent",
            Self::TokenExpired => "token_expired",
            Self::Slow | Self::Dropped => "slow",
            Self::Engine(_) => "refused",
            Self::Throttled(_) => "throttled",
            Self::HubStops => "hub_stops",
        }
    }

    /// Whether the will is sent: always but after DISCONNECT (DEVICE.md 1.8).
    pub(crate) fn sends_will(&self) -> bool {
        !matches!(self, Self::Session(Closing::Goodbye))
    }
}
