//! The limits of twins, at the member of a text that breaks them.

use miette::Diagnostic;
use serde_json::Value;

use super::finding::{At, Finding, Pointer, Step};
use crate::model::{JsonObject, PatchViolation};

/// What twins cannot hold (REST.md 6.5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum TwinProblem {
    /// A character that twin keys may not have.
    #[error("{0}")]
    #[diagnostic(
        code(iotjob::twin::key_character),
        help("nest maps instead of writing a dotted path; `.`, `$`, `#`, spaces and control characters are out")
    )]
    KeyCharacter(PatchViolation),
    /// A twin key that is too long.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::key_length), help("shorten the key"))]
    KeyLength(PatchViolation),
    /// Objects nested too deep for a twin.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::depth), help("flatten the value"))]
    Depth(PatchViolation),
    /// An integer that a twin cannot hold.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::integer), help("put it in quotes to store it as a text"))]
    Integer(PatchViolation),
    /// A string that is too long for a twin.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::string), help("store a URL instead, or split it over several keys"))]
    StringLength(PatchViolation),
    /// A null inside an array.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::null), help("remove the item; null only removes a key of a map"))]
    NullInArray(PatchViolation),
    /// A section that is too large.
    #[error("{0}")]
    #[diagnostic(code(iotjob::twin::size), help("store a URL instead of the content"))]
    Size(PatchViolation),
}

impl TwinProblem {
    /// Puts a rule that `content` breaks at its member; `section` is where the content stands in the document.
    pub fn finding<K: From<Self>>(section: &Pointer, content: &JsonObject, violation: PatchViolation) -> Finding<K> {
        let mut pointer = section.to_vec();
        pointer.extend(steps_in(content, violation.pointer()));
        let (at, problem) = match violation {
            PatchViolation::KeyCharacter { .. } => (At::Key(pointer), Self::KeyCharacter(violation)),
            PatchViolation::KeyLength { .. } => (At::Key(pointer), Self::KeyLength(violation)),
            PatchViolation::Depth { .. } => (At::Key(pointer), Self::Depth(violation)),
            PatchViolation::Integer { .. } => (At::Value(pointer), Self::Integer(violation)),
            PatchViolation::StringLength { .. } => (At::Value(pointer), Self::StringLength(violation)),
            PatchViolation::NullInArray { .. } => (At::Value(pointer), Self::NullInArray(violation)),
            PatchViolation::Size { .. } => (At::Key(pointer), Self::Size(violation)),
        };
        Finding { at, kind: problem.into() }
    }
}

/// A JSON pointer as steps; only the content tells a list's index from a key of digits.
fn steps_in(content: &JsonObject, pointer: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut node: Option<&Value> = None;
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        let next = match node {
            None => content.get(&key),
            Some(Value::Array(items)) => token.parse::<usize>().ok().and_then(|index| items.get(index)),
            Some(other) => other.get(&key),
        };
        match (node, token.parse::<usize>()) {
            (Some(Value::Array(_)), Ok(index)) => steps.push(Step::Index(index)),
            _ => steps.push(Step::Key(key)),
        }
        node = next;
    }
    steps
}
