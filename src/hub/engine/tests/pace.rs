//! A tier's job slots and device operations.

use jiff::SignedDuration;
use serde_json::json;

use super::rig::{Rig, code, draft, method_job, twin_job};
use crate::hub::engine::Command;
use crate::model::{ErrorCode, JobStatus};

fn fleet(tier: &str, devices: usize) -> Rig {
    let mut rig = Rig::of_tier(tier);
    rig.apply_all((0..devices).map(|n| Command::CreateIdentity(draft(&format!("d{n:03}")))));
    rig
}

fn patch() -> serde_json::Value {
    json!({"etag": "*", "tags": {"a": 1}})
}

// conformance: REST.md 4.7: a PUT beyond the tier's concurrent jobs gets 429 ThrottlingMaxActiveJobCountExceeded
#[test]
fn each_tier_has_its_job_slots() {
    for (tier, slots) in [("F1", 1), ("S1:3", 1), ("S2", 5), ("S3", 10)] {
        let mut rig = fleet(tier, 1);
        for n in 0..slots {
            rig.create_job(method_job(&format!("j{n}"), "*", 60)).unwrap();
        }
        let (refused, text) = code(rig.create_job(method_job("more", "*", 60)));
        assert_eq!(refused, ErrorCode::ThrottlingMaxActiveJobCountExceeded, "{tier}");
        assert!(text.contains(&slots.to_string()), "{text}");
    }
}

// conformance: REST.md 4.7: a job that waits in scheduled occupies a slot until it is cancelled or has ended
#[test]
fn a_scheduled_job_holds_its_slot() {
    let mut rig = fleet("S1", 1);
    let mut later = twin_job("later", "*", patch());
    later["startTime"] = json!((rig.now + SignedDuration::from_hours(24)).to_string());
    rig.create_job(later).unwrap();
    rig.settle();
    assert_eq!(rig.job("later").unwrap().status, JobStatus::Scheduled);
    assert_eq!(code(rig.create_job(twin_job("now", "*", patch()))).0, ErrorCode::ThrottlingMaxActiveJobCountExceeded);
    rig.cancel("later").unwrap();
    rig.create_job(twin_job("now", "*", patch())).unwrap();
    rig.settle();
    assert_eq!(rig.job("now").unwrap().status, JobStatus::Completed);
    rig.create_job(twin_job("next", "*", patch())).unwrap();
}

// conformance: REST.md 10: jobs do 10 device operations a second on F1 and S1
#[test]
fn a_twin_job_patches_at_the_tiers_rate() {
    let mut rig = fleet("S1", 45);
    rig.create_job(twin_job("j", "*", patch())).unwrap();
    rig.settle();
    assert_eq!(rig.counts("j"), [45, 10, 0, 0, 35]);
    rig.pass(1);
    assert_eq!(rig.counts("j"), [45, 20, 0, 0, 25]);
    rig.pass(2);
    assert_eq!(rig.counts("j"), [45, 40, 0, 0, 5]);
    rig.pass(1);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed);
}

#[test]
fn a_method_job_calls_at_the_tiers_rate_and_offline_devices_cost_nothing() {
    let mut rig = fleet("F1", 100);
    for n in 60..85 {
        rig.online(&format!("d{n:03}"), n);
    }
    rig.create_job(method_job("j", "*", 300)).unwrap();
    rig.settle();
    assert_eq!(rig.calls().len(), 10);
    rig.pass(1);
    assert_eq!(rig.calls().len(), 10);
    rig.online("d001", 1);
    rig.pass(1);
    assert_eq!(rig.calls().len(), 6, "the rest, and the one that came");
    assert_eq!(rig.counts("j"), [100, 0, 0, 26, 74]);
}

#[test]
fn jobs_share_the_rate() {
    let mut rig = fleet("S2", 30);
    for id in ["a", "b"] {
        rig.create_job(twin_job(id, "*", patch())).unwrap();
    }
    rig.pass(1);
    let done = rig.counts("a")[1] + rig.counts("b")[1];
    assert_eq!(done, 20);
    rig.pass(4);
    assert!(["a", "b"].iter().all(|id| rig.job(id).unwrap().status == JobStatus::Completed));
}

#[test]
fn a_deadline_ends_what_the_rate_left_over() {
    let mut rig = fleet("S1", 100);
    let mut job = twin_job("j", "*", patch());
    job["maxExecutionTimeInSeconds"] = json!(5);
    rig.create_job(job).unwrap();
    rig.pass(5);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed);
    let [devices, succeeded, failed, ..] = rig.counts("j");
    assert_eq!((devices, failed), (100, 100 - succeeded));
    assert!((50..=60).contains(&succeeded), "{succeeded}");
}

#[test]
fn a_clock_that_goes_back_stops_no_job() {
    let mut rig = fleet("S1", 30);
    rig.create_job(twin_job("j", "*", patch())).unwrap();
    rig.settle();
    rig.now -= SignedDuration::from_hours(1);
    rig.create_job(twin_job("k", "*", patch())).unwrap_err();
    rig.pass(3_700);
    assert_eq!(rig.job("j").unwrap().status, JobStatus::Completed);
}
