//! One page of a query's answer.

use std::ops::ControlFlow;

use serde_json::Value;

use super::continuation::{Continuation, InvalidContinuation, Position};
use super::rows::walk;
use crate::hub::HubError;
use crate::hub::store::{Snapshot, StoreError};
use crate::model::ErrorCode;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::query::{Aggregator, ItemType, Query, TooManyGroups};

/// Which page a caller wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Rows at most (`x-ms-max-item-count`), cut to 1–100; 100 when the caller does not say.
    pub max_items: Option<usize>,
    /// The token of the page before (`x-ms-continuation`); none asks for the first page.
    pub continuation: Option<String>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What the rows are (`x-ms-item-type`), also when there are none.
    pub item_type: ItemType,
    /// The rows.
    pub rows: Vec<Value>,
    /// Leads to the next page; none after the last row.
    pub continuation: Option<String>,
}

/// Why a page cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The token is not one for this query.
    #[error(transparent)]
    Continuation(#[from] InvalidContinuation),
    /// The answer would not fit into memory.
    #[error(transparent)]
    Groups(#[from] TooManyGroups),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SearchError> for HubError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Continuation(error) => Self::new(ErrorCode::ArgumentInvalid, error.to_string()),
            SearchError::Groups(error) => Self::new(ErrorCode::ArgumentInvalid, error.to_string()),
            SearchError::Store(error) => error.into(),
        }
    }
}

/// Answers a page of a query. It reads and computes for as long as it takes to find a page of rows: call it where
/// blocking is allowed.
///
/// # Errors
/// [`SearchError`] when the token is not one for this query, when GROUP BY makes too many groups, or when the database
/// fails.
pub fn run(snapshot: &Snapshot, query: &Query, request: &PageRequest) -> Result<Page, SearchError> {
    let start = request.continuation.as_deref().map(|token| Continuation::read(token, query)).transpose()?;
    let asked = request.max_items.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    if query.is_aggregate() { groups(snapshot, query, start, asked) } else { matches(snapshot, query, start, asked) }
}

/// Rows that match, one by one.
fn matches(snapshot: &Snapshot, query: &Query, start: Option<Continuation>, asked: usize) -> Result<Page, SearchError> {
    let (before, after) = start.map_or((0, None), |start| (start.delivered, Some(start.after)));
    let left = query.top().map_or(u64::MAX, |top| top.saturating_sub(before));
    let most = usize::try_from(left).map_or(asked, |left| asked.min(left));
    let mut page = Page { item_type: query.item_type(), rows: Vec::new(), continuation: None };
    if most == 0 {
        return Ok(page);
    }
    let (mut last, mut more) = (None, false);
    walk(snapshot, query, after.as_ref(), &mut |place, row| {
        if page.rows.len() == most {
            more = true;
            return ControlFlow::Break(());
        }
        page.rows.push(if query.selects_everything() { row } else { query.project(&row) });
        if page.rows.len() == most {
            last = Some(Position::from(place));
        }
        // A row beyond the page decides whether there is a next one, unless TOP ends here.
        if page.rows.len() as u64 == left { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    page.continuation = last
        .filter(|_| more)
        .map(|last| Continuation::new(query, before.saturating_add(page.rows.len() as u64), last).token());
    Ok(page)
}

/// Rows of an aggregate, which only exist once every row was seen.
fn groups(snapshot: &Snapshot, query: &Query, start: Option<Continuation>, asked: usize) -> Result<Page, SearchError> {
    let before = match start {
        None => 0,
        Some(Continuation { delivered, after: Position::Group, .. }) => delivered,
        Some(_) => return Err(InvalidContinuation::Damaged.into()),
    };
    let mut aggregator = Aggregator::new(query);
    let mut refused = None;
    walk(snapshot, query, None, &mut |_, row| match aggregator.add(&row) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            refused = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = refused {
        return Err(error.into());
    }
    let mut rest = aggregator.finish().into_iter().skip(usize::try_from(before).unwrap_or(usize::MAX));
    let rows: Vec<Value> = rest.by_ref().take(asked).collect();
    let delivered = before.saturating_add(rows.len() as u64);
    let continuation = rest.next().map(|_| Continuation::new(query, delivered, Position::Group).token());
    Ok(Page { item_type: query.item_type(), rows, continuation })
}
