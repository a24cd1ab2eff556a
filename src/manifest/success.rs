//! When a run counts as a success: the share of its targets, the statuses, and whether an offline device counts.

use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use serde_json::Value;

use super::rule::ProblemKind;

/// What has to be true of a run's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    /// How many of the targets that count must succeed.
    pub share: Share,
    /// The statuses with which a device answers a method that succeeded.
    pub statuses: Vec<StatusRange>,
    /// Whether a device that was offline counts.
    pub offline: OfflineTargets,
}

impl Default for Success {
    /// Every device, with a 2xx status.
    fn default() -> Self {
        Self { share: Share::ALL, statuses: vec![StatusRange::CLASS_2XX], offline: OfflineTargets::Fail }
    }
}

impl Success {
    /// What is asked for, in words; `None` when it is the usual.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let mut words = format!("{} of the devices", self.share);
        if self.offline == OfflineTargets::Ignore {
            words.push_str(", offline ones aside");
        }
        if self.statuses != [StatusRange::CLASS_2XX] {
            let statuses: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
            words.push_str(&format!(", with status {}", statuses.join(", ")));
        }
        Some(words)
    }

    /// Whether a device that answers `status` has done what it was asked.
    #[must_use]
    pub fn accepts(&self, status: i64) -> bool {
        self.statuses.iter().any(|range| range.contains(status))
    }
}

/// A share of the targets, in hundredths of a per cent: more than nothing, at most all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Every target.
    pub const ALL: Self = Self(Self::WHOLE);
    const WHOLE: u32 = 10_000;

    /// Whether `part` of `whole` is this share or more.
    #[must_use]
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Self::WHOLE) >= u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, hundredths) => write!(f, "{}%", format!("{whole}.{hundredths:02}").trim_end_matches('0')),
        }
    }
}

impl FromStr for Share {
    type Err = SuccessProblem;

    fn from_str(text: &str) -> Result<Self, SuccessProblem> {
        let illegal = || SuccessProblem::Share { text: text.to_owned() };
        let number = text.strip_suffix('%').ok_or_else(illegal)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
            return Err(illegal());
        }
        let hundredths: u32 = format!("{whole}{decimals:0<2}").parse().map_err(|_| illegal())?;
        if (1..=Self::WHOLE).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(illegal()) }
    }
}

/// Statuses that a device may answer: one, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: i64,
    last: i64,
}

impl StatusRange {
    /// 200 to 299.
    pub const CLASS_2XX: Self = Self { first: 200, last: 299 };

    fn contains(self, status: i64) -> bool {
        (self.first..=self.last).contains(&status)
    }

    /// Reads `404` or `2xx`.
    pub(super) fn read(written: &Value) -> Result<Self, SuccessProblem> {
        let illegal = || SuccessProblem::Status { text: written.to_string() };
        if let Some(status) = written.as_i64() {
            return Ok(Self { first: status, last: status });
        }
        let text = written.as_str().ok_or_else(illegal)?;
        if let Ok(status) = text.parse::<i64>() {
            return Ok(Self { first: status, last: status });
        }
        let class = text.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok()).filter(|class| *class < 10);
        let first = i64::from(class.ok_or_else(illegal)?) * 100;
        Ok(Self { first, last: first + 99 })
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}xx", self.first / 100) }
    }
}

/// What a device that was offline does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflineTargets {
    /// It did not succeed.
    Fail,
    /// It does not count among the targets.
    Ignore,
}

/// What can be wrong with `success`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SuccessProblem {
    /// No share.
    #[error("`{text}` is not a share of the devices")]
    #[diagnostic(
        code(iotjob::manifest::success_share),
        help("write a percentage above 0% and up to 100%, such as `95%` or `99.5%`")
    )]
    Share {
        /// What was written.
        text: String,
    },
    /// No status.
    #[error("{text} is not a status")]
    #[diagnostic(code(iotjob::manifest::success_status), help("write a number, such as `404`, or a class: `2xx`"))]
    Status {
        /// What was written.
        text: String,
    },
    /// Neither of the two ways to treat offline devices.
    #[error("`{text}` is no way to treat offline devices")]
    #[diagnostic(
        code(iotjob::manifest::success_offline),
        help("write `fail`, the default, or `ignore`: they do not count then")
    )]
    Offline {
        /// What was written.
        text: String,
    },
    /// Statuses for a job that has none.
    #[error("`success.statuses` does not go with `type: scheduleUpdateTwin`")]
    #[diagnostic(code(iotjob::manifest::success_statuses_in_twin_job), help("remove it; no device answers a patch"))]
    StatusesInTwinJob,
}

impl From<SuccessProblem> for ProblemKind {
    fn from(problem: SuccessProblem) -> Self {
        Self::Success(problem)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_are_percentages_and_are_reached_exactly() {
        for (text, part, whole, reached) in [
            ("100%", 10, 10, true),
            ("100%", 9, 10, false),
            ("95%", 95, 100, true),
            ("95%", 94, 100, false),
            ("99.5%", 199, 200, true),
            ("99.5%", 198, 200, false),
            ("0.01%", 1, 10_000, true),
            ("50 %", 0, 0, true),
        ] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.is_reached(part, whole), reached, "{text} {part}/{whole}");
        }
        for text in ["0%", "101%", "95", "-5%", "1.234%", "%", "a%", ".5%", "100.01%", ""] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(["95%", "99.50%"].map(|text| text.parse::<Share>().unwrap().to_string()), ["95%", "99.5%"]);
    }

    #[test]
    fn statuses_are_numbers_or_classes() {
        let read = |value| StatusRange::read(&value);
        assert!(read(json!("2xx")).unwrap().contains(299) && !read(json!("2xx")).unwrap().contains(300));
        assert!(read(json!(404)).unwrap().contains(404) && read(json!("404")).unwrap().contains(404));
        for bad in [json!("xx"), json!("22xx"), json!("ok"), json!(null), json!(1.5)] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        let success = Success { statuses: vec![read(json!(404)).unwrap()], ..Success::default() };
        assert!(success.accepts(404) && !success.accepts(200) && Success::default().accepts(204));
    }
}
