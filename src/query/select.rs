//! A whole query: which rows, which columns.

use serde_json::Value;

use super::aggregate::Aggregator;
use super::ast::{Expr, Projection, Selection, Source};
use super::collection::{Collection, ItemType};
use super::eval::passes;
use super::key_range::KeyRange;
use super::path::{Path, Scope};
use super::row::Row;
use super::warning::Warning;
use crate::model::JsonObject;

/// A `SELECT` that parsed. Its `Display` is a query that means the same.
///
/// Rows are JSON values in the service's document shape: a twin (REST.md 6.2) or a device job (REST.md 5).
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(super) selection: Selection,
    pub(super) top: Option<u64>,
    pub(super) scope: Scope,
    pub(super) filter: Option<Expr>,
    pub(super) group_by: Vec<Path>,
    pub(super) warnings: Vec<Warning>,
}

impl Query {
    /// The rows that it reads.
    #[must_use]
    pub fn collection(&self) -> Collection {
        self.scope.collection
    }

    /// What the rows of its answer are (REST.md 9).
    #[must_use]
    pub fn item_type(&self) -> ItemType {
        match (&self.selection, self.collection()) {
            (Selection::Projections(_), _) => ItemType::Raw,
            (Selection::Everything, Collection::Jobs) => ItemType::DeviceJob,
            (Selection::Everything, Collection::Devices | Collection::Modules) => ItemType::Twin,
        }
    }

    /// Whether a row passes the WHERE clause.
    #[must_use]
    pub fn matches(&self, row: &dyn Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| passes(filter, row))
    }

    /// Whether it has a WHERE clause.
    #[must_use]
    pub fn filters(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether the answer is made of whole rows, so that projecting them would only copy them.
    #[must_use]
    pub fn selects_everything(&self) -> bool {
        self.selection == Selection::Everything
    }

    /// The columns of a row; those whose path the row lacks are left out (GRAMMAR.md 6).
    ///
    /// Aggregates have no value for one row and are left out too: see [`Query::aggregate`].
    #[must_use]
    pub fn project(&self, row: &Value) -> Value {
        let Selection::Projections(projections) = &self.selection else {
            return row.clone();
        };
        let mut columns = JsonObject::new();
        for projection in projections {
            if let Source::Path(path) = &projection.source
                && let Some(value) = path.find(row)
            {
                columns.insert(projection.column.to_string(), value.clone());
            }
        }
        Value::Object(columns)
    }

    /// Whether the answer's rows are groups of rows, one group without GROUP BY.
    #[must_use]
    pub fn is_aggregate(&self) -> bool {
        !self.group_by.is_empty() || self.projections().iter().any(|projection| projection.source.is_aggregate())
    }

    /// The answer of an aggregate query over rows that already passed [`Query::matches`].
    ///
    /// # Errors
    /// [`TooManyGroups`](super::TooManyGroups) when the groups outgrow their bound.
    pub fn aggregate<'r>(&self, rows: impl IntoIterator<Item = &'r Value>) -> Result<Vec<Value>, super::TooManyGroups> {
        let mut aggregator = Aggregator::new(self);
        for row in rows {
            aggregator.add(row)?;
        }
        Ok(aggregator.finish())
    }

    /// How many rows the whole answer may have, over all its pages (GRAMMAR.md 6).
    #[must_use]
    pub fn top(&self) -> Option<u64> {
        self.top
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

    /// The job ids that can match, for `devices.jobs`; any elsewhere.
    #[must_use]
    pub fn job_range(&self) -> KeyRange {
        match self.collection() {
            Collection::Jobs => KeyRange::of(self.filter.as_ref(), "jobId"),
            Collection::Devices | Collection::Modules => KeyRange::All,
        }
    }

    pub(super) fn projections(&self) -> &[Projection] {
        match &self.selection {
            Selection::Everything => &[],
            Selection::Projections(projections) => projections,
        }
    }
}
