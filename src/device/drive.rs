//! Connects one state machine to the world: dials, carries packets, sleeps, and stops when told.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::{DeviceEvent, DeviceEventKind, Listener, LossReason};
use super::link;
use super::link::Link;
use super::machine::{Effects, Input, Machine, Next, Now};
use super::stats::{Counted, Standing};
use crate::model::limits::{DEVICE_FAREWELL_S_MAX, DEVICE_WRITE_S_MAX, TAKEN_OVER_S_MAX};
use crate::model::{Clock, TwinId};
use crate::mqtt::{ClientPacket, PacketStream, StreamError};

/// What all devices of a fleet are driven with.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    /// None when nobody listens.
    pub(super) listener: Option<Listener>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Surroundings {
    /// Hands an event over, waiting for a listener that is behind, but not once the fleet stops, and not for one that has
    /// gone.
    pub(super) async fn tell(&self, id: &Arc<TwinId>, kind: DeviceEventKind) {
        let Some(listener) = self.listener.as_ref().filter(|listener| kind.is_for(listener.hears)) else { return };
        let event = DeviceEvent { id: Arc::clone(id), kind };
        tokio::select! {
            biased;
            _ = listener.sender.send(event) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// A device and its place in the figures.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) machine: Machine,
    pub(super) counted: Counted,
}

/// Keeps one device connected until it gives up or is stopped.
pub(super) async fn drive(mut driven: Driven, surroundings: Arc<Surroundings>) {
    loop {
        driven.counted.stand(Standing::Connecting);
        let nonce = driven.machine.nonce();
        // On the heap, and gone once the link is up: a handshake is by far the largest part of the task.
        let opened = tokio::select! {
            biased;
            () = surroundings.stop.cancelled() => return,
            opened = Box::pin(link::open(driven.machine.config(), nonce)) => opened,
        };
        let next = match opened {
            Ok(mut stream) => {
                let next = converse(&mut stream, &mut driven, &surroundings).await;
                if next == Next::TakeOver {
                    surroundings.tasks.spawn(outlast(stream, surroundings.stop.clone()));
                }
                next
            }
            Err(reason) => {
                let effects = driven.machine.on(Input::Lost(reason), Now::of(&surroundings.clock));
                tell(effects.events, &mut driven, &surroundings).await;
                effects.next
            }
        };
        let after = match next {
            Next::Reconnect { after } | Next::Cut { after } => after,
            Next::TakeOver => continue,
            Next::Stay | Next::GiveUp => return,
        };
        tokio::select! {
            biased;
            () = surroundings.stop.cancelled() => return,
            () = sleep(after) => {}
        }
    }
}

/// Carries one connection to its end and says what follows. [`Next::GiveUp`] also means that the device was stopped.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut PacketStream<S>,
    driven: &mut Driven,
    surroundings: &Surroundings,
) -> Next {
    let mut input = Input::Opened;
    let mut stopped = pin!(surroundings.stop.cancelled());
    // Set anew when it rings, or when something is due earlier than that: most inputs leave it alone.
    let mut alarm = pin!(sleep(Duration::ZERO));
    let mut rings_at = Duration::ZERO;
    loop {
        let Effects { packets, events, next } = driven.machine.on(input, Now::of(&surroundings.clock));
        let sent = send(stream, &packets).await;
        tell(events, driven, surroundings).await;
        match next {
            Next::Stay => {}
            Next::Reconnect { .. } | Next::GiveUp => {
                close(stream).await;
                return next;
            }
            Next::Cut { .. } | Next::TakeOver => return next,
        }
        if let Err(reason) = sent {
            input = Input::Lost(reason);
            continue;
        }
        input = loop {
            let due = driven.machine.deadline().unwrap_or(Duration::MAX);
            if due < rings_at || alarm.is_elapsed() {
                alarm.set(sleep(due.saturating_sub(surroundings.clock.monotonic())));
                rings_at = due;
            }
            tokio::select! {
                biased;
                () = &mut stopped => {
                    // Nobody waits for the outcome of a goodbye.
                    let _ = send(stream, &[ClientPacket::Disconnect]).await;
                    close(stream).await;
                    return Next::GiveUp;
                }
                received = stream.read_server_packet() => break match received {
                    Ok(Some(packet)) => Input::Packet(packet),
                    Ok(None) => Input::Lost(LossReason::Closed),
                    Err(error) => Input::Lost(loss(error)),
                },
                () = &mut alarm => if due <= rings_at { break Input::Woken },
            }
        };
    }
}

/// Holds a link that was taken over until the hub closes it, as a client that knows nothing of the other would.
async fn outlast(mut stream: Box<Link>, stop: CancellationToken) {
    let closed = async { while let Ok(Some(_)) = stream.read_server_packet().await {} };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        _ = timeout(Duration::from_secs(TAKEN_OVER_S_MAX), closed) => {}
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut PacketStream<S>,
    packets: &[ClientPacket],
) -> Result<(), LossReason> {
    match timeout(Duration::from_secs(DEVICE_WRITE_S_MAX), stream.write(packets)).await {
        Ok(written) => written.map_err(loss),
        Err(_) => Err(LossReason::NoAnswer("a write")),
    }
}

async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut PacketStream<S>) {
    // The link is dropped in any case; the farewell is a courtesy.
    let _ = timeout(Duration::from_secs(DEVICE_FAREWELL_S_MAX), stream.shutdown()).await;
}

fn loss(error: StreamError) -> LossReason {
    match error {
        StreamError::Frame(error) => LossReason::Protocol(error.to_string()),
        error @ (StreamError::Io(_) | StreamError::Truncated) => LossReason::Broken(error.to_string()),
    }
}

/// Counts events and tells them.
async fn tell(events: Vec<DeviceEventKind>, driven: &mut Driven, surroundings: &Surroundings) {
    for kind in events {
        driven.counted.note(&kind);
        surroundings.tell(driven.machine.config().id(), kind).await;
    }
}

#[cfg(test)]
mod tests;
