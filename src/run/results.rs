//! Reads what a job did to each device, once it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;

use super::carry::Context;
use super::event::{Happening, RunEvents};
use super::jobs::{Failure, Jobs, RowPages};
use super::outcome::{DeviceResult, OutcomeClass, Tally, TargetId, classify, target_of};
use super::snapshot::{JobEnd, Snapshot};
use super::state::PartState;
use super::watch::EndedJob;
use crate::manifest::Success;
use crate::model::limits::{PAGE_ITEMS_MAX, REGISTERED_LOOKS_AT_ONCE, ROWS_SETTLE_S};
use crate::model::{DeviceId, DeviceJob};

/// Reads rows until every target has its end, or nothing more is to be expected; then accounts for the rest.
pub(super) async fn collect<J: Jobs>(
    context: &Context<J>,
    events: &RunEvents,
    state: PartState<'_>,
    job: CountedJob<'_>,
    ended: &EndedJob,
) -> Result<Tally, Failure> {
    let CountedJob { id, listed, success } = job;
    let device_count = state.snapshot(Snapshot::device_count);
    let reader = Reader { context, events, state, id, success, device_count };
    let unfinished = if has_rows(ended.end, device_count) { reader.read_all(ended).await? } else { BTreeSet::new() };
    for target in &unfinished {
        let why = "not final a minute after the job's end; it may have run";
        reader.decide(DeviceResult::without_row(target, OutcomeClass::Unknown, why)).await;
    }
    let not_counted = reader.account_for_listed(listed, ended.end).await?;
    Ok(state.snapshot(|snapshot| Tally::of(snapshot.results.values(), device_count.unwrap_or(0), not_counted)))
}

/// A job that never started has no counts, and a job without devices has no rows: both save a query.
fn has_rows(end: JobEnd, device_count: Option<u64>) -> bool {
    match end {
        JobEnd::Completed => device_count != Some(0),
        JobEnd::Failed | JobEnd::Cancelled => device_count.is_some_and(|count| count > 0),
    }
}

/// A job whose devices are counted.
#[derive(Clone, Copy)]
pub(super) struct CountedJob<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// The ids that it was given.
    pub(super) listed: &'a [DeviceId],
    /// Which statuses are a success.
    pub(super) success: &'a Success,
}

struct Reader<'a, J: Jobs> {
    context: &'a Context<J>,
    events: &'a RunEvents,
    state: PartState<'a>,
    id: &'a str,
    success: &'a Success,
    device_count: Option<u64>,
}

