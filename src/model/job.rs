//! Jobs and device jobs in the wire's own names (REST.md 4 and 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::JsonObject;
use super::ids::JobId;
use super::method::MethodResponse;
use super::wire_time::WireTime;

/// What a job does to each of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobType {
    /// Calls a direct method.
    ScheduleDeviceMethod,
    /// Patches tags and desired properties.
    ScheduleUpdateTwin,
    /// What the service answers for an id it does not know, and for every type that jobs v2 does not schedule.
    #[serde(other)]
    Unknown,
}

/// Life cycle of a job (REST.md 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobStatus {
    /// Accepted, not yet processed.
    #[serde(alias = "enqueued")]
    Queued,
    /// Waits for its start.
    Scheduled,
    /// Its devices are being worked on.
    Running,
    /// Every device reached an end, or time ran out; says nothing about success.
    Completed,
    /// The job as a whole could not run.
    Failed,
    /// Cancelled before it ran.
    #[serde(alias = "canceled")]
    Cancelled,
    /// No such job, or not yet.
    #[serde(other)]
    Unknown,
}

impl JobType {
    /// The service's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ScheduleDeviceMethod => "scheduleDeviceMethod",
            Self::ScheduleUpdateTwin => "scheduleUpdateTwin",
            Self::Unknown => "unknown",
        }
    }
}

impl JobStatus {
    /// The service's word, with two l's for a job that was cancelled.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the job will change no more. `Unknown` is not terminal: a fresh job may read so (REST.md 4.6).
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Life cycle of one device's share of a job (REST.md 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceJobStatus {
    /// Not begun.
    Pending,
    /// Waits for the job's start.
    Scheduled,
    /// Under way.
    Running,
    /// Done; for a method job the device answered, with whatever status.
    Completed,
    /// Not done; the error says why.
    Failed,
    /// Cancelled, with one l on rows (REST.md 11.10).
    #[serde(alias = "cancelled")]
    Canceled,
    /// A word this program does not know.
    #[serde(other)]
    Unknown,
}

impl DeviceJobStatus {
    /// The service's word, with one l for a row that was canceled.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the row will change no more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

/// Counts of a running or ended job (REST.md 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatistics {
    /// Devices that the condition matched.
    pub device_count: u64,
    /// Ended in `failed`.
    pub failed_count: u64,
    /// Ended in `completed`.
    pub succeeded_count: u64,
    /// Under way.
    pub running_count: u64,
    /// Not begun.
    pub pending_count: u64,
}

impl std::ops::Add for JobStatistics {
    type Output = Self;

    /// The counts of two jobs together.
    fn add(self, other: Self) -> Self {
        Self {
            device_count: self.device_count + other.device_count,
            failed_count: self.failed_count + other.failed_count,
            succeeded_count: self.succeeded_count + other.succeeded_count,
            running_count: self.running_count + other.running_count,
            pending_count: self.pending_count + other.pending_count,
        }
    }
}

/// The method half of a job request (REST.md 4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodJob {
    /// The method's name.
    pub method_name: String,
    /// Any JSON value.
    #[serde(default)]
    pub payload: Value,
    /// 5–300 s; absent means the service's default of 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout_in_seconds: Option<u64>,
    /// 0–300 s; absent means 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout_in_seconds: Option<u64>,
}

/// The twin half of a job request (REST.md 4.2). A client always sends `etag: "*"`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TwinJob {
    /// `*`: a job's patch is a forced update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Merge patch of the tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<JsonObject>,
    /// Merge patch of the desired properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<TwinJobProperties>,
}

/// The `properties` member of [`TwinJob`]; a `reported` beside it is ignored by the service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TwinJobProperties {
    /// Merge patch of the desired properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<JsonObject>,
}

/// Body of `PUT /jobs/v2/{id}` as a client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRequest {
    /// The id, also in the path.
    pub job_id: JobId,
    /// Method or twin.
    #[serde(rename = "type")]
    pub job_type: JobType,
    /// Body of a WHERE clause, `*`, or `FROM devices.modules WHERE ...`.
    pub query_condition: String,
    /// Set exactly for method jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_to_device_method: Option<MethodJob>,
    /// Set exactly for twin jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_twin: Option<TwinJob>,
    /// Absent means as soon as possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<WireTime>,
    /// Seconds from the start until the job is ended whatever its devices do.
    pub max_execution_time_in_seconds: u64,
}

