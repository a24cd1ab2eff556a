//! `apply --local --fleet` and `plan --local --fleet`: jobs on exactly the devices of a file, faults and all.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::env::TestEnv;

const LOCK: &str = "type: scheduleDeviceMethod\nquery: tags.building = 43\n\
                    method: { name: lock, responseTimeout: 5s }\ntimeout: 10s\n";

fn events(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn each_device_ends_in_the_class_that_the_file_gives_it() {
    let env = TestEnv::new();
    env.write("lock.yaml", LOCK);
    env.write(
        "fleet.yaml",
        "groups:
  - { name: good, count: 3, tags: { building: 43 } }
  - { name: refuses, count: 1, tags: { building: 43 }, methods: { lock: { status: 403 } } }
  - { name: hangs, count: 1, tags: { building: 43 }, methods: { '*': { hangs: 100% } } }
  - { name: away, count: 1, tags: { building: 43 }, connectivity: { offline: 100% } }
  - { name: elsewhere, count: 2, tags: { building: 44 }, authentication: certificateAuthority }
",
    );
    let apply = env.run(["apply", "lock.yaml", "--local", "--fleet", "fleet.yaml", "--output", "json"]);
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
    let ended = events(&apply.stdout).pop().expect("an end");
    assert_eq!(ended["targets"], 6, "{ended}");
    for (class, count) in [("succeeded", 3), ("rejected", 1), ("timedOut", 1), ("offline", 1)] {
        assert_eq!(ended["outcomes"][class], count, "{class} of {ended}");
    }
    assert!(apply.stderr.contains("8 simulated devices"), "{}", apply.stderr);

    let plan = env.run(["plan", "lock.yaml", "--local", "--fleet", "fleet.yaml", "--output", "json"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    assert_eq!(plan["runs"][0]["targets"]["count"], 6, "{plan}");
}

/// What became of each device of a fleet under a seed.
fn outcomes(env: &TestEnv, seed: u64) -> BTreeMap<String, Value> {
    let failures = "{ share: 50%, status: 500, payload: { error: jammed } }";
    let methods = format!("{{ lock: {{ latency: 0s..100ms, failures: {failures} }} }}");
    let group = format!("{{ name: doors, count: 24, tags: {{ building: 43 }}, methods: {methods} }}");
    env.write("fleet.yaml", &format!("seed: {seed}\ngroups:\n  - {group}\n"));
    let apply = env.run(["apply", "lock.yaml", "--local", "--fleet", "fleet.yaml", "--output", "json"]);
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
    let results = events(&apply.stdout).into_iter().filter(|event| event["event"] == "deviceResult");
    results
        .map(|mut result| (result["deviceId"].as_str().expect("an id").to_owned(), result["status"].take()))
        .collect()
}

#[test]
fn one_seed_gives_the_same_outcomes_again() {
    let env = TestEnv::new();
    env.write("lock.yaml", LOCK);
    let first = outcomes(&env, 7);
    assert_eq!(first.len(), 24);
    assert!(first.values().any(|status| *status == 500) && first.values().any(|status| *status == 200), "{first:?}");
    assert_eq!(outcomes(&env, 7), first);
    assert_ne!(outcomes(&env, 8), first);
}

#[test]
fn a_fleet_that_cannot_be_is_refused() {
    let env = TestEnv::new();
    env.write("lock.yaml", LOCK);
    env.write("fleet.yaml", "groups: [{ name: doors, count: 3, colour: red }]\n");
    let invalid = env.run(["apply", "lock.yaml", "--local", "--fleet", "fleet.yaml"]);
    assert!(invalid.code == 3 && invalid.stderr.contains("fleet.yaml:1:"), "{}", invalid.stderr);
    env.write("fleet.yaml", "groups: [{ name: doors, count: 900000 }]\n");
    let large = env.run(["plan", "lock.yaml", "--local", "--fleet", "fleet.yaml"]);
    assert!(large.code == 2 && large.stderr.contains("do not fit"), "{}", large.stderr);
    for args in [&["--fleet", "fleet.yaml"][..], &["--local", "--fleet", "fleet.yaml", "--devices", "3"]] {
        let refused = env.run([&["apply", "lock.yaml"], args].concat());
        assert_eq!(refused.code, 2, "{args:?}: {}", refused.stderr);
    }
}
