//! The metrics themselves: names, labels, and a word for each event that moves them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::hub::store::Counts;
use crate::model::JobStatus;

/// A hub's counts of itself; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    device_connections: Gauge,
    device_connects: Counter,
    device_refusals: Family<Reason, Counter>,
    device_endings: Family<Reason, Counter>,
    messages: Counter,
    message_bytes: Counter,
    requests: Family<Answered, Counter>,
    request_seconds: Family<Endpoints, Histogram>,
    refusals: Family<Code, Counter>,
    throttled: Family<Shaped, Counter>,
    batch_commands: Histogram,
    batch_seconds: Histogram,
    commit_seconds: Histogram,
    queue: Gauge,
    jobs: Family<Status, Gauge>,
    devices: Family<Status, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Endpoints {
    endpoints: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoints: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Shaped {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

/// From 100 µs to 1.6 s, by fours.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 4.0, 8))
}

impl Default for Metrics {
    /// Everything at zero.
    fn default() -> Self {
        let mut families = Families {
            registry: Registry::with_prefix("iotjob_hub"),
            device_connections: Gauge::default(),
            device_connects: Counter::default(),
            device_refusals: Family::default(),
            device_endings: Family::default(),
            messages: Counter::default(),
            message_bytes: Counter::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            refusals: Family::default(),
            throttled: Family::default(),
            batch_commands: Histogram::new(exponential_buckets(1.0, 4.0, 6)),
            batch_seconds: seconds(),
            commit_seconds: seconds(),
            queue: Gauge::default(),
            jobs: Family::default(),
            devices: Family::default(),
        };
        families.register();
        Self(Arc::new(families))
    }
}

impl Families {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("device_connections", "Devices and modules connected now", self.device_connections.clone());
        r.register("device_connects", "Connections that devices opened", self.device_connects.clone());
        r.register("device_refusals", "Devices not let in, by reason", self.device_refusals.clone());
        r.register("device_endings", "Connections of devices that ended, by reason", self.device_endings.clone());
        r.register("messages", "Messages from devices", self.messages.clone());
        r.register_with_unit("messages", "Bodies of messages from devices", Unit::Bytes, self.message_bytes.clone());
        r.register("requests", "Requests by group of endpoints and status", self.requests.clone());
        let request_seconds = self.request_seconds.clone();
        r.register_with_unit("request_duration", "Time from request to answer", Unit::Seconds, request_seconds);
        r.register("request_refusals", "Requests refused, by error code", self.refusals.clone());
        r.register("throttled", "Operations that waited for their turn or were refused", self.throttled.clone());
        r.register("engine_batch_commands", "Commands that shared a commit", self.batch_commands.clone());
        let (batch, commit) = (self.batch_seconds.clone(), self.commit_seconds.clone());
        r.register_with_unit("engine_batch_duration", "Work on a batch before its commit", Unit::Seconds, batch);
        r.register_with_unit("engine_commit_duration", "Commits of batches", Unit::Seconds, commit);
        r.register("engine_queue", "Commands that wait for the engine", self.queue.clone());
        r.register("jobs", "Jobs that the hub remembers, by status", self.jobs.clone());
        r.register("devices", "Registered devices, by status", self.devices.clone());
    }
}

/// One batch of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) commands: usize,
    pub(crate) work: Duration,
    /// None when there was nothing to commit.
    pub(crate) commit: Option<Duration>,
}

impl Metrics {
    pub(crate) fn device_connected(&self) {
        self.0.device_connects.inc();
        self.0.device_connections.inc();
    }

    pub(crate) fn device_ended(&self, reason: &'static str) {
        self.0.device_connections.dec();
        self.0.device_endings.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn device_refused(&self, reason: &'static str) {
        self.0.device_refusals.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn message(&self, bytes: usize) {
        self.0.messages.inc();
        self.0.message_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn answered(&self, endpoints: &'static str, status: u16, time: Duration) {
        self.0.requests.get_or_create(&Answered { endpoints, status }).inc();
        self.0.request_seconds.get_or_create(&Endpoints { endpoints }).observe(time.as_secs_f64());
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.0.refusals.get_or_create(&Code { code }).inc();
    }

    pub(crate) fn shaped(&self, operation: &'static str, outcome: &'static str) {
        self.0.throttled.get_or_create(&Shaped { operation, outcome }).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
    pub(crate) fn batch(&self, Batch { commands, work, commit }: Batch) {
        self.0.batch_commands.observe(commands as f64);
        self.0.batch_seconds.observe(work.as_secs_f64());
        if let Some(commit) = commit {
            self.0.commit_seconds.observe(commit.as_secs_f64());
        }
    }

    /// All of it as text (OpenMetrics), with what is only looked at when somebody asks.
    ///
    /// # Errors
    /// [`fmt::Error`] when memory runs out.
    pub(super) fn render(
        &self,
        queued: usize,
        devices: Counts,
        jobs: &[(JobStatus, i64)],
    ) -> Result<String, fmt::Error> {
        self.0.queue.set(i64::try_from(queued).unwrap_or(i64::MAX));
        for (status, count) in [("enabled", devices.enabled), ("disabled", devices.disabled)] {
            self.0.devices.get_or_create(&Status { status }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (status, count) in jobs {
            self.0.jobs.get_or_create(&Status { status: status.name() }).set(*count);
        }
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry)?;
        Ok(out)
    }
}

/// Every status that a job of the hub's may have.
pub(super) const STATUSES: [JobStatus; 6] = [
    JobStatus::Queued,
    JobStatus::Scheduled,
    JobStatus::Running,
    JobStatus::Completed,
    JobStatus::Failed,
    JobStatus::Cancelled,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.device_connected();
        metrics.device_connected();
        metrics.device_ended("goodbye");
        metrics.message(7);
        metrics.answered("jobs", 429, Duration::from_millis(3));
        metrics.refused("ThrottlingBacklogTimeout");
        metrics.shaped("Job", "delayed");
        metrics.batch(Batch { commands: 3, work: Duration::from_millis(1), commit: Some(Duration::from_millis(9)) });
        let devices = Counts { devices: 5, enabled: 4, disabled: 1, connected: 1 };
        let text = metrics.render(2, devices, &[(JobStatus::Running, 1)]).unwrap();
        for line in [
            "iotjob_hub_device_connections 1",
            "iotjob_hub_device_connects_total 2",
            "iotjob_hub_device_endings_total{reason=\"goodbye\"} 1",
            "iotjob_hub_messages_total 1",
            "iotjob_hub_messages_bytes_total 7",
            "iotjob_hub_requests_total{endpoints=\"jobs\",status=\"429\"} 1",
            "iotjob_hub_request_duration_seconds_count{endpoints=\"jobs\"} 1",
            "iotjob_hub_request_refusals_total{code=\"ThrottlingBacklogTimeout\"} 1",
            "iotjob_hub_throttled_total{operation=\"Job\",outcome=\"delayed\"} 1",
            "iotjob_hub_engine_batch_commands_sum 3.0",
            "iotjob_hub_engine_commit_duration_seconds_count 1",
            "iotjob_hub_engine_queue 2",
            "iotjob_hub_jobs{status=\"running\"} 1",
            "iotjob_hub_devices{status=\"disabled\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
