//! Packet identifiers and the window of those that wait for their acknowledgement.

use std::num::NonZeroU16;

use crate::model::limits::MQTT_UNACKED_MAX;

/// A packet identifier: 1–65535 [MQTT-2.3.1-1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier, unless the number is 0.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// Hands out identifiers, none twice before it is released, and at most [`MQTT_UNACKED_MAX`] at a time.
#[derive(Debug, Clone, Default)]
pub struct PacketIds {
    last: u16,
    // A list and no set: the window is small, acknowledgements come in order, and an idle connection holds no memory.
    unacked: Vec<PacketId>,
}

impl PacketIds {
    /// The next free identifier; `None` while the window is full.
    pub fn allocate(&mut self) -> Option<PacketId> {
        if self.unacked.len() >= MQTT_UNACKED_MAX {
            return None;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            // Ends: the window is smaller than the number of identifiers.
            if let Some(id) = PacketId::new(self.last).filter(|id| !self.unacked.contains(id)) {
                self.unacked.push(id);
                return Some(id);
            }
        }
    }

    /// Keeps an identifier out of circulation that an earlier connection of the same session left unacknowledged.
    pub fn reserve(&mut self, id: PacketId) {
        if !self.unacked.contains(&id) {
            self.unacked.push(id);
        }
    }

    /// Takes an acknowledgement; false when nothing of that identifier was under way.
    pub fn release(&mut self, id: PacketId) -> bool {
        let position = self.unacked.iter().position(|&unacked| unacked == id);
        position.map(|position| self.unacked.remove(position)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_wrap_round_and_skip_those_in_use() {
        let mut ids = PacketIds { last: u16::MAX - 1, unacked: vec![PacketId::new(1).unwrap()] };
        let drawn: Vec<u16> = (0..3).map(|_| ids.allocate().unwrap().get()).collect();
        assert_eq!(drawn, [u16::MAX, 2, 3]);
    }

    #[test]
    fn what_is_reserved_is_not_handed_out() {
        let mut ids = PacketIds::default();
        ids.reserve(PacketId::new(2).unwrap());
        ids.reserve(PacketId::new(2).unwrap());
        let drawn: Vec<u16> = (0..2).map(|_| ids.allocate().unwrap().get()).collect();
        assert_eq!(drawn, [1, 3]);
        assert!(ids.release(PacketId::new(2).unwrap()));
    }

    #[test]
    fn the_window_is_bounded_and_reopens() {
        let mut ids = PacketIds::default();
        let drawn: Vec<PacketId> = std::iter::from_fn(|| ids.allocate()).collect();
        assert_eq!(drawn.len(), MQTT_UNACKED_MAX);
        assert!(ids.release(drawn[0]));
        assert!(!ids.release(drawn[0]));
        assert!(ids.allocate().is_some());
    }
}
