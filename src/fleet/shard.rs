//! A part of a fleet, for one of several machines: `3/10`.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// One of so many equal parts of a fleet; each device is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    at: u64,
    of: NonZeroU64,
}

/// Says that a text is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no shard; write which one of how many, such as 3/10: the first is 1/10, the last 10/10")]
pub struct InvalidShard {
    /// The text.
    pub text: String,
}

impl Shard {
    /// The only part: everything.
    pub const WHOLE: Self = Self { at: 0, of: NonZeroU64::MIN };

    /// The part with that index, from 1, of so many; none when there is no such part.
    #[must_use]
    pub fn new(index: u64, of: u64) -> Option<Self> {
        let of = NonZeroU64::new(of)?;
        let at = index.checked_sub(1).filter(|at| *at < of.get())?;
        Some(Self { at, of })
    }

    /// Which part it is, from 1.
    #[must_use]
    pub fn index(self) -> u64 {
        self.at + 1
    }

    /// How many parts there are.
    #[must_use]
    pub fn of(self) -> u64 {
        self.of.get()
    }

    /// Whether the device with that number, counted from 1, is in it.
    #[must_use]
    pub fn holds(self, number: u64) -> bool {
        number.checked_sub(1).is_some_and(|before| before % self.of == self.at)
    }

    /// The numbers from 1 to `last` that are in it.
    pub(super) fn numbers(self, last: u64) -> impl ExactSizeIterator<Item = u64> + use<> {
        let count = last.saturating_sub(self.at).div_ceil(self.of.get());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (0..count).map(move |turn| 1 + self.at + u64::try_from(turn).unwrap_or(u64::MAX) * self.of.get())
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let number = |part: &str| part.trim().parse::<u64>().ok();
        let parse = || {
            let (index, of) = text.split_once('/')?;
            Self::new(number(index)?, number(of)?)
        };
        parse().ok_or_else(|| InvalidShard { text: text.to_owned() })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index(), self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_read_and_written() {
        let shard: Shard = "3/10".parse().unwrap();
        assert_eq!((shard.index(), shard.of(), shard.to_string()), (3, 10, "3/10".to_owned()));
        assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
        for text in ["", "3", "0/10", "11/10", "1/0", "a/b", "3/10/2", "-1/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn each_number_is_in_exactly_one_shard(last in 0_u64..300, of in 1_u64..40) {
            let shards: Vec<Shard> = (1..=of).filter_map(|index| Shard::new(index, of)).collect();
            let mut numbers: Vec<u64> = shards.iter().flat_map(|shard| shard.numbers(last)).collect();
            prop_assert!(shards.iter().all(|shard| shard.numbers(last).all(|number| shard.holds(number))));
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
        }
    }
}
