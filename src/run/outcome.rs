//! Which of the seven classes a device ends in, and the sum over a run (product.md 3.2).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::{OfflineTargets, Success};
use crate::model::{DeviceJob, DeviceJobError, DeviceJobStatus, ErrorCode, JobType};

/// How one target ended. Every target ends in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutcomeClass {
    /// The twin was patched, or the device answered with a 2xx status.
    Succeeded,
    /// The device answered with another status.
    Rejected,
    /// The device was not there before the deadline.
    Offline,
    /// The call was delivered, and no answer came in time.
    TimedOut,
    /// Anything else that failed, and listed ids that are not registered.
    Failed,
    /// Cancelled by the hub.
    Canceled,
    /// Nobody can say: it may have run.
    Unknown,
}

impl OutcomeClass {
    /// Every class, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Succeeded, Self::Rejected, Self::Offline, Self::TimedOut, Self::Failed, Self::Canceled, Self::Unknown];

    /// The class in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Offline => "offline",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }
}

/// Names a target: a device, or a module of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId {
    /// The device.
    pub device: Box<str>,
    /// The module, for jobs that target modules.
    pub module: Option<Box<str>>,
}

impl TargetId {
    /// A device itself.
    #[must_use]
    pub fn device(id: &str) -> Self {
        Self { device: id.into(), module: None }
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => f.write_str(&self.device),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

/// Why a target did not succeed, as the hub said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResultError {
    /// The hub's code.
    pub code: String,
    /// The hub's words.
    pub description: String,
}

/// How one target ended, with what is known of why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceResult {
    /// The device.
    pub device_id: Box<str>,
    /// The module, for jobs that target modules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_id: Option<Box<str>>,
    /// The class.
    pub outcome: OutcomeClass,
    /// The status that the device answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// The payload that the device answered; absent when it is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Why, in a few words that are the same for every target with the same cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The hub's error, when its row has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ResultError>,
}

impl DeviceResult {
    /// The target.
    #[must_use]
    pub fn target(&self) -> TargetId {
        TargetId { device: self.device_id.clone(), module: self.module_id.clone() }
    }

    /// A target without a row, or with none that counts.
    pub(super) fn without_row(target: &TargetId, outcome: OutcomeClass, reason: &str) -> Self {
        Self {
            device_id: target.device.clone(),
            module_id: target.module.clone(),
            outcome,
            status: None,
            payload: None,
            reason: Some(reason.to_owned()),
            error: None,
        }
    }
}

/// Which target a row is about.
pub(super) fn target_of(row: &DeviceJob) -> TargetId {
    TargetId { device: row.device_id.as_str().into(), module: row.module_id.as_deref().map(Into::into) }
}

/// Reads a row, with the statuses that are a success; `None` when it is not final.
#[must_use]
pub fn classify(row: &DeviceJob, success: &Success) -> Option<DeviceResult> {
    let answer = row.outcome.as_ref().and_then(|outcome| outcome.device_method_response.as_ref());
    let status = answer.map(|answer| answer.status);
    let (outcome, reason) = match row.status {
        DeviceJobStatus::Completed => completed(row.job_type, status, success),
        DeviceJobStatus::Failed => failed(row.error.as_ref()),
        DeviceJobStatus::Canceled => (OutcomeClass::Canceled, Some("the hub cancelled it".to_owned())),
        DeviceJobStatus::Pending | DeviceJobStatus::Scheduled | DeviceJobStatus::Running | DeviceJobStatus::Unknown => {
            return None;
        }
    };
    let target = target_of(row);
    Some(DeviceResult {
        device_id: target.device,
        module_id: target.module,
        outcome,
        status,
        payload: answer.map(|answer| answer.payload.clone()).filter(|payload| !payload.is_null()),
        reason,
        error: row
            .error
            .as_ref()
            .filter(|_| outcome != OutcomeClass::Succeeded)
            .map(|error| ResultError { code: error.code.clone(), description: error.description.clone() }),
    })
}

/// The device's own status does not fail a row (REST.md 5), so it is looked at here.
fn completed(job_type: JobType, status: Option<i64>, success: &Success) -> (OutcomeClass, Option<String>) {
    match (status, job_type) {
        (None, JobType::ScheduleUpdateTwin) => (OutcomeClass::Succeeded, None),
        (Some(status), _) if success.accepts(status) => (OutcomeClass::Succeeded, None),
        (Some(status), _) => (OutcomeClass::Rejected, Some(format!("the device answered with status {status}"))),
        // A method job that completes has an answer; without one nothing proves that the device did anything.
        (None, JobType::ScheduleDeviceMethod | JobType::Unknown) => {
            (OutcomeClass::Unknown, Some("completed without an answer of the device; it may have run".to_owned()))
        }
    }
}

