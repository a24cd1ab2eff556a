//! A hub for tests that loses answers, hides fresh jobs, and shows rows late, as it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::carry::{Context, Equipment, HubLife, Options, Waiting};
use super::event::{RunEvent, event_channel};
use super::jobs::{Failed, Failure, Jobs, RowPages};
use super::pace::Pace;
use super::verdict::{NoTargets, Verdict};
use crate::manifest::Success;
use crate::model::{Clock, DeviceId, DeviceJob, JobRequest, JobResponse, JobType, Rng};
use crate::plan::{Part, RunId, Step};

/// What becomes of one creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// The request never arrived.
    LostOnTheWay,
    /// The job was created, its answer did not come.
    AnswerLost,
    NoSlot,
    Denied,
}

#[derive(Default)]
pub(super) struct Script {
    /// Fates of the creations to come; answered after the last.
    pub(super) fates: VecDeque<Fate>,
    /// How long the hub takes over a creation, before and after it has an effect.
    pub(super) create_takes: Duration,
    /// How often a fresh job reads `unknown`.
    pub(super) hidden_reads: u32,
    /// What reading a job shows, the last for ever; `completed` without anything else when empty.
    pub(super) reads: VecDeque<Value>,
    /// Readings of the rows, the last for ever; each a list of pages.
    pub(super) readings: VecDeque<Vec<Vec<DeviceJob>>>,
    /// Rows of single jobs, before `readings` are looked at.
    pub(super) readings_of: BTreeMap<String, Vec<Vec<DeviceJob>>>,
    pub(super) unregistered: BTreeSet<String>,
    /// How many jobs may be open at a time; a job is over when it is read for the first time.
    pub(super) slots: Option<usize>,
    pub(super) open: BTreeSet<String>,
    pub(super) created: Vec<String>,
    /// Jobs by id, with the reads for which they are still hidden.
    pub(super) jobs: BTreeMap<String, u32>,
    pub(super) queries: u32,
    pub(super) creations: u32,
}

#[derive(Clone, Default)]
pub(super) struct ScriptedHub(Arc<Mutex<Script>>);

impl ScriptedHub {
    pub(super) fn of(script: Script) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    pub(super) fn with_jobs(ids: &[&str]) -> Self {
        let jobs = ids.iter().map(|id| ((*id).to_owned(), 0)).collect();
        Self::of(Script { jobs, ..Script::default() })
    }

    pub(super) fn script<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// Ids of the jobs that were created, in order.
    pub(super) fn jobs_created(&self) -> Vec<String> {
        self.script(|script| script.created.clone())
    }

    fn created(&self, request: &JobRequest) -> Result<JobResponse, Failure> {
        self.script(|script| {
            let hidden = script.hidden_reads;
            let id = request.job_id.to_string();
            if script.jobs.contains_key(&id) {
                return Err(failure(Failed::Exists));
            }
            if script.slots.is_some_and(|slots| script.open.len() >= slots) {
                return Err(failure(Failed::NoSlot));
            }
            script.open.insert(id.clone());
            script.created.push(id.clone());
            script.jobs.insert(id, hidden);
            script.creations += 1;
            Ok(job(request.job_id.as_str(), json!({"status": "queued"})))
        })
    }
}

pub(super) fn failure(kind: Failed) -> Failure {
    Failure { kind, message: format!("{kind:?}"), hint: None }
}

/// A job as the hub answers it.
pub(super) fn job(id: &str, members: Value) -> JobResponse {
    let mut job = json!({"jobId": id, "type": "scheduleDeviceMethod"});
    job.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(job).unwrap()
}

/// A row of a method job: the device and the status it answered.
pub(super) fn answered(device: &str, status: i64) -> DeviceJob {
    row(device, json!({"status": "completed", "outcome": {"deviceMethodResponse": {"status": status}}}))
}

pub(super) fn row(device: &str, members: Value) -> DeviceJob {
    let mut row = json!({"deviceId": device, "jobId": "j", "jobType": "scheduleDeviceMethod"});
    row.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(row).unwrap()
}

impl Jobs for ScriptedHub {
    type Rows = ScriptedRows;

