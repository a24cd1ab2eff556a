//! One device as a synchronous state machine: it never waits, sends or sleeps itself.

use std::time::Duration;

use jiff::Timestamp;

use super::DeviceConfig;
use super::backoff::Backoff;
use super::event::{DeviceEventKind, LossReason};
use super::faults::{Mishap, Trouble};
use super::session::{Known, Session, Turn};
use crate::auth::{Resource, SasToken};
use crate::model::limits::{
    CONNACK_S_MAX, CONNECTION_LASTS_S, SAS_LIFETIME_S, SAS_RENEW_BEFORE_S, SHORT_CONNECTIONS_MAX,
    SILENT_KEEP_ALIVES_MAX,
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
    /// Drop the link without a word, wait, dial again.
    Cut {
        /// How long to wait.
        after: Duration,
    },
    /// Dial at once, and leave this link to the hub, which will close it.
    TakeOver,
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
    links: u64,
    /// None for a device without faults.
    trouble: Option<Box<Trouble>>,
    phase: Phase,
    known: Known,
    backoff: Backoff,
    refusals: u32,
    short_connections: u32,
}

#[derive(Debug)]
enum Phase {
    Offline,
    Connecting {
        until: Duration,
        token: Option<TokenLife>,
    },
    Online {
        since: Duration,
        session: Box<Session>,
    },
    /// Holds its connection and says nothing.
    Silent {
        since: Duration,
        until: Duration,
    },
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
        let seed = seed.of(&config.id.to_string());
        Self {
            seed,
            trouble: Trouble::of(&config.behaviour.connectivity, seed),
            config,
            tokens: 0,
            links: 0,
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
        let own = match &self.phase {
            Phase::Offline => return None,
            Phase::Silent { until, .. } => return Some(*until),
            Phase::Connecting { until, .. } => *until,
            Phase::Online { session, .. } => session.deadline(&self.known),
        };
        let trouble = self.trouble.as_ref().and_then(|trouble| trouble.deadline());
        Some(trouble.map_or(own, |trouble| trouble.min(own)))
    }

    /// Sixteen bytes for the handshake of the next link, of which no two are the same.
    pub fn nonce(&mut self) -> [u8; 16] {
        self.links += 1;
        self.seed.draw("link", self.links).bytes()
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
        if let Some(trouble) = &mut self.trouble
            && effects.next == Next::Stay
        {
            effects.packets = trouble.hold_up(effects.packets, now.monotonic);
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
                effects.events.push(DeviceEventKind::Connected);
                if let Some(trouble) = &mut self.trouble {
                    trouble.on_connected(now.monotonic);
                }
                let token = *token;
                let mut turn = Turn { config: &self.config, seed: self.seed, known: &mut self.known, now, effects };
                let session = Session::start(&mut turn, token, session_present);
                self.phase = Phase::Online { since: now.monotonic, session: Box::new(session) };
                Ok(())
            }
            (Phase::Connecting { .. }, ServerPacket::ConnAck { code, .. }) => Err(LossReason::Refused(code)),
            (Phase::Connecting { .. }, _) => Err(LossReason::Protocol("a packet before CONNACK".to_owned())),
            (Phase::Online { session, .. }, packet) => session.on_packet(
                packet,
                &mut Turn { config: &self.config, seed: self.seed, known: &mut self.known, now, effects },
            ),
            // A silent device does not read.
            (Phase::Offline | Phase::Silent { .. }, _) => Ok(()),
        }
    }

    fn on_woken(&mut self, now: Now, effects: &mut Effects) -> Result<(), LossReason> {
        let trouble = self.trouble.as_mut().filter(|_| matches!(self.phase, Phase::Online { .. }));
        if let Some(mishap) = trouble.and_then(|trouble| trouble.strike(now.monotonic)) {
            self.suffer(mishap, now, effects);
            return Ok(());
        }
        match &mut self.phase {
            Phase::Connecting { until, .. } if *until <= now.monotonic => Err(LossReason::NoAnswer("CONNECT")),
            Phase::Online { session, .. } => session.on_woken(&mut Turn {
                config: &self.config,
                seed: self.seed,
                known: &mut self.known,
                now,
                effects,
            }),
            Phase::Silent { until, .. } if *until <= now.monotonic => {
                Err(LossReason::Broken("the hub keeps a connection that is silent".to_owned()))
            }
            Phase::Connecting { .. } | Phase::Silent { .. } | Phase::Offline => Ok(()),
        }
    }

    /// Lets a fault strike the connection.
    fn suffer(&mut self, mishap: Mishap, now: Now, effects: &mut Effects) {
        let Phase::Online { since, .. } = self.phase else { return };
        match mishap {
            Mishap::Away { says_goodbye, for_time } => {
                self.leave();
                if says_goodbye {
                    effects.packets.push(ClientPacket::Disconnect);
                    effects.next = Next::Reconnect { after: for_time };
                } else {
                    effects.next = Next::Cut { after: for_time };
                }
                let reason = LossReason::Flapping;
                effects.events.push(DeviceEventKind::Disconnected { reason, retry_after: for_time });
            }
            Mishap::Silence => {
                self.leave();
                let keep_alive = Duration::from_secs(self.config.endpoint.keep_alive.seconds().into());
                let until = now.monotonic + keep_alive * SILENT_KEEP_ALIVES_MAX;
                self.phase = Phase::Silent { since, until };
                effects.events.push(DeviceEventKind::WentSilent);
            }
            Mishap::TakeOver => {
                self.leave();
                effects.next = Next::TakeOver;
                effects.events.push(DeviceEventKind::TakingOver);
            }
        }
    }

    /// Forgets the connection. Calls that were not answered are forgotten with it: a request id means nothing on the next.
    fn leave(&mut self) {
        self.phase = Phase::Offline;
        self.known.reports.on_over();
        if let Some(trouble) = &mut self.trouble {
            trouble.on_over();
        }
    }

    /// Ends the connection, or the try to make one.
    fn lose(&mut self, reason: LossReason, now: Now, effects: &mut Effects) {
        let lasted = match &self.phase {
            Phase::Online { since, .. } | Phase::Silent { since, .. } => Some(now.monotonic.saturating_sub(*since)),
            Phase::Offline | Phase::Connecting { .. } => None,
        };
        self.leave();
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
            Next::Stay | Next::Cut { .. } | Next::TakeOver | Next::GiveUp => DeviceEventKind::GaveUp { reason },
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
