//! One device as a synchronous state machine: it never waits, sends or sleeps itself.

use std::time::Duration;

use jiff::Timestamp;

use super::DeviceConfig;
use super::backoff::Backoff;
use super::event::{DeviceEventKind, LossReason};
use super::session::{Known, Session, Turn};
use crate::auth::{Resource, SasToken};
use crate::model::limits::{
    CONNACK_S_MAX, CONNECTION_LASTS_S, SAS_LIFETIME_S, SAS_RENEW_BEFORE_S, SHORT_CONNECTIONS_MAX,
};
use crate::model::{Clock, IdentitySeed, Seed};
use crate::mqtt::{ClientPacket, ConnAckCode, Connect, Login, Password, ServerPacket, UserName};

/// What devices call themselves in their user name.
const CLIENT_TYPE: &str = concat!("iotjob/", env!("CARGO_PKG_VERSION"));

/// Refusals in a row after which a device believes the hub: one may be a token that a clock made stale (DEVICE.md 10.2).
const REFUSALS_MAX: u32 = 2;

/// The moment of an input.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The time of day, for tokens.
    pub wall: Timestamp,
    /// The clock's monotonic time, for everything else.
    pub monotonic: Duration,
}

impl Now {
    /// Reads the clock.
    #[must_use]
    pub fn of(clock: &Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }
}

/// What reaches a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The link is up; CONNECT may be sent.
    Opened,
    /// The hub sent something.
    Packet(ServerPacket),
    /// The deadline passed.
    Woken,
    /// The link could not be made, or is gone.
    Lost(LossReason),
}

/// What is to be done with the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for the next input.
    Stay,
    /// Close, wait, dial again.
    Reconnect {
        /// How long to wait.
        after: Duration,
    },
    /// Close and end.
    GiveUp,
}

/// What an input leads to, in this order: send, tell, go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// Packets to send, in one go.
    pub packets: Vec<ClientPacket>,
    /// What to tell.
    pub events: Vec<DeviceEventKind>,
    /// What to do with the link.
    pub next: Next,
}

impl Effects {
    pub(super) fn none() -> Self {
        Self { packets: Vec::new(), events: Vec::new(), next: Next::Stay }
    }
}

/// A device: connects, subscribes, reads its twin, answers, reconnects.
#[derive(Debug)]
pub struct Machine {
    config: DeviceConfig,
    seed: IdentitySeed,
    tokens: u64,
    phase: Phase,
    known: Known,
    backoff: Backoff,
    refusals: u32,
    short_connections: u32,
}

#[derive(Debug)]
enum Phase {
    Offline,
    Connecting { until: Duration, token: Option<TokenLife> },
    Online { since: Duration, session: Box<Session> },
}

/// When the token of a connection must be replaced.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenLife {
    pub(super) renew_at: Duration,
    pub(super) expires_at: Duration,
}

impl Machine {
    /// A device that is not connected yet.
    #[must_use]
    pub fn new(config: DeviceConfig, seed: Seed) -> Self {
        Self {
            seed: seed.of(&config.id.to_string()),
            config,
            tokens: 0,
            phase: Phase::Offline,
            known: Known::default(),
            backoff: Backoff::default(),
            refusals: 0,
            short_connections: 0,
        }
    }

    /// The device's configuration.
    #[must_use]
    pub fn config(&self) -> &DeviceConfig {
        &self.config
    }

