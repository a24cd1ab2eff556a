//! Jobs as callers write them (REST.md 4.2): nulls for the unused half, an id in the body or not, any order.

use serde::Deserialize;
use serde_json::Value;

use super::error::{Envelope, Refusal};
use super::extract::etag;
use super::json::{lenient_integer, object, read};
use super::methods::MethodBody;
use super::twin_body::{self, NullSection, without_service_keys};
use crate::hub::registry::IfMatch;
use crate::model::limits::JOB_TIMEOUT_S_DEFAULT;
use crate::model::{ErrorCode, JobId, JobRequest, JobType, TwinJob, WireTime};

/// Body of `PUT /jobs/v2/{id}`. Every member may be null or missing, unknown ones are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobBody {
    job_id: Option<String>,
    #[serde(rename = "type", alias = "jobType")]
    kind: Option<Value>,
    query_condition: Option<String>,
    #[serde(deserialize_with = "object")]
    cloud_to_device_method: Option<MethodBody>,
    update_twin: Option<Value>,
    start_time: Option<String>,
    #[serde(deserialize_with = "lenient_integer")]
    max_execution_time_in_seconds: Option<i64>,
}

impl JobBody {
    /// Refuses what only a strict hub refuses.
    ///
    /// # Errors
    /// `ArgumentInvalid`.
    // conformance-choice: REST.md 4.3: job ids may have capitals, unless the hub is strict
    // conformance-choice: REST.md 4.2: a twin job without etag is taken and a startTime may have an offset, unless the hub is strict
    pub(super) fn check_strictly(&self, id: &JobId) -> Result<(), Refusal> {
        let strict = |text: String| Err(Refusal::argument(text));
        if id.as_str().contains(|c: char| c.is_ascii_uppercase()) {
            return strict(format!("The job id '{id}' may have lower-case letters, digits and dashes only."));
        }
        if let Some(twin) = &self.update_twin
            && twin.get("etag").and_then(Value::as_str).map(etag).is_none_or(|etag| etag == IfMatch::Absent)
        {
            return strict("The job is a forced update, which only accepts '*' as the twin's etag.".to_owned())
                .map_err(|refusal| refusal.said_by(Envelope::JobService));
        }
        let time = self.start_time.as_deref().and_then(|text| text.split_once('T')).map_or("", |(_, time)| time);
        if time.contains(['+', '-']) {
            return strict("startTime must be in UTC.".to_owned());
        }
        Ok(())
    }

    /// The job that the caller asks for under the path's `id`. Limits that need the clock or the other jobs are the
    /// engine's to check.
    ///
    /// # Errors
    /// `GenericBadRequest` for a type that cannot be scheduled, else `ArgumentInvalid`.
    pub(super) fn request(self, id: JobId) -> Result<JobRequest, Refusal> {
        let job_type = job_type(self.kind.as_ref())?;
        // conformance-choice: REST.md 4.2: a jobId in the body that is not that of the path is 400
        if let Some(other) = self.job_id.filter(|other| !other.is_empty() && other != id.as_str()) {
            return Err(Refusal::argument(format!("The jobId '{other}' of the body is not that of the path.")));
        }
        let query_condition = self.query_condition.filter(|condition| !condition.trim().is_empty());
        let (mut method, mut twin) = (None, None);
        if job_type == JobType::ScheduleUpdateTwin {
            twin = Some(twin_job(self.update_twin.ok_or_else(|| missing("updateTwin"))?)?);
        } else {
            method = Some(self.cloud_to_device_method.ok_or_else(|| missing("cloudToDeviceMethod"))?.for_job()?);
        }
        Ok(JobRequest {
            job_id: id,
            job_type,
            // conformance-choice: REST.md 4.5: a missing or empty condition is 400 ArgumentInvalid
            query_condition: query_condition.ok_or_else(|| missing("queryCondition"))?,
            cloud_to_device_method: method,
            update_twin: twin,
            start_time: start_time(self.start_time.as_deref())?,
            max_execution_time_in_seconds: max_execution_time(self.max_execution_time_in_seconds)?,
        })
    }
}

fn missing(member: &str) -> Refusal {
    Refusal::argument(format!("The job has no '{member}'."))
}

fn job_type(kind: Option<&Value>) -> Result<JobType, Refusal> {
    let text = kind.and_then(Value::as_str).unwrap_or_default();
    if text.eq_ignore_ascii_case("scheduleUpdateTwin") {
        return Ok(JobType::ScheduleUpdateTwin);
    }
    if text.eq_ignore_ascii_case("scheduleDeviceMethod") {
        return Ok(JobType::ScheduleDeviceMethod);
    }
    let reason = format!("the job's type is `{text}`; it can be scheduleUpdateTwin or scheduleDeviceMethod");
    Err(Refusal::unreadable(ErrorCode::GenericBadRequest, reason))
}

/// Reads the patch. A job is a forced update: an etag other than `*` is refused; none at all is let pass, since C#
/// sends none (REST.md 4.2).
fn twin_job(body: Value) -> Result<TwinJob, Refusal> {
    twin_body::patch(&body, NullSection::IsAbsent)?;
    let mut job: TwinJob = read(body)?;
    if let Some(IfMatch::Etag(other)) = job.etag.as_deref().map(etag) {
        return Err(Refusal::argument(format!(
            "The job is a forced update, which only accepts '*' as the twin's etag, not '{other}'."
        ))
        .said_by(Envelope::JobService));
    }
    // conformance-choice: REST.md 4.2: a twin job without an etag is let pass, as C# sends it, and echoed with `*`
    job.etag = Some("*".to_owned());
    if let Some(properties) = &mut job.properties {
        properties.desired = properties.desired.take().map(without_service_keys);
    }
    Ok(job)
}

