//! Shares of a whole, as people write them: `5%`.

use std::fmt;
use std::str::FromStr;

/// Parts that a whole has.
const WHOLE: u32 = 1_000_000;
/// Digits after the point of a percentage.
const DECIMALS: usize = 4;

/// A share, in parts per million: none to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u32);

/// Says that a text is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no share; write a percentage from 0% to 100%, such as 5% or 0.5%, with at most four decimals")]
pub struct InvalidShare {
    /// The text.
    pub text: String,
}

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(WHOLE);

    /// So many parts of a million; none past the whole.
    #[must_use]
    pub const fn of_ppm(ppm: u32) -> Option<Self> {
        if ppm <= WHOLE { Some(Self(ppm)) } else { None }
    }

    /// Parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// The fraction, from 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Share {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        let parse = || {
            let number = text.trim().strip_suffix('%')?.trim_end();
            let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
                return None;
            }
            let ppm = format!("{whole}{decimals:0<DECIMALS$}").parse().ok()?;
            Self::of_ppm(ppm)
        };
        parse().ok_or_else(|| InvalidShare { text: text.to_owned() })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / 10_000, self.0 % 10_000);
        if decimals == 0 {
            return write!(f, "{whole}%");
        }
        let decimals = format!("{decimals:0DECIMALS$}");
        write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_read() {
        let ppm = |text: &str| text.parse::<Share>().map(Share::ppm).ok();
        for (text, expected) in
            [("5%", 50_000), ("0.5%", 5_000), ("100%", 1_000_000), ("0%", 0), (" 12.0001 % ", 120_001)]
        {
            assert_eq!(ppm(text), Some(expected), "{text}");
        }
        for text in
            ["", "%", "5", "101%", "100.0001%", "-1%", "+1%", "1.%", ".5%", "0.00001%", "1e1%", "five%", "9999999999%"]
        {
            assert_eq!(ppm(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_share_is_written_as_it_is_read(ppm in 0..=1_000_000_u32) {
            let share = Share::of_ppm(ppm).unwrap();
            prop_assert_eq!(share.to_string().parse::<Share>().unwrap(), share);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Share>();
        }
    }
}
