//! What everybody was promised and has seen, against which every look at the hub is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iotjob::device::DeviceEventKind;
use iotjob::hub::store::Snapshot;
use iotjob::model::{Clock, JobResponse, JobStatistics, TwinId};
use reqwest::Method;
use serde_json::Value;

/// Where promises are written down; clones share it.
#[derive(Clone)]
pub(crate) struct Ledger {
    clock: Clock,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    trace: Vec<String>,
    violations: Vec<String>,
    /// The least that each twin's versions may be: whole, desired, reported.
    versions: BTreeMap<String, [u64; 3]>,
    /// Desired properties that the hub acknowledged; each is written once.
    desired: BTreeMap<String, BTreeSet<String>>,
    /// The newest version of desired properties that a device was told of.
    told: BTreeMap<String, u64>,
    jobs: BTreeSet<String>,
    ended_jobs: BTreeMap<String, JobResponse>,
    /// Rows that have ended, by job and target.
    ended_rows: BTreeMap<(String, String), Value>,
    /// Method calls that arrived, by device and job.
    calls: BTreeMap<(String, String), u64>,
    forgetful: bool,
}

impl Ledger {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, pages: Arc::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes something into the trace, by which two runs of a seed are compared.
    pub(crate) fn note(&self, what: impl Into<String>) {
        let at = self.clock.monotonic();
        self.pages().trace.push(format!("{at:?} {}", what.into()));
    }

    pub(crate) fn violate(&self, what: String) {
        self.note(format!("VIOLATION: {what}"));
        self.pages().violations.push(what);
    }

