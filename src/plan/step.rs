//! What one manifest asks of the hub.

use jiff::{SignedDuration, Timestamp};

use super::RunId;
use crate::manifest::{Action, Manifest, Start, Target};
use crate::model::limits::{JOB_START_AHEAD_H_MAX, JOB_START_PAST_MIN_MAX};
use crate::model::{DeviceId, JobRequest, MethodJob, TwinJob, TwinJobProperties};

/// One job to submit.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The run's name, for people.
    pub name: String,
    /// The manifest's first run.
    pub run_id: RunId,
    /// What is sent; its id is that of `run_id`.
    pub request: JobRequest,
    /// The ids that the manifest lists, in its order; empty for a condition.
    pub listed: Vec<DeviceId>,
    /// When it starts, when the manifest says.
    pub start: Option<Timestamp>,
}

impl Step {
    /// The same step under the id of another run of it.
    #[must_use]
    pub fn under(&self, run_id: &RunId) -> Self {
        let request = JobRequest { job_id: run_id.job_id(), ..self.request.clone() };
        Self { run_id: run_id.clone(), request, ..self.clone() }
    }

    /// The same step without its start, for a hub that lives no longer than the command.
    #[must_use]
    pub fn starting_at_once(self) -> Self {
        let request = JobRequest { start_time: None, ..self.request };
        Self { request, start: None, ..self }
    }
}

/// Makes a manifest's step. Its condition fits a job: the manifest's checks saw to that.
#[must_use]
pub fn build(manifest: &Manifest) -> Step {
    let listed = match &manifest.target {
        Target::Condition { .. } => Vec::new(),
        Target::Devices(ids) => ids.clone(),
    };
    let run_id = RunId::first(manifest.run_id());
    let start = match manifest.start {
        Start::Now => None,
        Start::At(time) => Some(time),
    };
    let (method, twin) = halves(&manifest.action);
    let request = JobRequest {
        job_id: run_id.job_id(),
        job_type: manifest.action.job_type(),
        query_condition: manifest.target.query_condition(),
        cloud_to_device_method: method,
        update_twin: twin,
        start_time: start.map(Into::into),
        max_execution_time_in_seconds: manifest.timeout_s,
    };
    Step { name: manifest.name.to_string(), run_id, request, listed, start }
}

/// The half of the request that an action fills.
fn halves(action: &Action) -> (Option<MethodJob>, Option<TwinJob>) {
    match action {
        Action::Method { name, payload, response_timeout_s, connect_timeout_s } => {
            let method = MethodJob {
                method_name: name.to_string(),
                payload: payload.clone(),
                response_timeout_in_seconds: Some(*response_timeout_s),
                connect_timeout_in_seconds: Some(*connect_timeout_s),
            };
            (Some(method), None)
        }
        Action::Twin { tags, desired } => {
            let twin = TwinJob {
                // A job's patch is a forced update and takes no other tag (REST.md 4.2).
                etag: Some("*".to_owned()),
                tags: tags.clone(),
                properties: desired.clone().map(|desired| TwinJobProperties { desired: Some(desired) }),
            };
            (None, Some(twin))
        }
    }
}

/// A start that a new run cannot have (product.md 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartOutOfReach {
    /// Further ahead than the hub takes.
    #[error("the start lies {hours} hours ahead; the hub takes at most {JOB_START_AHEAD_H_MAX}")]
    TooFar {
        /// Hours from now, rounded up.
        hours: i64,
    },
    /// Gone by.
    #[error("the start lies {minutes} minutes in the past")]
    Past {
        /// Minutes since, rounded down.
        minutes: i64,
    },
}

/// Checks the start of a run that does not exist yet; one that does is attached to whatever its start says.
///
/// # Errors
/// When it lies more than 168 hours ahead or more than 5 minutes back.
pub fn check_start(start: Option<Timestamp>, now: Timestamp) -> Result<(), StartOutOfReach> {
    let Some(start) = start else { return Ok(()) };
    let ahead = start.duration_since(now);
    if ahead > SignedDuration::from_hours(JOB_START_AHEAD_H_MAX) {
        return Err(StartOutOfReach::TooFar { hours: (ahead.as_secs() + 3_599) / 3_600 });
    }
    if -ahead > SignedDuration::from_mins(JOB_START_PAST_MIN_MAX) {
        return Err(StartOutOfReach::Past { minutes: (-ahead).as_mins() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::parse_text;

    fn built(text: &str) -> Step {
        let loaded = parse_text("lock-doors.yaml", text);
        assert_eq!(loaded.problems.first().map(ToString::to_string), None);
        build(&loaded.manifests[0])
    }

    fn body(text: &str) -> serde_json::Value {
        let mut body = serde_json::to_value(built(text).request).unwrap();
        let id = body.as_object_mut().unwrap().shift_remove("jobId").unwrap();
        assert!(id.as_str().unwrap().starts_with("lock-doors-"), "{id}");
        body
    }

    #[test]
    fn a_method_sends_its_time_outs_and_the_jobs_and_no_start() {
        let text = "type: scheduleDeviceMethod\nquery: tags.building = 43\nmethod: { name: lockDoor }\n";
        assert_eq!(
            body(text),
            json!({
                "type": "scheduleDeviceMethod",
                "queryCondition": "tags.building = 43",
                "cloudToDeviceMethod": {
                    "methodName": "lockDoor", "payload": null,
                    "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 0,
                },
                "maxExecutionTimeInSeconds": 3600,
            })
        );
    }

    #[test]
    fn a_patch_is_forced_and_keeps_its_nulls() {
        let text = "type: scheduleUpdateTwin\ndevices: [a, b]\npatch: { tags: { wave: 2 }, desired: { legacy: null } }\n\
                    startTime: 2026-12-01T02:00:00Z\ntimeout: 15m\n";
        assert_eq!(
            body(text),
            json!({
                "type": "scheduleUpdateTwin",
                "queryCondition": "deviceId IN ['a','b']",
                "updateTwin": {"etag": "*", "tags": {"wave": 2}, "properties": {"desired": {"legacy": null}}},
                "startTime": "2026-12-01T02:00:00Z",
                "maxExecutionTimeInSeconds": 900,
            })
        );
        let step = built(text);
        assert_eq!(step.listed.len(), 2);
        assert_eq!(step.starting_at_once().request.start_time, None);
    }

    #[test]
    fn another_run_of_a_step_has_another_id_and_nothing_else() {
        let step = built("type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: m }\n");
        let rerun = step.run_id.next_rerun().unwrap();
        let again = step.under(&rerun);
        assert_eq!(again.request.job_id.as_str(), format!("{}-r1", step.request.job_id));
        assert_eq!(JobRequest { job_id: step.request.job_id.clone(), ..again.request }, step.request);
    }

    #[test]
    fn a_new_run_starts_within_a_week_and_not_long_ago() {
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let cases = [
            (168 * 60, Ok(())),
            (168 * 60 + 1, Err(StartOutOfReach::TooFar { hours: 169 })),
            (0, Ok(())),
            (-5, Ok(())),
            (-6, Err(StartOutOfReach::Past { minutes: 6 })),
        ];
        for (minutes, want) in cases {
            let start = now + SignedDuration::from_mins(minutes);
            assert_eq!(check_start(Some(start), now), want, "{minutes}");
        }
        assert_eq!(check_start(None, now), Ok(()));
    }
}
