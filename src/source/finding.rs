//! A problem before its place is known: what is wrong, and with which member of the document.

use std::ops::Range;

/// A way down from a document's root.
pub type Pointer = [Step];

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The document as a whole.
    Document,
    /// A member's key.
    Key(Vec<Step>),
    /// A member's value.
    Value(Vec<Step>),
    /// Some bytes of a text's content.
    Inside(Vec<Step>, Range<usize>),
}

impl At {
    /// The member, if it is about one.
    #[must_use]
    pub fn pointer(&self) -> &Pointer {
        match self {
            Self::Document => &[],
            Self::Key(pointer) | Self::Value(pointer) | Self::Inside(pointer, _) => pointer,
        }
    }
}

/// Something wrong with a member; `K` has the rules of the kind of document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<K> {
    /// What it is about.
    pub at: At,
    /// Which rule.
    pub kind: K,
}

impl<K> Finding<K> {
    /// A finding about a member's key.
    pub fn key<const N: usize>(steps: [&str; N], kind: K) -> Self {
        Self { at: At::Key(steps.map(Step::from).to_vec()), kind }
    }

    /// A finding about a member's value.
    pub fn value<const N: usize>(steps: [&str; N], kind: K) -> Self {
        Self { at: At::Value(steps.map(Step::from).to_vec()), kind }
    }
}
