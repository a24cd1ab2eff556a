//! COUNT, AVG, SUM, MIN, MAX and GROUP BY, one row at a time (GRAMMAR.md 5).

use std::collections::HashMap;

use serde_json::{Number, Value};

use super::ast::{NumericAggregate, Source};
use super::path::Path;
use super::select::Query;
use crate::model::JsonObject;
use crate::model::limits::QUERY_GROUP_BYTES_MAX;

/// Says that a GROUP BY makes more groups than memory is set aside for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("GROUP BY makes more than {groups} groups")]
pub struct TooManyGroups {
    /// Groups until then.
    pub groups: usize,
}

/// Takes the rows of an aggregate query and gives its answer. Holds the groups, never the rows.
#[derive(Debug)]
pub struct Aggregator<'q> {
    query: &'q Query,
    groups: Vec<Group>,
    index: HashMap<Vec<u8>, usize>,
    /// The current row's key, kept to spare an allocation per row.
    key: Vec<u8>,
    bytes: usize,
}

#[derive(Debug)]
struct Group {
    /// A value for each path of GROUP BY; `None` where the rows lack it.
    values: Vec<Option<Value>>,
    /// One for each projection, also those that are no aggregates.
    tallies: Vec<Tally>,
}

/// What any aggregate needs to know of the values it saw.
#[derive(Debug, Clone, Copy)]
struct Tally {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Tally {
    const EMPTY: Self = Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    // conformance-choice: GRAMMAR.md 5: SUM, AVG, MIN and MAX ignore what is no number, and are left out when there was none
    /// The aggregate; none of no numbers.
    #[expect(clippy::cast_precision_loss, reason = "no hub has 2^53 twins")]
    fn numeric(&self, aggregate: NumericAggregate) -> Option<Value> {
        if self.count == 0 {
            return None;
        }
        number(match aggregate {
            NumericAggregate::Avg => self.sum / self.count as f64,
            NumericAggregate::Sum => self.sum,
            NumericAggregate::Min => self.min,
            NumericAggregate::Max => self.max,
        })
    }
}

impl<'q> Aggregator<'q> {
    // conformance-choice: GRAMMAR.md 5: COUNT over nothing is 0
    /// Begins the answer of a query. Without GROUP BY there is one group from the start, so that a COUNT over nothing
    /// is 0 (GRAMMAR.md 5, U).
    #[must_use]
    pub fn new(query: &'q Query) -> Self {
        let mut aggregator = Self { query, groups: Vec::new(), index: HashMap::new(), key: Vec::new(), bytes: 0 };
        if query.group_by.is_empty() {
            aggregator.groups.push(Group { values: Vec::new(), tallies: aggregator.tallies() });
        }
        aggregator
    }

    fn tallies(&self) -> Vec<Tally> {
        vec![Tally::EMPTY; self.query.projections().len()]
    }

    /// Counts a row that passed [`Query::matches`].
    ///
    /// # Errors
    /// [`TooManyGroups`] when the row would begin a group for which there is no room.
    pub fn add(&mut self, row: &Value) -> Result<(), TooManyGroups> {
        let at = self.group_of(row)?;
        for (projection, tally) in self.query.projections().iter().zip(&mut self.groups[at].tallies) {
            match &projection.source {
                Source::Path(_) => {}
                Source::Count(None) => tally.count += 1,
                Source::Count(Some(path)) => tally.count += u64::from(path.find(row).is_some()),
                Source::Numeric(_, path) => {
                    if let Some(number) = path.find(row).and_then(Value::as_f64) {
                        tally.add(number);
                    }
                }
            }
        }
        Ok(())
    }

    // conformance-choice: GRAMMAR.md 5: rows without the grouped path are a group without its key
    fn group_of(&mut self, row: &Value) -> Result<usize, TooManyGroups> {
        if self.query.group_by.is_empty() {
            return Ok(0);
        }
        self.key.clear();
        for path in &self.query.group_by {
            write_key(&mut self.key, path.find(row));
        }
        if let Some(&at) = self.index.get(&self.key) {
            return Ok(at);
        }
        // The key is there twice, as bytes and as values; the rest of a group is of a fixed size.
        self.bytes += 2 * self.key.len() + size_of::<Group>() + self.query.projections().len() * size_of::<Tally>();
        if self.bytes > QUERY_GROUP_BYTES_MAX {
            return Err(TooManyGroups { groups: self.groups.len() });
        }
        let values = self.query.group_by.iter().map(|path| path.find(row).cloned()).collect();
        let at = self.groups.len();
        self.groups.push(Group { values, tallies: self.tallies() });
        self.index.insert(self.key.clone(), at);
        Ok(at)
    }

    /// The answer's rows in the order in which their groups began, as many as TOP allows.
    #[must_use]
    pub fn finish(self) -> Vec<Value> {
        let most = self.query.top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX));
        self.groups.iter().take(most).map(|group| row_of(self.query, group)).collect()
    }
}

fn row_of(query: &Query, group: &Group) -> Value {
    let mut columns = JsonObject::new();
    for (projection, tally) in query.projections().iter().zip(&group.tallies) {
        let value = match &projection.source {
            Source::Path(path) => grouped(&query.group_by, group, path),
            Source::Count(_) => Some(tally.count.into()),
            Source::Numeric(aggregate, _) => tally.numeric(*aggregate),
        };
        if let Some(value) = value {
            columns.insert(projection.column.to_string(), value);
        }
    }
    Value::Object(columns)
}

fn grouped(paths: &[Path], group: &Group, path: &Path) -> Option<Value> {
    paths.iter().zip(&group.values).find(|(grouped, _)| grouped.keys == path.keys)?.1.clone()
}

/// Appends a value so that equal values, and only they, give equal bytes: 1 and 1.0 are equal, missing is not null.
fn write_key(key: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        None => key.push(b'-'),
        Some(Value::Number(number)) => {
            key.push(b'#');
            // Adding zero turns -0.0 into 0.0.
            key.extend((number.as_f64().unwrap_or(f64::NAN) + 0.0).to_bits().to_be_bytes());
        }
        Some(value) => serde_json::to_writer(&mut *key, value).expect("a JSON value is written to memory"),
    }
    key.push(b'\n');
}

/// A double as JSON, whole where it is whole: a SUM of counters reads `5`, not `5.0`.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn number(value: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}