    /// When the device wants [`Input::Woken`], in the clock's monotonic time; `None` while it is offline.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Offline => None,
            Phase::Connecting { until, .. } => Some(*until),
            Phase::Online { session, .. } => Some(session.deadline()),
        }
    }

    /// Takes an input and says what to do.
    pub fn on(&mut self, input: Input, now: Now) -> Effects {
        let mut effects = Effects::none();
        let outcome = match input {
            Input::Opened => {
                effects.packets.push(self.connect(now));
                Ok(())
            }
            Input::Packet(packet) => self.on_packet(packet, now, &mut effects),
            Input::Woken => self.on_woken(now, &mut effects),
            Input::Lost(reason) => Err(reason),
        };
        if let Err(reason) = outcome {
            self.lose(reason, now, &mut effects);
        } else if let Phase::Online { session, .. } = &mut self.phase {
            session.note_sent(&effects.packets, now);
        }
        effects
    }

    /// CONNECT, with a fresh token unless the device's certificate speaks for it (DEVICE.md 1.2, 1.4, 1.7).
    fn connect(&mut self, now: Now) -> ClientPacket {
        let (password, token) = match self.fresh_token(now) {
            Some((password, life)) => (Some(password), Some(life)),
            None => (None, None),
        };
        let endpoint = &self.config.endpoint;
        let user_name = UserName::new(&endpoint.hub_name.to_string(), (*self.config.id).clone(), CLIENT_TYPE);
        self.phase = Phase::Connecting { until: now.monotonic + Duration::from_secs(CONNACK_S_MAX), token };
        ClientPacket::Connect(Box::new(Connect {
            client_id: self.config.id.to_string(),
            clean_session: false,
            keep_alive_s: endpoint.keep_alive.seconds(),
            login: Some(Login { user_name: user_name.to_string(), password }),
            will: None,
        }))
    }

    /// A token of this moment; none for a device with a certificate.
    fn fresh_token(&mut self, now: Now) -> Option<(Password, TokenLife)> {
        let (key, policy) = self.config.credentials.key_and_policy()?;
        let lifetime = Duration::from_secs(SAS_LIFETIME_S.unsigned_abs());
        let resource = Resource::twin(&self.config.endpoint.hub_name, &self.config.id);
        let expiry = now.wall.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
        let token = SasToken::sign(&resource, key, policy, expiry);
        // Up to twice the margin, at random: a fleet that connected together must not reconnect together.
        self.tokens += 1;
        let fraction = self.seed.draw("token renewal", self.tokens).fraction();
        let margin = Duration::from_secs(SAS_RENEW_BEFORE_S.unsigned_abs()).mul_f64(1.0 + fraction);
        let life = TokenLife {
            renew_at: now.monotonic + lifetime.saturating_sub(margin),
            expires_at: now.monotonic + lifetime,
        };
        Some((Password::new(token.expose().to_owned()), life))
    }

    fn on_packet(&mut self, packet: ServerPacket, now: Now, effects: &mut Effects) -> Result<(), LossReason> {
        match (&mut self.phase, packet) {
            (
                Phase::Connecting { token, .. },
                ServerPacket::ConnAck { session_present, code: ConnAckCode::Accepted },
            ) => {
                self.refusals = 0;
                // Subscriptions live on only in a session that lives on (DEVICE.md 1.6).
                self.known.subscribed &= session_present;
                effects.events.push(DeviceEventKind::Connected);
                let token = *token;
                let mut turn = Turn { config: &self.config, seed: self.seed, known: &mut self.known, now, effects };
                let session = Session::start(&mut turn, token);
                self.phase = Phase::Online { since: now.monotonic, session: Box::new(session) };
                Ok(())
            }
            (Phase::Connecting { .. }, ServerPacket::ConnAck { code, .. }) => Err(LossReason::Refused(code)),
            (Phase::Connecting { .. }, _) => Err(LossReason::Protocol("a packet before CONNACK".to_owned())),
            (Phase::Online { session, .. }, packet) => session.on_packet(
                packet,
                &mut Turn { config: &self.config, seed: self.seed, known: &mut self.known, now, effects },
            ),
            (Phase::Offline, _) => Ok(()),
        }
    }

    fn on_woken(&mut self, now: Now, effects: &mut Effects) -> Result<(), LossReason> {
        match &mut self.phase {
            Phase::Connecting { until, .. } if *until <= now.monotonic => Err(LossReason::NoAnswer("CONNECT")),
            Phase::Online { session, .. } => session.on_woken(&mut Turn {
                config: &self.config,
                seed: self.seed,
                known: &mut self.known,
                now,
                effects,
            }),
            Phase::Connecting { .. } | Phase::Offline => Ok(()),
        }
    }

    /// Ends the connection. Calls that were not answered are forgotten: a request id means nothing on the next connection.
    fn lose(&mut self, reason: LossReason, now: Now, effects: &mut Effects) {
        let lasted = match &self.phase {
            Phase::Online { since, .. } => Some(now.monotonic.saturating_sub(*since)),
            Phase::Offline | Phase::Connecting { .. } => None,
        };
        self.phase = Phase::Offline;
        let reason = self.judge_short_connection(reason, lasted);
        effects.next = match &reason {
            LossReason::TokenRenewal => {
                effects.packets.push(ClientPacket::Disconnect);
                Next::Reconnect { after: Duration::ZERO }
            }
            LossReason::Untrusted(_) => Next::GiveUp,
            LossReason::Refused(code) => self.after_refusal(*code),
            _ => Next::Reconnect { after: self.backoff() },
        };
        effects.events.push(match effects.next {
            Next::Reconnect { after } => DeviceEventKind::Disconnected { reason, retry_after: after },
            Next::Stay | Next::GiveUp => DeviceEventKind::GaveUp { reason },
        });
    }

    /// Two clients with one identity throw each other out for ever; tells that from a hub that just went away (DEVICE.md 1.9).
    fn judge_short_connection(&mut self, reason: LossReason, lasted: Option<Duration>) -> LossReason {
        match lasted {
            Some(lasted) if lasted >= Duration::from_secs(CONNECTION_LASTS_S) => {
                self.backoff.reset();
                self.short_connections = 0;
            }
            Some(_) if reason == LossReason::Closed => {
                self.short_connections += 1;
                if self.short_connections >= SHORT_CONNECTIONS_MAX {
                    return LossReason::ClosedAgainAndAgain;
                }
            }
            Some(_) | None => {}
        }
        reason
    }

    fn backoff(&mut self) -> Duration {
        self.backoff.next(self.config.endpoint.reconnect, self.seed)
    }

    fn after_refusal(&mut self, code: ConnAckCode) -> Next {
        match code {
            ConnAckCode::BadUserNameOrPassword | ConnAckCode::NotAuthorized => {
                self.refusals += 1;
                if self.refusals >= REFUSALS_MAX {
                    return Next::GiveUp;
                }
                Next::Reconnect { after: self.backoff() }
            }
            ConnAckCode::UnacceptableProtocolVersion | ConnAckCode::IdentifierRejected => Next::GiveUp,
            ConnAckCode::ServerUnavailable | ConnAckCode::Accepted => Next::Reconnect { after: self.backoff() },
        }
    }
}

#[cfg(test)]
mod tests;
