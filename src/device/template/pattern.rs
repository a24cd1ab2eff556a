//! Texts drawn by a pattern: `1.{0-9}.{0-9}`, `SN-{A-Z}{0-9}-{n:05}`, `{id}.local`.

use super::Individual;
use crate::model::Draw;
use crate::model::limits::{ID_CHARS_MAX, PATTERN_CHARS_MAX};

/// Widest number that a pattern pads to: no number is wider.
const WIDTH_MAX: usize = 20;

/// A pattern in its pieces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    /// One of these characters.
    Class(Vec<char>),
    /// The identity's id.
    Id,
    /// The device's number, padded.
    Number {
        width: usize,
    },
}

/// Says what is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// A brace that is not closed, or not opened.
    #[error("`{text}` has a brace without its partner; a brace itself is written {{{{ or }}}}")]
    Brace {
        /// The pattern.
        text: String,
    },
    /// Braces around nothing, or around a range that runs backwards.
    #[error("`{{{class}}}` names no character; write a class such as {{0-9}} or {{a-f0-9}}, {{id}}, {{n}} or {{n:05}}")]
    Class {
        /// What stands between the braces.
        class: String,
    },
    /// It could make a text that is too long.
    #[error("the pattern makes texts of up to {chars} characters; at most {PATTERN_CHARS_MAX} are allowed")]
    Length {
        /// How long.
        chars: usize,
    },
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternFault> {
        let unpaired = || PatternFault::Brace { text: text.to_owned() };
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let found = &rest[at..];
            if let Some(after) = found.strip_prefix("{{").or_else(|| found.strip_prefix("}}")) {
                literal.push_str(&found[..1]);
                rest = after;
                continue;
            }
            let (class, after) = found.strip_prefix('{').and_then(|open| open.split_once('}')).ok_or_else(unpaired)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::parse(class)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let pattern = Self(pieces);
        match pattern.largest().chars().count() {
            chars if chars > PATTERN_CHARS_MAX => Err(PatternFault::Length { chars }),
            _ => Ok(pattern),
        }
    }

    pub(super) fn fill(&self, individual: &Individual<'_>, draw: &mut Draw) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Class(chars) => filled.extend(draw.pick(chars)),
                Piece::Id => filled.push_str(&individual.id.to_string()),
                Piece::Number { width } => filled.push_str(&format!("{:0width$}", individual.number)),
            }
        }
        filled
    }

    /// A text as long, in bytes, as the longest that is drawn.
    pub(super) fn largest(&self) -> String {
        let largest = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Class(chars) => chars.iter().max_by_key(|char| char.len_utf8()).copied().into_iter().collect(),
            // Device and module, with the slash between them.
            Piece::Id => "x".repeat(2 * ID_CHARS_MAX + 1),
            Piece::Number { .. } => "9".repeat(WIDTH_MAX),
        };
        self.0.iter().map(largest).collect()
    }
}

impl Piece {
    fn parse(class: &str) -> Result<Self, PatternFault> {
        let wrong = || PatternFault::Class { class: class.to_owned() };
        match class {
            "id" => return Ok(Self::Id),
            "n" => return Ok(Self::Number { width: 0 }),
            _ => {}
        }
        if let Some(width) = class.strip_prefix("n:0") {
            let width = width.parse().ok().filter(|width| *width <= WIDTH_MAX).ok_or_else(wrong)?;
            return Ok(Self::Number { width });
        }
        let chars: Vec<char> = class.chars().collect();
        let mut members = Vec::new();
        let mut at = 0;
        while let Some(&first) = chars.get(at) {
            match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('-'), Some(&last)) if first <= last => {
                    members.extend((first..=last).take(PATTERN_CHARS_MAX));
                    at += 3;
                }
                (Some('-'), Some(_)) => return Err(wrong()),
                _ => {
                    members.push(first);
                    at += 1;
                }
            }
        }
        if members.is_empty() { Err(wrong()) } else { Ok(Self::Class(members)) }
    }
}
