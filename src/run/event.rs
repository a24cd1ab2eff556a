//! What happens to a run, as data: the contract between running and reporting.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use tokio::sync::mpsc;

use super::outcome::{DeviceResult, Outcomes};
use super::snapshot::JobEnd;
use crate::model::limits::RUN_EVENTS_MAX;
use crate::model::{Clock, JobStatistics, JobStatus, JobType, WireTime};

/// Version of the events' JSON form. It grows when a member is removed or changes its meaning.
pub const EVENTS_VERSION: u32 = 1;

/// Something happened to a run. As JSON: `v`, `event`, `time`, `runId`, `jobId` for one part of a run, then what the
/// event has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// When it was noticed.
    pub time: Timestamp,
    /// The run's id: the hub's job id, unless the run has several parts.
    pub run_id: String,
    /// The hub's job, when the event is about one part of a run of several.
    pub job_id: Option<String>,
    /// What happened.
    pub what: Happening,
}

/// What can happen to a run. The last event of a run is `runEnded`, `detached`, `runFailed` or `runSkipped`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Happening {
    /// The run is known and will be looked after.
    RunPlanned {
        /// Name of the run, or the job id of a job that is only watched.
        name: String,
        /// Method or twin.
        job_type: JobType,
        /// The condition, when it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        query_condition: Option<String>,
        /// How many ids the manifest lists.
        #[serde(skip_serializing_if = "Option::is_none")]
        listed: Option<usize>,
        /// How many hub jobs the run needs, when it is more than one.
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<usize>,
        /// The job's own time limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_in_seconds: Option<u64>,
        /// When it is to start, unless at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        start_time: Option<WireTime>,
    },
    /// Other runs have to succeed first.
    WaitingForRuns {
        /// Their names.
        names: Vec<String>,
    },
    /// The job was there already.
    Attached {
        /// Where it stood.
        status: JobStatus,
    },
    /// The job was created.
    Submitted,
    /// Every job slot of the hub is taken.
    WaitingForSlot {
        /// How often it was tried.
        attempt: u32,
        /// When it is tried next.
        wait_seconds: u64,
        /// How long it is tried at most, from now.
        at_most_seconds: u64,
    },
    /// Something is done again.
    Retrying {
        /// Why.
        reason: String,
        /// When.
        wait_seconds: u64,
    },
    /// The hub has accepted the job and not begun.
    Queued,
    /// The job waits for its start.
    Scheduled {
        /// The start.
        #[serde(skip_serializing_if = "Option::is_none")]
        start_time: Option<WireTime>,
    },
    /// The hub works on the devices.
    Started {
        /// Since when.
        #[serde(skip_serializing_if = "Option::is_none")]
        start_time: Option<WireTime>,
    },
    /// The hub's counts changed.
    Progress {
        /// The counts.
        statistics: JobStatistics,
    },
    /// The hub's job is over; what it did to each device is read next.
    JobEnded {
        /// How.
        status: JobEnd,
        /// The hub's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A target's end is known.
    DeviceResult(DeviceResult),
    /// Rows are being read.
    ResultsProgress {
        /// Rows read.
        read: u64,
        /// Rows there should be.
        total: u64,
        /// How long the rest takes within the hub's budget for queries.
        seconds_left: u64,
    },
    /// Something to know; changes nothing.
    Warning {
        /// What.
        message: String,
    },
    /// The run is over and accounted for.
    RunEnded {
        /// Targets.
        targets: u64,
        /// How they ended; sums to `targets`.
        outcomes: Outcomes,
        /// How the hub's job ended.
        job_status: JobEnd,
        /// What the manifest asks of its targets, when it is not that every one succeeds.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked_for: Option<String>,
        /// The hub's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The exit code of this run.
        exit_code: u8,
    },
    /// Nobody looks after the run any longer; what the hub has of it goes on.
    Detached {
        /// Why.
        cut: Cut,
        /// What the hub has of it.
        job: Left,
        /// The command that finds it again.
        #[serde(skip_serializing_if = "Option::is_none")]
        reattach: Option<String>,
        /// Targets known so far.
        targets: u64,
        /// How they ended, those not yet read as unknown.
        outcomes: Outcomes,
        /// How many of the unknown are not read yet.
        not_yet_read: u64,
        /// The exit code of this run.
        exit_code: u8,
    },
    /// A run that had to succeed first did not: nothing was sent.
    RunSkipped {
        /// Its name.
        because: String,
        /// The exit code of the run that did not succeed.
        exit_code: u8,
    },
    /// The run could not be carried on.
    RunFailed {
        /// What happened.
        error: String,
        /// What to do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// What the hub has of it.
        job: Left,
        /// The command that finds it again.
        #[serde(skip_serializing_if = "Option::is_none")]
        reattach: Option<String>,
        /// The exit code of this run.
        exit_code: u8,
    },
}

