//! The twin query language: one parser and evaluator for validation and for the hub.

use std::collections::BTreeSet;

/// The values that an id must have in every row that can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRange {
    /// Any id.
    All,
    /// One of these, in order; none of them need exist.
    Ids(BTreeSet<String>),
    /// Ids that begin so.
    Prefix(String),
}
