//! The main job as a newcomer meets it: one command, then three terminals.

use std::fs;

use serde_json::{Value, json};

use crate::support::env::{TestEnv, checkout, finish};
use crate::support::process::HubProcess;

fn job_file(name: &str) -> String {
    checkout().join("jobs").join(name).display().to_string()
}

/// The JSON lines of a command's stdout.
fn json_lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn run_ended(stdout: &str) -> Value {
    let ended = json_lines(stdout).into_iter().rfind(|event| event["event"] == "runEnded");
    ended.unwrap_or_else(|| panic!("no runEnded in:\n{stdout}"))
}

#[test]
fn one_command_locks_ten_doors_and_leaves_nothing_behind() {
    let env = TestEnv::new();
    let apply = env.run(["apply", &job_file("lockdoor.yaml"), "--local"]);
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    assert!(apply.stdout.contains("10 of 10 devices succeeded"), "{}", apply.stdout);
    assert!(apply.stdout.contains("lock-doors-10"), "{}", apply.stdout);
    assert_eq!(fs::read_dir(env.path()).unwrap().count(), 0, "the directory is as empty as before");
}

#[test]
fn every_example_applies_locally() {
    let env = TestEnv::new();
    for entry in fs::read_dir(checkout().join("jobs")).unwrap() {
        let path = entry.unwrap().path();
        let apply =
            finish(env.iotjob().arg("apply").arg(&path).args(["--local", "--devices", "3", "--output", "json"]));
        assert_eq!(apply.code, 0, "{}:\n{}\n{}", path.display(), apply.stdout, apply.stderr);
        let ended = run_ended(&apply.stdout);
        assert_eq!(ended["outcomes"]["succeeded"], ended["targets"], "{ended}");
        assert!(ended["targets"].as_u64().unwrap() >= 1, "{ended}");
    }
}

#[test]
fn a_local_fleet_is_made_to_match_and_the_impossible_is_refused() {
    let env = TestEnv::new();
    env.write(
        "named.yaml",
        "type: scheduleUpdateTwin\ndevices: [a, b, c]\npatch: { tags: { wave: 2 } }\n---\n\
         name: ring\ntype: scheduleDeviceMethod\nquery: \"tags.ring IN ['x', 'y'] AND properties.reported.fw = 3\"\n\
         method: { name: m }\n",
    );
    let apply = env.run(["apply", "named.yaml", "--local", "--devices", "2", "--output", "json"]);
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    let targets: Vec<Value> = json_lines(&apply.stdout)
        .into_iter()
        .filter(|event| event["event"] == "runEnded")
        .map(|event| event["targets"].clone())
        .collect();
    assert_eq!(targets.len(), 2, "{}", apply.stdout);
    assert!(targets.contains(&json!(3)) && targets.contains(&json!(2)), "{targets:?}");

    env.write("range.yaml", "type: scheduleDeviceMethod\nquery: tags.n > 3\nmethod: { name: m }\n");
    let refused = env.run(["apply", "range.yaml", "--local"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("tags.n > 3") && refused.stderr.contains("iotjob hub"), "{}", refused.stderr);

    let refused = env.run(["apply", "named.yaml", "--local", "--devices", "900000000"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("iotjob hub") && refused.stderr.contains("iotjob device"), "{}", refused.stderr);
}

#[test]
fn three_terminals_as_in_production() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "front-door"]);
    let mut device = hub.device(&env, "front-door", &[]);
    let files = [job_file("lockdoor.yaml"), job_file("building-43.yaml")];

    let apply = finish(hub.client(&env, "iothubowner").arg("apply").args(&files));
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    let call = device.wait_for("method lockDoor");
    assert!(call.contains("10m"), "{call}");
    let patch = device.wait_for("desired v");
    assert!(patch.contains("43"), "{patch}");

    // Applied again, both runs are found and reported; the device hears nothing new.
    let again = finish(hub.client(&env, "iothubowner").arg("apply").args(&files).args(["--output", "json"]));
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    assert!(!again.stdout.contains("\"submitted\""), "{}", again.stdout);

    let list = finish(hub.client(&env, "iothubowner").args(["list", "--output", "json"]));
    let jobs = json_lines(&list.stdout);
    assert_eq!(jobs.len(), 2, "{}", list.stdout);
    for job in &jobs {
        let id = job["jobId"].as_str().unwrap();
        let status = finish(hub.client(&env, "iothubowner").args(["status", id, "--output", "json"]));
        assert_eq!(json_lines(&status.stdout)[0]["status"], "completed", "{}", status.stdout);
        let results = finish(hub.client(&env, "iothubowner").args(["results", id, "--output", "json"]));
        assert_eq!(json_lines(&results.stdout)[0]["deviceId"], "front-door", "{}", results.stdout);
        let watch = finish(hub.client(&env, "iothubowner").args(["watch", id]));
        assert_eq!(watch.code, 0, "{}\n{}", watch.stdout, watch.stderr);
        let cancel = finish(hub.client(&env, "iothubowner").args(["cancel", id]));
        assert_eq!(cancel.code, 9, "what has ended cannot be cancelled: {}", cancel.stderr);
    }
    let query = finish(hub.client(&env, "iothubowner").args([
        "query",
        "SELECT deviceId, properties.desired.building FROM devices",
        "--output",
        "json",
    ]));
    assert_eq!(json_lines(&query.stdout), [json!({"deviceId": "front-door", "building": 43})]);

    let (code, stdout, stderr) = device.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout.matches("lockDoor").count(), 1, "{stdout}");
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn every_device_ends_in_its_own_class() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "good", "--device", "refuses", "--device", "away"]);
    let _good = hub.device(&env, "good", &[]);
    let _refuses = hub.device(&env, "refuses", &["--method", "lock=403:{\"why\":\"locked out\"}"]);
    env.write(
        "lock.yaml",
        "type: scheduleDeviceMethod\ndevices: [good, refuses, away, nobody]\nmethod: { name: lock }\ntimeout: 5s\n",
    );
    let apply = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml", "--output", "json"]));
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
    let ended = run_ended(&apply.stdout);
    assert_eq!(ended["targets"], 4, "{ended}");
    let outcomes = &ended["outcomes"];
    for (class, count) in [("succeeded", 1), ("rejected", 1), ("offline", 1), ("failed", 1)] {
        assert_eq!(outcomes[class], count, "{class} in {ended}");
    }
    assert_eq!(ended["exitCode"], 6);

    let text = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml"]));
    assert_eq!(text.code, 6);
    for word in ["good", "refuses", "403", "away", "nobody", "not registered"] {
        assert!(text.stdout.contains(word), "`{word}` is missing from:\n{}", text.stdout);
    }
}