impl Happening {
    /// Whether nothing follows for this run.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::RunEnded { .. } | Self::Detached { .. } | Self::RunFailed { .. } | Self::RunSkipped { .. })
    }

    /// The exit code of the run: every last event has one.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::RunEnded { exit_code, .. }
            | Self::Detached { exit_code, .. }
            | Self::RunFailed { exit_code, .. }
            | Self::RunSkipped { exit_code, .. } => Some(*exit_code),
            _ => None,
        }
    }
}

/// Why nobody looks after a run any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cut {
    /// Nobody asked to wait.
    NoWait,
    /// The time to wait is over.
    WaitTimeout,
    /// A signal came.
    Interrupted,
}

/// What the hub has of a run that nobody looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Left {
    /// Nothing was sent.
    NotSubmitted,
    /// It was sent, and not answered.
    MaybeSubmitted,
    /// The hub has some of its jobs, and the others were not sent.
    Partly,
    /// The hub has it, and it is not over.
    OnHub,
    /// It is over; its results are not all read.
    Ended,
}

impl RunEvent {
    /// What it is about: the run, or one of its jobs.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.job_id.as_deref().unwrap_or(&self.run_id)
    }
}

impl Serialize for RunEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(mut said) = serde_json::to_value(&self.what).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("an event is an object"));
        };
        let event = said.shift_remove("event");
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("v", &EVENTS_VERSION)?;
        map.serialize_entry("event", &event)?;
        map.serialize_entry("time", &WireTime::At(self.time))?;
        map.serialize_entry("runId", &self.run_id)?;
        if let Some(job_id) = &self.job_id {
            map.serialize_entry("jobId", job_id)?;
        }
        for (key, value) in &said {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// What every event begins with, besides its own name.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// Version of this form. It grows when a member is removed or changes its meaning; members and events may be added.
    #[schemars(extend("const" = EVENTS_VERSION))]
    v: u32,
    /// When it was noticed.
    time: WireTime,
    /// The run's id: the hub's job id, unless the run has several parts.
    run_id: String,
    /// The hub's job, when the event is about one part of a run of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
}

impl<'de> Deserialize<'de> for RunEvent {
    /// Reads an event of version [`EVENTS_VERSION`]; members that it does not know are passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // First of all: another version may look different altogether.
        if let Some(v) = value.get("v").filter(|v| **v != EVENTS_VERSION) {
            let text = format!("the events are of version {v}, and this iotjob reads version {EVENTS_VERSION}");
            return Err(D::Error::custom(text));
        }
        let Head { v, time, run_id, job_id } = Head::deserialize(&value).map_err(D::Error::custom)?;
        debug_assert_eq!(v, EVENTS_VERSION, "any other is refused above");
        let time = time.timestamp().ok_or_else(|| D::Error::custom(format!("`{time}` is no time of an event")))?;
        let what = Happening::deserialize(value).map_err(D::Error::custom)?;
        Ok(Self { time, run_id, job_id, what })
    }
}

