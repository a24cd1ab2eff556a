//! The screens that people read, each as a whole.

use crate::support::env::{TestEnv, checkout, finish};
use crate::support::filters::{VOLATILE, screen};
use crate::support::process::{HubProcess, Process};

fn job_file(name: &str) -> String {
    checkout().join("jobs").join(name).display().to_string()
}

/// Compares a screen with the one that was reviewed.
fn assert_screen(name: &str, text: &str) {
    insta::with_settings!({ filters => VOLATILE.to_vec() }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn the_first_command_of_a_newcomer() {
    let env = TestEnv::new();
    let apply = env.run(["apply", &job_file("lockdoor.yaml"), "--local"]);
    assert_screen("apply_local", &screen(&env, &apply.stdout, &apply.stderr));
}

#[test]
fn many_devices_are_grouped() {
    let env = TestEnv::new();
    let apply = env.run(["apply", &job_file("lockdoor.yaml"), "--local", "--devices", "30"]);
    assert_screen("apply_local_many", &screen(&env, &apply.stdout, &apply.stderr));
}

#[test]
fn a_job_that_fails_on_some_devices() {
    let env = TestEnv::new();
    let hub =
        HubProcess::start(&env, &["--device", "good", "--device", "refuses", "--device", "hangs", "--device", "away"]);
    let _good = hub.device(&env, "good", &[]);
    let _refuses = hub.device(&env, "refuses", &["--method", "lock=403:{\"why\":\"locked out\"}"]);
    let _hangs = hub.device(&env, "hangs", &["--method", "lock=200@1h"]);
    env.write(
        "lock.yaml",
        "type: scheduleDeviceMethod\ndevices: [good, refuses, hangs, away, nobody]\n\
         method: { name: lock, responseTimeout: 5s }\ntimeout: 10s\n",
    );
    let apply = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml", "--quiet"]));
    assert_eq!(apply.code, 6, "{}", apply.stderr);
    assert_screen("apply_failing", &screen(&env, &apply.stdout, &apply.stderr));
    // Applied again it is the same run, which says so.
    let again = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml"]));
    assert_eq!((again.code, again.stdout), (6, apply.stdout));
    assert!(again.stderr.contains("--rerun"), "{}", again.stderr);
}

#[test]
fn the_banner_of_a_hub_and_the_lines_of_a_device() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "front-door"]);
    let mut device = hub.device(&env, "front-door", &[]);
    for job in ["lockdoor.yaml", "building-43.yaml"] {
        let apply = finish(hub.client(&env, "iothubowner").args(["apply", &job_file(job)]));
        assert_eq!(apply.code, 0, "{}", apply.stderr);
    }
    device.wait_for("desired");
    let (_, stdout, stderr) = device.interrupt();
    assert_screen("device_lines", &screen(&env, &stdout, &stderr));
    let (_, stdout, stderr) = hub.process.interrupt();
    assert_screen("hub_banner", &screen(&env, &stdout, &stderr));
}

#[test]
fn a_fleet_without_a_terminal() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    env.write(
        "fleet.yaml",
        "groups:\n  - { name: doors, count: 10, idTemplate: 'door-{n:02}', reported: { firmware: 1 } }\n  \
         - { name: stubborn, count: 2, methods: { lockDoor: { status: 503 } } }\n",
    );
    env.write("lock.yaml", "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: lockDoor }\ntimeout: 60s\n");
    let mut command = hub.client(&env, "iothubowner");
    command.args(["device", "--fleet", "fleet.yaml", "--mqtt-port", &hub.ready.mqtt_port.to_string()]);
    let mut fleet = Process::start(command.args(["--stop-after", "12"]));
    fleet.wait_for("12 of 12 devices are ready");
    let apply = finish(hub.client(&env, "iothubowner").args(["apply", "lock.yaml"]));
    assert_eq!(apply.code, 6, "{}", apply.stderr);
    let (code, stdout, stderr) = fleet.finish();
    assert_eq!(code, Some(0), "{stderr}");
    let prune = finish(hub.client(&env, "iothubowner").args(["device", "--fleet", "fleet.yaml", "--prune"]));
    assert_eq!(prune.code, 0, "{}", prune.stderr);
    assert_screen("device_fleet", &screen(&env, &stdout, &format!("{stderr}\n\n{}", prune.stderr)));
}