fn failed(error: Option<&DeviceJobError>) -> (OutcomeClass, Option<String>) {
    let Some(error) = error else {
        return (OutcomeClass::Failed, Some("the hub gives no reason".to_owned()));
    };
    let (outcome, reason) = match code_of(&error.code) {
        // The words come first: they have been seen with the code of a device that was never there (REST.md 7).
        _ if error.description.to_ascii_lowercase().contains("device unavailable") => LINK_LOST,
        Some(ErrorCode::DeviceNotOnline | ErrorCode::JobRunPreconditionFailed) => {
            (OutcomeClass::Offline, "the device was not online before the deadline")
        }
        Some(ErrorCode::GatewayTimeout) => (OutcomeClass::TimedOut, "delivered, but not answered in time"),
        Some(ErrorCode::DeviceConnectionClosedRemotely) => LINK_LOST,
        _ => return (OutcomeClass::Failed, Some(hub_words(error))),
    };
    (outcome, Some(reason.to_owned()))
}

/// A link lost in mid-call leaves open whether the device acted (product.md 3.2).
const LINK_LOST: (OutcomeClass, &str) =
    (OutcomeClass::Unknown, "the device's connection was lost in mid-call; it may have run");

/// The code of a row: a name or a number.
fn code_of(text: &str) -> Option<ErrorCode> {
    let text = text.trim();
    ErrorCode::from_name(text).or_else(|| text.parse().ok().and_then(ErrorCode::from_number))
}

/// The hub's own words for a cause that has no class of its own.
fn hub_words(error: &DeviceJobError) -> String {
    match (error.code.is_empty(), error.description.is_empty()) {
        (true, true) => "the hub gives no reason".to_owned(),
        (true, false) => error.description.clone(),
        (false, true) => error.code.clone(),
        // Descriptions may name the device: the code alone keeps equal causes equal.
        (false, false) => format!("the hub says {}", error.code),
    }
}

/// How many targets ended in which class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    /// Their twin was patched, or they answered with a status that counts as success.
    pub succeeded: u64,
    /// They answered with another status.
    pub rejected: u64,
    /// They were not there before the deadline.
    pub offline: u64,
    /// The call was delivered, and no answer came in time.
    pub timed_out: u64,
    /// Anything else that failed, and listed ids that are not registered.
    pub failed: u64,
    /// Cancelled by the hub.
    pub canceled: u64,
    /// Nobody can say: it may have run.
    pub unknown: u64,
}

impl Outcomes {
    /// The count of a class.
    #[must_use]
    pub fn of(&self, class: OutcomeClass) -> u64 {
        match class {
            OutcomeClass::Succeeded => self.succeeded,
            OutcomeClass::Rejected => self.rejected,
            OutcomeClass::Offline => self.offline,
            OutcomeClass::TimedOut => self.timed_out,
            OutcomeClass::Failed => self.failed,
            OutcomeClass::Canceled => self.canceled,
            OutcomeClass::Unknown => self.unknown,
        }
    }

    /// Counts `more` targets of a class.
    pub fn add(&mut self, class: OutcomeClass, more: u64) {
        let count = match class {
            OutcomeClass::Succeeded => &mut self.succeeded,
            OutcomeClass::Rejected => &mut self.rejected,
            OutcomeClass::Offline => &mut self.offline,
            OutcomeClass::TimedOut => &mut self.timed_out,
            OutcomeClass::Failed => &mut self.failed,
            OutcomeClass::Canceled => &mut self.canceled,
            OutcomeClass::Unknown => &mut self.unknown,
        };
        *count += more;
    }

    /// The sum of all classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        OutcomeClass::ALL.into_iter().map(|class| self.of(class)).sum()
    }
}

/// The sum of a run. The classes add up to the targets, by construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    outcomes: Outcomes,
}

impl std::ops::Add for Tally {
    type Output = Self;

    /// The sum of two parts of a run.
    fn add(mut self, other: Self) -> Self {
        for class in OutcomeClass::ALL {
            self.outcomes.add(class, other.outcomes.of(class));
        }
        self
    }
}

