//! The twin query language: one parser and evaluator for validation and for the hub.
//!
//! Two texts are read: a whole query ([`parse`]) and the bare condition of a job ([`parse_condition`]). Both become
//! trees that judge rows in the service's document shape. Names are resolved once, when they are parsed.
//!
//! What no source confirms is accepted and carries a [`Warning`], or is refused under [`Strictness::Strict`]. Routing
//! queries are another dialect and not read here (GRAMMAR.md 8). There is no I/O and nothing asynchronous.

mod aggregate;
mod ast;
mod collection;
mod condition;
mod conjunction;
mod display;
mod error;
mod eval;
mod function;
mod key_range;
mod lint;
mod parse;
mod path;
mod reads;
mod row;
mod select;
mod token;
mod value;
mod warning;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregator, TooManyGroups};
pub use collection::{Collection, ItemType};
pub use condition::{Clause, Condition, Equality};
pub use error::{QueryError, QueryErrorKind};
pub use key_range::KeyRange;
pub use parse::{parse, parse_condition, parse_condition_with, parse_with};
pub use reads::Reads;
pub use row::{Member, Row};
pub use select::Query;
pub use warning::{Doubt, Strictness, Warning};
