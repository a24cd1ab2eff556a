//! The life of a job (REST.md 4 and 5).

use serde_json::json;

use super::rig::{Rig, START, code, draft, method_job, object, twin_id, twin_job};
use crate::hub::engine::{Command, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::registry::IfMatch;
use crate::model::{ErrorCode, JobStatistics, JobStatus, MethodResponse, WireTime};
use crate::mqtt::Subscription;

// conformance: REST.md 4.4: the receipt of a job is short
#[test]
fn the_receipt_is_short_and_says_queued() {
    let mut rig = Rig::new();
    let mut body = twin_job("j", "*", json!({"etag": "*", "tags": {"a": 1}}));
    body["startTime"] = json!(WireTime::At(START + jiff::SignedDuration::from_hours(2)));
    let receipt = rig.create_job(body).unwrap();
    assert_eq!(json!(receipt), json!({"jobId": "j", "type": "scheduleUpdateTwin", "status": "queued"}));
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Queued);
    assert_eq!(
        code(rig.create_job(twin_job("j", "*", json!({})))),
        (ErrorCode::JobAlreadyExists, "Job with ID 'j' already exists.".to_owned())
    );
}

// conformance: REST.md 4.7: starts too far ahead and conditions too long are refused
// conformance: REST.md 4.5: a condition that is too long with its prefix is 412 PreconditionFailed
#[test]
fn requests_that_the_service_refuses() {
    let mut rig = Rig::new();
    let with = |mut body: serde_json::Value, member: &str, value: serde_json::Value| {
        body[member] = value;
        body
    };
    let late = WireTime::At(START + jiff::SignedDuration::from_hours(169));
    let method = json!({"methodName": "m"});
    for (body, want) in [
        (with(twin_job("j", "*", json!({})), "type", json!("export")), ErrorCode::GenericBadRequest),
        (with(twin_job("j", "*", json!({})), "updateTwin", json!(null)), ErrorCode::ArgumentInvalid),
        (with(twin_job("j", "*", json!({})), "cloudToDeviceMethod", method.clone()), ErrorCode::ArgumentInvalid),
        (with(method_job("j", "*", 60), "updateTwin", json!({})), ErrorCode::ArgumentInvalid),
        (with(twin_job("j", "*", json!({})), "startTime", json!(late)), ErrorCode::ArgumentInvalid),
        (twin_job("j", " ", json!({})), ErrorCode::ArgumentInvalid),
        (twin_job("j", &"x".repeat(8_165), json!({})), ErrorCode::PreconditionFailed),
        (twin_job("j", "*", json!({"etag": "AAAAAAAAAAE="})), ErrorCode::ArgumentInvalid),
        (
            with(
                method_job("j", "*", 60),
                "cloudToDeviceMethod",
                json!({"methodName": "m", "responseTimeoutInSeconds": 4}),
            ),
            ErrorCode::ArgumentInvalid,
        ),
        (
            with(
                method_job("j", "*", 60),
                "cloudToDeviceMethod",
                json!({"methodName": "m", "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 31}),
            ),
            ErrorCode::ArgumentInvalid,
        ),
    ] {
        assert_eq!(code(rig.create_job(body.clone())).0, want, "{body}");
    }
    for (id, etag) in [("a", json!("*")), ("b", json!("\"*\"")), ("c", json!(null))] {
        rig.create_job(twin_job(id, "*", json!({"etag": etag}))).unwrap();
    }
}

// conformance: REST.md 4.2: a twin job merges its patch into every twin that matches; null removes a key
// conformance: REST.md 4.4: updateTwin is echoed with deviceId null and etag `*`
// conformance: REST.md 5: endTimeUtc of a row is the deadline, lastUpdatedDateTimeUtc its completion
#[test]
fn a_twin_job_patches_every_match_and_echoes_what_was_sent() {
    let mut rig = Rig::new();
    rig.register(&["a", "b", "c", "a/m"]);
    for id in ["a", "b"] {
        rig.patch(id, json!({"tags": {"site": "oslo"}, "desired": {"legacy": 1}})).unwrap();
    }
    rig.online("b", 1);
    let update = json!({"etag": "*", "tags": {"wave": 2}, "properties": {"desired": {"interval": 60, "legacy": null}}});
    rig.create_job(twin_job("patch-site-7", "tags.site = 'oslo'", update.clone())).unwrap();
    rig.settle();
    let job = rig.job("patch-site-7").unwrap();
    assert_eq!(
        (job.status, job.start_time, job.end_time),
        (JobStatus::Completed, job.created_time, Some(rig.now.into()))
    );
    assert_eq!(job.query_condition.as_deref(), Some("tags.site = 'oslo'"));
    let echo = json!({"deviceId": null, "etag": "*", "tags": update["tags"], "properties": update["properties"]});
    assert_eq!(job.update_twin, Some(echo));
    assert_eq!(rig.counts("patch-site-7"), [2, 2, 0, 0, 0]);
    let row = &rig.rows("patch-site-7")[0];
    let deadline = WireTime::At(rig.now + jiff::SignedDuration::from_secs(60));
    assert_eq!(
        *row,
        json!({
            "deviceId": "a", "jobId": "patch-site-7", "jobType": "scheduleUpdateTwin", "status": "completed",
            "startTimeUtc": job.start_time, "endTimeUtc": deadline, "createdDateTimeUtc": job.created_time,
            "lastUpdatedDateTimeUtc": job.end_time, "outcome": {},
        })
    );
    let twin = rig.snapshot().twin(&twin_id("a")).unwrap().unwrap();
    assert_eq!(
        (json!(twin.tags), json!(twin.desired.values)),
        (json!({"site": "oslo", "wave": 2}), json!({"interval": 60}))
    );
    let patch = object(json!({"interval": 60, "legacy": null}));
    assert_eq!(rig.notices.last().unwrap().1, Notice::DesiredPatch { version: 3, patch });
}

// conformance: REST.md 5: a twin that breaks a limit fails its row with ArgumentInvalid, and the job goes on
#[test]
fn a_twin_that_breaks_a_limit_fails_its_row_only() {
    let mut rig = Rig::new();
    rig.register(&["a", "b"]);
    rig.patch("a", json!({"tags": {"one": "x".repeat(4_090), "two": "x".repeat(4_090)}})).unwrap();
    rig.create_job(twin_job("j", "*", json!({"tags": {"three": "x".repeat(50)}}))).unwrap();
    rig.settle();
    let owned = |parts: [&str; 3]| parts.map(str::to_owned);
    assert_eq!(rig.outcomes("j"), [owned(["a", "failed", "ArgumentInvalid"]), owned(["b", "completed", ""])]);
    assert_eq!((rig.job("j").unwrap().status, rig.counts("j")), (JobStatus::Completed, [2, 1, 1, 0, 0]));
}

// conformance: REST.md 4.5: a condition that does not parse is queued, and the job fails with the reason
// conformance: GRAMMAR.md 7: the reason of a failed job begins with the words of the service
#[test]
fn a_condition_that_does_not_parse_fails_the_job() {
    let mut rig = Rig::new();
    rig.create_job(twin_job("j", "tags.site = ", json!({}))).unwrap();
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Queued);
    rig.settle();
    let job = rig.job("j").unwrap();
    assert_eq!((job.status, job.device_job_statistics), (JobStatus::Failed, None));
    let reason = job.failure_reason.clone().unwrap();
    assert!(reason.starts_with("SQL query parse failed due to following errors:"), "{reason}");
    assert_eq!((job.status_message, job.end_time), (job.failure_reason, Some(rig.now.into())));
}

// conformance: REST.md 4.5: a job that matches nobody is accepted
#[test]
fn no_match_is_completed_with_zeros() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.create_job(method_job("j", "tags.none = 1", 60)).unwrap();
    rig.settle();
    let job = rig.job("j").unwrap();
    assert_eq!((job.status, job.device_job_statistics), (JobStatus::Completed, Some(JobStatistics::default())));
}

