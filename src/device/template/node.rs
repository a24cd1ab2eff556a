//! What a template consists of.

use serde_json::Value;

use super::pattern::Pattern;
use super::text::Text;

/// A value of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// The same for everybody.
    Fixed(Value),
    /// A text with references in it.
    Text(Text),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
    /// A value that is drawn; the place tells its draws from those of others.
    Drawn {
        place: Box<str>,
        generator: Generator,
    },
}

/// How a value is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Generator {
    /// The device's number, counted from `start`.
    Index { start: i64 },
    /// One of them; at least one is there.
    Choice(Vec<Node>),
    /// A whole number, `step` apart.
    Integers { min: i64, step: u64, steps: u64 },
    /// A number, in steps of the size that [`Steps`] says.
    Floats { min: f64, max: f64, steps: Steps },
    /// A text.
    Pattern(Pattern),
}

/// Which numbers of a range may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Steps {
    /// `min`, `min + size` and so on, `count` times.
    Of { size: f64, count: u64 },
    /// Any, with so many decimals.
    Decimals(i32),
}
