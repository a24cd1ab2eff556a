//! kill -9 in the middle: the command line's and the hub's.

use serde_json::Value;

use crate::support::env::{TestEnv, finish};
use crate::support::process::{HubProcess, Process, Ready};

const SLOW: &str =
    "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: update, responseTimeout: 60s }\ntimeout: 60s\n";

fn outcomes(stdout: &str) -> Value {
    let last = stdout.lines().last().unwrap_or_default();
    let event: Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in the last line of:\n{stdout}"));
    assert_eq!(event["event"], "runEnded", "{event}");
    event["outcomes"].clone()
}

/// A hub on the data, the ports and the name of one that was killed.
fn start_again(env: &TestEnv, ready: &Ready) -> HubProcess {
    let https = ready.https_port.to_string();
    HubProcess::start_with(
        env,
        &["--https-port", &https, "--mqtt-port", &ready.mqtt_port.to_string(), "--data", "data"],
    )
}

#[test]
fn a_killed_apply_is_found_again_as_one_run() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "here", "--device", "late"]);
    let mut here = hub.device(&env, "here", &[]);
    env.write("slow.yaml", SLOW);

    let apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    // The call has arrived, so the job is running; the other device is still away.
    here.wait_for("update");
    apply.kill();

    let late = hub.device(&env, "late", &[]);
    let again = finish(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    assert_eq!(outcomes(&again.stdout)["succeeded"], 2);
    let list = finish(hub.client(&env, "iothubowner").args(["list", "--output", "json"]));
    assert_eq!(list.stdout.lines().count(), 1, "one run only:\n{}", list.stdout);
    for device in [here, late] {
        let (_, stdout, _) = device.interrupt();
        assert_eq!(stdout.matches("update").count(), 1, "called once:\n{stdout}");
    }
}

#[test]
fn a_killed_hub_finishes_its_job_when_it_is_started_again() {
    let env = TestEnv::new();
    env.write("slow.yaml", SLOW);
    let hub = HubProcess::start(&env, &["--data", "data", "--device", "here", "--device", "late", "--device", "hangs"]);
    let ready = hub.ready.clone();
    let mut here = hub.device(&env, "here", &[]);
    let mut hangs = hub.device(&env, "hangs", &["--method", "update=200@50s"]);

    let mut apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    here.wait_for("update");
    hangs.wait_for("update");
    // Its answer is durable before it shows: so it must be there afterwards.
    let answered = "SELECT * FROM devices.jobs WHERE deviceId = 'here' AND status = 'completed'";
    loop {
        let rows = finish(hub.client(&env, "iothubowner").args(["query", answered, "--output", "json"]));
        if !rows.stdout.is_empty() {
            break;
        }
    }
    hub.process.kill();

    let hub = start_again(&env, &ready);
    assert_eq!(hub.ready.policy("iothubowner"), ready.policy("iothubowner"), "keys survive");
    let late = HubProcess { process: hub.process, ready: ready.clone() };
    let _late_device = late.device(&env, "late", &[]);
    let (code, stdout, stderr) = apply.finish();
    assert_eq!(code, Some(6), "{stdout}\n{stderr}");
    let outcomes = outcomes(&stdout);
    assert_eq!(outcomes["succeeded"], 2, "{outcomes}\n{stderr}");
    // It was sent before the crash, and nobody knows whether it ran: it is not sent again.
    assert_eq!(outcomes["timedOut"], 1, "{outcomes}\n{stderr}");
    for (device, name) in [(here, "here"), (hangs, "hangs")] {
        let (_, stdout, _) = device.interrupt();
        assert_eq!(stdout.matches("update").count(), 1, "{name} was called once:\n{stdout}");
    }
}