impl Tally {
    /// Sums up results by target, and the devices that the hub counted beyond them: nothing is known of those.
    ///
    /// `device_count` is the hub's; `not_counted` says how many of the results are listed ids that its condition
    /// did not find, so that it did not count them.
    pub fn of<'r>(results: impl Iterator<Item = &'r DeviceResult>, device_count: u64, not_counted: u64) -> Self {
        let mut outcomes = Outcomes::default();
        for result in results {
            outcomes.add(result.outcome, 1);
        }
        let counted = outcomes.total().saturating_sub(not_counted);
        outcomes.add(OutcomeClass::Unknown, device_count.saturating_sub(counted));
        Self { outcomes }
    }

    /// Targets of the run.
    #[must_use]
    pub fn targets(&self) -> u64 {
        self.outcomes.total()
    }

    /// Counts by class.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// The targets that count for `success`.
    #[must_use]
    pub fn counted(&self, success: &Success) -> u64 {
        match success.offline {
            OfflineTargets::Fail => self.targets(),
            OfflineTargets::Ignore => self.targets() - self.outcomes.offline,
        }
    }

    /// Whether as many of the targets that count have succeeded as `success` asks for.
    #[must_use]
    pub fn reaches(&self, success: &Success) -> bool {
        success.share.is_reached(self.outcomes.succeeded, self.counted(success))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::OutcomeClass::{Canceled, Failed, Offline, Rejected, Succeeded, TimedOut, Unknown};
    use super::*;

    fn row(job_type: &str, rest: Value) -> DeviceJob {
        let mut row = json!({"deviceId": "a", "jobId": "j", "jobType": job_type});
        let Value::Object(rest) = rest else { panic!("an object") };
        row.as_object_mut().unwrap().extend(rest);
        serde_json::from_value(row).unwrap()
    }

    fn answered(status: i64) -> Value {
        json!({"status": "completed", "outcome": {"deviceMethodResponse": {"status": status, "payload": null}}})
    }

    fn broken(code: impl Into<Value>, description: &str) -> Value {
        json!({"status": "failed", "outcome": {}, "error": {"code": code.into(), "description": description}})
    }

    #[test]
    fn every_row_ends_in_the_class_that_the_table_says() {
        const METHOD: &str = "scheduleDeviceMethod";
        const TWIN: &str = "scheduleUpdateTwin";
        let cases = [
            (TWIN, json!({"status": "completed", "outcome": {}}), Some(Succeeded)),
            (TWIN, json!({"status": "completed", "outcome": {"deviceMethodResponse": null}}), Some(Succeeded)),
            (METHOD, answered(200), Some(Succeeded)),
            (METHOD, answered(299), Some(Succeeded)),
            (METHOD, answered(199), Some(Rejected)),
            (METHOD, answered(300), Some(Rejected)),
            (METHOD, answered(404), Some(Rejected)),
            (METHOD, answered(500), Some(Rejected)),
            (METHOD, answered(0), Some(Rejected)),
            (METHOD, answered(-1), Some(Rejected)),
            (METHOD, json!({"status": "completed", "outcome": {}}), Some(Unknown)),
            ("somethingNew", json!({"status": "completed"}), Some(Unknown)),
            (METHOD, broken("DeviceNotOnline", "timed out waiting for device"), Some(Offline)),
            (METHOD, broken("JobRunPreconditionFailed", "…"), Some(Offline)),
            (METHOD, broken(404_103, ""), Some(Offline)),
            (METHOD, broken("412003", ""), Some(Offline)),
            (METHOD, broken("GatewayTimeout", "…"), Some(TimedOut)),
            (METHOD, broken(504_101, ""), Some(TimedOut)),
            (METHOD, broken("DeviceConnectionClosedRemotely", ""), Some(Unknown)),
            (METHOD, broken(404_104, ""), Some(Unknown)),
            (METHOD, broken("Whatever", "Device unavailable."), Some(Unknown)),
            (METHOD, broken("DeviceNotOnline", "Device unavailable."), Some(Unknown)),
            (METHOD, broken("DeviceNotFound", "…"), Some(Failed)),
            (METHOD, broken("ThrottlingException", ""), Some(Failed)),
            (METHOD, json!({"status": "failed"}), Some(Failed)),
            (TWIN, broken("ArgumentInvalid", "depth"), Some(Failed)),
            (METHOD, json!({"status": "canceled"}), Some(Canceled)),
            (METHOD, json!({"status": "pending"}), None),
            (METHOD, json!({"status": "scheduled"}), None),
            (METHOD, json!({"status": "running"}), None),
            (METHOD, json!({"status": "somethingNew"}), None),
        ];
        for (job_type, rest, want) in cases {
            let row = row(job_type, rest.clone());
            let got = classify(&row, &Success::default()).map(|result| result.outcome);
            assert_eq!(got, want, "{job_type} {rest}");
        }
    }

    #[test]
    fn equal_causes_have_equal_reasons() {
        let reason =
            |text| classify(&row("scheduleDeviceMethod", broken("Odd", text)), &Success::default()).unwrap().reason;
        assert_eq!(reason("device a is odd"), reason("device b is odd"));
    }

    #[test]
    fn the_classes_sum_to_the_targets() {
        let result = |id: &str, class| DeviceResult::without_row(&TargetId::device(id), class, "r");
        let results = [result("a", Succeeded), result("b", Failed), result("c", Unknown)];
        // `b` is not registered: the hub counted four others, two of which have a result.
        let tally = Tally::of(results.iter(), 4, 1);
        assert_eq!(tally.targets(), 5);
        assert_eq!(tally.outcomes(), Outcomes { succeeded: 1, failed: 1, unknown: 3, ..Outcomes::default() });
        // More rows than the hub counted are all targets.
        assert_eq!(Tally::of(results.iter(), 1, 0).targets(), 3);
        assert!(!tally.reaches(&Success::default()));
        assert!(Tally::of(results[..1].iter(), 1, 0).reaches(&Success::default()));
    }
}
