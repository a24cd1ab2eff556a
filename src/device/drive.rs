//! Connects one state machine to the world: dials, carries packets, sleeps, and stops when told.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::event::{DeviceEvent, DeviceEventKind, LossReason};
use super::link;
use super::machine::{Effects, Input, Machine, Next, Now};
use crate::model::Clock;
use crate::model::limits::{DEVICE_FAREWELL_S_MAX, DEVICE_WRITE_S_MAX};
use crate::mqtt::{ClientPacket, PacketStream, StreamError};

/// What all devices of a fleet are driven with.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<DeviceEvent>,
    pub(super) stop: CancellationToken,
}

/// Keeps one device connected until it gives up or is stopped.
pub(super) async fn drive(mut machine: Machine, surroundings: Surroundings) {
    loop {
        // On the heap, and gone once the link is up: a handshake is by far the largest part of the task.
        let opened = tokio::select! {
            biased;
            () = surroundings.stop.cancelled() => return,
            opened = Box::pin(link::open(machine.config(), [0; 16])) => opened,
        };
        let next = match opened {
            Ok(mut stream) => converse(&mut stream, &mut machine, &surroundings).await,
            Err(reason) => {
                let effects = machine.on(Input::Lost(reason), Now::of(&surroundings.clock));
                tell(effects.events, &machine, &surroundings).await;
                effects.next
            }
        };
        let Next::Reconnect { after } = next else { return };
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
    machine: &mut Machine,
    surroundings: &Surroundings,
) -> Next {
    let mut input = Input::Opened;
    loop {
        let Effects { packets, events, next } = machine.on(input, Now::of(&surroundings.clock));
        let sent = send(stream, &packets).await;
        tell(events, machine, surroundings).await;
        if next != Next::Stay {
            close(stream).await;
            return next;
        }
        input = match sent {
            Err(reason) => Input::Lost(reason),
            Ok(()) => tokio::select! {
                biased;
                () = surroundings.stop.cancelled() => {
                    // Nobody waits for the outcome of a goodbye.
                    let _ = send(stream, &[ClientPacket::Disconnect]).await;
                    close(stream).await;
                    return Next::GiveUp;
                }
                received = stream.read_server_packet() => match received {
                    Ok(Some(packet)) => Input::Packet(packet),
                    Ok(None) => Input::Lost(LossReason::Closed),
                    Err(error) => Input::Lost(loss(error)),
                },
                () = sleep(time_left(machine, &surroundings.clock)) => Input::Woken,
            },
        };
    }
}

fn time_left(machine: &Machine, clock: &Clock) -> Duration {
    machine.deadline().map_or(Duration::MAX, |deadline| deadline.saturating_sub(clock.monotonic()))
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

/// Hands events over, waiting for a listener that is behind, but not once the fleet stops, and not for one that has gone.
async fn tell(events: Vec<DeviceEventKind>, machine: &Machine, surroundings: &Surroundings) {
    for kind in events {
        let event = DeviceEvent { id: std::sync::Arc::clone(machine.config().id()), kind };
        tokio::select! {
            biased;
            _ = surroundings.events.send(event) => {}
            () = surroundings.stop.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests;
