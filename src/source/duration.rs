//! Durations: `30s`, `1h 30m`, `PT45S`, in whole seconds or not.

use std::time::Duration;

use jiff::SignedDuration;

use super::text_problem::TextProblem;

/// Reads the duration at the member `key`, in whole seconds.
///
/// # Errors
///
/// The rule that `text` breaks: a bare number, no duration, or a part of a second.
pub fn seconds(key: &str, text: &str) -> Result<u64, TextProblem> {
    let duration = span(key, text)?;
    if duration.subsec_nanos() != 0 {
        return Err(TextProblem::DurationNotWhole { text: text.trim().to_owned() });
    }
    Ok(duration.as_secs())
}

/// Reads the duration at the member `key`, which may have a part of a second.
///
/// # Errors
///
/// The rule that `text` breaks: a bare number, or no duration.
pub fn span(key: &str, text: &str) -> Result<Duration, TextProblem> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TextProblem::DurationWithoutUnit { key: key.to_owned(), written: text.to_owned() });
    }
    let unreadable = || TextProblem::DurationUnreadable { text: text.to_owned() };
    let duration: SignedDuration = text.parse().map_err(|_| unreadable())?;
    Duration::try_from(duration).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_seconds() {
        for (text, want) in [("30s", 30), ("10m", 600), ("1h 30m", 5_400), ("PT45S", 45), ("0s", 0), ("3600s", 3_600)] {
            assert_eq!(seconds("timeout", text), Ok(want), "{text}");
        }
    }

    #[test]
    fn spans_may_have_parts_of_a_second() {
        for (text, want_ms) in [("200ms", 200), ("1.5s", 1_500), ("1m 30s", 90_000), ("PT0.5S", 500)] {
            assert_eq!(span("every", text), Ok(Duration::from_millis(want_ms)), "{text}");
        }
        assert!(matches!(span("every", "10"), Err(TextProblem::DurationWithoutUnit { .. })));
        assert!(matches!(span("every", "-1s"), Err(TextProblem::DurationUnreadable { .. })));
    }

    #[test]
    fn what_is_none_says_why() {
        let code = |text| seconds("timeout", text).unwrap_err();
        assert!(matches!(code("60"), TextProblem::DurationWithoutUnit { .. }));
        for text in ["", "soon", "-5s", "1d", "99999999999999999999s"] {
            assert!(matches!(code(text), TextProblem::DurationUnreadable { .. }), "{text}");
        }
        for text in ["1500ms", "1.5s"] {
            assert!(matches!(code(text), TextProblem::DurationNotWhole { .. }), "{text}");
        }
    }
}
