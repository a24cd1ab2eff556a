//! Who may ask for a job slot next: immediate runs before scheduled ones, and nobody past one that was refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The order in which the creations of one command go.
#[derive(Debug)]
pub(super) struct SlotQueue {
    waiting: Mutex<Waiting>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    arrivals: u64,
    /// Who wants to create a job, and whether the hub had no slot for it.
    turns: BTreeMap<Turn, bool>,
}

/// A job of later urgency gives way; among equals the first come goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    urgency: Urgency,
    arrival: u64,
}

/// Which jobs are created first. A scheduled job holds its slot until its start and to its end (REST.md 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// It starts at once.
    Immediate,
    /// It starts later.
    Scheduled,
}

/// A place in the queue; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Ticket {
    queue: Arc<SlotQueue>,
    turn: Turn,
}

impl SlotQueue {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), changed: watch::Sender::new(()) })
    }

    /// Takes a place behind all of the same urgency.
    pub(super) fn enter(self: &Arc<Self>, urgency: Urgency) -> Ticket {
        let turn = self.with(|waiting| {
            waiting.arrivals += 1;
            let turn = Turn { urgency, arrival: waiting.arrivals };
            waiting.turns.insert(turn, false);
            turn
        });
        Ticket { queue: Arc::clone(self), turn }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ticket {
    /// Waits until nobody more urgent is left, and nobody earlier was refused.
    pub(super) async fn turn(&self) {
        let mut changed = self.queue.changed.subscribe();
        while !self.queue.with(|waiting| waiting.may_go(self.turn)) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Notes that the hub had no slot: whoever comes later need not ask.
    pub(super) fn refused(&self) {
        let _ = self.queue.with(|waiting| waiting.turns.insert(self.turn, true));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let _ = self.queue.with(|waiting| waiting.turns.remove(&self.turn));
        self.queue.changed.send_replace(());
    }
}

impl Waiting {
    fn may_go(&self, turn: Turn) -> bool {
        self.turns.range(..turn).all(|(earlier, refused)| earlier.urgency == turn.urgency && !refused)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn may_go(ticket: &Ticket) -> bool {
        ticket.turn().now_or_never().is_some()
    }

    #[test]
    fn the_urgent_go_first_and_nobody_overtakes_the_refused() {
        let queue = SlotQueue::new();
        let night = queue.enter(Urgency::Scheduled);
        let first = queue.enter(Urgency::Immediate);
        let second = queue.enter(Urgency::Immediate);
        assert_eq!([&night, &first, &second].map(may_go), [false, true, true]);
        first.refused();
        assert_eq!([&night, &first, &second].map(may_go), [false, true, false]);
        drop(first);
        assert!(may_go(&second) && !may_go(&night));
        drop(second);
        assert!(may_go(&night));
    }
}
