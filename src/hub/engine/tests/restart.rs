//! What a crash may do to work under way: nothing acknowledged is lost, nothing sent is repeated (product.md 5).

use serde_json::json;

use super::rig::{Rig, START, draft, method_job, twin_job};
use crate::hub::engine::Command;
use crate::hub::registry::{IdentityDraft, IfMatch};
use crate::hub::store::{Store, StoreError};
use crate::model::{IdentityStatus, JobStatus};

#[test]
fn a_job_that_waited_for_its_start_starts() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let mut body = twin_job("ahead", "*", json!({"tags": {"x": 1}}));
    body["startTime"] = json!(crate::model::WireTime::At(START + jiff::SignedDuration::from_secs(100)));
    rig.create_job(body.clone()).unwrap();
    body["jobId"] = json!("missed");
    rig.create_job(body).unwrap();
    rig.create_job(twin_job("queued", "*", json!({"tags": {"y": 1}}))).unwrap();
    let mut rig = rig.restarted();
    rig.settle();
    assert_eq!(rig.job("queued").unwrap().status, JobStatus::Completed);
    rig.pass(100);
    assert_eq!(rig.job("ahead").unwrap().status, JobStatus::Completed);
}

#[test]
fn a_start_that_nobody_saw_counts_from_the_restart() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let mut body = method_job("j", "*", 60);
    body["startTime"] = json!(crate::model::WireTime::At(START + jiff::SignedDuration::from_secs(100)));
    rig.create_job(body).unwrap();
    rig.settle();
    rig.now += jiff::SignedDuration::from_secs(1_000);
    let mut rig = rig.restarted();
    rig.pass(59);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Running);
}

// conformance: DEVICE.md 2.7: a call that was sent before a crash of the hub is not repeated
#[test]
fn a_call_that_was_sent_is_not_repeated_and_one_that_was_not_is_sent() {
    let mut rig = Rig::new();
    rig.register(&["away", "called"]);
    rig.online("called", 1);
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.settle();
    let first = rig.calls()[0].1;
    let mut rig = rig.restarted();
    rig.online("away", 1);
    rig.online("called", 2);
    rig.settle();
    let calls = rig.calls();
    assert_eq!((calls.len(), calls[0].0), (1, 1), "only the device that was not called");
    assert_ne!(calls[0].1, first);
    rig.answer(2, first, 200);
    rig.answer(1, calls[0].1, 200);
    let owned = |parts: [&str; 3]| parts.map(str::to_owned);
    assert_eq!(rig.outcomes("j"), [owned(["away", "completed", ""]), owned(["called", "failed", "GatewayTimeout"])]);
    assert_eq!((rig.job("j").unwrap().status, rig.counts("j")), (JobStatus::Completed, [2, 1, 1, 0, 0]));
}

#[test]
fn the_deadline_holds_across_a_restart() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.create_job(method_job("j", "*", 60)).unwrap();
    rig.pass(30);
    let mut rig = rig.restarted();
    rig.pass(29);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Running);
    rig.pass(1);
    assert_eq!(rig.outcomes("j")[0][2], "JobRunPreconditionFailed");
}

/// Kills the engine after each possible number of steps of a twin job, in a file that is opened anew.
#[test]
fn a_twin_job_patches_each_twin_once_wherever_it_is_cut() {
    for cut in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::on(Store::open(dir.path()).unwrap(), START);
        rig.apply_all((0..600).map(|n| Command::CreateIdentity(draft(&format!("d{n:04}")))));
        rig.create_job(twin_job("j", "*", json!({"tags": {"x": 1}}))).unwrap();
        for _ in 0..cut {
            rig.advance();
        }
        drop(rig);
        let mut rig = Rig::on(Store::open(dir.path()).unwrap(), START);
        rig.settle();
        assert_eq!(rig.counts("j"), [600, 600, 0, 0, 0], "cut after {cut} steps");
        let mut versions = Vec::new();
        let visit = &mut |_: &_, document: serde_json::Value| {
            versions.push(document["version"].clone());
            std::ops::ControlFlow::Continue(())
        };
        let all = crate::query::KeyRange::All;
        let devices = crate::hub::store::TwinCollection::Devices;
        rig.snapshot().scan_twins(&crate::hub::store::TwinScan::whole(devices, &all, None), visit).unwrap();
        assert!(versions.len() == 600 && versions.iter().all(|version| version == 3), "cut after {cut} steps");
    }
}

/// The search for targets is cut off after each possible number of steps, and finds fewer of them afterwards.
#[test]
fn a_search_that_was_cut_off_leaves_no_row_of_who_is_no_target() {
    for cut in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Rig::on(Store::open(dir.path()).unwrap(), START);
        rig.apply_all((0..600).map(|n| Command::CreateIdentity(draft(&format!("d{n:04}")))));
        rig.create_job(twin_job("j", "status = 'enabled'", json!({"tags": {"x": 1}}))).unwrap();
        for _ in 0..cut {
            rig.advance();
        }
        assert_eq!(rig.job("j").unwrap().status, JobStatus::Queued, "cut after {cut} steps");
        drop(rig);
        let mut rig = Rig::on(Store::open(dir.path()).unwrap(), START);
        let disabled = |n: u32| IdentityDraft { status: IdentityStatus::Disabled, ..draft(&format!("d{n:04}")) };
        rig.apply_all((0..550).map(|n| Command::ReplaceIdentity { draft: disabled(n), if_match: IfMatch::Any }));
        rig.settle();
        assert_eq!((rig.counts("j"), rig.outcomes("j").len()), ([50, 50, 0, 0, 0], 50), "cut after {cut} steps");
    }
}

#[test]
fn a_job_that_is_cancelled_in_its_search_has_no_rows() {
    let mut rig = Rig::new();
    rig.apply_all((0..600).map(|n| Command::CreateIdentity(draft(&format!("d{n:04}")))));
    rig.create_job(twin_job("j", "*", json!({"tags": {"x": 1}}))).unwrap();
    for _ in 0..3 {
        rig.advance();
    }
    assert!(!rig.outcomes("j").is_empty(), "some rows are there");
    assert_eq!(rig.cancel("j").unwrap().status, JobStatus::Cancelled);
    assert_eq!(rig.outcomes("j").len(), 0);
}

#[test]
fn one_hub_at_a_time_has_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse { .. })));
    drop(first);
    Store::open(dir.path()).unwrap();
}
