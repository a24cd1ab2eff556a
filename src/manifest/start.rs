//! Start times: `now`, a time with its offset, or a local time with its zone, and nothing that has two meanings.

use std::ops::Range;

use jiff::civil::DateTime;
use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::{AmbiguousOffset, Offset, OffsetConflict, TimeZone};

use super::checked::Start;
use super::rule::ProblemKind;
use crate::source::suggest;

/// The start that `text` means.
///
/// # Errors
///
/// The rule that it breaks, and the bytes of the text that break it.
pub(super) fn parse(text: &str) -> Result<Start, (ProblemKind, Range<usize>)> {
    if text == "now" {
        return Ok(Start::Now);
    }
    let whole = 0..text.len();
    let unreadable = || (ProblemKind::StartUnreadable { text: text.to_owned() }, 0..text.len());
    let pieces = Pieces::parse(text).map_err(|_| unreadable())?;
    let civil = pieces.time().map(|time| pieces.date().to_datetime(time)).ok_or_else(unreadable)?;
    let zone_at = text.find('[').map(|open| open + 1..text.rfind(']').unwrap_or(text.len()).max(open + 1));
    match (pieces.offset(), zone_at) {
        (None, None) => Err((ProblemKind::StartWithoutZone { text: text.to_owned() }, whole)),
        (Some(offset), None) => {
            let time = offset.to_numeric_offset().to_timestamp(civil).map_err(|_| unreadable())?;
            Ok(Start::At(time))
        }
        (None, Some(name)) => {
            let zone = zone(&text[name.clone()]).map_err(|kind| (kind, name))?;
            resolve(text, civil, &zone).map_err(|kind| (kind, whole))
        }
        (Some(_), Some(name)) => {
            zone(&text[name.clone()]).map_err(|kind| (kind, name))?;
            let strict = DateTimeParser::new().offset_conflict(OffsetConflict::Reject);
            let conflict = || (ProblemKind::StartOffsetConflict { text: text.to_owned() }, whole);
            strict.parse_zoned(text).map(|zoned| Start::At(zoned.timestamp())).map_err(|_| conflict())
        }
    }
}

fn zone(name: &str) -> Result<TimeZone, ProblemKind> {
    TimeZone::get(name).map_err(|_| {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let meant = suggest::nearest(name, names.iter().map(String::as_str));
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write a name of the IANA database, such as `Europe/Oslo`, or `UTC`".to_owned(),
        };
        ProblemKind::StartUnknownZone { zone: name.to_owned(), help }
    })
}

/// The one time that `civil` is in `zone`; jiff alone would silently take one of two, or shift one that does not exist.
fn resolve(text: &str, civil: DateTime, zone: &TimeZone) -> Result<Start, ProblemKind> {
    let with = |offset: Offset| format!("{}{offset}", civil.strftime("%Y-%m-%dT%H:%M:%S"));
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => match offset.to_timestamp(civil) {
            Ok(time) => Ok(Start::At(time)),
            Err(_) => Err(ProblemKind::StartUnreadable { text: text.to_owned() }),
        },
        AmbiguousOffset::Gap { before, after } => {
            let shifted = |offset: Offset, shown: Offset| {
                let moved = offset.to_timestamp(civil).map(|time| shown.to_datetime(time));
                moved.map_or_else(|_| with(shown), |civil| format!("{}{shown}", civil.strftime("%Y-%m-%dT%H:%M:%S")))
            };
            Err(ProblemKind::StartSkipped {
                text: text.to_owned(),
                before: shifted(after, before),
                after: shifted(before, after),
            })
        }
        AmbiguousOffset::Fold { before, after } => {
            Err(ProblemKind::StartRepeated { text: text.to_owned(), first: with(before), second: with(after) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        match parse(text) {
            Ok(Start::At(time)) => time.to_string(),
            Ok(Start::Now) => "now".to_owned(),
            Err((kind, span)) => format!("{kind} | {}", &text[span]),
        }
    }

    #[test]
    fn times_with_one_meaning_are_taken() {
        for (text, want) in [
            ("now", "now"),
            ("2027-03-01T02:00:00Z", "2027-03-01T02:00:00Z"),
            ("2027-03-01T02:00:00.5Z", "2027-03-01T02:00:00.5Z"),
            ("2027-03-01T02:00+01:00", "2027-03-01T01:00:00Z"),
            ("2027-03-01T02:00[Europe/Oslo]", "2027-03-01T01:00:00Z"),
            ("2027-07-01T02:00[Europe/Oslo]", "2027-07-01T00:00:00Z"),
            ("2027-03-01T02:00+01:00[Europe/Oslo]", "2027-03-01T01:00:00Z"),
            ("2027-10-31T02:30+01:00[Europe/Oslo]", "2027-10-31T01:30:00Z"),
        ] {
            assert_eq!(at(text), want);
        }
    }

    #[test]
    fn times_with_no_meaning_or_two_are_not() {
        for (text, want) in [
            ("soon", "`soon` is not a time | soon"),
            ("2027-03-01", "`2027-03-01` is not a time | 2027-03-01"),
            ("2027-03-01T02:00", "`2027-03-01T02:00` does not say in which time zone | 2027-03-01T02:00"),
            ("2027-03-01T02:00[Europe/Olso]", "there is no time zone `Europe/Olso` | Europe/Olso"),
        ] {
            assert_eq!(at(text), want);
        }
    }

    #[test]
    fn a_change_of_the_clocks_names_both_ways_out() {
        let kind = |text: &str| parse(text).unwrap_err().0;
        assert_eq!(
            kind("2027-03-28T02:30[Europe/Oslo]"),
            ProblemKind::StartSkipped {
                text: "2027-03-28T02:30[Europe/Oslo]".into(),
                before: "2027-03-28T01:30:00+01".into(),
                after: "2027-03-28T03:30:00+02".into(),
            }
        );
        assert_eq!(
            kind("2027-10-31T02:30[Europe/Oslo]"),
            ProblemKind::StartRepeated {
                text: "2027-10-31T02:30[Europe/Oslo]".into(),
                first: "2027-10-31T02:30:00+02".into(),
                second: "2027-10-31T02:30:00+01".into(),
            }
        );
        assert!(matches!(kind("2027-03-01T02:00+05:00[Europe/Oslo]"), ProblemKind::StartOffsetConflict { .. }));
    }
}