// conformance: REST.md 4.5: `FROM devices.modules WHERE` targets modules
#[test]
fn a_job_for_modules_has_rows_of_modules() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m", "b", "b/m", "b/n"]);
    rig.create_job(twin_job("j", "FROM devices.modules WHERE moduleId = 'm'", json!({"tags": {"x": 1}}))).unwrap();
    rig.settle();
    let rows = rig.rows("j");
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[1]["deviceId"], &rows[1]["moduleId"]), (&json!("b"), &json!("m")));
}

// conformance: REST.md 4.5: the condition is evaluated once, when the job starts
// conformance: REST.md 4.6: counts are absent until the job has started
#[test]
fn a_start_ahead_is_scheduled_and_its_targets_are_those_of_the_start() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let start = WireTime::At(START + jiff::SignedDuration::from_secs(100));
    let mut body = twin_job("j", "*", json!({"tags": {"x": 1}}));
    body["startTime"] = json!(start);
    rig.create_job(body).unwrap();
    rig.settle();
    let job = rig.job("j").unwrap();
    assert_eq!((job.status, job.start_time), (JobStatus::Scheduled, Some(start)));
    assert_eq!((job.end_time, job.device_job_statistics), (Some(WireTime::Unfinished), None));
    rig.register(&["b"]);
    rig.pass(99);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Scheduled);
    rig.pass(1);
    assert_eq!(rig.counts("j"), [2, 2, 0, 0, 0]);
}

