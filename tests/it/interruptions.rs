//! Runs that are left, killed or cut in the middle: nothing is lost, nothing happens twice, and what is not known is said.

use serde_json::Value;

use crate::support::env::{TestEnv, finish};
use crate::support::process::{HubProcess, Process};

const LOCK: &str = "type: scheduleDeviceMethod\ndevices: [door]\nmethod: { name: lock }\ntimeout: 60s\n";

/// An S1 hub whose only device takes its time.
fn door(env: &TestEnv, answers: &str) -> (HubProcess, Process) {
    env.write("lock.yaml", LOCK);
    let hub = HubProcess::start(env, &["--tier", "S1", "--device", "door"]);
    let device = hub.device(env, "door", &["--method", answers]);
    (hub, device)
}

fn run_ended(stdout: &str) -> Value {
    let mut events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    events.find(|event| event["event"] == "runEnded").expect("the run has ended")
}

#[test]
fn who_waits_no_longer_than_this_leaves_with_8_and_may_come_back() {
    let env = TestEnv::new();
    let (hub, _device) = door(&env, "lock=200@1h");
    let left = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml", "--wait-timeout", "1s"]));
    assert_eq!(left.code, 8, "{}", left.stderr);
    let id = left.stderr.split("iotjob watch ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let id = id.unwrap_or_else(|| panic!("the way back is named: {}", left.stderr)).trim_end_matches(['`', ',', ';']);
    let watched = finish(hub.client(&env, "iothubowner").args(["watch", id, "--wait-timeout", "1s"]));
    assert_eq!(watched.code, 8, "{}", watched.stderr);
    let status = finish(hub.client(&env, "iothubowner").args(["status", id]));
    assert!(status.stdout.contains("running"), "{}", status.stdout);
}

#[test]
fn a_killed_runner_is_followed_by_one_that_attaches_and_the_device_is_called_once() {
    let env = TestEnv::new();
    let (hub, mut device) = door(&env, r#"lock=200:{"locked":true}@2s"#);
    let killed = Process::start(hub.client(&env, "iothubowner").args(["apply", "lock.yaml"]));
    device.wait_for("method lock");
    killed.kill();
    let next = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml", "--output", "json"]));
    assert_eq!(next.code, 0, "{}\n{}", next.stdout, next.stderr);
    assert_eq!(run_ended(&next.stdout)["outcomes"]["succeeded"], 1, "{}", next.stdout);
    let (_, stdout, _) = device.interrupt();
    assert_eq!(stdout.matches("method lock").count(), 1, "{stdout}");
}

#[test]
fn a_device_that_vanishes_in_the_middle_of_a_call_may_have_done_it() {
    let env = TestEnv::new();
    let (hub, mut device) = door(&env, "lock=200@1h");
    let mut apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "lock.yaml", "--output", "json"]));
    device.wait_for("method lock");
    device.kill();
    let (code, stdout, stderr) = apply.finish();
    assert_eq!(code, Some(6), "{stdout}\n{stderr}");
    let outcomes = &run_ended(&stdout)["outcomes"];
    assert_eq!((&outcomes["unknown"], &outcomes["succeeded"]), (&Value::from(1), &Value::from(0)), "{outcomes}");
}
