//! A run's story, and somebody who listens: for the reporters' tests.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Account, Data, Reporter, Voice};
use crate::model::{JobStatistics, JobStatus, JobType, WireTime};
use crate::run::{Cut, DeviceResult, Happening, JobEnd, Left, OutcomeClass, Outcomes, ResultError, RunEvent};

pub(super) const RUN_ID: &str = "lock-doors-0123456789ab";

/// Remembers what it hears.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub(super) fn data(&self) -> Data {
        let heard = self.clone();
        Box::new(move |line| heard.hear(line.to_owned()))
    }

    fn hear(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Voice for Heard {
    fn say(&self, line: &str) {
        self.hear(line.to_owned());
    }

    fn warn(&self, line: &str) {
        self.hear(format!("warning: {line}"));
    }

    fn fail(&self, message: &str, hints: &[String]) {
        self.hear(format!("error: {message}"));
        hints.iter().for_each(|hint| self.hear(format!("hint: {hint}")));
    }
}

/// The time `seconds` into the story.
pub(super) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-05-01T02:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(super) fn event(seconds: i64, what: Happening) -> RunEvent {
    RunEvent { time: at(seconds), run_id: RUN_ID.to_owned(), job_id: None, what }
}

pub(super) fn result(id: &str, outcome: OutcomeClass, status: Option<i64>, reason: Option<&str>) -> DeviceResult {
    DeviceResult {
        device_id: id.into(),
        module_id: None,
        outcome,
        status,
        payload: status.filter(|status| *status != 200).map(|_| json!({"error": "jammed"})),
        reason: reason.map(str::to_owned),
        error: None,
    }
}

fn counts(succeeded_count: u64, failed_count: u64, running_count: u64) -> Happening {
    let statistics = JobStatistics { device_count: 4, succeeded_count, failed_count, running_count, pending_count: 0 };
    Happening::Progress { statistics }
}

/// A method on four devices: one succeeds, one says no, one is away, one has no row.
pub(super) fn story() -> Vec<RunEvent> {
    let planned = Happening::RunPlanned {
        name: "lock-doors".to_owned(),
        job_type: JobType::ScheduleDeviceMethod,
        query_condition: Some("*".to_owned()),
        listed: None,
        parts: None,
        timeout_in_seconds: Some(60),
        start_time: None,
    };
    let outcomes = Outcomes { succeeded: 1, rejected: 1, offline: 1, unknown: 1, ..Outcomes::default() };
    vec![
        event(0, planned),
        event(0, Happening::Submitted),
        event(1, Happening::Queued),
        event(2, Happening::Started { start_time: None }),
        event(2, counts(0, 0, 4)),
        event(9, counts(2, 0, 2)),
        event(60, counts(2, 2, 0)),
        event(60, Happening::JobEnded { status: JobEnd::Completed, reason: None }),
        event(61, Happening::DeviceResult(result("door-1", OutcomeClass::Succeeded, Some(200), None))),
        event(
            61,
            Happening::DeviceResult(result(
                "door-2",
                OutcomeClass::Rejected,
                Some(500),
                Some("the device answered with status 500"),
            )),
        ),
        event(
            61,
            Happening::DeviceResult(result(
                "door-3",
                OutcomeClass::Offline,
                None,
                Some("the device was not online before the deadline"),
            )),
        ),
        event(
            121,
            Happening::RunEnded {
                targets: 4,
                outcomes,
                job_status: JobEnd::Completed,
                asked_for: None,
                reason: None,
                exit_code: 6,
            },
        ),
    ]
}

/// What became of the runs of these events.
pub(super) fn account(events: &[RunEvent]) -> Account {
    let mut account = Account::default();
    events.iter().for_each(|event| account.on(event));
    account
}

/// The events that the story does without, one of each.
pub(super) fn oddities() -> Vec<RunEvent> {
    let start_time = Some(WireTime::At(at(60)));
    let (error, reattach) = ("no".to_owned(), Some("iotjob watch a".to_owned()));
    let mut failed = result("door-4", OutcomeClass::Failed, None, Some("the hub says Odd"));
    failed.module_id = Some("lock".into());
    failed.error = Some(ResultError { code: "Odd".to_owned(), description: "odd".to_owned() });
    let what = vec![
        Happening::WaitingForRuns { names: vec!["first".to_owned()] },
        Happening::Attached { status: JobStatus::Running },
        Happening::WaitingForSlot { attempt: 1, wait_seconds: 5, at_most_seconds: 60 },
        Happening::Retrying { reason: "lost".to_owned(), wait_seconds: 5 },
        Happening::Scheduled { start_time },
        Happening::ResultsProgress { read: 1, total: 2, seconds_left: 3 },
        Happening::Warning { message: "mind".to_owned() },
        Happening::DeviceResult(failed),
        Happening::Detached {
            cut: Cut::WaitTimeout,
            job: Left::Partly,
            reattach: reattach.clone(),
            targets: 2,
            outcomes: Outcomes { unknown: 2, ..Outcomes::default() },
            not_yet_read: 2,
            exit_code: 8,
        },
        Happening::RunFailed { error, hint: None, job: Left::MaybeSubmitted, reattach, exit_code: 5 },
        Happening::RunSkipped { because: "first".to_owned(), exit_code: 6 },
    ];
    what.into_iter().map(|what| RunEvent { job_id: Some(format!("{RUN_ID}-p2")), ..event(1, what) }).collect()
}
