//! Walks the rows of a query's collection in the order of their keys, skipping what its ids rule out.

use std::ops::ControlFlow;

use serde_json::Value;

use super::continuation::{InvalidContinuation, Place, Position};
use super::page::SearchError;
use crate::hub::store::{Portion, RowKey, Snapshot, TwinCollection, TwinFilter, TwinScan};
use crate::model::JobId;
use crate::query::{Collection, KeyRange, Query};

/// Is shown a row with its place and says whether to go on.
type Visit<'v> = &'v mut dyn FnMut(Place<'_>, Value) -> ControlFlow<()>;

/// Shows the rows after a position that match, of a twin what the answer is made of.
pub(super) fn walk(
    snapshot: &Snapshot,
    query: &Query,
    after: Option<&Position>,
    visit: Visit<'_>,
) -> Result<(), SearchError> {
    match query.collection() {
        Collection::Devices => walk_twins(snapshot, TwinCollection::Devices, query, after, visit),
        Collection::Modules => walk_twins(snapshot, TwinCollection::Modules, query, after, visit),
        Collection::Jobs => walk_jobs(snapshot, &query.job_range(), after, &mut |place, row| {
            if query.matches(&row) { visit(place, row) } else { ControlFlow::Continue(()) }
        }),
    }
}

fn walk_twins(
    snapshot: &Snapshot,
    collection: TwinCollection,
    query: &Query,
    after: Option<&Position>,
    visit: Visit<'_>,
) -> Result<(), SearchError> {
    let after = match after {
        None => None,
        Some(Position::Twin(id)) => Some(id),
        Some(Position::Row(..) | Position::Group) => return Err(InvalidContinuation::Damaged.into()),
    };
    let (reads, shows) = (Portion::of(&query.filter_reads()), Portion::of(&query.answer_reads()));
    let filter = TwinFilter { reads: &reads, passes: &|row| query.matches(row) };
    let scan = TwinScan {
        collection,
        range: &query.key_range(),
        after,
        filter: query.filters().then_some(filter),
        shows: &shows,
    };
    Ok(snapshot.scan_twins(&scan, &mut |id, document| visit(Place::Twin(id), document))?)
}

fn walk_jobs(
    snapshot: &Snapshot,
    jobs: &KeyRange,
    after: Option<&Position>,
    visit: Visit<'_>,
) -> Result<(), SearchError> {
    let after = match after {
        None => None,
        Some(Position::Row(job, target)) => Some(RowKey { job: job.clone(), target: target.clone() }),
        Some(Position::Twin(_) | Position::Group) => return Err(InvalidContinuation::Damaged.into()),
    };
    let KeyRange::Ids(ids) = jobs else {
        let mut show = |key: &RowKey, row| visit(Place::Row(key), row);
        return Ok(snapshot.scan_rows(None, after.as_ref(), &mut show)?);
    };
    // What is no legal job id names no job.
    for job in ids.iter().filter_map(|id| id.parse::<JobId>().ok()) {
        let start = match &after {
            Some(after) if job < after.job => continue,
            Some(after) if job == after.job => Some(after),
            _ => None,
        };
        let mut flow = ControlFlow::Continue(());
        snapshot.scan_rows(Some(&job), start, &mut |key, row| {
            flow = visit(Place::Row(key), row);
            flow
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}