impl JsonSchema for RunEvent {
    fn schema_name() -> Cow<'static, str> {
        "RunEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Head::json_schema(generator);
        let what = Happening::json_schema(generator);
        if let Some(choices) = what.get("oneOf") {
            schema.insert("oneOf".to_owned(), choices.clone());
        }
        schema
    }
}

/// Where runs say what happens. When the reporters fall behind, the runs wait for them.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<RunEvent>,
    clock: Clock,
}

/// A bounded channel of events.
#[must_use]
pub fn event_channel(clock: Clock) -> (Events, mpsc::Receiver<RunEvent>) {
    let (sender, receiver) = mpsc::channel(RUN_EVENTS_MAX);
    (Events { sender, clock }, receiver)
}

impl Events {
    /// The events of one run.
    #[must_use]
    pub fn of(&self, run_id: impl ToString) -> RunEvents {
        RunEvents { events: self.clone(), run_id: run_id.to_string(), job_id: None }
    }
}

/// Where one run says what happens to it.
#[derive(Debug, Clone)]
pub struct RunEvents {
    events: Events,
    run_id: String,
    job_id: Option<String>,
}

impl RunEvents {
    /// Where one part of the run says what happens to it.
    #[must_use]
    pub fn of_part(&self, job_id: impl ToString) -> Self {
        Self { job_id: Some(job_id.to_string()), ..self.clone() }
    }

    /// Says it.
    pub async fn tell(&self, what: Happening) {
        let (run_id, job_id) = (self.run_id.clone(), self.job_id.clone());
        let event = RunEvent { time: self.events.clock.now(), run_id, job_id, what };
        // A run goes on when nobody listens any more.
        let _ = self.events.sender.send(event).await;
    }

    /// Says several things in a row.
    pub async fn tell_all(&self, what: Vec<Happening>) {
        for happening in what {
            self.tell(happening).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::outcome::{OutcomeClass, TargetId};

    fn json(what: Happening) -> String {
        let time = "2026-05-01T02:00:00Z".parse().unwrap();
        serde_json::to_string(&RunEvent { time, run_id: "lock-0".to_owned(), job_id: None, what }).unwrap()
    }

    #[test]
    fn the_four_members_come_first_and_names_are_camel_case() {
        let outcomes = Outcomes { succeeded: 24, timed_out: 1, ..Outcomes::default() };
        let job_status = JobEnd::Completed;
        insta::assert_snapshot!(
            json(Happening::RunEnded {
                targets: 25, outcomes, job_status, asked_for: None, reason: None, exit_code: 6,
            }),
            @r#"{"v":1,"event":"runEnded","time":"2026-05-01T02:00:00Z","runId":"lock-0","targets":25,"outcomes":{"succeeded":24,"rejected":0,"offline":0,"timedOut":1,"failed":0,"canceled":0,"unknown":0},"jobStatus":"completed","exitCode":6}"#
        );
        insta::assert_snapshot!(
            json(Happening::DeviceResult(DeviceResult::without_row(&TargetId::device("a"), OutcomeClass::TimedOut, "late"))),
            @r#"{"v":1,"event":"deviceResult","time":"2026-05-01T02:00:00Z","runId":"lock-0","deviceId":"a","outcome":"timedOut","reason":"late"}"#
        );
        insta::assert_snapshot!(
            json(Happening::WaitingForSlot { attempt: 1, wait_seconds: 5, at_most_seconds: 60 }),
            @r#"{"v":1,"event":"waitingForSlot","time":"2026-05-01T02:00:00Z","runId":"lock-0","attempt":1,"waitSeconds":5,"atMostSeconds":60}"#
        );
        insta::assert_snapshot!(
            json(Happening::Submitted),
            @r#"{"v":1,"event":"submitted","time":"2026-05-01T02:00:00Z","runId":"lock-0"}"#
        );
    }
}
