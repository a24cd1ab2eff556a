//! Lays the content of a YAML scalar over the text it was written as, so that a problem inside a query is
//! underlined inside the file.

use std::ops::Range;

/// For each byte of a scalar's content, where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overlay {
    starts: Vec<usize>,
    end: usize,
}

impl Overlay {
    /// The bytes of the text that `content` (a range of the scalar's content) was written as.
    ///
    /// A place at or past the end of the content is the last character's.
    pub(super) fn span(&self, content: Range<usize>) -> Range<usize> {
        let last = self.starts.len().saturating_sub(1);
        let at = |byte: usize| self.starts.get(byte).copied().unwrap_or(self.end);
        let start = at(content.start.min(last));
        start..at(content.end.max(content.start)).max(start)
    }

    /// The bytes of the whole content, without quotes or block header.
    pub(super) fn whole(&self) -> Range<usize> {
        self.starts.first().copied().unwrap_or(self.end)..self.end
    }
}

/// Lays `content` over the scalar whose node starts at `start`: plain, quoted, or a block, on one line or many.
///
/// YAML may drop and fold white space, double an apostrophe and escape characters; everything else stands in the
/// text as it is. `None` when that does not hold, which an alias's use is the reason for.
pub(super) fn overlay(text: &str, start: usize, content: &str) -> Option<Overlay> {
    let start = skip_properties(text, start);
    let style = Style::of(text.get(start..)?);
    let mut at = start + style.opening(&text[start..]);
    let mut starts = Vec::with_capacity(content.len());
    for c in content.chars() {
        if c.is_whitespace() && !next_is(text, at, c) {
            let escape = (style == Style::Double).then(|| escaped(text, at)).flatten();
            match escape {
                Some((found, length)) if found == c => {
                    starts.push(at);
                    starts.extend(std::iter::repeat_n(at, c.len_utf8() - 1));
                    at += length;
                }
                // A folded line break, or one that chomping put there.
                _ => {
                    starts.extend(std::iter::repeat_n(at, c.len_utf8()));
                    at = skip_space(text, at);
                }
            }
            continue;
        }
        if !next_is(text, at, c) && !c.is_whitespace() {
            at = skip_space(text, at);
        }
        let length = style.character(text, at, c)?;
        starts.extend(std::iter::repeat_n(at, c.len_utf8()));
        at += length;
    }
    Some(Overlay { starts, end: at })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

impl Style {
    fn of(node: &str) -> Self {
        match node.chars().next() {
            Some('\'') => Self::Single,
            Some('"') => Self::Double,
            Some('|' | '>') => Self::Block,
            _ => Self::Plain,
        }
    }

    /// Bytes before the content: the quote, or the block's header line.
    fn opening(self, node: &str) -> usize {
        match self {
            Self::Plain => 0,
            Self::Single | Self::Double => 1,
            Self::Block => {
                let header = node.find('\n').map_or(node.len(), |end| end + 1);
                header + node[header..].bytes().take_while(|&byte| byte == b' ').count()
            }
        }
    }

    /// How many bytes of the text at `at` write `c`; `None` when they write something else.
    fn character(self, text: &str, at: usize, c: char) -> Option<usize> {
        match self {
            Self::Single if c == '\'' => text[at..].starts_with("''").then_some(2),
            Self::Double if text[at..].starts_with('\\') => {
                escaped(text, at).filter(|&(found, _)| found == c).map(|(_, length)| length)
            }
            _ => next_is(text, at, c).then(|| c.len_utf8()),
        }
    }
}

fn next_is(text: &str, at: usize, c: char) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(c))
}

/// Skips white space, and the `\` that joins two lines of a double-quoted text.
fn skip_space(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match rest.chars().next() {
            Some(c) if c.is_whitespace() => at += c.len_utf8(),
            Some('\\') if rest.starts_with("\\\n") || rest.starts_with("\\\r\n") => at += 1,
            _ => return at,
        }
    }
}

/// Skips an anchor before the node.
fn skip_properties(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    if !rest.starts_with('&') {
        return at;
    }
    let anchor = rest.find(char::is_whitespace).unwrap_or(rest.len());
    skip_space(text, at + anchor)
}

/// The character that the escape at `at` writes, and the escape's length.
fn escaped(text: &str, at: usize) -> Option<(char, usize)> {
    let rest = text.get(at..)?.strip_prefix('\\')?;
    let code = rest.chars().next()?;
    let hex = |digits: usize| {
        let value = u32::from_str_radix(rest.get(1..=digits)?, 16).ok()?;
        Some((char::from_u32(value)?, digits + 2))
    };
    let plain = match code {
        'x' => return hex(2),
        'u' => return hex(4),
        'U' => return hex(8),
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        ' ' | '"' | '/' | '\\' => code,
        _ => return None,
    };
    Some((plain, 1 + code.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text under each word of the content.
    fn under<'t>(text: &'t str, start: usize, content: &str, word: &str) -> Option<&'t str> {
        let at = content.find(word).expect("the test names a word of its content");
        overlay(text, start, content).map(|overlay| &text[overlay.span(at..at + word.len())])
    }

    #[test]
    fn every_style_is_exact() {
        let content = "tags.a = 'x' AND b";
        for (text, start) in [
            ("q: tags.a = 'x' AND b # c", 3),
            ("q: \"tags.a = 'x' AND b\"", 3),
            ("q: &here tags.a = 'x' AND b", 3),
            ("q: tags.a = 'x'\n  AND b", 3),
            ("q: >-\n  tags.a = 'x'\n  AND b\n", 3),
            ("q: \"tags.a = \\x27x' \\\n  AND b\"", 3),
        ] {
            assert_eq!(under(text, start, content, "AND"), Some("AND"), "{text}");
            assert_eq!(under(text, start, content, "b"), Some("b"), "{text}");
        }
        assert_eq!(under("q: 'tags.a = ''x'' AND b'", 3, content, "'x'"), Some("''x''"));
        assert_eq!(under("q: 'tags.a = ''x'' AND b'", 3, content, "AND"), Some("AND"));
        assert_eq!(under("q: |\n  ö\n\n  tags\n", 3, "ö\n\ntags\n", "tags"), Some("tags"));
    }

    #[test]
    fn past_the_end_is_the_last_place() {
        let overlay = overlay("q: abc", 3, "abc").unwrap();
        assert_eq!((overlay.span(3..3), overlay.whole()), (5..6, 3..6));
    }

    #[test]
    fn what_does_not_lie_there_is_not_found() {
        assert_eq!(overlay("q: *here", 3, "tags"), None);
        assert_eq!(overlay("q: x", 9, "tags"), None);
    }
}