// conformance: REST.md 4.6: a queued or scheduled job can be cancelled, a running one cannot
#[test]
fn only_what_does_not_run_can_be_cancelled() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let mut body = twin_job("later", "*", json!({}));
    body["startTime"] = json!(WireTime::At(START + jiff::SignedDuration::from_secs(100)));
    rig.create_job(body).unwrap();
    rig.settle();
    let cancelled = rig.cancel("later").unwrap();
    assert_eq!((cancelled.status, cancelled.end_time), (JobStatus::Cancelled, Some(rig.now.into())));
    rig.pass(200);
    assert_eq!((rig.job("later").unwrap().status, rig.rows("later").len()), (JobStatus::Cancelled, 0));
    assert_eq!(
        code(rig.cancel("later")),
        (ErrorCode::OperationNotAllowedInCurrentState, "Job cannot be cancelled in 'Cancelled' status.".to_owned())
    );

    rig.create_job(method_job("j", "*", 60)).unwrap();
    assert_eq!(rig.cancel("j").unwrap().status, JobStatus::Cancelled, "still queued");
    rig.create_job(method_job("k", "*", 60)).unwrap();
    rig.settle();
    assert_eq!(
        code(rig.cancel("k")),
        (ErrorCode::OperationNotAllowedInCurrentState, "Job cannot be cancelled in 'Running' status.".to_owned())
    );
    assert_eq!(code(rig.cancel("none")).0, ErrorCode::JobNotFound);
}

