//! Ids of a fleet, counted: `door-{n:05}`.

use std::fmt;
use std::str::FromStr;

use crate::model::{DeviceId, InvalidId};

/// Widest number that a template pads to.
const WIDTH_MAX: usize = 20;

/// Says why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdTemplate {
    /// Not exactly one place for the number.
    #[error("`{template}` needs one {{n}} or {{n:05}} where the device's number goes")]
    Number {
        /// The text.
        template: String,
    },
    /// What it makes is no device id.
    #[error("`{template}`: {source}")]
    Id {
        /// The text.
        template: String,
        /// Why not.
        source: InvalidId,
    },
}

/// Makes device ids from numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTemplate {
    before: String,
    width: usize,
    after: String,
}

impl IdTemplate {
    /// The id of a number; the longest numbers may make it too long.
    ///
    /// # Errors
    /// [`InvalidId`] when it is.
    pub fn id(&self, number: u64) -> Result<DeviceId, InvalidId> {
        let Self { before, width, after } = self;
        format!("{before}{number:0width$}{after}").parse()
    }

    /// The number whose id that is; none when the template does not make it.
    #[must_use]
    pub fn number(&self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        let number = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        // Not each way to write a number is the template's.
        (digits.len() == format!("{number:0width$}", width = self.width).len()).then_some(number)
    }

    /// Whether some id could be of both templates, by what stands round their numbers.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        let starts = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
        let ends = |one: &str, other: &str| one.ends_with(other) || other.ends_with(one);
        starts(&self.before, &other.before) && ends(&self.after, &other.after)
    }
}

impl fmt::Display for IdTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, width, after } = self;
        match width {
            0 => write!(f, "{before}{{n}}{after}"),
            width => write!(f, "{before}{{n:0{width}}}{after}"),
        }
    }
}

impl FromStr for IdTemplate {
    type Err = InvalidIdTemplate;

    fn from_str(template: &str) -> Result<Self, InvalidIdTemplate> {
        let wrong = || InvalidIdTemplate::Number { template: template.to_owned() };
        let (before, rest) = template.split_once("{n").ok_or_else(wrong)?;
        let (format, after) = rest.split_once('}').ok_or_else(wrong)?;
        let width = match format.strip_prefix(":0") {
            None if format.is_empty() => 0,
            None => return Err(wrong()),
            Some(digits) => digits.parse().ok().filter(|width| *width <= WIDTH_MAX).ok_or_else(wrong)?,
        };
        let parsed = Self { before: before.to_owned(), width, after: after.to_owned() };
        // Braces are no characters of ids, so a second place for the number fails here too.
        parsed.id(1).map_err(|source| InvalidIdTemplate::Id { template: template.to_owned(), source })?;
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_as_asked() {
        let id = |template: &str, number| template.parse::<IdTemplate>().unwrap().id(number).unwrap().to_string();
        assert_eq!(id("door-{n:05}", 42), "door-00042");
        assert_eq!(id("{n}-x", 7), "7-x");
        assert_eq!(id("door-{n:02}", 12_345), "door-12345");
    }

    #[test]
    fn an_id_leads_back_to_its_number() {
        let number = |template: &str, id: &str| template.parse::<IdTemplate>().unwrap().number(id);
        assert_eq!(number("door-{n:05}", "door-00042"), Some(42));
        assert_eq!(number("door-{n:02}", "door-12345"), Some(12_345));
        for id in ["door-42", "door-000042", "door-", "gate-00042", "door-00042x", "door-+0042"] {
            assert_eq!(number("door-{n:05}", id), None, "{id}");
        }
        let meets =
            |one: &str, other: &str| one.parse::<IdTemplate>().unwrap().may_meet(&other.parse::<IdTemplate>().unwrap());
        assert!(meets("d{n}", "d1{n}") && meets("d{n}x", "d{n}") && !meets("d{n}", "e{n}") && !meets("d{n}x", "d{n}y"));
    }

    #[test]
    fn a_template_is_written_as_it_is_read() {
        for text in ["door-{n:05}", "{n}-x", "d{n:010}"] {
            assert_eq!(text.parse::<IdTemplate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn texts_without_one_number_are_refused() {
        for text in ["door", "door-{n", "door-{n:5}", "door-{m}", "{n}{n}", "a b {n}", "{n:099}"] {
            assert!(text.parse::<IdTemplate>().is_err(), "{text}");
        }
    }
}
