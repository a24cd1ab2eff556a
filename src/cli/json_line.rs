//! The service's own words for what commands print.

use serde::Serialize;

use crate::model::{DeviceJobStatus, JobStatus, JobType};

/// One JSON object on one line, in the service's member names.
pub fn to_json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the service's objects have text keys")
}

/// The word for a job's type.
#[must_use]
pub fn type_name(job_type: JobType) -> &'static str {
    match job_type {
        JobType::ScheduleDeviceMethod => "scheduleDeviceMethod",
        JobType::ScheduleUpdateTwin => "scheduleUpdateTwin",
        JobType::Unknown => "unknown",
    }
}

/// The word for a job's status.
#[must_use]
pub fn status_name(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Queued => "queued",
        JobStatus::Scheduled => "scheduled",
        JobStatus::Running => "running",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::Cancelled => "cancelled",
        JobStatus::Unknown => "unknown",
    }
}

/// The word for the status of a job's device.
#[must_use]
pub fn device_status_name(status: DeviceJobStatus) -> &'static str {
    match status {
        DeviceJobStatus::Pending => "pending",
        DeviceJobStatus::Scheduled => "scheduled",
        DeviceJobStatus::Running => "running",
        DeviceJobStatus::Completed => "completed",
        DeviceJobStatus::Failed => "failed",
        DeviceJobStatus::Canceled => "canceled",
        DeviceJobStatus::Unknown => "unknown",
    }
}
