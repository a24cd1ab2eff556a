//! Live connections of devices, what they subscribed to, and who gives way to whom (DEVICE.md 1.6, 1.9).

use std::collections::BTreeSet;

use super::command::{Fault, Reply};
use super::method::CallEnd;
use super::{Engine, Turn};
use crate::hub::HubError;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::store::{SessionRecord, StoreError};
use crate::model::{ConnectionState, ErrorCode, IdentityStatus, TwinId};
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

/// One live connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: TwinId,
    session: SessionKind,
    subscriptions: Vec<(Subscription, u8)>,
    /// Calls under way over it.
    pub(super) calls: BTreeSet<CallId>,
}

impl Connection {
    fn subscribed(&self, to: Subscription) -> bool {
        self.subscriptions.iter().any(|&(subscription, _)| subscription == to)
    }
}

impl Engine {
    // conformance-deviation: DEVICE.md 6: without --state-lag connectionState is exact at once; on the service it lags by minutes
    /// Opens a connection: it becomes the identity's only one.
    pub(super) fn connect(
        &mut self,
        id: TwinId,
        connection: ConnectionId,
        session: SessionKind,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        may_connect(&id, turn)?;
        let stored = turn.tables.session(&id)?;
        match (session, &stored) {
            // conformance-choice: DEVICE.md 1.6: a persistent session is kept until its identity is deleted
            (SessionKind::Clean, Some(_)) => turn.tables.remove_session(&id)?,
            // Written at once: the next CONNECT finds a session even if nothing is subscribed in this one.
            (SessionKind::Persistent, None) => turn.tables.put_session(&id, &SessionRecord::default())?,
            _ => {}
        }
        self.close(&id, "a new connection of the same identity took over", turn)?;
        let restored = stored.filter(|_| session == SessionKind::Persistent);
        let opened = SessionOpened {
            session_present: restored.is_some(),
            subscriptions: restored.map(|record| record.subscriptions).unwrap_or_default(),
        };
        self.online.insert(id.clone(), connection);
        self.connections.insert(
            connection,
            Connection { id: id.clone(), session, subscriptions: opened.subscriptions.clone(), calls: BTreeSet::new() },
        );
        turn.tables.presence().set(&id, ConnectionState::Connected, turn.now);
        self.serve_waiting(&id, turn);
        Ok(Reply::Session(opened))
    }

    /// Adds subscriptions; what waited for the device to take methods goes out.
    pub(super) fn subscribe(
        &mut self,
        connection: ConnectionId,
        subscriptions: &[(Subscription, u8)],
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        let id = self.change_subscriptions(connection, turn, |present| {
            for &(subscription, qos) in subscriptions {
                match present.iter_mut().find(|(known, _)| *known == subscription) {
                    Some(known) => known.1 = qos,
                    None => present.push((subscription, qos)),
                }
            }
        })?;
        self.serve_waiting(&id, turn);
        Ok(Reply::Done)
    }

    /// Removes subscriptions.
    pub(super) fn unsubscribe(
        &mut self,
        connection: ConnectionId,
        subscriptions: &[Subscription],
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        self.change_subscriptions(connection, turn, |present| {
            present.retain(|(known, _)| !subscriptions.contains(known));
        })?;
        Ok(Reply::Done)
    }

    fn change_subscriptions(
        &mut self,
        connection: ConnectionId,
        turn: &mut Turn<'_, '_>,
        change: impl FnOnce(&mut Vec<(Subscription, u8)>),
    ) -> Result<TwinId, Fault> {
        let live = self.connections.get_mut(&connection).ok_or_else(|| {
            HubError::new(ErrorCode::DeviceConnectionClosedRemotely, "The connection is closed.")
                .because("the hub closed this connection before it could subscribe")
        })?;
        let before = live.subscriptions.clone();
        change(&mut live.subscriptions);
        if live.session == SessionKind::Persistent && live.subscriptions != before {
            turn.tables.put_session(&live.id, &SessionRecord { subscriptions: live.subscriptions.clone() })?;
        }
        Ok(live.id.clone())
    }

    /// Forgets a connection that ended by itself. One that the hub closed is forgotten already.
    pub(super) fn disconnect(&mut self, connection: ConnectionId, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        self.drop_connection(connection, turn)?;
        Ok(Reply::Done)
    }

    /// Closes the connection of an identity, if it has one.
    pub(super) fn close(&mut self, id: &TwinId, reason: &str, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(&connection) = self.online.get(id) else { return Ok(()) };
        self.effects.notices.push((connection, Notice::Close { reason: reason.to_owned() }));
        self.drop_connection(connection, turn)
    }

    fn drop_connection(&mut self, connection: ConnectionId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(gone) = self.connections.remove(&connection) else { return Ok(()) };
        self.online.remove(&gone.id);
        turn.tables.presence().set(&gone.id, ConnectionState::Disconnected, turn.now);
        for call in gone.calls {
            self.end_call(call, CallEnd::LinkLost, turn)?;
        }
        Ok(())
    }

    /// The connection of an identity, if it has one that subscribed so.
    pub(super) fn subscribed(&self, id: &TwinId, to: Subscription) -> Option<ConnectionId> {
        let connection = *self.online.get(id)?;
        self.connections.get(&connection)?.subscribed(to).then_some(connection)
    }
}

fn may_connect(id: &TwinId, turn: &Turn<'_, '_>) -> Result<(), Fault> {
    let device = TwinId::device(id.device.clone());
    let disabled = match turn.tables.identity(&device)? {
        None => return Err(HubError::new(ErrorCode::DeviceNotFound, id.device.as_str()).into()),
        Some(identity) => identity.status == IdentityStatus::Disabled,
    };
    if id.module.is_some() && turn.tables.identity(id)?.is_none() {
        return Err(HubError::new(ErrorCode::DeviceNotFound, id.device.as_str())
            .because(format!("there is no module `{id}`"))
            .into());
    }
    if disabled {
        return Err(HubError::new(ErrorCode::DeviceDisabled, format!("Device {device} is disabled.")).into());
    }
    Ok(())
}