    async fn create(&self, request: &JobRequest) -> Result<JobResponse, Failure> {
        let (fate, takes) =
            self.script(|script| (script.fates.pop_front().unwrap_or(Fate::Answered), script.create_takes));
        tokio::time::sleep(takes).await;
        let answer = match fate {
            Fate::Answered => self.created(request),
            Fate::AnswerLost => {
                let _ = self.created(request);
                Err(failure(Failed::Lost))
            }
            Fate::LostOnTheWay => Err(failure(Failed::Lost)),
            Fate::NoSlot => Err(failure(Failed::NoSlot)),
            Fate::Denied => Err(failure(Failed::Final(Verdict::NotPermitted))),
        };
        tokio::time::sleep(takes).await;
        answer
    }

    async fn read(&self, id: &str) -> Result<JobResponse, Failure> {
        tokio::task::yield_now().await;
        Ok(self.script(|script| {
            match script.jobs.get_mut(id) {
                None => return job(id, json!({"status": "unknown"})),
                Some(0) => {}
                Some(hidden) => {
                    *hidden -= 1;
                    return job(id, json!({"status": "unknown"}));
                }
            }
            script.open.remove(id);
            let shown = if script.reads.len() > 1 { script.reads.pop_front() } else { script.reads.front().cloned() };
            job(id, shown.unwrap_or_else(|| json!({"status": "completed"})))
        }))
    }

    fn rows(&self, id: &str) -> ScriptedRows {
        let pages = self.script(|script| {
            if let Some(pages) = script.readings_of.get(id) {
                return Some(pages.clone());
            }
            if script.readings.len() > 1 { script.readings.pop_front() } else { script.readings.front().cloned() }
        });
        ScriptedRows { hub: self.clone(), pages: pages.unwrap_or_else(|| vec![vec![]]).into() }
    }

    async fn is_registered(&self, id: &DeviceId) -> Result<bool, Failure> {
        Ok(self.script(|script| !script.unregistered.contains(id.as_str())))
    }
}

pub(super) struct ScriptedRows {
    hub: ScriptedHub,
    pages: VecDeque<Vec<DeviceJob>>,
}

impl RowPages for ScriptedRows {
    fn has_more(&self) -> bool {
        !self.pages.is_empty()
    }

    async fn next_page(&mut self) -> Result<Option<Vec<DeviceJob>>, Failure> {
        self.hub.script(|script| script.queries += 1);
        Ok(self.pages.pop_front())
    }
}

/// The clock of tokio's paused time.
#[expect(clippy::disallowed_methods, reason = "paused time is tokio's to tell")]
pub(super) fn paused_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    let start: Timestamp = "2026-05-01T02:00:00Z".parse().unwrap();
    Clock::driven(start, move || tokio::time::Instant::now().duration_since(origin))
}

pub(super) fn step(id: &str) -> Step {
    let run_id = RunId::first(id.parse().unwrap());
    let request = JobRequest {
        job_id: run_id.job_id(0, 1),
        job_type: JobType::ScheduleDeviceMethod,
        query_condition: "*".to_owned(),
        cloud_to_device_method: None,
        update_twin: None,
        start_time: None,
        max_execution_time_in_seconds: 60,
    };
    Step {
        name: id.split('-').next().unwrap_or(id).to_owned(),
        run_id,
        parts: vec![Part { request, listed: Vec::new() }],
        start: None,
        after: Vec::new(),
        success: Success::default(),
    }
}

/// A step that lists ids.
pub(super) fn listing(id: &str, listed: &[&str]) -> Step {
    let mut step = step(id);
    step.parts[0].listed = listed.iter().map(|id| id.parse().unwrap()).collect();
    step
}

pub(super) fn context(hub: ScriptedHub) -> (Arc<Context<ScriptedHub>>, mpsc::Receiver<RunEvent>) {
    context_with(hub, Waiting::UntilEnd)
}

pub(super) fn context_with(
    hub: ScriptedHub,
    waiting: Waiting,
) -> (Arc<Context<ScriptedHub>>, mpsc::Receiver<RunEvent>) {
    let clock = paused_clock();
    let (events, receiver) = event_channel(clock.clone());
    let options = Options { waiting, no_targets: NoTargets::Warn, hub: HubLife::Lasting };
    let equipment = Equipment { pace: Pace::service(), clock, rng: Rng::seeded(1), events, options };
    (Context::new(hub, equipment), receiver)
}
