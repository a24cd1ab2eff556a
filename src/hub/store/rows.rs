//! The rows of jobs: targets in blocks, how far calls were sent, and a record for each row that has moved since.
//!
//! What a job does to a row that nobody has touched yet, it does to a whole stretch of them: a row is written by itself
//! when it ends, or when its device is awaited, and not before.

use std::ops::{Bound, ControlFlow};

use jiff::Timestamp;
use redb::{AccessGuard, Range, Table};

use super::StoreError;
use super::read::{RecordTable, decode, encode, record};
use super::record::RowRecord;
use super::schema::{ROWS, SENT, TARGETS, job_prefix, parse_row_key, row_key, rows_range, twin_key};
use crate::model::limits::ROWS_IN_BLOCK_MAX;
use crate::model::{DeviceJobStatus, JobId, TwinId};

/// A row as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// What it says.
    pub record: RowRecord,
    /// Whether it was written by itself; else it is what its block and the sent calls make it.
    pub is_written: bool,
}

/// Is shown the key of a row and the row, and says whether to go on.
type RowVisitor<'v> = &'v mut dyn FnMut(&str, JobRow) -> Result<ControlFlow<()>, StoreError>;

/// The tables that a row is read from.
pub(super) struct RowTables<'a, T> {
    pub(super) targets: &'a T,
    pub(super) sent: &'a T,
    pub(super) rows: &'a T,
}

impl<T: RecordTable> RowTables<'_, T> {
    /// Walks rows in the order of their keys, of one job or of all, after a key, while `visit` says so.
    pub(super) fn walk(
        &self,
        job: Option<&JobId>,
        after: Option<&str>,
        visit: RowVisitor<'_>,
    ) -> Result<(), StoreError> {
        let (from, below) = job.map(rows_range).unzip();
        let from = from.unwrap_or_default();
        let after = after.filter(|after| *after >= from.as_str());
        let start = after.map_or(Bound::Included(from.as_str()), Bound::Excluded);
        let below = below.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let first_block = match after {
            Some(after) => self.targets.range::<&str>(from.as_str()..=after)?.next_back().transpose()?,
            None => None,
        };
        // It begins before the place where the walk goes on.
        let first_block = first_block.as_ref().map(|(key, _)| Bound::Included(key.value()));
        let mut moved = Ahead::of(self.rows.range::<&str>((start, below))?)?;
        let mut sent = Ahead::of(self.sent.range::<&str>((start, below))?)?;
        for block in self.targets.range::<&str>((first_block.unwrap_or(start), below))? {
            let (block_key, block) = block?;
            let block = Block::read(block_key.value(), block.value())?;
            let mut key = block.job_prefix.to_owned();
            for target in block.targets() {
                key.truncate(block.job_prefix.len());
                key.push_str(target);
                if after.is_some_and(|after| key.as_str() <= after) {
                    continue;
                }
                let row = match moved.from(&key)? {
                    Some((moved, bytes)) if moved == key => {
                        JobRow { record: decode("rows", &key, bytes)?, is_written: true }
                    }
                    _ => {
                        let sent = sent.from(&key)?.filter(|(through, _)| through.starts_with(block.job_prefix));
                        let sent = sent.map(|(key, bytes)| decode::<Sent>("sent", key, bytes)).transpose()?;
                        JobRow { record: untouched(&block, sent), is_written: false }
                    }
                };
                if visit(&key, row)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A row that was not written by itself.
fn untouched(block: &Block<'_>, sent: Option<Sent>) -> RowRecord {
    let (status, updated) = match sent {
        Some(sent) => (DeviceJobStatus::Running, sent.at),
        None => (DeviceJobStatus::Pending, block.created),
    };
    RowRecord { status, updated, response: None, error: None }
}

/// When the calls went out of all rows up to a key that the record before it does not speak of.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Sent {
    #[serde(rename = "t", with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    at: Timestamp,
}

/// Neighbouring targets of a job, under the key of the first: when their rows were made, then a line for each twin key.
struct Block<'b> {
    job_prefix: &'b str,
    created: Timestamp,
    targets: &'b str,
}

impl<'b> Block<'b> {
    fn read(key: &'b str, bytes: &'b [u8]) -> Result<Self, StoreError> {
        let parts = || {
            let (created, targets) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
            let created = Timestamp::from_nanosecond(created.parse().ok()?).ok()?;
            Some(Self { job_prefix: job_prefix(key)?, created, targets })
        };
        parts().ok_or_else(|| StoreError::Torn { table: "targets", key: key.to_owned() })
    }

    fn write(created: Timestamp, targets: &[TwinId]) -> String {
        let mut text = created.as_nanosecond().to_string();
        for target in targets {
            text.push('\n');
            text.push_str(&twin_key(target));
        }
        text
    }

    fn targets(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.targets.split('\n')
    }
}

type Entry<'t> = (AccessGuard<'t, &'static str>, AccessGuard<'t, &'static [u8]>);

/// A walk through a table that is told how far to go.
struct Ahead<'t> {
    rest: Range<'t, &'static str, &'static [u8]>,
    next: Option<Entry<'t>>,
}

