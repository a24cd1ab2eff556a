//! What one manifest asks of the hub.

use jiff::{SignedDuration, Timestamp};

use super::RunId;
use crate::manifest::{Action, Manifest, Start, Success, Target, devices_condition};
use crate::model::limits::{JOB_START_AHEAD_H_MAX, JOB_START_PAST_MIN_MAX, QUERY_CONDITION_CHARS_MAX};
use crate::model::{DeviceId, JobId, JobRequest, MethodJob, TwinJob, TwinJobProperties};

/// One run to carry out.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The run's name.
    pub name: String,
    /// The manifest's first run.
    pub run_id: RunId,
    /// The hub's jobs, at least one: a list of ids may be too long for a single condition.
    pub parts: Vec<Part>,
    /// When it starts, when the manifest says.
    pub start: Option<Timestamp>,
    /// Names of runs that have to succeed first.
    pub after: Vec<String>,
    /// When it counts as a success.
    pub success: Success,
}

/// One job of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What is sent; its id is that of the run, or of a part of it.
    pub request: JobRequest,
    /// The ids that the manifest lists for it, in its order; empty for a condition.
    pub listed: Vec<DeviceId>,
}

impl Step {
    /// The same step under the id of another run of it.
    #[must_use]
    pub fn under(&self, run_id: &RunId) -> Self {
        let mut step = Self { run_id: run_id.clone(), ..self.clone() };
        let count = step.parts.len();
        for (number, part) in step.parts.iter_mut().enumerate() {
            part.request.job_id = run_id.job_id(number, count);
        }
        step
    }

    /// The same step without its start, for a hub that lives no longer than the command.
    #[must_use]
    pub fn starting_at_once(mut self) -> Self {
        for part in &mut self.parts {
            part.request.start_time = None;
        }
        Self { start: None, ..self }
    }

    /// The first part's request: all parts ask for the same, each of other devices.
    #[must_use]
    pub fn request(&self) -> &JobRequest {
        &self.parts.first().expect("a step is built with at least one part").request
    }

    /// The id under which a part of the run is found: the first part's stands for the run.
    #[must_use]
    pub fn job_id_under(&self, run_id: &RunId) -> JobId {
        run_id.job_id(0, self.parts.len())
    }

    /// How many ids the manifest lists.
    #[must_use]
    pub fn listed_count(&self) -> usize {
        self.parts.iter().map(|part| part.listed.len()).sum()
    }
}

/// Makes a manifest's step. Its condition fits a job: the manifest's checks saw to that.
#[must_use]
pub fn build(manifest: &Manifest) -> Step {
    let run_id = RunId::first(manifest.run_id());
    let start = match manifest.start {
        Start::Now => None,
        Start::At(time) => Some(time),
    };
    let (method, twin) = halves(&manifest.action);
    let conditions = conditions(&manifest.target);
    let count = conditions.len();
    let parts = conditions.into_iter().enumerate().map(|(number, (query_condition, listed))| {
        let request = JobRequest {
            job_id: run_id.job_id(number, count),
            job_type: manifest.action.job_type(),
            query_condition,
            cloud_to_device_method: method.clone(),
            update_twin: twin.clone(),
            start_time: start.map(Into::into),
            max_execution_time_in_seconds: manifest.timeout_s,
        };
        Part { request, listed }
    });
    let parts = parts.collect();
    let after = manifest.after.iter().map(ToString::to_string).collect();
    let success = manifest.success.clone();
    Step { name: manifest.name.to_string(), run_id, parts, start, after, success }
}

/// The conditions that find the targets, each with the ids that it lists. A list is cut where the next id would make a
/// condition longer than the service takes; the same list is always cut at the same places.
fn conditions(target: &Target) -> Vec<(String, Vec<DeviceId>)> {
    let ids = match target {
        Target::Condition { text, .. } => return vec![(text.clone(), Vec::new())],
        Target::Devices(ids) => ids,
    };
    let frame = devices_condition(&[]).chars().count();
    let (mut cuts, mut start, mut chars) = (Vec::new(), 0, frame);
    for (index, id) in ids.iter().enumerate() {
        // Two quotes and a comma.
        let more = id.as_str().chars().count() + 3;
        if chars + more > QUERY_CONDITION_CHARS_MAX {
            cuts.push(start..index);
            (start, chars) = (index, frame);
        }
        chars += more;
    }
    cuts.push(start..ids.len());
    cuts.into_iter().map(|cut| (devices_condition(&ids[cut.clone()]), ids[cut].to_vec())).collect()
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
        let mut body = serde_json::to_value(built(text).request()).unwrap();
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
        assert_eq!(step.listed_count(), 2);
        assert_eq!(step.starting_at_once().request().start_time, None);
    }

    #[test]
    fn another_run_of_a_step_has_another_id_and_nothing_else() {
        let step = built("type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: m }\n");
        let rerun = step.run_id.next_rerun().unwrap();
        let again = step.under(&rerun);
        assert_eq!(again.request().job_id.as_str(), format!("{}-r1", step.request().job_id));
        assert_eq!(&JobRequest { job_id: step.request().job_id.clone(), ..again.request().clone() }, step.request());
    }

    #[test]
    fn a_long_list_becomes_parts_that_fit_and_hold_every_id_once() {
        let id = |number: usize| format!("door-{number:04}-{}", "x".repeat(number % 90));
        let ids: Vec<String> = (0..2_000).map(id).collect();
        let step = built(&format!(
            "type: scheduleUpdateTwin\ndevices: [{}]\npatch: {{ tags: {{ wave: 2 }} }}\n",
            ids.join(", ")
        ));
        let longest = step.parts.iter().map(|part| part.request.query_condition.chars().count()).max();
        assert!(longest.is_some_and(|longest| (8_000..=QUERY_CONDITION_CHARS_MAX).contains(&longest)), "{longest:?}");
        let listed: Vec<&str> = step.parts.iter().flat_map(|part| &part.listed).map(DeviceId::as_str).collect();
        assert_eq!(listed, ids);
        let job_ids: Vec<String> = step.parts.iter().map(|part| part.request.job_id.to_string()).collect();
        assert_eq!(job_ids[0], format!("{}-p1", step.run_id));
        assert_eq!(job_ids.last(), Some(&format!("{}-p{}", step.run_id, step.parts.len())));
        let rerun = step.under(&step.run_id.next_rerun().unwrap());
        assert_eq!(rerun.parts[1].request.job_id.as_str(), format!("{}-r1-p2", step.run_id));
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
