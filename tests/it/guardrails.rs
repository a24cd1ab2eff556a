//! `iotjob.toml`: what jobs may not do, refused by validate, plan and apply before anything is sent.

use crate::support::env::{Finished, TestEnv, finish};
use crate::support::process::HubProcess;

const LOCK: &str = "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: lockDoor }\ntimeout: 5s\n";
const RESET: &str = "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: factoryReset }\n";
const NETWORK: &str = "type: scheduleUpdateTwin\nquery: '*'\npatch: { desired: { network: { ssid: x } } }\n";

fn hub(env: &TestEnv) -> HubProcess {
    HubProcess::start(env, &["--tier", "S1", "--device", "a", "--device", "b", "--device", "c"])
}

fn on(hub: &HubProcess, env: &TestEnv, args: &[&str]) -> Finished {
    finish(hub.client(env, "iothubowner").args(args))
}

#[test]
fn what_is_forbidden_is_refused_at_its_place_everywhere() {
    let env = TestEnv::new();
    let hub = hub(&env);
    env.write(
        "iotjob.toml",
        "[guardrails]\nforbidden-methods = ['factoryReset']\n\n\
         [[hub]]\nhost = 'localhost'\nforbidden-patch-paths = ['desired.network']\n",
    );
    env.write("reset.yaml", RESET);
    env.write("network.yaml", NETWORK);
    for command in ["validate", "plan", "apply"] {
        let refused = on(&hub, &env, &[command, "reset.yaml"]);
        assert_eq!(refused.code, 9, "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("reset.yaml:3:17"), "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("the method `factoryReset` is forbidden by"), "{}", refused.stderr);
    }
    assert_eq!(on(&hub, &env, &["validate", "network.yaml"]).code, 0, "it is forbidden on one hub only");
    for command in ["plan", "apply"] {
        let refused = on(&hub, &env, &[command, "network.yaml"]);
        assert_eq!(refused.code, 9, "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("network.yaml:3:21"), "{command}: {}", refused.stderr);
    }
    assert_eq!(on(&hub, &env, &["list", "--output", "json"]).stdout, "", "nothing was sent");
    env.write("none.toml", "");
    assert_eq!(on(&hub, &env, &["validate", "reset.yaml", "--config", "none.toml"]).code, 0);
}

#[test]
fn a_run_of_too_many_devices_is_refused_before_it_is_sent() {
    let env = TestEnv::new();
    let hub = hub(&env);
    env.write("lock.yaml", LOCK);
    for (limit, code) in [("2", 9), ("'50%'", 9), ("3", 6), ("'100%'", 6)] {
        env.write("iotjob.toml", &format!("[guardrails]\nmax-devices = {limit}\n"));
        let plan = on(&hub, &env, &["plan", "lock.yaml"]);
        let applied = on(&hub, &env, &["apply", "lock.yaml"]);
        assert_eq!(applied.code, code, "{limit}: {}", applied.stderr);
        if code == 9 {
            assert!(applied.stderr.contains("would touch 3 devices"), "{}", applied.stderr);
            assert_eq!(plan.code, 9, "{}", plan.stderr);
            assert!(plan.stdout.contains("targets   3"), "the plan is shown: {}", plan.stdout);
        } else {
            break;
        }
    }
    env.write("iotjob.toml", "[guardrails]\nmax-devices = 2\n");
    let reported = on(&hub, &env, &["apply", "lock.yaml"]);
    assert_eq!(reported.code, 6, "what ran before is reported: {}", reported.stderr);
}

#[test]
fn a_slip_in_the_file_stops_everything() {
    let env = TestEnv::new();
    env.write("lock.yaml", LOCK);
    env.write("iotjob.toml", "[guardrails]\nmax-device = 2\n");
    let slip = env.run(["validate", "lock.yaml"]);
    assert_eq!(slip.code, 2, "{}", slip.stderr);
    assert!(slip.stderr.contains("iotjob.toml:2:1: unknown field `max-device`"), "{}", slip.stderr);
    assert_eq!(env.run(["validate", "lock.yaml", "--config", "gone.toml"]).code, 2);
}
