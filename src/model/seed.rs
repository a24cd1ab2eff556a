//! Decisions that can be made again: each is a function of seed, id, purpose and count, and of nothing else.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use super::{Rng, Share};

/// Where FNV-1a starts, and what it multiplies with (64 bits).
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;
/// What splitmix64 adds at each step: 2^64 over the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The seed of a fleet: one seed gives the same fleet again, whatever threads do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seed(u64);

/// A seed and an id: what all decisions of one device start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentitySeed(u64);

/// One decision; what is taken from it twice differs.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Seed {
    /// The seed of that number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// A seed that chance chose; say it, so that the fleet can be had again.
    #[must_use]
    pub fn drawn(rng: &Rng) -> Self {
        Self(rng.next_u64())
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// What all decisions of the identity start from; of a module that is `device/module`.
    #[must_use]
    pub fn of(self, id: &str) -> IdentitySeed {
        IdentitySeed(mixed(fnv(mixed(self.0.wrapping_add(GOLDEN)), id.as_bytes())))
    }

    /// The decision of that id, for that purpose, of that count.
    #[must_use]
    pub fn draw(self, id: &str, purpose: &str, count: u64) -> Draw {
        self.of(id).draw(purpose, count)
    }
}

impl FromStr for Seed {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IdentitySeed {
    /// The decision for that purpose, of that count.
    #[must_use]
    pub fn draw(self, purpose: &str, count: u64) -> Draw {
        Draw(mixed(fnv(self.0, purpose.as_bytes()) ^ mixed(count.wrapping_add(GOLDEN))))
    }
}

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mixed(self.0)
    }

    /// A fraction in `[0, 1)`.
    pub fn fraction(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `bound`, each as likely; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of a product of 64-bit numbers has 64 bits")
    }

    /// A number from `min` to `max`, both included; `min` when `max` is below it.
    pub fn between(&mut self, min: i64, max: i64) -> i64 {
        let span = max.max(min).abs_diff(min);
        min.wrapping_add_unsigned(if span == u64::MAX { self.next() } else { self.below(span + 1) })
    }

    /// One of the items; none of an empty slice.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(usize::try_from(self.below(items.len() as u64)).unwrap_or(usize::MAX))
    }

    /// Whether the decision falls into the share.
    pub fn hits(&mut self, share: Share) -> bool {
        self.below(u64::from(Share::ALL.ppm())) < u64::from(share.ppm())
    }

    /// Sixteen bytes.
    pub fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }
}

fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start ^ FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// The finaliser of splitmix64.
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A release or platform that changes these gives everybody another fleet.
    #[test]
    fn decisions_are_pinned() {
        let draw = |seed, id: &str, purpose: &str, count| Seed::new(seed).draw(id, purpose, count).next();
        assert_eq!(draw(0, "", "", 0), PINNED[0]);
        assert_eq!(draw(42, "door-00001", "answer", 0), PINNED[1]);
        assert_eq!(draw(42, "door-00001", "answer", 1), PINNED[2]);
        assert_eq!(draw(42, "door-00001/cam", "answer", 0), PINNED[3]);
        assert_eq!(Seed::new(42).draw("door-00001", "answer", 0).fraction().to_bits(), PINNED[4]);
    }

    const PINNED: [u64; 5] = [
        0xB780_1C3D_2837_D200,
        0xED6E_4C77_668E_1C5C,
        0xA639_35A6_A270_6E88,
        0xC34F_6C72_0108_825D,
        0x3FED_ADC9_8EEC_D1C3,
    ];

    #[test]
    fn neighbours_differ_and_the_same_is_the_same() {
        let fraction = |id: &str, purpose: &str, count| Seed::new(7).draw(id, purpose, count).fraction();
        assert_eq!(fraction("d1", "a", 1), fraction("d1", "a", 1));
        let others = [fraction("d2", "a", 1), fraction("d1", "b", 1), fraction("d1", "a", 2), fraction("d1a", "", 1)];
        assert!(others.iter().all(|other| *other != fraction("d1", "a", 1)), "{others:?}");
    }

    #[test]
    fn a_share_of_many_devices_is_about_that_share() {
        let share: Share = "5%".parse().unwrap();
        let hit = (0..100_000).filter(|n| Seed::new(1).draw(&format!("door-{n:05}"), "offline", 0).hits(share)).count();
        assert!((4_800..5_200).contains(&hit), "{hit}");
        assert!(!Seed::new(1).draw("d", "x", 0).hits(Share::NONE) && Seed::new(1).draw("d", "x", 0).hits(Share::ALL));
    }

    #[test]
    fn fractions_are_spread_evenly() {
        let mut tenths = [0; 10];
        for n in 0..10_000 {
            tenths[(Seed::new(3).draw("d", "jitter", n).fraction() * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    }

    #[test]
    fn bounds_are_kept() {
        let mut draw = Seed::new(1).draw("d", "x", 0);
        assert!((0..1_000).all(|_| (-3..=3).contains(&draw.between(-3, 3))));
        assert_eq!(draw.between(5, 5), 5);
        let _ = draw.between(i64::MIN, i64::MAX);
        assert_eq!(draw.pick(&[7]), Some(&7));
        assert_eq!(draw.pick::<u8>(&[]), None);
    }
}