/// Reads the start. `0001-01-01` is what .NET has for a time that nobody set, and means now as a missing one does.
fn start_time(text: Option<&str>) -> Result<Option<WireTime>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse::<WireTime>() {
        Ok(WireTime::Never) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(error) => Err(Refusal::unreadable(ErrorCode::ArgumentInvalid, format!("startTime: {error}"))),
    }
}

fn max_execution_time(seconds: Option<i64>) -> Result<u64, Refusal> {
    match seconds.map(u64::try_from) {
        // conformance-choice: REST.md 4.2: a job without maxExecutionTimeInSeconds has an hour, and there is no maximum
        None => Ok(JOB_TIMEOUT_S_DEFAULT),
        Some(Ok(seconds)) if seconds > 0 => Ok(seconds),
        Some(_) => Err(Refusal::argument("maxExecutionTimeInSeconds must be above 0.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(body: Value) -> Result<JobRequest, Refusal> {
        read::<JobBody>(body)?.request("j1".parse().unwrap())
    }

    // conformance: CLIENTS.md 2: the job bodies of the Python quickstart are understood
    #[test]
    fn the_python_quickstarts_bodies_are_understood() {
        let method = request(json!({
            "jobId": "j1", "type": "scheduleDeviceMethod",
            "cloudToDeviceMethod": {"methodName": "lockDoor", "payload": "{\"lockTime\":\"10m\"}"},
            "queryCondition": "DeviceId in ['myDeviceId']", "startTime": "2026-11-22T20:16:51.859319Z",
            "maxExecutionTimeInSeconds": 60,
        }))
        .unwrap();
        assert_eq!(method.start_time.unwrap().to_string(), "2026-11-22T20:16:51.859319Z");
        let call = method.cloud_to_device_method.unwrap();
        assert_eq!((call.payload, call.response_timeout_in_seconds), (json!("{\"lockTime\":\"10m\"}"), None));
        let twin = request(json!({
            "type": "scheduleUpdateTwin",
            "updateTwin": {"properties": {"desired": {"building": 43, "gone": null}}, "etag": "*"},
            "queryCondition": "*",
        }))
        .unwrap();
        assert_eq!(twin.max_execution_time_in_seconds, 3_600);
        assert_eq!(
            json!(twin.update_twin),
            json!({"etag": "*", "properties": {"desired": {"building": 43, "gone": null}}})
        );
    }

    // conformance: REST.md 4.2: null members are absent and the unused half of a request is ignored
    #[test]
    fn nulls_are_absent_and_the_unused_half_is_ignored() {
        let body = json!({
            "jobId": null, "type": "ScheduleUpdateTwin", "cloudToDeviceMethod": null, "startTime": null,
            "updateTwin": {"deviceId": null, "etag": null, "tags": {"a": 1}, "properties": null},
            "queryCondition": "*", "maxExecutionTimeInSeconds": "7", "odd": {},
        });
        let job = request(body).unwrap();
        assert_eq!((job.cloud_to_device_method, job.start_time, job.max_execution_time_in_seconds), (None, None, 7));
        let job = request(json!({
            "type": "scheduleDeviceMethod", "queryCondition": "*", "updateTwin": {"tags": 5},
            "cloudToDeviceMethod": {"methodName": "m", "timeoutInSeconds": 5}, "startTime": "0001-01-01T00:00:00",
        }))
        .unwrap();
        assert_eq!((job.update_twin, job.start_time), (None, None));
    }

    // conformance: REST.md 4.2: a job without a condition, a patch or a method, or with a wrong etag, is 400
    #[test]
    fn what_cannot_be_scheduled_is_refused_with_the_services_code() {
        let twin = |patch: Value| json!({"type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": patch});
        for (body, code) in [
            (json!({}), ErrorCode::GenericBadRequest),
            (json!({"type": "scheduleTwinUpdate"}), ErrorCode::GenericBadRequest),
            (json!({"type": "export"}), ErrorCode::GenericBadRequest),
            (json!({"type": 4}), ErrorCode::GenericBadRequest),
            (json!({"type": "scheduleUpdateTwin", "queryCondition": "*"}), ErrorCode::ArgumentInvalid),
            (json!({"type": "scheduleUpdateTwin", "updateTwin": {"tags": {}}}), ErrorCode::ArgumentInvalid),
            (json!({"type": "scheduleDeviceMethod", "queryCondition": "*"}), ErrorCode::ArgumentInvalid),
            (twin(json!({"desired": {"a": 1}})), ErrorCode::ArgumentInvalid),
            (twin(json!({"etag": "AAAAAAAAAAE="})), ErrorCode::ArgumentInvalid),
            (json!({"jobId": "j2", "type": "scheduleUpdateTwin"}), ErrorCode::ArgumentInvalid),
        ] {
            assert_eq!(request(body.clone()).unwrap_err().error.code, code, "{body}");
        }
    }

    // conformance: REST.md 4.2: the etag of a twin job may be a star in quotes
    #[test]
    fn a_star_in_quotes_is_a_star() {
        let body = json!({"type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {"etag": "\"*\""}});
        assert_eq!(request(body).unwrap().update_twin.unwrap().etag.as_deref(), Some("*"));
    }
}
