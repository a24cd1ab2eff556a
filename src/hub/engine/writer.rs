//! The engine's turn: a batch of orders is carried out, committed once, and only then replies, notices and completions go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::command::{Applied, Command, Completion, Effects, Reply, Ticket};
use super::{Engine, EngineOptions};
use crate::hub::HubError;
use crate::hub::metrics::{Batch, Metrics};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::store::{Store, StoreError, Touched, WriteTables};
use crate::model::Clock;
use crate::model::limits::{ENGINE_QUEUE_MAX, ENGINE_STEPS_MAX};

type ReplySender = oneshot::Sender<Result<Reply, HubError>>;

/// What the engine is asked to do.
pub(super) enum Order {
    /// Carry out a command and answer.
    Carry {
        /// The command.
        command: Box<Command>,
        /// Where a new connection's notices go.
        mailbox: Option<mpsc::Sender<Box<Notice>>>,
        /// Who asked.
        reply: ReplySender,
    },
    /// Look at the clock; answer when there is nothing left to do.
    Wake(oneshot::Sender<()>),
    /// End, after what was queued before.
    Stop,
}

/// An order and the place in the queue that it holds until it is answered.
pub(super) struct Envelope {
    pub(super) order: Order,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// The engine between its queue and its store.
pub(super) struct Writer {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    engine: Engine,
    /// The places of orders that wait, and of those under way.
    room: Arc<Semaphore>,
    /// In an order of its own, like `callers`: all of them hear of its end, one after the other.
    mailboxes: BTreeMap<ConnectionId, mpsc::Sender<Box<Notice>>>,
    callers: BTreeMap<Ticket, ReplySender>,
    wakers: Vec<oneshot::Sender<()>>,
    /// Connections that do not take their notices: the engine hears of them in the next batch.
    lost: Vec<ConnectionId>,
}

/// What a batch has to say once it is durable.
#[derive(Default)]
struct Outbox {
    answers: Vec<Answer>,
    mailboxes: Vec<(ConnectionId, mpsc::Sender<Box<Notice>>)>,
    disconnected: Vec<ConnectionId>,
    effects: Effects,
}

/// One caller's answer.
struct Answer {
    caller: ReplySender,
    reply: Result<Reply, HubError>,
    /// The connection that it is about, when it opens one.
    opened: Option<ConnectionId>,
    /// Held until the answer is out.
    _place: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// The engine of a store, as it was left; jobs that were under way go on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub(super) fn restore(store: Store, options: EngineOptions, room: Arc<Semaphore>) -> Result<Self, StoreError> {
        let batch = store.begin()?;
        let engine = Engine::restore(options.rng, &mut batch.tables(&store)?, options.clock.now())?
            .with_fidelity(options.fidelity);
        batch.commit()?;
        Ok(Self {
            store,
            clock: options.clock,
            metrics: options.metrics,
            engine,
            room,
            mailboxes: BTreeMap::new(),
            callers: BTreeMap::new(),
            wakers: Vec::new(),
            lost: Vec::new(),
        })
    }

