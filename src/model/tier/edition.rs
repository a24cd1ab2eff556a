//! Editions and their units, as people write them: `F1`, `S1`, `S2:4`.

use std::fmt;
use std::str::FromStr;

use crate::model::limits::TIER_UNITS_MAX;

/// What a hub was bought as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Free: everything, in small.
    F1,
    /// Basic: neither twins nor methods nor jobs.
    B1,
    /// Basic, larger.
    B2,
    /// Basic, largest.
    B3,
    /// Standard.
    S1,
    /// Standard, larger.
    S2,
    /// Standard, largest.
    S3,
}

/// Which column of the service's table an edition reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// F1, B1, S1.
    One,
    /// B2, S2.
    Two,
    /// B3, S3.
    Three,
}

impl Edition {
    const ALL: [(&'static str, Self); 7] = [
        ("F1", Self::F1),
        ("B1", Self::B1),
        ("B2", Self::B2),
        ("B3", Self::B3),
        ("S1", Self::S1),
        ("S2", Self::S2),
        ("S3", Self::S3),
    ];

    /// Its column.
    #[must_use]
    pub fn size(self) -> Size {
        match self {
            Self::F1 | Self::B1 | Self::S1 => Size::One,
            Self::B2 | Self::S2 => Size::Two,
            Self::B3 | Self::S3 => Size::Three,
        }
    }

    /// Whether it lacks twins, methods and jobs (DEVICE.md 6.1).
    #[must_use]
    pub fn is_basic(self) -> bool {
        matches!(self, Self::B1 | Self::B2 | Self::B3)
    }
}

/// An edition and how many units of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    edition: Edition,
    units: u32,
}

impl Tier {
    /// So many units of an edition.
    ///
    /// # Errors
    /// [`InvalidTier::Units`] for none, too many, or a second unit of F1.
    pub fn new(edition: Edition, units: u32) -> Result<Self, InvalidTier> {
        let max = if edition == Edition::F1 { 1 } else { TIER_UNITS_MAX };
        if units == 0 || units > max {
            return Err(InvalidTier::Units { units, max });
        }
        Ok(Self { edition, units })
    }

    /// The edition.
    #[must_use]
    pub fn edition(self) -> Edition {
        self.edition
    }

    /// How many units, at least one.
    #[must_use]
    pub fn units(self) -> u32 {
        self.units
    }
}

/// Says why a text names no tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTier {
    /// No such edition.
    #[error("there is no tier `{0}`; the tiers are F1, S1, S2, S3, and B1, B2, B3 without twins, methods and jobs")]
    Edition(String),
    /// Not a number.
    #[error("the units of a tier are a number, as in `S1:2`, not `{0}`")]
    NoNumber(String),
    /// Not a number that there is.
    #[error("{units} units; this tier has 1 to {max}")]
    Units {
        /// What was asked for.
        units: u32,
        /// Most units.
        max: u32,
    },
}

impl FromStr for Tier {
    type Err = InvalidTier;

    fn from_str(text: &str) -> Result<Self, InvalidTier> {
        let (edition, units) = match text.split_once(':') {
            None => (text, 1),
            Some((edition, units)) => (edition, units.parse().map_err(|_| InvalidTier::NoNumber(units.to_owned()))?),
        };
        let known = Edition::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(edition));
        let (_, edition) = known.ok_or_else(|| InvalidTier::Edition(edition.to_owned()))?;
        Self::new(*edition, units)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.edition)?;
        if self.units == 1 { Ok(()) } else { write!(f, ":{}", self.units) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_read_in_any_case_with_and_without_units() {
        for (text, shown) in [("F1", "F1"), ("s1", "S1"), ("S2:4", "S2:4"), ("b3:1", "B3"), ("S1:200", "S1:200")] {
            assert_eq!(text.parse::<Tier>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_nobody_sells_is_refused_with_what_there_is() {
        let error = |text: &str| text.parse::<Tier>().unwrap_err().to_string();
        assert!(error("S4").contains("F1, S1, S2, S3"), "{}", error("S4"));
        assert_eq!(error("S1:x"), "the units of a tier are a number, as in `S1:2`, not `x`");
        assert_eq!(error("F1:2"), "2 units; this tier has 1 to 1");
        assert_eq!(error("S1:0"), "0 units; this tier has 1 to 200");
    }
}
