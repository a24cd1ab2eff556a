//! `iotjob plan` and what it saves, through the binary on a hub with tier S1: nothing is created, and what is told is true.

use serde_json::{Value, json};

use crate::support::env::{Finished, TestEnv, finish};
use crate::support::process::HubProcess;
use crate::support::raw_http::RawHttp;

const TAG: &str = "name: tag\ntype: scheduleUpdateTwin\nquery: '*'\n\
                   patch: { tags: { wave: 2, old: null }, desired: { interval: 60 } }\n";
const LOCK: &str =
    "name: lock\ntype: scheduleDeviceMethod\nquery: tags.building = 43\nmethod: { name: lockDoor }\ntimeout: 60s\n";

struct Fleet {
    env: TestEnv,
    hub: HubProcess,
}

impl Fleet {
    /// Five doors; the third has another wave, the fourth is tagged as wanted, the fifth cannot take more.
    fn start() -> Self {
        let env = TestEnv::new();
        let mut args = vec!["--tier", "S1"];
        let doors = ["door-1", "door-2", "door-3", "door-4", "door-5"];
        doors.iter().for_each(|door| args.extend(["--device", door]));
        let hub = HubProcess::start(&env, &args);
        let fleet = Self { env, hub };
        fleet.patch("door-3", &json!({"tags": {"wave": 1, "old": "x", "building": 43}}));
        fleet.patch("door-4", &json!({"tags": {"wave": 2}, "properties": {"desired": {"interval": 60}}}));
        let full = "x".repeat(4_092);
        fleet.patch("door-5", &json!({"tags": {"a": full, "b": full}}));
        fleet
    }

    fn patch(&self, door: &str, body: &Value) {
        let mut http = RawHttp::connect(&self.hub.ready, "iothubowner");
        http.ask(&format!("PATCH /twins/{door}"), &body.to_string()).ok();
    }

    fn run(&self, args: &[&str]) -> Finished {
        finish(self.hub.client(&self.env, "iothubowner").args(args))
    }

    fn plan(&self, args: &[&str]) -> Value {
        let plan = self.run(&[&["plan", "--output", "json"], args].concat());
        assert_eq!(plan.code, 0, "{}", plan.stderr);
        serde_json::from_str(&plan.stdout).expect("a JSON document")
    }
}