    /// How long to wait for an order; `None` is for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        let now = self.clock.now();
        if self.engine.has_work(now) || !self.lost.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.engine.next_timer()?;
        Some(Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO))
    }

    /// Carries out a batch and what is due, commits once, and lets everything go that the commit has made true.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch was promised to anybody, and the engine is of no more use.
    pub(super) fn carry_out(&mut self, orders: Vec<Envelope>) -> Result<(), StoreError> {
        // One time for the whole batch: what a command makes due now is due for the step that follows it.
        let now = self.clock.now();
        let mut outbox = Outbox::default();
        if !orders.is_empty() || !self.lost.is_empty() || self.engine.has_work(now) {
            let (commands, began) = (orders.len(), self.clock.monotonic());
            let store = self.store.clone();
            let batch = store.begin()?;
            let touched = {
                let mut tables = batch.tables(&store)?;
                for connection in std::mem::take(&mut self.lost) {
                    let applied = self.engine.apply(Command::Disconnect(connection), &mut tables, now)?;
                    outbox.add(applied.effects);
                }
                for envelope in orders {
                    self.carry_out_one(envelope, &mut tables, now, &mut outbox)?;
                }
                self.advance(&mut tables, now, &mut outbox)?;
                self.engine.flush(&mut tables)?;
                tables.touched()
            };
            let worked = self.clock.monotonic();
            let commit = match touched {
                Touched::Yes => {
                    batch.commit()?;
                    Some(self.clock.monotonic().saturating_sub(worked))
                }
                Touched::No => None,
            };
            self.metrics.batch(Batch { commands, work: worked.saturating_sub(began), commit });
        }
        self.release(outbox);
        if !self.engine.has_work(self.clock.now()) && self.lost.is_empty() {
            for waker in self.wakers.drain(..) {
                // Who gave up waiting needs no word.
                let _ = waker.send(());
            }
        }
        Ok(())
    }

    /// Lets jobs go on, by a few steps while nobody else asks for anything: a commit costs more than a step.
    fn advance(&mut self, tables: &mut WriteTables<'_>, now: Timestamp, outbox: &mut Outbox) -> Result<(), StoreError> {
        for _ in 0..ENGINE_STEPS_MAX {
            outbox.add(self.engine.advance(tables, now)?);
            let waiting = ENGINE_QUEUE_MAX.saturating_sub(self.room.available_permits() + outbox.answers.len());
            if waiting > 0 || !self.engine.has_work(now) {
                break;
            }
        }
        Ok(())
    }

    fn carry_out_one(
        &mut self,
        envelope: Envelope,
        tables: &mut WriteTables<'_>,
        now: Timestamp,
        outbox: &mut Outbox,
    ) -> Result<(), StoreError> {
        let (command, mailbox, caller) = match envelope.order {
            Order::Carry { command, mailbox, reply } => (*command, mailbox, reply),
            Order::Wake(waker) => {
                self.wakers.push(waker);
                return Ok(());
            }
            Order::Stop => return Ok(()),
        };
        let mut opening = None;
        match &command {
            Command::Connect { connection, .. } => opening = Some(*connection),
            Command::Disconnect(connection) => outbox.disconnected.push(*connection),
            _ => {}
        }
        let Applied { reply, effects } = self.engine.apply(command, tables, now)?;
        outbox.add(effects);
        let opened = opening.filter(|_| reply.is_ok());
        if let (Some(connection), Some(mailbox)) = (opened, mailbox) {
            outbox.mailboxes.push((connection, mailbox));
        }
        match reply {
            Ok(Reply::Later(ticket)) => {
                self.callers.insert(ticket, caller);
            }
            reply => outbox.answers.push(Answer { caller, reply, opened, _place: envelope.place }),
        }
        Ok(())
    }

    /// Lets everything go that the commit has made true.
    fn release(&mut self, outbox: Outbox) {
        self.mailboxes.extend(outbox.mailboxes);
        for answer in outbox.answers {
            // Who gave up waiting needs no answer; but a connection that nobody waits for has nobody to end it.
            if answer.caller.send(answer.reply).is_err() {
                self.lost.extend(answer.opened);
            }
        }
        for (connection, notice) in outbox.effects.notices {
            self.notify(connection, notice);
        }
        for Completion { ticket, result } in outbox.effects.completions {
            if let Some(caller) = self.callers.remove(&ticket) {
                // As above: the call has ended either way.
                let _ = caller.send(result.map(Reply::Method));
            }
        }
        for connection in outbox.disconnected {
            self.mailboxes.remove(&connection);
        }
    }

    /// Puts a notice into a connection's mailbox. A full one is a slow consumer, which loses its connection: the edge
    /// sees the mailbox end (DEVICE.md 10.1).
    fn notify(&mut self, connection: ConnectionId, notice: Notice) {
        let Some(mailbox) = self.mailboxes.get(&connection) else { return };
        let closing = matches!(notice, Notice::Close { .. });
        match mailbox.try_send(Box::new(notice)) {
            Ok(()) if !closing => return,
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!(connection = connection.0, "closed: the device does not read what it is sent");
                self.lost.push(connection);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.lost.push(connection),
        }
        self.mailboxes.remove(&connection);
    }
}

impl Outbox {
    fn add(&mut self, effects: Effects) {
        self.effects.notices.extend(effects.notices);
        self.effects.completions.extend(effects.completions);
    }
}
