//! A job's condition: which twins the job is for (REST.md 4.5).

use std::ops::Range;

use serde_json::Value;

use super::ast::Expr;
use super::collection::Collection;
use super::conjunction;
use super::eval::passes;
use super::key_range::KeyRange;
use super::row::Row;
use super::warning::Warning;

/// A job condition that parsed. Its `Display` is a condition that means the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub(super) text: Box<str>,
    pub(super) collection: Collection,
    pub(super) filter: Option<Expr>,
    pub(super) warnings: Vec<Warning>,
}

/// A path and the values of which it must have one.
#[derive(Debug, Clone, PartialEq)]
pub struct Equality {
    /// The members to follow from the root of a twin, such as `["tags", "site"]`.
    pub path: Vec<String>,
    /// One value for `=`, each constant for `IN`; never empty.
    pub values: Vec<Value>,
    /// The bytes of the condition that say so.
    pub span: Range<usize>,
}

/// A part of a condition, quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Its text.
    pub text: String,
    /// Its bytes in the condition.
    pub span: Range<usize>,
}

impl Condition {
    /// Whether it picks devices or modules.
    #[must_use]
    pub fn collection(&self) -> Collection {
        self.collection
    }

    /// Whether a twin of the collection passes.
    #[must_use]
    pub fn matches(&self, row: &dyn Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| passes(filter, row))
    }

    /// Whether it filters nothing: `*`, or `FROM devices.modules` alone.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.filter.is_none()
    }

    /// What is doubtful in it, in the order of the text.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The device ids that can match.
    #[must_use]
    pub fn key_range(&self) -> KeyRange {
        KeyRange::of(self.filter.as_ref(), "deviceId")
    }

    /// The equalities that a twin must fulfil to match, when the condition is nothing but a conjunction of `=` and
    /// `IN` over deviceId, tags and reported properties; none for `*`.
    ///
    /// # Errors
    /// The first part of the condition that is something else.
    pub fn conjunction(&self) -> Result<Vec<Equality>, Clause> {
        let mut equalities = Vec::new();
        if let Some(filter) = &self.filter {
            conjunction::collect(filter, &mut equalities)
                .map_err(|span| Clause { text: self.text.get(span.clone()).unwrap_or_default().to_owned(), span })?;
        }
        Ok(equalities)
    }

    /// Whether only a FROM says what it is over.
    pub(super) fn needs_from(&self) -> bool {
        self.collection != Collection::Devices
    }
}
