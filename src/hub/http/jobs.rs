//! `/jobs/v2`: scheduled jobs (REST.md 4), and the empty list of import and export jobs beside it (REST.md 8.6).

use std::cmp::Reverse;

use axum::extract::State;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::HttpState;
use super::answer;
use super::error::{Envelope, Refusal};
use super::extract::{Parameters, Segment};
use super::job_body::JobBody;
use super::json::JsonBody;
use super::paging::{PageRequest, bad_continuation, page};
use crate::hub::store::Snapshot;
use crate::model::{ErrorCode, JobId, JobResponse, JobStatus, JobType, WireTime};
use crate::query::Strictness;

/// Types that the service knows besides the two that jobs v2 schedules (REST.md 4.2).
const OTHER_TYPES: [&str; 12] = [
    "unknown",
    "export",
    "import",
    "backup",
    "readDeviceProperties",
    "writeDeviceProperties",
    "updateDeviceConfiguration",
    "rebootDevice",
    "factoryResetDevice",
    "firmwareUpdate",
    "restoreFromBackup",
    "failoverDataCopy",
];

/// `PUT /jobs/v2/{id}`: the answer is short and always says `queued` (REST.md 4.4).
pub(super) async fn put(
    State(hub): State<HttpState>,
    Segment(id): Segment,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let id: JobId = id.parse().map_err(|error| Refusal::argument(format!("{error}")))?;
    let body = body.read::<JobBody>()?;
    if hub.manner.strictness == Strictness::Strict {
        body.check_strictly(&id)?;
    }
    let request = body.request(id)?;
    let created = hub.engine.create_job(request).await;
    let job = created.map_err(|error| Refusal::from(error).said_by(Envelope::JobService))?;
    Ok(answer::ok(&json!({"jobId": job.job_id, "type": job.job_type, "status": job.status})))
}

/// `GET /jobs/v2/{id}`: an id that nobody knows is answered too (REST.md 4.7).
pub(super) async fn get(State(hub): State<HttpState>, Segment(id): Segment) -> Result<Response, Refusal> {
    let unknown = json!({"jobId": id, "type": JobType::Unknown, "status": JobStatus::Unknown});
    let Ok(id) = id.parse::<JobId>() else { return Ok(answer::ok(&unknown)) };
    match hub.read(move |snapshot| snapshot.job(&id)).await? {
        Some(job) => Ok(answer::ok(&job)),
        None => Ok(answer::ok(&unknown)),
    }
}

/// `POST /jobs/v2/{id}/cancel`, with any body or none.
pub(super) async fn cancel(State(hub): State<HttpState>, Segment(id): Segment) -> Result<Response, Refusal> {
    let id: JobId = id.parse().map_err(|_| Refusal::new(ErrorCode::JobNotFound, id))?;
    Ok(answer::ok(&hub.engine.cancel_job(id).await?))
}

/// `GET /jobs`: import and export jobs, of which this hub has none.
pub(super) async fn list_transfers() -> Response {
    answer::ok(&json!([]))
}

/// `GET` and `DELETE /jobs/{id}`: whatever its id, it is not there.
pub(super) async fn no_transfer(Segment(id): Segment) -> Refusal {
    Refusal::new(ErrorCode::JobNotFound, id)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    job_type: Option<String>,
    job_status: Option<String>,
}

// conformance-choice: REST.md 4.8: newest first, 100 a page, and a continuation that does not end
/// `GET /jobs/v2/query`: a bare array, newest first, paged by headers (REST.md 4.8).
pub(super) async fn list(
    State(hub): State<HttpState>,
    Parameters(filter): Parameters<Filter>,
    request: PageRequest,
) -> Result<Response, Refusal> {
    let wanted_type = filter.job_type.as_deref().filter(|text| !text.is_empty()).map(type_of).transpose()?;
    let wanted_status = filter.job_status.as_deref().filter(|text| !text.is_empty()).map(status_of).transpose()?;
    let after = request.continuation.as_deref().map(Place::read).transpose()?;
    let mut jobs = hub.read(Snapshot::jobs).await?;
    jobs.retain(|job| {
        wanted_type.is_none_or(|wanted| wanted == job.job_type)
            && wanted_status.is_none_or(|wanted| wanted == job.status)
            && after.as_ref().is_none_or(|after| *after < Place::of(job))
    });
    jobs.sort_by_cached_key(Place::of);
    let more = jobs.len() > request.items;
    jobs.truncate(request.items);
    let token = jobs.last().filter(|_| more).map(|last| Place::of(last).write());
    let rows: Vec<Value> = jobs.iter().map(|job| json!(job)).collect();
    Ok(page(&rows, "JobResponse", token.as_deref()))
}

