//! What keeps the engine going: a thread of its own, or a task of a runtime whose time somebody drives.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::writer::{Envelope, Order, Writer};
use crate::hub::store::StoreError;
use crate::model::limits::{ENGINE_BATCH_MAX, ENGINE_SLEEP_S_MAX};

/// The time of day may jump under a thread that sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(ENGINE_SLEEP_S_MAX);

/// Whether the engine goes on after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    ToStop,
}

/// Starts a thread that waits for orders and carries them out; the receiver ends when the thread has.
///
/// # Errors
/// [`StoreError::Thread`] when there is no thread to be had.
pub(super) fn start_thread(writer: Writer, orders: Receiver<Envelope>) -> Result<watch::Receiver<()>, StoreError> {
    let (running, ended) = watch::channel(());
    let run = move || end(run_blocking(writer, &orders), running);
    std::thread::Builder::new().name("hub-engine".to_owned()).spawn(run).map_err(StoreError::Thread)?;
    Ok(ended)
}

/// The same as a future: it waits on tokio's time, and whoever drops it kills the engine in mid-life. `bell` rings for
/// each order.
pub(super) fn task(
    writer: Writer,
    orders: Receiver<Envelope>,
    bell: Arc<Notify>,
) -> (watch::Receiver<()>, impl Future<Output = ()> + Send) {
    let (running, ended) = watch::channel(());
    (ended, async move { end(run_in_turns(writer, orders, &bell).await, running) })
}

/// Says why the engine ended, once nothing holds the store any longer.
fn end(outcome: Result<(), StoreError>, running: watch::Sender<()>) {
    if let Err(error) = outcome {
        tracing::error!(error = error.chain(), "the store failed; the hub carries out nothing more");
    }
    drop(running);
}

fn run_blocking(mut writer: Writer, orders: &Receiver<Envelope>) -> Result<(), StoreError> {
    loop {
        let first = match writer.patience() {
            Some(Duration::ZERO) => None,
            Some(patience) => match orders.recv_timeout(patience.min(LONGEST_SLEEP)) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            },
            None => match orders.recv() {
                Ok(order) => Some(order),
                Err(_) => return Ok(()),
            },
        };
        // Whoever is about to ask for more gets to: a commit costs more than a command.
        std::thread::yield_now();
        let (batch, going) = collect(first, orders);
        writer.carry_out(batch)?;
        if going == Going::ToStop {
            return Ok(());
        }
    }
}

async fn run_in_turns(mut writer: Writer, orders: Receiver<Envelope>, bell: &Notify) -> Result<(), StoreError> {
    loop {
        let (batch, going) = collect(None, &orders);
        let idle = batch.is_empty() && going == Going::On;
        match writer.patience().filter(|_| idle) {
            None if idle => bell.notified().await,
            Some(patience) if !patience.is_zero() => tokio::select! {
                biased;
                () = bell.notified() => {}
                () = sleep(patience) => {}
            },
            _ => {
                writer.carry_out(batch)?;
                if going == Going::ToStop {
                    return Ok(());
                }
                // Others get their turn, as they would beside a thread.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Takes what is queued behind `first`, up to a batch.
fn collect(first: Option<Envelope>, orders: &Receiver<Envelope>) -> (Vec<Envelope>, Going) {
    let mut batch = Vec::new();
    let mut next = match first {
        Some(order) => Ok(order),
        None => orders.try_recv(),
    };
    loop {
        match next {
            Ok(Envelope { order: Order::Stop, .. }) | Err(TryRecvError::Disconnected) => {
                return (batch, Going::ToStop);
            }
            Err(TryRecvError::Empty) => return (batch, Going::On),
            Ok(order) => batch.push(order),
        }
        if batch.len() == ENGINE_BATCH_MAX {
            return (batch, Going::On);
        }
        next = orders.try_recv();
    }
}