/// A job as the service answers it (REST.md 4.4). Everything but id, type and status may be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobResponse {
    /// The id, as the service spells it.
    pub job_id: String,
    /// The condition, echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_condition: Option<String>,
    /// When the PUT arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<WireTime>,
    /// When it starts or started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<WireTime>,
    /// When it ended; the sentinel until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<WireTime>,
    /// As asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_execution_time_in_seconds: Option<u64>,
    /// Method, twin, or `unknown` for an id that the service does not know.
    #[serde(rename = "type", alias = "jobType", default = "JobType::unknown")]
    pub job_type: JobType,
    /// Echo of the method; its payload comes back as bytes, so nothing may rely on it (REST.md 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_to_device_method: Option<Value>,
    /// Echo of the patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_twin: Option<Value>,
    /// Where the job stands.
    pub status: JobStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// More words on the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// Counts, once it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_job_statistics: Option<JobStatistics>,
}

impl JobType {
    fn unknown() -> Self {
        Self::Unknown
    }
}

/// One device's row of `devices.jobs` (REST.md 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceJob {
    /// The device.
    pub device_id: String,
    /// The module, for jobs that target modules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_id: Option<String>,
    /// The job.
    pub job_id: String,
    /// Method or twin.
    pub job_type: JobType,
    /// Where this device stands.
    pub status: DeviceJobStatus,
    /// The job's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_utc: Option<WireTime>,
    /// The deadline, not the completion (REST.md 11.9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time_utc: Option<WireTime>,
    /// When the row was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<WireTime>,
    /// When it last changed: for an ended row, its completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_date_time_utc: Option<WireTime>,
    /// The device's answer, for method jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<DeviceJobOutcome>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DeviceJobError>,
}

/// The `outcome` member of a row: empty for twin jobs and for calls that got no answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceJobOutcome {
    /// What the device answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_method_response: Option<MethodResponse>,
}

/// The `error` member of a failed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceJobError {
    /// A name of the service's error table, for instance `DeviceNotOnline`; numbers have been seen and are kept as text.
    #[serde(deserialize_with = "text_or_number")]
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("an error code is a text or a number")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_the_words_of_the_wire() {
        for word in ["queued", "scheduled", "running", "completed", "failed", "cancelled", "unknown"] {
            assert_eq!(serde_json::from_value::<JobStatus>(json!(word)).unwrap().name(), word);
        }
        for word in ["pending", "scheduled", "running", "completed", "failed", "canceled", "unknown"] {
            assert_eq!(serde_json::from_value::<DeviceJobStatus>(json!(word)).unwrap().name(), word);
        }
        for word in ["scheduleDeviceMethod", "scheduleUpdateTwin", "unknown"] {
            assert_eq!(serde_json::from_value::<JobType>(json!(word)).unwrap().name(), word);
        }
    }

    #[test]
    fn both_spellings_of_cancelled_are_read_and_each_place_writes_its_own() {
        for text in ["\"cancelled\"", "\"canceled\""] {
            assert_eq!(serde_json::from_str::<JobStatus>(text).unwrap(), JobStatus::Cancelled);
            assert_eq!(serde_json::from_str::<DeviceJobStatus>(text).unwrap(), DeviceJobStatus::Canceled);
        }
        assert_eq!(json!(JobStatus::Cancelled), json!("cancelled"));
        assert_eq!(json!(DeviceJobStatus::Canceled), json!("canceled"));
    }

    #[test]
    fn an_unknown_job_reads_as_unknown_and_is_not_over() {
        let job: JobResponse =
            serde_json::from_value(json!({"jobId": "x", "type": "unknown", "status": "unknown"})).unwrap();
        assert_eq!((job.job_type, job.status), (JobType::Unknown, JobStatus::Unknown));
        assert!(!job.status.is_terminal());
    }

    #[test]
    fn a_byte_array_for_a_payload_harms_nobody() {
        let job: JobResponse = serde_json::from_value(json!({
            "jobId": "x", "type": "scheduleDeviceMethod", "status": "running",
            "endTime": "9999-12-31T23:59:59.9999999Z",
            "cloudToDeviceMethod": {"methodName": "m", "payload": [123, 125]},
        }))
        .unwrap();
        assert_eq!(job.end_time, Some(WireTime::Unfinished));
    }

    #[test]
    fn a_row_is_read_whatever_its_error_code_is() {
        let row: DeviceJob = serde_json::from_value(json!({
            "deviceId": "a", "jobId": "j", "jobType": "scheduleDeviceMethod", "status": "failed",
            "outcome": {"deviceMethodResponse": null}, "error": {"code": 404103, "description": "…"},
        }))
        .unwrap();
        assert_eq!(row.error.unwrap().code, "404103");
    }
}