impl<'t> Ahead<'t> {
    fn of(mut rest: Range<'t, &'static str, &'static [u8]>) -> Result<Self, StoreError> {
        let next = rest.next().transpose()?;
        Ok(Self { rest, next })
    }

    /// The first entry from a key on; keys are asked for in their order.
    fn from(&mut self, key: &str) -> Result<Option<(&str, &[u8])>, StoreError> {
        while self.next.as_ref().is_some_and(|(next, _)| next.value() < key) {
            self.next = self.rest.next().transpose()?;
        }
        Ok(self.next.as_ref().map(|(key, bytes)| (key.value(), bytes.value())))
    }
}

type RowTable<'t> = Table<'t, &'static str, &'static [u8]>;

/// The same tables, open for writing.
pub(super) struct RowWriter<'t> {
    targets: RowTable<'t>,
    sent: RowTable<'t>,
    rows: RowTable<'t>,
}

impl<'t> RowWriter<'t> {
    pub(super) fn open(txn: &'t redb::WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self { targets: txn.open_table(TARGETS)?, sent: txn.open_table(SENT)?, rows: txn.open_table(ROWS)? })
    }

    /// Makes pending rows; targets come in their order.
    pub(super) fn add_targets(
        &mut self,
        job: &JobId,
        targets: &[TwinId],
        created: Timestamp,
    ) -> Result<(), StoreError> {
        for block in targets.chunks(ROWS_IN_BLOCK_MAX) {
            self.targets.insert(row_key(job, &block[0]).as_str(), Block::write(created, block).as_bytes())?;
        }
        Ok(())
    }

    /// Notes that calls went to all rows up to this one that are pending and were not written by themselves.
    pub(super) fn mark_sent(&mut self, job: &JobId, through: &TwinId, at: Timestamp) -> Result<(), StoreError> {
        let key = row_key(job, through);
        self.sent.insert(key.as_str(), encode("sent", &key, &Sent { at })?.as_slice())?;
        Ok(())
    }

    pub(super) fn put(&mut self, job: &JobId, target: &TwinId, row: &RowRecord) -> Result<(), StoreError> {
        let key = row_key(job, target);
        self.rows.insert(key.as_str(), encode("rows", &key, row)?.as_slice())?;
        Ok(())
    }

    /// A row that was written by itself.
    pub(super) fn written(&self, job: &JobId, target: &TwinId) -> Result<Option<RowRecord>, StoreError> {
        record(&self.rows, "rows", &row_key(job, target))
    }

    /// The next rows of a job after a target, at most `limit`.
    pub(super) fn after(
        &self,
        job: &JobId,
        after: Option<&TwinId>,
        limit: usize,
    ) -> Result<Vec<(TwinId, JobRow)>, StoreError> {
        let after = after.map(|target| row_key(job, target));
        let tables = RowTables { targets: &self.targets, sent: &self.sent, rows: &self.rows };
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        tables.walk(Some(job), after.as_deref(), &mut |key, row| {
            let torn = || StoreError::Torn { table: "targets", key: key.to_owned() };
            rows.push((parse_row_key(key).ok_or_else(torn)?.1, row));
            Ok(if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(rows)
    }

    /// Removes all rows of a job.
    pub(super) fn remove(&mut self, job: &JobId) -> Result<(), StoreError> {
        let (from, below) = rows_range(job);
        for table in [&mut self.targets, &mut self.sent, &mut self.rows] {
            table.retain_in::<&str, _>(from.as_str()..below.as_str(), |_, _| false)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
