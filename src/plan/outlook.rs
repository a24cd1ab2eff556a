//! What a plan says: which devices, what would change, how long it takes. Made by whoever asked the hub, shown by reports.

use serde::Serialize;

use super::change::{Changes, Difference};
use super::forecast::Forecast;
use crate::model::tier::Tier;
use crate::model::{JobStatistics, JobStatus, JobType, WireTime};

/// Version of a plan's JSON form. It grows when a member is removed or changes its meaning.
pub const PLAN_VERSION: u32 = 1;

/// A plan of one command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// [`PLAN_VERSION`].
    pub v: u32,
    /// The hub that was asked.
    pub hub: String,
    /// When it was asked.
    pub asked_at: WireTime,
    /// Whose throttles the forecasts follow.
    #[serde(serialize_with = "as_text")]
    pub tier: Tier,
    /// Whether nobody named the tier.
    pub tier_assumed: bool,
    /// Job slots of the tier.
    pub slots: usize,
    /// Jobs that hold slots now.
    pub active_jobs: Vec<ActiveJob>,
    /// Queries that this plan took.
    pub queries: u64,
    /// Seconds that so many queries take at the tier's rate.
    pub query_seconds: u64,
    /// The runs, in the manifests' order.
    pub runs: Vec<RunOutlook>,
}

fn as_text<S: serde::Serializer>(tier: &Tier, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(tier)
}

/// A job that holds a slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveJob {
    /// Its id.
    pub job_id: String,
    /// Where it stands.
    pub status: JobStatus,
}

/// What the hub has of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum Standing {
    /// Nothing: apply creates it.
    New,
    /// A job that goes on: apply attaches to it.
    UnderWay {
        /// Where it stands.
        status: JobStatus,
        /// Its counts.
        #[serde(skip_serializing_if = "Option::is_none")]
        statistics: Option<JobStatistics>,
    },
    /// A job that is over: apply reports it.
    Ended {
        /// How.
        status: JobStatus,
        /// Its counts.
        #[serde(skip_serializing_if = "Option::is_none")]
        statistics: Option<JobStatistics>,
    },
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunOutlook {
    /// Name of the run.
    pub name: String,
    /// Its id.
    pub run_id: String,
    /// What the hub has of it.
    #[serde(flatten)]
    pub standing: Standing,
    /// Method or twin.
    pub job_type: JobType,
    /// The method's name, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The condition, unless ids are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_condition: Option<String>,
    /// How many ids are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// How many hub jobs it needs.
    pub parts: usize,
    /// When it starts, unless at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<WireTime>,
    /// Its time limit.
    pub timeout_in_seconds: u64,
    /// Names of the runs before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Its targets.
    pub targets: Targets,
    /// What a patch would change; absent for methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// What is to be expected.
    pub forecast: Forecast,
    /// What to look at twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Every target, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<DeviceOutlook>>,
}

/// The targets of a run, as the hub's index shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// How many the index has.
    pub count: u64,
    /// Those that are connected.
    pub connected: u64,
    /// Some of those that are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<String>,
    /// Some of the listed ids that the index does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// How many listed ids the index does not have.
    pub missing_count: u64,
    /// How many were read one by one.
    pub read: u64,
    /// Where their values come from.
    pub source: Source,
}

/// Where the values of twins come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The index that queries use, which is behind by seconds or minutes (REST.md 9).
    #[default]
    Index,
    /// Each twin itself.
    Twins,
}

/// One target of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceOutlook {
    /// The device, and the module behind a `/`.
    pub id: String,
    /// Whether it is connected.
    pub connected: bool,
    /// What would change; absent for methods and for twins that are as wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Difference>>,
    /// Why the hub would refuse the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl RunOutlook {
    /// Whether applying creates it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.standing == Standing::New
    }

    /// Whether twins do not hold its patch, and nobody is about to change that.
    #[must_use]
    pub fn differs(&self) -> bool {
        let is_under_way = matches!(self.standing, Standing::UnderWay { .. });
        !is_under_way && self.changes.as_ref().is_some_and(|changes| changes.changed + changes.refused > 0)
    }

    /// Whether it has patched twins that no longer hold the patch.
    #[must_use]
    pub fn has_drifted(&self) -> bool {
        matches!(self.standing, Standing::Ended { .. }) && self.differs()
    }
}

impl Outlook {
    /// Whether applying would create a run, or an ended run's twins no longer hold their patch.
    #[must_use]
    pub fn asks_for_changes(&self) -> bool {
        self.runs.iter().any(|run| run.is_new() || run.has_drifted())
    }

    /// Slots that are free now.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.active_jobs.len())
    }
}
