//! What is known of one run at one moment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::{DeviceResult, TargetId};
use crate::model::{JobResponse, JobStatistics, JobStatus, WireTime};

/// How a job ended, in the hub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobEnd {
    /// Every device reached an end, or time ran out.
    Completed,
    /// The job as a whole could not run.
    Failed,
    /// Cancelled before it ran.
    Cancelled,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// The hub has not told yet.
    #[default]
    Unseen,
    /// Accepted.
    Queued,
    /// Waits for its start.
    Scheduled {
        /// The start.
        start_time: Option<WireTime>,
    },
    /// Its devices are being worked on.
    Running {
        /// When it began.
        start_time: Option<WireTime>,
    },
    /// Over.
    Ended {
        /// How.
        end: JobEnd,
        /// The hub's words, when it has any.
        reason: Option<String>,
    },
}

impl Phase {
    /// Reads a job; `None` when the hub does not know it, or not yet.
    #[must_use]
    pub fn of(job: &JobResponse) -> Option<Self> {
        let ended = |end| Some(Self::Ended { end, reason: reason_of(job) });
        match job.status {
            JobStatus::Unknown => None,
            JobStatus::Queued => Some(Self::Queued),
            JobStatus::Scheduled => Some(Self::Scheduled { start_time: job.start_time }),
            JobStatus::Running => Some(Self::Running { start_time: job.start_time }),
            JobStatus::Completed => ended(JobEnd::Completed),
            JobStatus::Failed => ended(JobEnd::Failed),
            JobStatus::Cancelled => ended(JobEnd::Cancelled),
        }
    }
}

impl JobEnd {
    /// The end of several jobs together: one that failed or was cancelled stands out.
    #[must_use]
    pub fn of_all(ends: impl IntoIterator<Item = Self>) -> Self {
        let weight = |end: &Self| match end {
            Self::Completed => 0,
            Self::Cancelled => 1,
            Self::Failed => 2,
        };
        ends.into_iter().max_by_key(weight).unwrap_or(Self::Completed)
    }
}

impl Phase {
    /// Where several jobs stand together: over when all are, running when any is or was.
    #[must_use]
    pub fn of_all<'p>(phases: impl IntoIterator<Item = &'p Self>) -> Self {
        let (mut ends, mut reasons) = (Vec::new(), Vec::new());
        let (mut running, mut scheduled, mut queued, mut unseen) = (None, None, false, false);
        let earlier = |known: Option<Option<WireTime>>, time: Option<WireTime>| match known {
            Some(known) => Some(known.into_iter().chain(time).min()),
            None => Some(time),
        };
        for phase in phases {
            match phase {
                Self::Unseen => unseen = true,
                Self::Queued => queued = true,
                Self::Scheduled { start_time } => scheduled = earlier(scheduled, *start_time),
                Self::Running { start_time } => running = earlier(running, *start_time),
                Self::Ended { end, reason } => {
                    ends.push(*end);
                    reasons.extend(reason.clone().filter(|reason| !reasons.contains(reason)));
                }
            }
        }
        let is_over = !unseen && !queued && scheduled.is_none() && running.is_none();
        match (ends.is_empty(), running, scheduled) {
            (false, ..) if is_over => {
                let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
                Self::Ended { end: JobEnd::of_all(ends), reason }
            }
            (_, Some(start_time), _) => Self::Running { start_time },
            (false, None, _) => Self::Running { start_time: None },
            (true, None, Some(start_time)) => Self::Scheduled { start_time },
            (true, None, None) if queued => Self::Queued,
            (true, None, None) => Self::Unseen,
        }
    }
}

/// Which of the two members carries the words is open (REST.md 4.5): both are shown when they differ.
fn reason_of(job: &JobResponse) -> Option<String> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    match (said(&job.failure_reason), said(&job.status_message)) {
        (Some(a), Some(b)) if a != b => Some(format!("{a}; {b}")),
        (a, b) => a.or(b),
    }
}

/// One run at one moment. Results are only ever added or replaced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Where the job stands.
    pub phase: Phase,
    /// Its counts, once it has started.
    pub statistics: Option<JobStatistics>,
    /// Targets whose end is known.
    pub results: BTreeMap<TargetId, DeviceResult>,
}

impl Snapshot {
    /// This snapshot with what a poll saw. Counts that an answer lacks are those of before.
    #[must_use]
    pub fn after(&self, job: &JobResponse) -> Self {
        Self {
            phase: Phase::of(job).unwrap_or_else(|| self.phase.clone()),
            statistics: job.device_job_statistics.or(self.statistics),
            results: BTreeMap::new(),
        }
    }

    /// Devices that the hub's condition matched.
    #[must_use]
    pub fn device_count(&self) -> Option<u64> {
        self.statistics.map(|statistics| statistics.device_count)
    }
}
