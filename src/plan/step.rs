//! What one manifest asks of the hub.

use jiff::{SignedDuration, Timestamp};

use super::RunId;
use crate::manifest::{Action, Manifest, Start, Target};
use crate::model::limits::{JOB_START_AHEAD_H_MAX, JOB_START_PAST_MIN_MAX, QUERY_CHARS_MAX, QUERY_CONDITION_PREFIX};
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

/// Says why a manifest cannot become one job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The list makes a condition that the service answers with 412 (REST.md 4.5).
    #[error("the {devices} devices of `{name}` make a condition of {chars} characters; the hub takes {max}")]
    ListTooLong {
        /// The run's name.
        name: String,
        /// Devices listed.
        devices: usize,
        /// Characters of the condition.
        chars: usize,
        /// Characters that fit.
        max: usize,
    },
}

/// Makes a manifest's step.
///
/// # Errors
/// When its device list does not fit into one job.
pub fn build(manifest: &Manifest) -> Result<Step, PlanError> {
    let condition = manifest.target.query_condition();
    let listed = match &manifest.target {
        Target::Condition { .. } => Vec::new(),
        Target::Devices(ids) => ids.clone(),
    };
    let (chars, max) = (condition.chars().count(), QUERY_CHARS_MAX - QUERY_CONDITION_PREFIX.len());
    if chars > max {
        return Err(PlanError::ListTooLong { name: manifest.name.to_string(), devices: listed.len(), chars, max });
    }
    let run_id = RunId::first(manifest.run_id());
    let start = match manifest.start {
        Start::Now => None,
        Start::At(time) => Some(time),
    };
    let (method, twin) = halves(&manifest.action);
    let request = JobRequest {
        job_id: run_id.job_id(),
        job_type: manifest.action.job_type(),
        query_condition: condition,
        cloud_to_device_method: method,
        update_twin: twin,
        start_time: start.map(Into::into),
        max_execution_time_in_seconds: manifest.timeout_s,
    };
    Ok(Step { name: manifest.name.to_string(), run_id, request, listed, start })
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
