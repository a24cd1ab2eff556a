//! What the YAML parser's own complaints mean to the one who wrote the text, and where they point.

use std::ops::Range;

use super::text_problem::TextProblem;
use super::yaml::Fault;
use crate::model::limits::SOURCE_BRACKETS_MAX;

/// The first bracket that leaves more than [`SOURCE_BRACKETS_MAX`] open.
///
/// The parser takes time in the square of the open brackets, and says so only once it has read them all. Counting
/// also what stands in strings is harmless: nobody writes so many by accident.
pub(super) fn runaway_bracket(text: &str) -> Option<usize> {
    let mut open = 0usize;
    text.bytes().enumerate().find_map(|(at, byte)| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        (open > SOURCE_BRACKETS_MAX).then_some(at)
    })
}

/// Whether a plain scalar is a number by its looks, but one that no float holds: YAML would read it as text.
pub(super) fn is_overflowing_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The bytes of the token that starts at `at`: to the end of a quoted text, or of the word.
pub(super) fn token_at(text: &str, at: usize) -> Range<usize> {
    let start = floor(text, at.min(text.len()));
    let rest = &text[start..];
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let length = match line.chars().next() {
        None => 0,
        Some(quote @ ('"' | '\'')) => line[1..].find(quote).map_or(line.len(), |end| end + 2),
        Some(open @ ('[' | ']' | '{' | '}' | ',')) => open.len_utf8(),
        Some(_) if is_in_brackets(&text[..start]) => {
            plain_length(line.split([',', ']', '}']).next().unwrap_or_default())
        }
        Some(_) => plain_length(line),
    };
    start..start + length
}

/// Whether the line that `before` ends in has left a bracket open.
fn is_in_brackets(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.matches(['[', '{']).count() > line.matches([']', '}']).count()
}

/// Length of the plain scalar or key that `line` starts with.
fn plain_length(line: &str) -> usize {
    let ends = [": ", " #"].into_iter().filter_map(|end| line.find(end));
    let end = ends.min().unwrap_or(line.len());
    let plain = line[..end].trim_end();
    plain.strip_suffix(':').filter(|key| !key.is_empty()).unwrap_or(plain).len()
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Turns an error of the parser into a fault: its message without coordinates, and advice where the cause is known.
pub(super) fn fault(text: &str, index: usize, message: &str) -> Fault {
    if message.contains("recursion limit exceeded") {
        return Fault { kind: TextProblem::TooDeep, span: token_at(text, index) };
    }
    if message.contains("repetition limit exceeded") {
        return Fault { kind: TextProblem::AliasesTooLarge, span: token_at(text, index) };
    }
    if message.contains("control characters are not allowed") {
        let control = text.char_indices().find(|&(_, c)| !is_yaml_char(c));
        let span = control.map_or(0..0, |(at, c)| at..at + c.len_utf8());
        let found = control.map_or(char::REPLACEMENT_CHARACTER, |(_, c)| c);
        return Fault { kind: TextProblem::ControlCharacter { found }, span };
    }
    let at = start_of_context(text, message).unwrap_or(index);
    let span = token_at(text, at);
    let help = advice(text, span.start, message);
    Fault { kind: TextProblem::Syntax { message: without_coordinates(message), help }, span }
}

/// What YAML 1.2 calls printable, less the byte order mark.
fn is_yaml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && c != '\u{feff}'
}

/// Where an unfinished text began: the parser only notices at the end of the file.
fn start_of_context(text: &str, message: &str) -> Option<usize> {
    if !message.contains("unexpected end of stream") && !message.contains("while scanning an alias") {
        return None;
    }
    let (_, coordinates) = message.rsplit_once(" at line ")?;
    let (line, column) = coordinates.split_once(" column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    let within: usize = rest.chars().take(column.checked_sub(1)?).map(char::len_utf8).sum();
    Some(start + within)
}

/// `message` without its ` at line 1 column 2`.
fn without_coordinates(message: &str) -> String {
    let parts = message.split(", ").map(|part| {
        let end = part.find(" at line ").or_else(|| part.find(" at position ")).unwrap_or(part.len());
        &part[..end]
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn advice(text: &str, at: usize, message: &str) -> Option<String> {
    let rest = &text[at..];
    let help = if rest.starts_with('*') && message.contains("alias") {
        "a text that starts with `*` needs quotes, also as a key: `'*'`"
    } else if message.contains("mapping values are not allowed") {
        "put a text that holds `: ` in quotes; or the line is indented differently from the ones above it"
    } else if message.contains("cannot start any token") && rest.starts_with('\t') {
        "YAML is indented with spaces; tabs are not allowed"
    } else if message.contains("cannot start any token") {
        "a text that starts with this character needs quotes"
    } else if message.contains("unknown anchor") {
        "a text that starts with `*` needs quotes; otherwise `&name` has to stand before `*name`"
    } else if message.contains("scanning a quoted scalar") {
        "close the quotes; inside single quotes an apostrophe is written twice"
    } else if message.contains("flow") {
        "close every `[` with `]` and every `{` with `}`, with `,` between the items"
    } else if message.contains("did not find expected key") || message.contains("block") {
        "check that this line is indented like its neighbours"
    } else {
        return None;
    };
    Some(help.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_word_the_key_or_the_quoted_text() {
        for (text, at, want) in [
            ("a: b c # d", 3, "b c"),
            ("key: 1", 0, "key"),
            ("key:\n", 0, "key"),
            ("a: 'b: c' # d", 3, "'b: c'"),
            ("a: [1, 2]", 3, "["),
            ("a: [1, 2]", 4, "1"),
            ("a: { b: .inf }", 8, ".inf"),
            ("a: ö", 4, "ö"),
            ("", 7, ""),
        ] {
            assert_eq!(&text[token_at(text, at)], want, "{text}");
        }
    }

    #[test]
    fn coordinates_leave_the_message() {
        let message = "did not find expected key at line 2 column 1, while parsing a block mapping at line 1 column 1";
        assert_eq!(without_coordinates(message), "did not find expected key, while parsing a block mapping");
    }

    #[test]
    fn numbers_past_every_float_are_numbers_still() {
        assert!(is_overflowing_number("1e400") && is_overflowing_number("-1e400"));
        assert!(!is_overflowing_number("1e4") && !is_overflowing_number("inf") && !is_overflowing_number("1e400x"));
    }

    #[test]
    fn brackets_run_away_only_when_they_stay_open() {
        assert_eq!(runaway_bracket(&"[]".repeat(10_000)), None);
        assert_eq!(runaway_bracket(&"[".repeat(10_000)), Some(SOURCE_BRACKETS_MAX));
    }
}