impl<J: Jobs> Reader<'_, J> {
    /// Reads all pages again and again until all rows are there and final, or until they have had their time. The last
    /// reading begins after that time. Gives the targets whose rows are not final.
    async fn read_all(&self, ended: &EndedJob) -> Result<BTreeSet<TargetId>, Failure> {
        let deadline = self.context.clock.monotonic() + self.time_to_settle(ended);
        let mut readings = 0;
        loop {
            let began = self.context.clock.monotonic();
            let unfinished = self.read_once().await?;
            let decided = self.state.snapshot(|snapshot| snapshot.results.len());
            let is_complete = self.device_count.is_some_and(|count| as_count(decided) >= count);
            if (is_complete && unfinished.is_empty()) || began >= deadline {
                return Ok(unfinished);
            }
            let now = self.context.clock.monotonic();
            let pause = self.context.pace.rows.after(readings).min(deadline.saturating_sub(now));
            readings += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// What is left of the minute that rows have after the job's end.
    fn time_to_settle(&self, ended: &EndedJob) -> Duration {
        let settle = Duration::from_secs(ROWS_SETTLE_S);
        let Some(end) = ended.end_time.and_then(crate::model::WireTime::timestamp) else { return settle };
        let since = self.context.clock.now().duration_since(end);
        // The hub's clock may run ahead of ours.
        if since.is_negative() { settle } else { settle.saturating_sub(since.unsigned_abs()) }
    }

    async fn read_once(&self) -> Result<BTreeSet<TargetId>, Failure> {
        let mut pages = self.context.jobs.rows(self.id);
        let (mut read, mut unfinished) = (0, BTreeSet::new());
        while pages.has_more() {
            self.context.queries.take().await;
            let rows = pages.next_page().await?.unwrap_or_default();
            read += as_count(rows.len());
            self.take_page(&rows, &mut unfinished).await;
            self.tell_progress(read).await;
        }
        Ok(unfinished)
    }

    async fn take_page(&self, rows: &[DeviceJob], unfinished: &mut BTreeSet<TargetId>) {
        let mut page = BTreeMap::new();
        for row in rows {
            match classify(row, self.success) {
                Some(result) => drop(page.insert(target_of(row), result)),
                None => drop(unfinished.insert(target_of(row))),
            }
        }
        self.events.tell_all(self.state.absorb(page)).await;
    }

    /// One page is no journey; more are.
    async fn tell_progress(&self, read: u64) {
        let total = self.device_count.unwrap_or(0).max(read);
        if total <= as_count(PAGE_ITEMS_MAX) {
            return;
        }
        let pages_left = (total - read).div_ceil(as_count(PAGE_ITEMS_MAX));
        let seconds_left = self.context.queries.time_for(pages_left).as_secs();
        self.events.tell(Happening::ResultsProgress { read, total, seconds_left }).await;
    }

    async fn decide(&self, result: DeviceResult) {
        let page = BTreeMap::from([(result.target(), result)]);
        self.events.tell_all(self.state.absorb(page)).await;
    }

    /// Gives every listed id without a row its end. How many of them the hub did not count.
    async fn account_for_listed(&self, listed: &[DeviceId], end: JobEnd) -> Result<u64, Failure> {
        let missing: Vec<DeviceId> = self.state.snapshot(|snapshot| {
            let has_row = |id: &DeviceId| snapshot.results.contains_key(&TargetId::device(id.as_str()));
            listed.iter().filter(|id| !has_row(id)).cloned().collect()
        });
        let decided = as_count(self.state.snapshot(|snapshot| snapshot.results.len()));
        let unaccounted = self.device_count.unwrap_or(0).saturating_sub(decided);
        let mut counted = 0;
        for (id, class, why) in self.judge_missing(missing, end).await? {
            // The hub counted those that it knows and has no row for, as far as its count goes.
            if class == OutcomeClass::Unknown && counted < unaccounted {
                counted += 1;
            }
            self.decide(DeviceResult::without_row(&TargetId::device(id.as_str()), class, why)).await;
        }
        let now_decided = as_count(self.state.snapshot(|snapshot| snapshot.results.len()));
        Ok(now_decided - decided - counted)
    }

    async fn judge_missing(
        &self,
        missing: Vec<DeviceId>,
        end: JobEnd,
    ) -> Result<Vec<(DeviceId, OutcomeClass, &'static str)>, Failure> {
        let all = |class, why| Ok(missing.iter().map(|id| (id.clone(), class, why)).collect());
        match (end, self.device_count) {
            (JobEnd::Cancelled, None | Some(0)) => all(OutcomeClass::Canceled, "the job was cancelled before it ran"),
            (JobEnd::Failed, None | Some(0)) => all(OutcomeClass::Failed, "the job could not run"),
            _ => self.ask_registry(missing).await,
        }
    }

    /// Only the twin itself says whether a device is there: queries lag behind by minutes (REST.md 9).
    async fn ask_registry(
        &self,
        missing: Vec<DeviceId>,
    ) -> Result<Vec<(DeviceId, OutcomeClass, &'static str)>, Failure> {
        let mut judged = Vec::with_capacity(missing.len());
        for chunk in missing.chunks(REGISTERED_LOOKS_AT_ONCE) {
            let mut looks = JoinSet::new();
            for id in chunk.iter().cloned() {
                let jobs = self.context.jobs.clone();
                looks.spawn(async move { (jobs.is_registered(&id).await, id) });
            }
            while let Some(look) = looks.join_next().await {
                let Ok((registered, id)) = look else { continue };
                judged.push(match registered? {
                    true => (id, OutcomeClass::Unknown, "the hub has no result for it; it may have run"),
                    false => (id, OutcomeClass::Failed, "not registered"),
                });
            }
        }
        judged.sort();
        Ok(judged)
    }
}

fn as_count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
