//! Times as the service writes them, with its two sentinels.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time on the wire (REST.md 1.5). Orders from `Never` over real times to `Unfinished`.
///
/// The year-9999 sentinel does not fit a [`Timestamp`], and arithmetic on either sentinel is a bug: hence an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WireTime {
    /// `0001-01-01T00:00:00Z`: it has not happened yet.
    Never,
    /// A real time.
    At(Timestamp),
    /// `9999-12-31T23:59:59.9999999Z`: it has not ended yet.
    Unfinished,
}

impl WireTime {
    /// The real time, if it is one.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::Unfinished => None,
        }
    }
}

impl From<Timestamp> for WireTime {
    fn from(time: Timestamp) -> Self {
        Self::At(time)
    }
}

impl fmt::Display for WireTime {
    /// ISO 8601 in UTC with up to seven fractional digits, trailing zeros trimmed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("0001-01-01T00:00:00Z"),
            Self::Unfinished => f.write_str("9999-12-31T23:59:59.9999999Z"),
            Self::At(time) => {
                // As a civil time: a timestamp's own fraction counts backwards before 1970.
                let civil = TimeZone::UTC.to_datetime(*time);
                let whole = civil.strftime("%Y-%m-%dT%H:%M:%S");
                let ticks = civil.subsec_nanosecond() / 100;
                if ticks == 0 {
                    write!(f, "{whole}Z")
                } else {
                    let digits = format!("{ticks:07}");
                    write!(f, "{whole}.{}Z", digits.trim_end_matches('0'))
                }
            }
        }
    }
}

/// The second of [`WireTime::Never`]; the service knows no time before it.
const FIRST_SECOND: DateTime = date(1, 1, 1).at(0, 0, 0, 0);

/// The day of [`WireTime::Unfinished`].
const LAST_DAY: Date = date(9999, 12, 31);

/// Says that a text is not a time that the service would write or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ISO 8601 date and time")]
pub struct InvalidTime(String);

impl FromStr for WireTime {
    type Err = InvalidTime;

    // conformance-choice: REST.md 4.2: a startTime with a numeric offset is taken
    /// Reads ISO 8601 with `Z`, with an offset, or with no zone at all, which means UTC (REST.md 1.5, 4.2).
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let unzoned = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        let civil = text
            .parse::<Timestamp>()
            .map(|time| TimeZone::UTC.to_datetime(time))
            // No zone, or too late for a timestamp, which ends a day before the year-9999 sentinel does.
            .or_else(|_| unzoned.parse::<DateTime>())
            .ok()
            .filter(|civil| *civil >= FIRST_SECOND)
            .ok_or_else(|| InvalidTime(text.to_owned()))?;
        if civil.date() == LAST_DAY {
            return Ok(Self::Unfinished);
        }
        if civil.with().subsec_nanosecond(0).build().is_ok_and(|second| second == FIRST_SECOND) {
            return Ok(Self::Never);
        }
        let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| InvalidTime(text.to_owned()))?;
        Ok(Self::At(zoned.timestamp()))
    }
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for WireTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WireTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 1.5: times have up to seven digits of a second, without trailing zeros
    #[test]
    fn fractions_are_trimmed_to_what_is_needed_and_seven_digits() {
        for (text, want) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.4838150Z", "2026-01-02T03:04:05.483815Z"),
            ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.1234567Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2026-01-02T03:04:05.859319", "2026-01-02T03:04:05.859319Z"),
            ("1969-12-31T23:59:59.3Z", "1969-12-31T23:59:59.3Z"),
        ] {
            assert_eq!(text.parse::<WireTime>().unwrap().to_string(), want, "{text}");
        }
    }

    // conformance: REST.md 1.5: never is the year 1, not finished the year 9999
    #[test]
    fn sentinels_round_trip_and_are_no_times() {
        for (text, want) in [
            ("0001-01-01T00:00:00", WireTime::Never),
            ("0001-01-01T000000.4", WireTime::Never),
            ("9999-12-31T23:59:59.9999999Z", WireTime::Unfinished),
        ] {
            let read: WireTime = text.parse().unwrap();
            assert_eq!(read, want);
            assert_eq!(read.timestamp(), None);
        }
        assert!(WireTime::Never < WireTime::At(Timestamp::MIN));
        assert!(WireTime::At(Timestamp::MAX) < WireTime::Unfinished);
    }

    #[test]
    fn garbage_is_no_time() {
        for text in [
            "tomorrow",
            "9999-12-31Tea",
            "0001-01-01T00:00:00ish",
            "0000-12-31T23:59:59Z",
            "0000-01-01T00:00:51+01:30:00",
            "-000001-12-31T00:00:00Z",
        ] {
            assert!(text.parse::<WireTime>().is_err(), "{text}");
        }
    }
}
