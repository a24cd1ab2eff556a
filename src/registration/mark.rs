//! The mark of a fleet's devices: a `statusReason` that only its maker writes.

use std::fmt;

use crate::model::limits::STATUS_REASON_CHARS_MAX;

/// What the mark of every fleet begins with.
const BEGINNING: &str = "made by iotjob device, fleet ";

/// Says why a name makes no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMark {
    /// Nothing is named.
    #[error("the name of a fleet must not be empty")]
    Empty,
    /// More than a `statusReason` holds.
    #[error("the name of a fleet has at most {} characters, `{name}` has {}", Mark::NAME_CHARS_MAX, name.chars().count())]
    TooLong {
        /// The name.
        name: String,
    },
}

/// The `statusReason` of the devices that a fleet made. Two fleets of one name on one hub are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// Characters that the name of a fleet may have.
    pub const NAME_CHARS_MAX: usize = STATUS_REASON_CHARS_MAX - BEGINNING.len();

    /// The mark of the fleet of that name.
    ///
    /// # Errors
    /// [`InvalidMark`] when the hub could not store it.
    pub fn of_fleet(name: &str) -> Result<Self, InvalidMark> {
        match name.chars().count() {
            0 => Err(InvalidMark::Empty),
            chars if chars > Self::NAME_CHARS_MAX => Err(InvalidMark::TooLong { name: name.to_owned() }),
            _ => Ok(Self(format!("{BEGINNING}{name}"))),
        }
    }

    /// The text that the registry holds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_as_long_as_a_status_reason_may_be() {
        assert_eq!(Mark::of_fleet("doors").unwrap().as_str(), "made by iotjob device, fleet doors");
        let longest = "ö".repeat(Mark::NAME_CHARS_MAX);
        assert_eq!(Mark::of_fleet(&longest).unwrap().as_str().chars().count(), STATUS_REASON_CHARS_MAX);
        assert!(matches!(Mark::of_fleet(&(longest + "x")), Err(InvalidMark::TooLong { .. })));
        assert_eq!(Mark::of_fleet(""), Err(InvalidMark::Empty));
    }
}