    pub(crate) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violate(what());
        }
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.pages().violations.clone()
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.pages().trace.clone()
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.pages().trace.hash(&mut hasher);
        hasher.finish()
    }

    /// From here on jobs may be gone: their history is over.
    pub(crate) fn jobs_may_go(&self) {
        self.pages().forgetful = true;
    }

    /// How often a job's call arrived at a device.
    pub(crate) fn calls(&self, device: &str, job: &str) -> u64 {
        self.pages().calls.get(&(device.to_owned(), job.to_owned())).copied().unwrap_or(0)
    }

    /// The hub answered a request: what it says is a promise, whether or not the answer arrives.
    pub(crate) fn answered(&self, method: &Method, path: &str, status: u16, body: &[u8]) {
        if !(200..300).contains(&status) {
            return;
        }
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("PUT", ["jobs", "v2", id]) => drop(self.pages().jobs.insert((*id).to_owned())),
            ("PATCH" | "GET", ["twins", id]) => {
                if let Ok(twin) = serde_json::from_slice::<Value>(body) {
                    self.promised_twin(id, &twin);
                }
            }
            _ => {}
        }
    }

    fn promised_twin(&self, id: &str, twin: &Value) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let (desired, reported) = (&twin["properties"]["desired"], &twin["properties"]["reported"]);
        let seen = [number(&twin["version"]), number(&desired["$version"]), number(&reported["$version"])];
        let mut pages = self.pages();
        raise(pages.versions.entry(id.to_owned()).or_default(), seen);
        let written = desired.as_object().into_iter().flatten().map(|(key, _)| key);
        let keys = pages.desired.entry(id.to_owned()).or_default();
        keys.extend(written.filter(|key| !key.starts_with('$')).cloned());
    }

    /// Something happened to a device.
    pub(crate) fn device(&self, id: &TwinId, kind: &DeviceEventKind) {
        self.note(format!("{id}: {kind:?}"));
        let id = id.to_string();
        match kind {
            DeviceEventKind::MethodCalled { payload, .. } => {
                let job = payload["job"].as_str().unwrap_or_default().to_owned();
                let count = {
                    let mut pages = self.pages();
                    let count = pages.calls.entry((id.clone(), job.clone())).or_default();
                    *count += 1;
                    *count
                };
                self.check(count == 1, || format!("the method of {job} was delivered {count} times to {id}"));
            }
            DeviceEventKind::Reported { version: Some(version) } => {
                raise(self.pages().versions.entry(id).or_default(), [0, 0, *version]);
            }
            DeviceEventKind::Ready { desired_version: version } | DeviceEventKind::DesiredPatch { version, .. } => {
                let before = {
                    let mut pages = self.pages();
                    raise(pages.versions.entry(id.clone()).or_default(), [0, *version, 0]);
                    pages.told.insert(id.clone(), *version).unwrap_or(0)
                };
                self.check(before <= *version, || format!("{id} was told of desired version {version} after {before}"));
            }
            _ => {}
        }
    }

    /// Checks everything that is stored.
    pub(crate) fn look(&self, snapshot: &Snapshot) {
        if let Err(error) = self.look_at_twins(snapshot).and_then(|()| self.look_at_jobs(snapshot)) {
            self.note(format!("the store could not be read: {}", error.chain()));
        }
    }

    fn look_at_twins(&self, snapshot: &Snapshot) -> Result<(), iotjob::hub::store::StoreError> {
        let known: Vec<(String, [u64; 3])> =
            self.pages().versions.iter().map(|(id, least)| (id.clone(), *least)).collect();
        for (id, least) in known {
            let Some(twin) = snapshot.twin(&TwinId::device(id.parse().expect("a device id")))? else {
                self.violate(format!("the twin of {id} is gone"));
                continue;
            };
            let seen = [twin.version, twin.desired.version, twin.reported.version];
            self.check(seen.iter().zip(least).all(|(seen, least)| *seen >= least), || {
                format!("{id} went back: versions {seen:?} after {least:?}")
            });
            let lost: Vec<String> = {
                let mut pages = self.pages();
                raise(pages.versions.entry(id.clone()).or_default(), seen);
                let promised = pages.desired.entry(id.clone()).or_default();
                let lost = promised.iter().filter(|key| !twin.desired.values.contains_key(*key)).cloned().collect();
                promised.extend(twin.desired.values.keys().cloned());
                lost
            };
            self.check(lost.is_empty(), || format!("{id} lost acknowledged desired properties {lost:?}"));
        }
        Ok(())
    }

    fn look_at_jobs(&self, snapshot: &Snapshot) -> Result<(), iotjob::hub::store::StoreError> {
        let (promised, ended, forgetful) = {
            let pages = self.pages();
            (pages.jobs.clone(), pages.ended_jobs.clone(), pages.forgetful)
        };
        let jobs: BTreeMap<String, JobResponse> =
            snapshot.jobs()?.into_iter().map(|job| (job.job_id.clone(), job)).collect();
        for id in promised.iter().filter(|id| !forgetful && !jobs.contains_key(*id)) {
            self.violate(format!("the acknowledged job {id} is gone"));
        }
        for (id, job) in &jobs {
            if let Some(before) = ended.get(id) {
                self.check(before == job, || format!("{id} changed after its end: {job:?} after {before:?}"));
            } else if job.status.is_terminal() {
                self.pages().ended_jobs.insert(id.clone(), job.clone());
            }
            self.look_at_rows(snapshot, id, job)?;
        }
        Ok(())
    }

    fn look_at_rows(
        &self,
        snapshot: &Snapshot,
        id: &str,
        job: &JobResponse,
    ) -> Result<(), iotjob::hub::store::StoreError> {
        let mut rows: Vec<(String, Value)> = Vec::new();
        let job_id = id.parse().expect("a job id");
        snapshot.scan_rows(Some(&job_id), None, &mut |key, row| {
            rows.push((key.target.to_string(), row));
            ControlFlow::Continue(())
        })?;
        // Until the targets are known there are no counts.
        if let Some(counts) = &job.device_job_statistics {
            let added_up = counted(rows.iter().map(|(_, row)| row["status"].as_str().unwrap_or_default()));
            self.check(added_up == *counts, || format!("{id} counts {counts:?}, its rows {added_up:?}"));
            let open = counts.pending_count + counts.running_count;
            self.check(!job.status.is_terminal() || open == 0, || format!("{id} has ended with {open} open rows"));
        }
        for (target, row) in rows.into_iter().filter(|(_, row)| has_ended(row)) {
            let key = (id.to_owned(), target);
            let before = self.pages().ended_rows.insert(key.clone(), row.clone());
            // What the job's own times are does not matter to the row.
            let same = |before: &Value| before["status"] == row["status"] && before["outcome"] == row["outcome"];
            self.check(before.as_ref().is_none_or(same), || {
                format!("{key:?} has a second outcome: {row} after {}", before.clone().unwrap_or_default())
            });
        }
        Ok(())
    }
}

fn raise(least: &mut [u64; 3], seen: [u64; 3]) {
    least.iter_mut().zip(seen).for_each(|(least, seen)| *least = (*least).max(seen));
}

pub(crate) fn has_ended(row: &Value) -> bool {
    matches!(row["status"].as_str(), Some("completed" | "failed" | "canceled"))
}

fn counted<'r>(statuses: impl Iterator<Item = &'r str>) -> JobStatistics {
    let mut counts = JobStatistics::default();
    for status in statuses {
        counts.device_count += 1;
        match status {
            "completed" => counts.succeeded_count += 1,
            "failed" | "canceled" => counts.failed_count += 1,
            "running" => counts.running_count += 1,
            _ => counts.pending_count += 1,
        }
    }
    counts
}