#[test]
fn a_plan_shows_every_change_and_creates_nothing() {
    let fleet = Fleet::start();
    fleet.env.write("tag.yaml", TAG);
    fleet.env.write("lock.yaml", &format!("{LOCK}after: [tag]\n"));
    fleet.env.write("slip.yaml", &LOCK.replace("lock", "slip").replace("tags.building", "tags.bilding"));
    let plan = fleet.run(&["plan", "."]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"localhost:\d+", "localhost:PORT");
    settings.add_filter(r"asked at \S+Z", "asked at TIME");
    settings.bind(|| insta::assert_snapshot!("plan_text", plan.stdout));
    let markdown = fleet.run(&["plan", ".", "--output", "markdown", "--tier", "S2"]);
    settings.bind(|| insta::assert_snapshot!("plan_markdown", markdown.stdout));
    assert_eq!(fleet.run(&["list", "--output", "json"]).stdout, "", "a plan creates nothing");
    let dry = fleet.run(&["apply", ".", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.stdout.contains("1 as wanted, 3 would change, 1 would be refused"), "{}", dry.stdout);
    assert_eq!(fleet.run(&["list", "--output", "json"]).stdout, "", "a dry run creates nothing");
}

#[test]
fn the_json_plan_names_devices_when_asked_and_looks_as_closely_as_told() {
    let fleet = Fleet::start();
    fleet.env.write("tag.yaml", TAG);
    let plan = fleet.plan(&["tag.yaml"]);
    let run = &plan["runs"][0];
    assert_eq!((&plan["v"], &plan["tier"], &plan["tierAssumed"]), (&json!(1), &json!("S1"), &json!(true)));
    assert_eq!((&run["state"], &run["targets"]["count"], run.get("devices")), (&json!("new"), &json!(5), None));
    assert_eq!(
        [&run["changes"]["unchanged"], &run["changes"]["changed"], &run["changes"]["refused"]],
        [&json!(1), &json!(3), &json!(1)]
    );
    let listed = fleet.plan(&["tag.yaml", "--list-devices", "--exact"]);
    let devices = listed["runs"][0]["devices"].as_array().unwrap();
    assert_eq!(listed["runs"][0]["targets"]["source"], "twins");
    let door = |id: &str| devices.iter().find(|device| device["id"] == id).unwrap();
    assert_eq!(
        door("door-3")["changes"],
        json!([
            {"path": ["tags", "wave"], "before": 1, "after": 2, "kind": "replace"},
            {"path": ["tags", "old"], "before": "x", "kind": "remove"},
            {"path": ["desired", "interval"], "after": 60, "kind": "add"},
        ])
    );
    assert!(door("door-5")["refused"].as_str().unwrap().contains("tags"), "{}", door("door-5"));
    let sampled = fleet.plan(&["tag.yaml", "--sample", "2"]);
    assert_eq!(
        (&sampled["runs"][0]["targets"]["read"], &sampled["runs"][0]["targets"]["count"]),
        (&json!(2), &json!(5))
    );
}

#[test]
fn a_run_is_new_then_over_and_twins_that_differ_again_are_changes() {
    let fleet = Fleet::start();
    fleet.env.write("tag.yaml", &TAG.replace("'*'", "deviceId IN ['door-1', 'door-2']"));
    let plan = |args: &[&str]| fleet.run(&[&["plan", "tag.yaml", "--detailed-exitcode"], args].concat());
    assert_eq!(plan(&[]).code, 10);
    assert_eq!(fleet.run(&["apply", "tag.yaml"]).code, 0);
    let after = plan(&[]);
    assert_eq!(after.code, 0, "{}", after.stdout);
    assert!(after.stdout.contains("ended, completed with 2 succeeded"), "{}", after.stdout);
    let drift = || fleet.run(&["plan", "tag.yaml", "lock.yaml", "--drift"]);
    fleet.env.write("lock.yaml", LOCK);
    let quiet = drift();
    assert_eq!(quiet.code, 0, "a method that never ran is no drift: {}", quiet.stdout);
    assert!(quiet.stderr.contains("1 of 2 manifests call methods"), "{}", quiet.stderr);
    fleet.patch("door-2", &json!({"tags": {"wave": 9}}));
    assert_eq!(drift().code, 10);
    let drifted = plan(&[]);
    assert_eq!(drifted.code, 10, "{}", drifted.stdout);
    assert!(drifted.stdout.contains("--rerun") && drifted.stdout.contains("~ tags.wave: 9 → 2"), "{}", drifted.stdout);
    assert_eq!(fleet.run(&["apply", "tag.yaml", "--rerun"]).code, 0);
    assert_eq!(plan(&[]).code, 0);
}

#[test]
fn a_saved_plan_is_applied_exactly_or_refused() {
    let fleet = Fleet::start();
    let tag = TAG.replace("'*'", "deviceId IN ['door-1', 'door-2', 'door-3']").replace("wave: 2", "wave: '${WAVE}'");
    fleet.env.write("tag.yaml", &tag);
    let saved = fleet.run(&["plan", "tag.yaml", "--var", "WAVE=two", "--out", "plan.json"]);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let text = std::fs::read_to_string(fleet.env.path().join("plan.json")).unwrap();
    assert!(!text.contains("SharedAccess") && text.contains("\"two\""), "{text}");

    fleet.patch("door-1", &json!({"tags": {"elsewhere": 1}}));
    fleet.patch("door-2", &json!({"tags": {"wave": 7}}));
    let refused = fleet.run(&["apply", "--plan", "plan.json"]);
    assert_eq!(refused.code, 9, "{}", refused.stderr);
    assert!(refused.stderr.contains("1 with other values: door-2"), "{}", refused.stderr);
    assert_eq!(fleet.run(&["list", "--output", "json"]).stdout, "", "nothing is half done");
    assert_eq!(fleet.run(&["apply", "--plan", "plan.json", "--tolerance", "10%"]).code, 9, "a tenth of three is none");
    let applied = fleet.run(&["apply", "--plan", "plan.json", "--tolerance", "34%"]);
    assert_eq!(applied.code, 0, "{}\n{}", applied.stdout, applied.stderr);
    let again = fleet.run(&["apply", "--plan", "plan.json"]);
    assert_eq!(again.code, 0, "the run is there: it is reported: {}", again.stderr);

    let changed = text.replace("\"two\"", "\"three\"");
    fleet.env.write("changed.json", &changed);
    fleet.env.write("elsewhere.json", &text.replace("localhost:", "other:"));
    fleet.env.write("newer.json", &text.replace("\"iotjobPlan\":1", "\"iotjobPlan\":2"));
    fleet.env.write("none.json", "{}");
    for (file, code, why) in [
        ("changed.json", 2, "was changed"),
        ("elsewhere.json", 9, "is for the hub `other:"),
        ("newer.json", 2, "version 2"),
        ("none.json", 2, "cannot be read"),
        ("gone.json", 2, "cannot be read"),
    ] {
        let run = fleet.run(&["apply", "--plan", file]);
        assert_eq!(run.code, code, "{file}: {}", run.stderr);
        assert!(run.stderr.contains(why), "{file}: {}", run.stderr);
    }
    assert_eq!(fleet.run(&["apply", "tag.yaml", "--plan", "plan.json"]).code, 2);
    assert_eq!(fleet.run(&["apply", "--tolerance", "3", "tag.yaml"]).code, 2);
}

#[test]
fn a_start_out_of_reach_is_refused_before_anything_is_asked_of_the_fleet() {
    let fleet = Fleet::start();
    fleet.env.write("tag.yaml", &format!("{TAG}startTime: 2020-01-01T00:00:00Z\n"));
    let plan = fleet.run(&["plan", "tag.yaml"]);
    assert_eq!((plan.code, plan.stdout.as_str()), (3, ""), "{}", plan.stderr);
    assert!(plan.stderr.contains("start_past"), "{}", plan.stderr);
}

#[test]
fn a_start_means_nothing_to_a_local_hub_and_an_earlier_manifest_may_set_the_tag() {
    let env = TestEnv::new();
    env.write("tag.yaml", &TAG.replace("wave: 2", "building: 43, wave: 2"));
    env.write("lock.yaml", &format!("{LOCK}after: [tag]\nstartTime: 2050-01-01T00:00:00Z\n"));
    let plan = env.run(["plan", "tag.yaml", "lock.yaml", "--local", "--output", "json"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stderr.contains("lock: starts at once"), "{}", plan.stderr);

    let fleet = Fleet::start();
    fleet.env.write("tag.yaml", &TAG.replace("wave: 2", "house: { wing: b }"));
    fleet.env.write("lock.yaml", &LOCK.replace("tags.building = 43", "tags.house.wing = 'b'"));
    let plan = fleet.plan(&["tag.yaml", "lock.yaml"]);
    let warnings = &plan["runs"][1]["warnings"];
    assert_eq!(*warnings, json!(["no device has `tags.house.wing` yet: `tag` of this plan sets it"]), "{plan}");
}
