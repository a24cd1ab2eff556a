//! What the store keeps of jobs, their rows and sessions, and how the service shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::limits::RESPONSE_TIMEOUT_S;
use crate::model::{
    DeviceJob, DeviceJobError, DeviceJobOutcome, DeviceJobStatus, JobRequest, JobResponse, JobStatistics, JobStatus,
    JobType, MethodResponse, TwinId, WireTime,
};
use crate::mqtt::Subscription;

/// A job as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// As the caller sent it.
    pub request: JobRequest,
    /// Where it stands.
    pub status: JobStatus,
    /// When it was accepted.
    pub created: WireTime,
    /// When it starts or started.
    pub start: WireTime,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<WireTime>,
    /// Why it failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Counts, once its targets are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<JobStatistics>,
    /// When its rows were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_created: Option<WireTime>,
}

impl JobRecord {
    /// When the job is ended whatever its devices do: start + `maxExecutionTimeInSeconds`.
    #[must_use]
    pub fn deadline(&self) -> jiff::Timestamp {
        let start = self.start.timestamp().unwrap_or(jiff::Timestamp::MIN);
        let allowed = std::time::Duration::from_secs(self.request.max_execution_time_in_seconds);
        start.saturating_add(allowed).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The job as a GET shows it (REST.md 4.4).
    #[must_use]
    pub fn response(&self) -> JobResponse {
        let request = &self.request;
        JobResponse {
            job_id: request.job_id.to_string(),
            query_condition: Some(request.query_condition.clone()),
            created_time: Some(self.created),
            start_time: Some(self.start),
            end_time: Some(self.end.unwrap_or(WireTime::Unfinished)),
            max_execution_time_in_seconds: Some(request.max_execution_time_in_seconds),
            job_type: request.job_type,
            cloud_to_device_method: method_echo(request),
            update_twin: twin_echo(request),
            status: self.status,
            failure_reason: self.failure.clone(),
            status_message: self.failure.clone(),
            device_job_statistics: self.statistics,
        }
    }

    /// The short answer to the PUT that made the job: `queued` whatever its start (REST.md 4.4).
    #[must_use]
    pub fn receipt(&self) -> JobResponse {
        JobResponse {
            job_id: self.request.job_id.to_string(),
            query_condition: None,
            created_time: None,
            start_time: None,
            end_time: None,
            max_execution_time_in_seconds: None,
            job_type: self.request.job_type,
            cloud_to_device_method: None,
            update_twin: None,
            status: JobStatus::Queued,
            failure_reason: None,
            status_message: None,
            device_job_statistics: None,
        }
    }
}

/// The payload comes back as the bytes of its JSON (REST.md 4.4).
fn method_echo(request: &JobRequest) -> Option<Value> {
    let method = request.cloud_to_device_method.as_ref()?;
    Some(json!({
        "methodName": method.method_name,
        // conformance-choice: REST.md 4.4: the payload of a method is echoed as an array of numbers, the bytes of its JSON
        "payload": method.payload.to_string().as_bytes(),
        "responseTimeoutInSeconds": method.response_timeout_in_seconds.unwrap_or(RESPONSE_TIMEOUT_S.2),
        "connectTimeoutInSeconds": method.connect_timeout_in_seconds.unwrap_or(0),
    }))
}

/// The patch as sent, with the members that a twin always has.
fn twin_echo(request: &JobRequest) -> Option<Value> {
    let twin = request.update_twin.as_ref()?;
    let mut echo = json!({"deviceId": null, "etag": twin.etag});
    if let Some(tags) = &twin.tags {
        echo["tags"] = json!(tags);
    }
    if let Some(properties) = &twin.properties {
        echo["properties"] = json!(properties);
    }
    Some(echo)
}

/// One device's share of a job as stored: what its job already says is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowRecord {
    /// Where this device stands. `running` means for a method: sent, durably, before it was sent.
    #[serde(rename = "s")]
    pub status: DeviceJobStatus,
    /// When that last changed.
    #[serde(rename = "t", with = "jiff::fmt::serde::timestamp::nanosecond::required")]
    pub updated: Timestamp,
    /// What the device answered.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub response: Option<MethodResponse>,
    /// Why it failed.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DeviceJobError>,
}

impl RowRecord {
    /// The row as `devices.jobs` shows it (REST.md 5).
    #[must_use]
    pub fn document(self, job: &JobRecord, target: &TwinId) -> Value {
        let outcome = match job.request.job_type {
            JobType::ScheduleDeviceMethod => DeviceJobOutcome { device_method_response: self.response },
            JobType::ScheduleUpdateTwin | JobType::Unknown => DeviceJobOutcome::default(),
        };
        let row = DeviceJob {
            device_id: target.device.to_string(),
            module_id: target.module.as_ref().map(ToString::to_string),
            job_id: job.request.job_id.to_string(),
            job_type: job.request.job_type,
            status: self.status,
            start_time_utc: Some(job.start),
            end_time_utc: Some(job.deadline().into()),
            created_date_time_utc: Some(job.rows_created.unwrap_or(job.created)),
            last_updated_date_time_utc: Some(self.updated.into()),
            outcome: Some(outcome),
            error: self.error,
        };
        json!(row)
    }
}

/// What a device gets back when it connects again with clean session 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its subscriptions with the QoS granted.
    pub subscriptions: Vec<(Subscription, u8)>,
}

/// Registered devices by status, modules not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceCounts {
    /// May connect.
    pub enabled: u64,
    /// May not.
    pub disabled: u64,
}
