//! Runs of several jobs, in an order, with variables and a measure of their own, through the binary on a hub with one job slot.

use serde_json::Value;

use crate::support::env::{Finished, TestEnv, finish};
use crate::support::process::{HubProcess, Process};

const PATCH: &str = "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { wave: 2 } }\n";

fn s1_hub(env: &TestEnv, devices: &[String]) -> HubProcess {
    let mut args = vec!["--tier", "S1"];
    for device in devices {
        args.extend(["--device", device]);
    }
    HubProcess::start(env, &args)
}

fn on(hub: &HubProcess, env: &TestEnv, args: &[&str]) -> Finished {
    finish(hub.client(env, "iothubowner").args(args))
}

/// The JSON events of an apply that are called `name`.
fn events(stdout: &str, name: &str) -> Vec<Value> {
    let events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event a line"));
    events.filter(|event| event["event"] == name).collect()
}

#[test]
fn a_list_too_long_for_one_condition_is_one_run_of_several_jobs() {
    let env = TestEnv::new();
    let ids: Vec<String> = (0..70).map(|number| format!("door-{number:02}-{}", "x".repeat(112))).collect();
    let hub = s1_hub(&env, &ids);
    let list = format!("{}, ghost", ids.join(", "));
    env.write("long.yaml", &format!("type: scheduleUpdateTwin\ndevices: [{list}]\npatch: {{ tags: {{ wave: 2 }} }}\n"));
    let apply = on(&hub, &env, &["apply", "long.yaml", "--output", "json"]);
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
    let ended = events(&apply.stdout, "runEnded");
    assert_eq!((ended.len(), &ended[0]["targets"]), (1, &71.into()), "{}", apply.stdout);
    assert_eq!((&ended[0]["outcomes"]["succeeded"], &ended[0]["outcomes"]["failed"]), (&70.into(), &1.into()));
    let run_id = ended[0]["runId"].as_str().unwrap().to_owned();
    let jobs: Vec<String> =
        events(&apply.stdout, "submitted").iter().map(|event| event["jobId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(jobs, [format!("{run_id}-p1"), format!("{run_id}-p2")]);

    let again = on(&hub, &env, &["apply", "long.yaml", "--output", "json"]);
    assert_eq!((again.code, events(&again.stdout, "submitted").len()), (6, 0), "{}", again.stdout);
    let watched = on(&hub, &env, &["watch", &run_id, "--output", "json"]);
    assert_eq!((watched.code, &events(&watched.stdout, "runEnded")[0]["targets"]), (0, &70.into()));
    let status = on(&hub, &env, &["status", &run_id, "--output", "json"]);
    assert_eq!(status.stdout.lines().count(), 2, "{}", status.stdout);
    let results = on(&hub, &env, &["results", &run_id, "--output", "json"]);
    assert_eq!(results.stdout.lines().count(), 70, "{}", results.stdout);
    let refused = on(&hub, &env, &["cancel", &run_id]);
    assert_eq!(refused.code, 9, "{}", refused.stderr);
}

#[test]
fn a_failed_run_stops_those_after_it() {
    let env = TestEnv::new();
    let hub = s1_hub(&env, &["d".to_owned()]);
    env.write("1-first.yaml", "type: scheduleDeviceMethod\ndevices: [d]\nmethod: { name: m }\ntimeout: 5s\n");
    env.write("2-second.yaml", &format!("name: second\nafter: [first]\n{PATCH}"));
    env.write("3-third.yaml", &format!("name: third\nafter: [second]\n{PATCH}"));
    let text = std::fs::read_to_string(env.path().join("1-first.yaml")).unwrap();
    env.write("1-first.yaml", &format!("name: first\n{text}"));
    let apply = on(&hub, &env, &["apply", ".", "--output", "json"]);
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
    let skipped = events(&apply.stdout, "runSkipped");
    let because: Vec<&str> = skipped.iter().map(|event| event["because"].as_str().unwrap()).collect();
    assert_eq!((because, &skipped[0]["exitCode"]), (vec!["first", "second"], &6.into()));
    assert_eq!(events(&apply.stdout, "submitted").len(), 1, "{}", apply.stdout);

    // With a measure that an offline device meets, all of them are done, one after the other.
    env.write("1-first.yaml", &format!("name: first\nsuccess: {{ offline: ignore }}\n{text}"));
    let apply = on(&hub, &env, &["apply", "."]);
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);
    assert!(apply.stdout.contains("(asked for: 100% of the devices, offline ones aside)"), "{}", apply.stdout);
    assert!(apply.stderr.contains("waits for first"), "{}", apply.stderr);

    let early = on(&hub, &env, &["apply", ".", "--no-wait"]);
    assert_eq!(early.code, 2, "{}", early.stderr);
    assert!(early.stderr.contains("`second`") && early.stderr.contains("--wait-timeout"), "{}", early.stderr);
}

#[test]
fn a_start_that_holds_the_only_slot_is_told_and_immediate_runs_go_first() {
    let env = TestEnv::new();
    let hub = s1_hub(&env, &["d".to_owned()]);
    let start = iotjob::model::Clock::system().now() + jiff::SignedDuration::from_hours(24);
    env.write("1-night.yaml", &format!("name: night\nstartTime: {start}\n{PATCH}"));
    env.write("2-now.yaml", &format!("name: now\n{PATCH}"));
    env.write("3-late.yaml", &format!("name: late\nafter: [now]\n{PATCH}"));
    let mut apply = Process::start(hub.client(&env, "iothubowner").args(["apply", ".", "--wait-timeout", "8s"]));
    let warning = apply.wait_for("holds a job slot until its start at");
    assert!(warning.contains("`night`") && warning.contains("`late` will wait"), "{warning}");
    let (code, stdout, stderr) = apply.finish();
    assert!(stdout.contains("now-"), "the immediate run was not held up: {stdout}\n{stderr}");
    assert!(matches!(code, Some(5 | 8)), "{code:?} {stdout}\n{stderr}");
}

#[test]
fn variables_come_from_flags_then_files_then_the_environment() {
    let env = TestEnv::new();
    env.write(
        "job.yaml",
        "name: ${NAME}\ntype: scheduleDeviceMethod\ndevices: '${DEVICES}'\n\
         method: { name: m, payload: { from: '${FROM:-default}' } }\n",
    );
    env.write("vars.yaml", "NAME: from-file\nDEVICES: [a, b]\n");
    let apply = |more: &[&str]| {
        let mut command = env.iotjob();
        command.args(["apply", "job.yaml", "--local", "--output", "json"]).args(more);
        finish(command.env("IOTJOB_VAR_NAME", "from-environment"))
    };
    let named = |run: &Finished| events(&run.stdout, "runPlanned")[0]["name"].clone();
    let missing = apply(&[]);
    assert_eq!(missing.code, 3, "{}", missing.stdout);
    assert!(missing.stderr.contains("the variable `DEVICES` has no value"), "{}", missing.stderr);
    let typed = apply(&["--var", "DEVICES:=[\"a\"]"]);
    assert_eq!((typed.code, named(&typed)), (0, "from-environment".into()), "{}", typed.stderr);
    let file = apply(&["--var-file", "vars.yaml"]);
    assert_eq!((file.code, named(&file)), (0, "from-file".into()), "{}", file.stderr);
    assert_eq!(events(&file.stdout, "runEnded")[0]["targets"], 2);
    let flag = apply(&["--var-file", "vars.yaml", "--var", "NAME=from-flag", "--var", "UNUSED=1"]);
    assert_eq!((flag.code, named(&flag)), (0, "from-flag".into()), "{}", flag.stderr);
    assert!(flag.stderr.contains("no manifest has a variable `UNUSED`"), "{}", flag.stderr);
    let text = apply(&["--var", "DEVICES=a"]);
    assert_eq!(text.code, 3, "a text is no list: {}", text.stderr);
    env.write("bad.yaml", "a-b: 1\n");
    let bad = apply(&["--var-file", "bad.yaml"]);
    assert_eq!(bad.code, 3, "{}", bad.stderr);
    assert!(bad.stderr.contains("bad.yaml:1:1"), "{}", bad.stderr);
    assert_eq!(apply(&["--var-file", "gone.yaml"]).code, 2);
    assert_eq!(apply(&["--var", "A:=["]).code, 2);
}

#[test]
fn a_manifest_may_come_after_one_that_was_applied_before() {
    let env = TestEnv::new();
    env.write("jobs/first.yaml", PATCH);
    env.write("jobs/second.yaml", &format!("after: [first]\n{PATCH}"));
    let alone = env.run(["apply", "jobs/second.yaml", "--local"]);
    assert_eq!(alone.code, 3, "{}", alone.stderr);
    assert!(alone.stderr.contains("--applied-before"), "{}", alone.stderr);
    let behind = env.run(["apply", "jobs/second.yaml", "--applied-before", "jobs", "--local", "--output", "json"]);
    assert_eq!(behind.code, 0, "{}", behind.stderr);
    assert_eq!((events(&behind.stdout, "runEnded").len(), events(&behind.stdout, "waitingForRuns").len()), (1, 0));
}
