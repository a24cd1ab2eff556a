//! What a job request must be to be taken in (REST.md 4.2, 4.5, 4.7).

use jiff::{SignedDuration, Timestamp};

use crate::hub::HubError;
use crate::model::limits::{
    CONNECT_TIMEOUT_S_MAX, JOB_START_AHEAD_H_MAX, METHOD_PAYLOAD_BYTES_MAX, QUERY_CHARS_MAX, QUERY_CONDITION_PREFIX,
    RESPONSE_TIMEOUT_S,
};
use crate::model::{ErrorCode, JobRequest, JobType, MethodJob, TwinJob, WireTime};

/// Checks everything but the condition's grammar: a condition that does not parse fails the job, not the request.
///
/// # Errors
/// `GenericBadRequest`, `ArgumentInvalid`, `PreconditionFailed` for a condition that is too long.
pub(super) fn check(request: &JobRequest, now: Timestamp) -> Result<(), HubError> {
    match (request.job_type, &request.cloud_to_device_method, &request.update_twin) {
        (JobType::ScheduleDeviceMethod, Some(method), None) => check_method(method)?,
        (JobType::ScheduleUpdateTwin, None, Some(twin)) => check_twin(twin)?,
        (JobType::ScheduleDeviceMethod, ..) => {
            return Err(invalid("A job of type scheduleDeviceMethod has cloudToDeviceMethod and no updateTwin."));
        }
        (JobType::ScheduleUpdateTwin, ..) => {
            return Err(invalid("A job of type scheduleUpdateTwin has updateTwin and no cloudToDeviceMethod."));
        }
        (JobType::Unknown, ..) => {
            return Err(HubError::new(ErrorCode::GenericBadRequest, "BadRequest")
                .because("the job's type is neither scheduleDeviceMethod nor scheduleUpdateTwin"));
        }
    }
    check_condition(&request.query_condition)?;
    check_start(request.start_time, now)
}

fn check_method(method: &MethodJob) -> Result<(), HubError> {
    let (least, most, default) = RESPONSE_TIMEOUT_S;
    let response = method.response_timeout_in_seconds.unwrap_or(default);
    let connect = method.connect_timeout_in_seconds.unwrap_or(0);
    if method.method_name.is_empty() {
        return Err(invalid("methodName must not be empty."));
    }
    if !(least..=most).contains(&response) {
        return Err(invalid(format!("responseTimeoutInSeconds is {response}; it must be {least} to {most}.")));
    }
    if connect > CONNECT_TIMEOUT_S_MAX || connect > response {
        return Err(invalid(format!(
            "connectTimeoutInSeconds is {connect}; it must be at most {CONNECT_TIMEOUT_S_MAX} and responseTimeoutInSeconds."
        )));
    }
    let bytes = method.payload.to_string().len();
    if bytes > METHOD_PAYLOAD_BYTES_MAX {
        return Err(invalid(format!("The payload has {bytes} bytes; at most {METHOD_PAYLOAD_BYTES_MAX} fit.")));
    }
    Ok(())
}

/// A job's patch is a forced update: only `*` makes sense; nothing at all is taken for it (REST.md 4.2).
fn check_twin(twin: &TwinJob) -> Result<(), HubError> {
    match twin.etag.as_deref() {
        None | Some("*" | "\"*\"") => Ok(()),
        Some(etag) => {
            Err(invalid(format!("Job type is a forced update, which only accepts '*' as the ETag, not '{etag}'.")))
        }
    }
}

fn check_condition(condition: &str) -> Result<(), HubError> {
    if condition.trim().is_empty() {
        return Err(invalid("queryCondition must not be empty."));
    }
    let chars = QUERY_CONDITION_PREFIX.chars().count() + condition.chars().count();
    if chars > QUERY_CHARS_MAX {
        // The service's text speaks of etags; ours helps in the log.
        return Err(HubError::new(ErrorCode::PreconditionFailed, "Precondition failed: ETag mismatch.").because(format!(
            "the query has {chars} characters with the service's `{QUERY_CONDITION_PREFIX}`; at most {QUERY_CHARS_MAX} fit"
        )));
    }
    Ok(())
}

fn check_start(start: Option<WireTime>, now: Timestamp) -> Result<(), HubError> {
    let ahead = SignedDuration::from_hours(JOB_START_AHEAD_H_MAX);
    let latest = WireTime::from(now.saturating_add(ahead).unwrap_or(Timestamp::MAX));
    if start.is_some_and(|start| start > latest) {
        return Err(invalid(format!("startTime must be within the next {JOB_START_AHEAD_H_MAX} hours.")));
    }
    Ok(())
}

fn invalid(text: impl Into<String>) -> HubError {
    HubError::new(ErrorCode::ArgumentInvalid, text)
}
