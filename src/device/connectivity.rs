//! What is wrong with a device's connection: each fault strikes a share of the devices, and the seed says which.

use crate::model::{IdentitySeed, Latency, Share};

/// The faults of a fleet's connections. They are independent: a device may have several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Connectivity {
    /// Devices that never connect.
    pub offline: Share,
    /// Devices that come and go.
    pub flapping: Option<Flapping>,
    /// Devices behind a slow line.
    pub slow: Option<Slow>,
    /// Devices that fall silent.
    pub half_open: Option<HalfOpen>,
    /// Devices whose identity a second connection uses.
    pub takeover: Option<Takeover>,
}

/// Coming and going: half of the times with a DISCONNECT, half of the times cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flapping {
    /// How many devices.
    pub share: Share,
    /// How long they stay.
    pub online: Latency,
    /// How long they stay away.
    pub offline: Latency,
}

/// A slow line: every packet is sent late, and in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// How many devices.
    pub share: Share,
    /// How late each packet is.
    pub delay: Latency,
}

/// A half-open connection: the device neither answers nor pings any more but holds its socket, until the hub's keep-alive
/// throws it out; then it connects again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfOpen {
    /// How many devices.
    pub share: Share,
    /// How long after a connect.
    pub after: Latency,
}

/// A second connection of the same identity, which takes the first over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Takeover {
    /// How many devices.
    pub share: Share,
    /// How long after a connect.
    pub every: Latency,
}

impl Connectivity {
    /// Whether a device never connects.
    pub(super) fn keeps_offline(&self, seed: IdentitySeed) -> bool {
        seed.draw("offline", 0).hits(self.offline)
    }

    /// The faults that a device has.
    pub(super) fn faults_of(&self, seed: IdentitySeed) -> Faults {
        let hits = |purpose, share| seed.draw(purpose, 0).hits(share);
        Faults {
            flapping: self.flapping.filter(|fault| hits("flapping", fault.share)),
            slow: self.slow.filter(|fault| hits("slow", fault.share)),
            half_open: self.half_open.filter(|fault| hits("half-open", fault.share)),
            takeover: self.takeover.filter(|fault| hits("takeover", fault.share)),
        }
    }
}

/// The faults of one device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Faults {
    pub(super) flapping: Option<Flapping>,
    pub(super) slow: Option<Slow>,
    pub(super) half_open: Option<HalfOpen>,
    pub(super) takeover: Option<Takeover>,
}

impl Faults {
    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seed;

    #[test]
    fn faults_strike_their_shares_and_independently() {
        let share = "20%".parse().unwrap();
        let delay = Latency::NONE;
        let connectivity = Connectivity {
            offline: share,
            flapping: Some(Flapping { share, online: delay, offline: delay }),
            slow: Some(Slow { share, delay }),
            half_open: Some(HalfOpen { share, after: delay }),
            takeover: Some(Takeover { share, every: delay }),
        };
        let seeds: Vec<_> = (0..10_000).map(|n| Seed::new(5).of(&format!("d{n}"))).collect();
        let count = |is: &dyn Fn(&Faults, IdentitySeed) -> bool| {
            seeds.iter().filter(|seed| is(&connectivity.faults_of(**seed), **seed)).count()
        };
        for (name, count) in [
            ("offline", count(&|_, seed| connectivity.keeps_offline(seed))),
            ("flapping", count(&|faults, _| faults.flapping.is_some())),
            ("slow", count(&|faults, _| faults.slow.is_some())),
            ("half-open", count(&|faults, _| faults.half_open.is_some())),
            ("takeover", count(&|faults, _| faults.takeover.is_some())),
        ] {
            assert!((1_850..2_150).contains(&count), "{name}: {count}");
        }
        let both = count(&|faults, _| faults.flapping.is_some() && faults.slow.is_some());
        assert!((330..470).contains(&both), "{both}");
        assert!(Connectivity::default().faults_of(seeds[0]).is_none());
    }
}
