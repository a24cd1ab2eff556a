//! The faults of one device at work: when they strike, and which packets they hold up.

use std::collections::VecDeque;
use std::time::Duration;

use super::connectivity::{Connectivity, Faults};
use crate::model::limits::{DEVICE_PACKETS_LATE_MAX, FAULT_MS_MIN};
use crate::model::{IdentitySeed, Latency};
use crate::mqtt::ClientPacket;

/// What a fault does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The device goes away and comes back.
    Away { says_goodbye: bool, for_time: Duration },
    /// It neither reads nor sends any more.
    Silence,
    /// A second connection is made.
    TakeOver,
}

/// The faults of a device that has any, and how far they are.
#[derive(Debug)]
pub(super) struct Trouble {
    faults: Faults,
    seed: IdentitySeed,
    /// Connections so far: what strikes each of them is a decision of its own.
    connections: u64,
    /// What will strike this connection first, and when.
    next: Option<(Duration, Mishap)>,
    /// Packets held up, each with the time to send it.
    late: VecDeque<(Duration, ClientPacket)>,
    packets: u64,
}

impl Trouble {
    /// The faults that the seed gives a device; most have none.
    pub(super) fn of(connectivity: &Connectivity, seed: IdentitySeed) -> Option<Box<Self>> {
        let faults = connectivity.faults_of(seed);
        let trouble = || Self { faults, seed, connections: 0, next: None, late: VecDeque::new(), packets: 0 };
        (!faults.is_none()).then(|| Box::new(trouble()))
    }

    /// Decides what will strike a connection that was just accepted.
    pub(super) fn on_connected(&mut self, now: Duration) {
        self.connections += 1;
        let time = |purpose, latency: Latency| latency.drawn(&mut self.seed.draw(purpose, self.connections));
        // Without a pause, a fault would strike as fast as the machine runs.
        let some_time = |purpose, latency| time(purpose, latency).max(Duration::from_millis(FAULT_MS_MIN));
        let away = self.faults.flapping.map(|fault| {
            let says_goodbye = self.seed.draw("flapping goodbye", self.connections).fraction() < 0.5;
            let for_time = some_time("flapping offline", fault.offline);
            (some_time("flapping online", fault.online), Mishap::Away { says_goodbye, for_time })
        });
        let silence = self.faults.half_open.map(|fault| (time("half-open after", fault.after), Mishap::Silence));
        let takeover = self.faults.takeover.map(|fault| (some_time("takeover every", fault.every), Mishap::TakeOver));
        let first = [away, silence, takeover].into_iter().flatten().min_by_key(|(after, _)| *after);
        self.next = first.map(|(after, mishap)| (now + after, mishap));
    }

    /// Forgets a connection that is over.
    pub(super) fn on_over(&mut self) {
        self.next = None;
        self.late = VecDeque::new();
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let late = self.late.front().map(|(at, _)| *at);
        [late, self.next.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// What strikes now, once.
    pub(super) fn strike(&mut self, now: Duration) -> Option<Mishap> {
        let (_, mishap) = self.next.take_if(|(at, _)| *at <= now)?;
        Some(mishap)
    }

    /// Takes packets that are to be sent, and gives those whose time has come.
    pub(super) fn hold_up(&mut self, packets: Vec<ClientPacket>, now: Duration) -> Vec<ClientPacket> {
        let Some(slow) = self.faults.slow else { return packets };
        for packet in packets {
            self.packets += 1;
            let delay = slow.delay.drawn(&mut self.seed.draw("slow", self.packets));
            // None overtakes another.
            let earliest = self.late.back().map_or(Duration::ZERO, |(at, _)| *at);
            self.late.push_back((earliest.max(now + delay), packet));
        }
        let surplus = self.late.len().saturating_sub(DEVICE_PACKETS_LATE_MAX);
        let due = self.late.iter().take_while(|(at, _)| *at <= now).count().max(surplus);
        self.late.drain(..due).map(|(_, packet)| packet).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Slow;
    use crate::model::{Seed, Share};

    #[test]
    fn packets_of_a_slow_device_are_late_and_in_order() {
        let slow = Some(Slow { share: Share::ALL, delay: "1s..3s".parse().unwrap() });
        let connectivity = Connectivity { slow, ..Connectivity::default() };
        let mut trouble = Trouble::of(&connectivity, Seed::new(1).of("d")).unwrap();
        let topic = |n: usize| format!("t{n}");
        let packet = |n| ClientPacket::Publish(crate::mqtt::Publish::at_most_once(topic(n), ""));
        let mut sent = Vec::new();
        for n in 0..10 {
            sent.extend(trouble.hold_up(vec![packet(n)], Duration::ZERO));
        }
        assert_eq!(sent, [], "nothing goes at once");
        while let Some(at) = trouble.deadline() {
            assert!((1..=3).contains(&at.as_secs()), "{at:?}");
            sent.extend(trouble.hold_up(Vec::new(), at));
        }
        assert_eq!(sent, (0..10).map(packet).collect::<Vec<_>>());
        let flood = (0..DEVICE_PACKETS_LATE_MAX + 3).map(packet).collect();
        assert_eq!(trouble.hold_up(flood, Duration::ZERO).len(), 3, "the queue has an end");
    }

    #[test]
    fn a_device_without_faults_holds_nothing() {
        assert!(Trouble::of(&Connectivity::default(), Seed::new(1).of("d")).is_none());
    }
}