// conformance: REST.md 5: a device that stays away is failed with JobRunPreconditionFailed at the deadline, one that hangs with GatewayTimeout
// conformance: REST.md 4.6: a job with failed devices is completed, with failedCount
// conformance: REST.md 4.4: the payload of a method comes back as bytes
#[test]
fn a_method_job_ends_each_device_in_its_own_way() {
    let mut rig = Rig::new();
    rig.register(&["answers", "away", "hangs", "leaves", "refuses"]);
    for (connection, id) in [(1, "answers"), (2, "hangs"), (3, "leaves"), (4, "refuses")] {
        rig.online(id, connection);
    }
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.settle();
    assert_eq!((rig.job("j").unwrap().status, rig.counts("j")), (JobStatus::Running, [5, 0, 0, 4, 1]));
    let calls = rig.calls();
    let call = |connection| calls.iter().find(|(to, _)| *to == connection).unwrap().1;
    rig.answer(1, call(1), 200);
    rig.answer(4, call(4), 500);
    rig.disconnect(3);
    assert_eq!(rig.counts("j"), [5, 2, 1, 1, 1]);
    rig.pass(30);
    assert_eq!((rig.job("j").unwrap().status, rig.counts("j")), (JobStatus::Running, [5, 2, 2, 0, 1]));
    rig.pass(30);
    let job = rig.job("j").unwrap();
    assert_eq!((job.status, rig.counts("j")), (JobStatus::Completed, [5, 2, 3, 0, 0]));
    assert_eq!(job.end_time, Some(rig.now.into()));
    let owned = |parts: [&str; 3]| parts.map(str::to_owned);
    assert_eq!(
        rig.outcomes("j"),
        [
            owned(["answers", "completed", ""]),
            owned(["away", "failed", "JobRunPreconditionFailed"]),
            owned(["hangs", "failed", "GatewayTimeout"]),
            owned(["leaves", "failed", "DeviceConnectionClosedRemotely"]),
            owned(["refuses", "completed", ""]),
        ]
    );
    let rows = rig.rows("j");
    assert_eq!(rows[4]["outcome"], json!({"deviceMethodResponse": {"status": 500, "payload": null}}));
    assert_eq!(rows[1]["outcome"], json!({}));
    let echo = job.cloud_to_device_method.unwrap();
    assert_eq!(echo["payload"], json!(br#"{"a":1}"#), "the payload comes back as bytes");
}

// conformance: REST.md 5: a device that comes before the deadline is called then
#[test]
fn who_comes_before_the_deadline_is_called_then() {
    let mut rig = Rig::new();
    rig.register(&["a", "b"]);
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.pass(50);
    rig.online("a", 1);
    rig.settle();
    let calls = rig.calls();
    assert_eq!((calls.len(), rig.counts("j")), (1, [2, 0, 0, 1, 1]));
    rig.pass(9);
    rig.answer(1, calls[0].1, 200);
    rig.online("b", 2);
    rig.settle();
    rig.calls();
    rig.pass(1);
    let owned = |parts: [&str; 3]| parts.map(str::to_owned);
    assert_eq!(rig.outcomes("j"), [owned(["a", "completed", ""]), owned(["b", "failed", "GatewayTimeout"])]);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed, "the deadline cuts a call short");
    rig.online("b", 3);
    rig.settle();
    assert_eq!(rig.calls(), [], "it is over");
}

// conformance: REST.md 5: a device that is deleted meanwhile is failed with DeviceNotFound
#[test]
fn deleted_targets_fail_without_waiting() {
    let mut rig = Rig::new();
    rig.register(&["a", "b"]);
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.settle();
    for id in ["a", "b"] {
        rig.apply(Command::DeleteIdentity { id: twin_id(id), if_match: IfMatch::Any }).unwrap();
    }
    assert_eq!(rig.outcomes("j")[1][2], "DeviceNotFound");
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed);
}

#[test]
fn a_large_job_works_in_steps_and_keeps_its_calls_in_bounds() {
    let mut rig = Rig::new();
    let commands = (0..1_100_u64).flat_map(|n| {
        let id = format!("d{n:05}");
        let connection = ConnectionId(n);
        [
            Command::CreateIdentity(draft(&id)),
            Command::Connect { id: twin_id(&id), connection, session: SessionKind::Clean },
            Command::Subscribe { connection, subscriptions: vec![(Subscription::Methods, 0)] },
        ]
    });
    rig.apply_all(commands);
    rig.create_job(method_job("j", "*", 600)).unwrap();
    let mut called = 0;
    loop {
        rig.settle();
        let calls = rig.calls();
        if calls.is_empty() {
            break;
        }
        called += calls.len();
        assert!(calls.len() <= 1_000);
        let response = MethodResponse { status: 200, payload: json!(null) };
        rig.apply_all(calls.into_iter().map(|(connection, call)| Command::MethodAnswered {
            connection: ConnectionId(connection),
            call,
            response: response.clone(),
        }));
    }
    assert_eq!((called, rig.counts("j")), (1_100, [1_100, 1_100, 0, 0, 0]));
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed);
}

#[test]
fn two_jobs_share_the_devices() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.create_job(method_job("k", "*", 60)).unwrap();
    rig.settle();
    rig.online("a", 1);
    rig.settle();
    let calls = rig.calls();
    assert_eq!(calls.len(), 2);
    rig.answer(1, calls[0].1, 200);
    assert_eq!(
        (rig.job("j").unwrap().status, rig.job("k").unwrap().status),
        (JobStatus::Completed, JobStatus::Running)
    );
}

// conformance: REST.md 4.7: jobs and rows are forgotten after 30 days, and the id is free again
#[test]
fn the_history_forgets_after_thirty_days() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.create_job(twin_job("j", "*", json!({}))).unwrap();
    rig.settle();
    rig.pass(30 * 86_400 - 1);
    let mut rig = rig.restarted();
    assert_eq!((rig.snapshot().jobs().unwrap().len(), rig.rows("j").len()), (1, 1));
    rig.pass(1);
    assert_eq!((rig.job("j"), rig.rows("j").len()), (None, 0));
    rig.create_job(twin_job("j", "*", json!({}))).unwrap();
}
