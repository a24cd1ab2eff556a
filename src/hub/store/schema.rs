//! Tables, keys and the format's number.
//!
//! A twin's key is `device` or `device NUL module`. NUL sorts before every character that an id may have, so a
//! device's modules follow it at once and keys are in the order of [`TwinId`]. A row's key is `job NUL twin`.

use redb::TableDefinition;

use crate::model::{JobId, ModuleId, TwinId};

/// A table of JSON records by text.
pub(super) type Records = TableDefinition<'static, &'static str, &'static [u8]>;

/// Identities by twin key.
pub(super) const IDENTITIES: Records = TableDefinition::new("identities");
/// Twins by twin key; it has the same keys as [`IDENTITIES`].
pub(super) const TWINS: Records = TableDefinition::new("twins");
/// Jobs by id.
pub(super) const JOBS: Records = TableDefinition::new("jobs");
/// Targets of jobs in blocks, by the row key of the first of each block.
pub(super) const TARGETS: Records = TableDefinition::new("targets");
/// How far the calls of jobs were sent, by row key.
pub(super) const SENT: Records = TableDefinition::new("sent");
/// Rows of `devices.jobs` that were written by themselves, by row key.
pub(super) const ROWS: Records = TableDefinition::new("rows");
/// Persistent sessions by twin key.
pub(super) const SESSIONS: Records = TableDefinition::new("sessions");
/// Single values by name.
pub(super) const META: Records = TableDefinition::new("meta");

/// The format that this version reads and writes.
pub(super) const FORMAT: u32 = 3;
/// Key of the format's number in [`META`].
pub(super) const META_FORMAT: &str = "format";
/// Key of the device counts in [`META`].
pub(super) const META_COUNTS: &str = "counts";
/// Key of the number of starts in [`META`].
pub(super) const META_STARTS: &str = "starts";
/// Key of the policies' keys in [`META`].
pub(super) const META_POLICY_KEYS: &str = "policyKeys";

const NUL: char = '\0';
/// The first text after all that begin with a key and NUL.
const AFTER_NUL: char = '\u{1}';

/// The key of a twin.
pub(super) fn twin_key(id: &TwinId) -> String {
    match &id.module {
        None => id.device.as_str().to_owned(),
        Some(module) => format!("{}{NUL}{module}", id.device),
    }
}

/// The device's and the module's id in a key.
pub(super) fn split_twin_key(key: &str) -> (&str, Option<&str>) {
    key.split_once(NUL).map_or((key, None), |(device, module)| (device, Some(module)))
}

/// The twin of a key; `None` when it is no key of ours.
pub(super) fn parse_twin_key(key: &str) -> Option<TwinId> {
    match split_twin_key(key) {
        (device, None) => Some(TwinId::device(device.parse().ok()?)),
        (device, Some(module)) => Some(TwinId::module(device.parse().ok()?, module.parse::<ModuleId>().ok()?)),
    }
}

/// Whether a twin key is a module's.
pub(super) fn is_module_key(key: &str) -> bool {
    key.contains(NUL)
}

/// The keys of a device's modules: from, and up to but not including.
pub(super) fn modules_range(device: &str) -> (String, String) {
    (format!("{device}{NUL}"), format!("{device}{AFTER_NUL}"))
}

/// The key of a row.
pub(super) fn row_key(job: &JobId, target: &TwinId) -> String {
    format!("{job}{NUL}{}", twin_key(target))
}

/// What all row keys of the same job begin with; `None` when it is no key of ours.
pub(super) fn job_prefix(key: &str) -> Option<&str> {
    key.split_inclusive(NUL).next().filter(|prefix| prefix.ends_with(NUL))
}

/// The job and target of a row's key; `None` when it is no key of ours.
pub(super) fn parse_row_key(key: &str) -> Option<(JobId, TwinId)> {
    let (job, target) = key.split_once(NUL)?;
    Some((job.parse().ok()?, parse_twin_key(target)?))
}

/// The keys of a job's rows: from, and up to but not including.
pub(super) fn rows_range(job: &JobId) -> (String, String) {
    (format!("{job}{NUL}"), format!("{job}{AFTER_NUL}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceId;

    fn device(text: &str) -> DeviceId {
        text.parse().unwrap()
    }

    #[test]
    fn keys_sort_like_ids_and_modules_follow_their_device() {
        let module = |d: &str, m: &str| TwinId::module(device(d), m.parse().unwrap());
        let sorted = [
            TwinId::device(device("a")),
            module("a", "!"),
            module("a", "z"),
            TwinId::device(device("a!")),
            TwinId::device(device("a-1")),
            module("a-1", "m"),
            TwinId::device(device("ab")),
        ];
        let keys: Vec<String> = sorted.iter().map(twin_key).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(sorted.is_sorted());
        for (id, key) in sorted.iter().zip(&keys) {
            assert_eq!(parse_twin_key(key).as_ref(), Some(id));
        }
        let (from, to) = modules_range("a");
        assert_eq!(keys.iter().filter(|key| (&from..&to).contains(key)).count(), 2);
    }
}
