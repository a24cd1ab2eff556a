//! Names of fleets and groups: short, and legal wherever they are shown.

use std::fmt;
use std::str::FromStr;

use crate::model::limits::RUN_NAME_CHARS_MAX;

/// The name of a fleet or of a group: lower-case letters, digits and dashes, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Says why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing.
    #[error("a name must not be empty")]
    Empty,
    /// Not a letter first.
    #[error("a name starts with a letter, not with `{found}`")]
    Start {
        /// The character.
        found: char,
    },
    /// A character outside the set.
    #[error("`{found}` is not allowed in a name; use lower-case letters, digits and dashes")]
    Character {
        /// The character.
        found: char,
    },
    /// Too long.
    #[error("a name has at most {RUN_NAME_CHARS_MAX} characters, this has {chars}")]
    TooLong {
        /// Its length.
        chars: usize,
    },
}

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text like `text` that is a name, or almost one: lower case, dashes for what is not allowed.
    pub(super) fn suggest(text: &str) -> String {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let dashed: String = text.chars().map(legal).collect();
        dashed.trim_matches('-').chars().take(RUN_NAME_CHARS_MAX).collect()
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let first = text.chars().next().ok_or(InvalidName::Empty)?;
        if let Some(found) = text.chars().find(|&c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
            return Err(InvalidName::Character { found });
        }
        if !first.is_ascii_lowercase() {
            return Err(InvalidName::Start { found: first });
        }
        match text.len() {
            chars if chars > RUN_NAME_CHARS_MAX => Err(InvalidName::TooLong { chars }),
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_dashes() {
        for text in ["doors", "a", "door-2"] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(text));
        }
        let error = |text: &str| text.parse::<Name>().unwrap_err();
        assert_eq!(error(""), InvalidName::Empty);
        assert_eq!(error("2nd"), InvalidName::Start { found: '2' });
        assert_eq!(error("Doors"), InvalidName::Character { found: 'D' });
        assert_eq!(error(&"d".repeat(41)), InvalidName::TooLong { chars: 41 });
    }

    #[test]
    fn what_is_suggested_is_close() {
        assert_eq!(["North Doors", "_x_", "Tür"].map(Name::suggest), ["north-doors", "x", "t-r"]);
    }
}