/// A filter's type; C# writes them in PascalCase. Types that jobs v2 never has find nothing.
fn type_of(text: &str) -> Result<JobType, Refusal> {
    if text.eq_ignore_ascii_case("scheduleDeviceMethod") {
        return Ok(JobType::ScheduleDeviceMethod);
    }
    if text.eq_ignore_ascii_case("scheduleUpdateTwin") {
        return Ok(JobType::ScheduleUpdateTwin);
    }
    if OTHER_TYPES.iter().any(|other| other.eq_ignore_ascii_case(text)) {
        return Ok(JobType::Unknown);
    }
    Err(Refusal::argument(format!("There is no jobType '{text}'.")))
}

fn status_of(text: &str) -> Result<JobStatus, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "queued" | "enqueued" => Ok(JobStatus::Queued),
        "scheduled" => Ok(JobStatus::Scheduled),
        "running" => Ok(JobStatus::Running),
        "completed" => Ok(JobStatus::Completed),
        "failed" => Ok(JobStatus::Failed),
        "cancelled" | "canceled" => Ok(JobStatus::Cancelled),
        "unknown" => Ok(JobStatus::Unknown),
        _ => Err(Refusal::argument(format!("There is no jobStatus '{text}'."))),
    }
}

/// Where a job stands in the list: newest first, then by id. New jobs never move a page that comes later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Reverse<WireTime>, String);

impl Place {
    fn of(job: &JobResponse) -> Self {
        Self(Reverse(job.created_time.unwrap_or(WireTime::Never)), job.job_id.clone())
    }

    fn write(&self) -> String {
        BASE64URL_NOPAD.encode(format!("{} {}", self.0.0, self.1).as_bytes())
    }

    fn read(token: &str) -> Result<Self, Refusal> {
        let text = BASE64URL_NOPAD.decode(token.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let place = text.and_then(|text| {
            let (created, id) = text.split_once(' ')?;
            Some(Self(Reverse(created.parse().ok()?), id.to_owned()))
        });
        place.ok_or_else(bad_continuation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, created: &str) -> JobResponse {
        serde_json::from_value(
            json!({"jobId": id, "type": "scheduleUpdateTwin", "status": "queued", "createdTime": created}),
        )
        .unwrap()
    }

    // conformance: REST.md 4.8: the list begins with the newest job
    #[test]
    fn places_order_newest_first_and_survive_their_token() {
        let old = Place::of(&job("a", "2026-01-01T00:00:00Z"));
        let new = Place::of(&job("b", "2026-01-01T00:00:00.1234567Z"));
        assert!(new < old);
        for place in [old, new] {
            assert_eq!(Place::read(&place.write()), Ok(place));
        }
        for token in ["", "x", "AAAA", "not base64!"] {
            assert!(Place::read(token).is_err(), "{token}");
        }
    }

    // conformance: REST.md 4.8: a filter with a word that is no type or status is refused
    #[test]
    fn filters_are_read_in_any_case_and_typos_refused() {
        assert_eq!(type_of("ScheduleUpdateTwin"), Ok(JobType::ScheduleUpdateTwin));
        assert_eq!(type_of("Export"), Ok(JobType::Unknown));
        assert_eq!(status_of("Running"), Ok(JobStatus::Running));
        assert!(type_of("twin").is_err());
        assert!(status_of("done").is_err());
    }
}
