//! `iotjob device` with a fleet, through the binary: who is registered, marked, run and deleted, when it ends, and what it
//! says of itself.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::env::{Finished, TestEnv, finish};
use crate::support::process::{HubProcess, Process};
use crate::support::raw_http::{RawHttp, get_plain};

const DOORS: &str = "groups:
  - name: doors
    count: 3
    idTemplate: door-{n:05}
    tags: { building: 43, floor: { $index: 1 } }
    reported: { firmware: '1.0' }
    methods: { lockDoor: { status: 200, payload: { locked: true, asked: '${request.lockTime}' } } }
";

/// The command of a fleet on that hub.
fn fleet(env: &TestEnv, hub: &HubProcess, args: &[&str]) -> Command {
    let mut command = hub.client(env, "iothubowner");
    command.arg("device").args(args);
    if !args.contains(&"--prune") {
        command.args(["--mqtt-port", &hub.ready.mqtt_port.to_string()]);
    }
    command
}

fn started(env: &TestEnv, hub: &HubProcess, args: &[&str]) -> Process {
    Process::start(&mut fleet(env, hub, args))
}

fn pruned(env: &TestEnv, hub: &HubProcess, args: &[&str]) -> Finished {
    finish(&mut fleet(env, hub, &[args, &["--prune", "--output", "json"]].concat()))
}

/// The devices of the hub, each with its mark.
fn registered(hub: &HubProcess) -> Vec<(String, Option<String>)> {
    let devices = RawHttp::connect(&hub.ready, "iothubowner").ask("GET /devices", "").ok();
    let devices = devices.as_array().expect("an array").iter().map(|device| {
        let text = |member: &str| device[member].as_str().map(str::to_owned);
        (text("deviceId").expect("an id"), text("statusReason"))
    });
    let mut devices: Vec<_> = devices.collect();
    devices.sort();
    devices
}

fn events(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The devices that an event happened to.
fn devices_of(events: &[Value], event: &str) -> BTreeSet<String> {
    let of = events.iter().filter(|line| line["event"] == event);
    of.map(|line| line["deviceId"].as_str().expect("an id").to_owned()).collect()
}

/// Calls a method of each device through a job.
fn call_all(env: &TestEnv, hub: &HubProcess, ids: &str) -> Finished {
    let method = "method: { name: lockDoor, payload: { lockTime: 10m }, responseTimeout: 10s }";
    env.write("lock.yaml", &format!("type: scheduleDeviceMethod\ndevices: [{ids}]\n{method}\ntimeout: 60s\n"));
    finish(hub.client(env, "iothubowner").args(["apply", "lock.yaml", "--output", "json"]))
}

#[test]
fn what_is_missing_is_registered_and_what_is_marked_is_pruned() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "door-00002"]);
    env.write("doors.yaml", DOORS);
    let mut process = started(&env, &hub, &["--fleet", "doors.yaml"]);
    for n in 1..=3 {
        process.wait_for(&format!("door-0000{n} reported its properties"));
    }
    let twin = RawHttp::connect(&hub.ready, "iothubowner").ask("GET /twins/door-00003", "").ok();
    assert_eq!(twin["tags"], json!({"building": 43, "floor": 3}));
    assert_eq!(twin["properties"]["reported"]["firmware"], "1.0");
    let mark = || Some("made by iotjob device, fleet doors".to_owned());
    let ids = ["door-00001", "door-00002", "door-00003"].map(str::to_owned);
    let [one, two, three] = ids;
    assert_eq!(registered(&hub), [(one.clone(), mark()), (two.clone(), None), (three.clone(), mark())]);
    let (code, _, stderr) = process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("2 devices registered, 1 were there"), "{stderr}");
    assert!(stderr.contains("`door-00002`") && stderr.contains("do not carry the fleet's mark"), "{stderr}");
    assert!(stderr.contains("3 devices for") && stderr.contains("at most 3 online"), "{stderr}");

    // Started again, what is marked is known, and its tags are as they are.
    let mut again = started(&env, &hub, &["--fleet", "doors.yaml"]);
    again.wait_for("0 devices registered, 3 were there");
    again.wait_for("1 of them do not carry the fleet's mark");
    again.interrupt();

    // Another fleet's prune finds nothing; its own deletes what the file has no more, and never what has no mark.
    env.write("gates.yaml", DOORS);
    let nothing = pruned(&env, &hub, &["--fleet", "gates.yaml"]);
    assert_eq!((nothing.code, events(&nothing.stdout)[0]["deleted"].clone()), (0, json!(0)), "{}", nothing.stderr);
    env.write("doors.yaml", &DOORS.replace("count: 3", "count: 1"));
    let all = pruned(&env, &hub, &["--fleet", "doors.yaml"]);
    assert_eq!((all.code, events(&all.stdout)[0]["deleted"].clone()), (0, json!(2)), "{}", all.stderr);
    assert_eq!(registered(&hub), [(two, None)]);
}

#[test]
fn devices_that_are_counted_are_marked_by_their_template() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let template = ["--count", "12", "--id-template", "it's-{n:02}"];
    let mut process = started(&env, &hub, &template);
    process.wait_for("12 of 12 devices are ready");
    let (code, stdout, stderr) = process.interrupt();
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    let mark = Some("made by iotjob device, fleet it's-{n:02}".to_owned());
    assert!(registered(&hub).iter().all(|(_, found)| *found == mark) && registered(&hub).len() == 12);
    let other = pruned(&env, &hub, &["--count", "12", "--id-template", "it's-{n}"]);
    assert!(other.code == 0 && registered(&hub).len() == 12, "{}", other.stderr);
    let all = pruned(&env, &hub, &["--count", "1", "--id-template", "it's-{n:02}"]);
    assert!(all.code == 0 && registered(&hub).is_empty(), "{}", all.stderr);
}

#[test]
fn shards_share_the_fleet_out() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    env.write("doors.yaml", &DOORS.replace("count: 3", "count: 5"));
    let mut parts = Vec::new();
    for (shard, index, devices) in [("1/2", None, 3), ("/2", Some("1"), 2)] {
        let mut command = fleet(&env, &hub, &["--fleet", "doors.yaml", "--shard", shard, "--output", "json"]);
        if let Some(index) = index {
            command.env("JOB_COMPLETION_INDEX", index);
        }
        let mut process = Process::start(&mut command);
        for _ in 0..devices {
            process.wait_for("\"event\":\"ready\"");
        }
        let (code, stdout, stderr) = process.interrupt();
        assert_eq!(code, Some(0), "{stderr}");
        parts.push(devices_of(&events(&stdout), "ready"));
    }
    assert_eq!(parts[0], ["door-00001", "door-00003", "door-00005"].map(str::to_owned).into());
    assert_eq!(parts[1], ["door-00002", "door-00004"].map(str::to_owned).into());
    assert_eq!(registered(&hub).len(), 5);

    let missing = finish(&mut fleet(&env, &hub, &["--fleet", "doors.yaml", "--shard", "/2"]));
    assert!(missing.code == 2 && missing.stderr.contains("JOB_COMPLETION_INDEX"), "{}", missing.stderr);
    let empty = finish(&mut fleet(&env, &hub, &["--fleet", "doors.yaml", "--shard", "6/6"]));
    assert!(empty.code == 2 && empty.stderr.contains("no device to run"), "{}", empty.stderr);
}

#[test]
fn a_fleet_ends_after_so_many_calls_and_says_what_it_came_to() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let stubborn = "  - name: stubborn\n    count: 1\n    methods: { lockDoor: { status: 500 } }\n";
    env.write("doors.yaml", &format!("{DOORS}{stubborn}"));
    let mut process = started(&env, &hub, &["--fleet", "doors.yaml", "--stop-after", "4", "--output", "json"]);
    for _ in 0..4 {
        process.wait_for("\"event\":\"ready\"");
    }
    let applied = call_all(&env, &hub, "door-00001, door-00002, door-00003, stubborn-00001");
    assert_eq!(applied.code, 6, "{}", applied.stderr);
    assert!(applied.stdout.contains(r#""payload":{"locked":true,"asked":"10m"}"#), "{}", applied.stdout);
    let (code, stdout, stderr) = process.finish();
    assert_eq!(code, Some(0), "{stderr}");
    let events = events(&stdout);
    let summary = events.last().expect("a summary");
    assert_eq!(summary["event"], "summary");
    for (member, value) in [
        ("devices", json!(4)),
        ("started", json!(4)),
        ("onlineMost", json!(4)),
        ("calls", json!(4)),
        ("answered", json!({"lockDoor": {"200": 3, "500": 1}})),
        ("hangs", json!(0)),
        ("reports", json!(3)),
        ("gaveUp", json!(0)),
    ] {
        assert_eq!(summary[member], value, "{member} of {summary}");
    }
    let groups = summary["groups"].as_array().expect("the groups");
    assert_eq!((groups[0]["calls"].clone(), groups[1]["name"].clone()), (json!(3), json!("stubborn")));
    let answers = events.iter().filter(|event| event["event"] == "methodAnswered").count();
    assert_eq!(answers, 4);
    assert!(stderr.contains("lockDoor: 3 with 200, 1 with 500"), "{stderr}");
}

#[test]
fn a_ramp_that_is_cut_short_is_told() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let args = ["--count", "30", "--ramp", "1/s", "--duration", "1s", "--output", "json"];
    let ended = finish(&mut fleet(&env, &hub, &args));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("not started yet"), "{}", ended.stderr);
    let summary = events(&ended.stdout).pop().expect("a summary");
    let started = summary["started"].as_u64().expect("a number");
    assert!(summary["devices"] == 30 && (1..30).contains(&started), "{summary}");
}

#[test]
fn figures_are_scraped_by_group() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    env.write("doors.yaml", DOORS);
    let mut process = started(&env, &hub, &["--fleet", "doors.yaml", "--metrics", "127.0.0.1:0"]);
    let line = process.wait_for("Metrics: http://");
    let address = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics")).expect("an address");
    for n in 1..=3 {
        process.wait_for(&format!("door-0000{n} reported its properties"));
    }
    assert_eq!(call_all(&env, &hub, "door-00001, door-00002").code, 0);
    let text = get_plain(address, "/metrics");
    for line in [
        "iotjob_fleet_devices{group=\"doors\",state=\"online\"} 3",
        "iotjob_fleet_connects_total{group=\"doors\"} 3",
        "iotjob_fleet_answers_total{group=\"doors\",method=\"lockDoor\",status=\"200\"} 2",
        "iotjob_fleet_reports_total{group=\"doors\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    let taken = finish(&mut fleet(&env, &hub, &["--fleet", "doors.yaml", "--metrics", address]));
    assert!(taken.code == 2 && taken.stderr.contains("--metrics"), "{}", taken.stderr);
}

#[test]
fn a_fleet_file_with_problems_starts_nothing() {
    let env = TestEnv::new();
    env.write("doors.yaml", &DOORS.replace("count: 3", "cuont: 3"));
    for args in [&["device", "--fleet", "doors.yaml"][..], &["device", "--fleet", "doors.yaml", "--prune"]] {
        let refused = env.run(args);
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(refused.stderr.contains("doors.yaml:3:5") && refused.stderr.contains("`count`"), "{}", refused.stderr);
        assert!(refused.stderr.contains("nothing was started"), "{}", refused.stderr);
    }
    let unreadable = env.run(["device", "--fleet", "nowhere.yaml"]);
    assert!(unreadable.code == 2 && unreadable.stderr.contains("nowhere.yaml"), "{}", unreadable.stderr);
}

#[test]
fn every_way_to_prove_oneself_and_every_transport_works() {
    let env = TestEnv::new();
    let text = "groups:
  - { name: tokens, count: 1, transport: websocket, modules: [{ moduleId: cam }] }
  - { name: signed, count: 2, authentication: selfSigned, modules: [{ moduleId: cam }] }
  - { name: issued, count: 1, authentication: certificateAuthority, transport: websocket }
";
    env.write("mixed.yaml", text);
    let no_folder = env.run(["device", "--fleet", "mixed.yaml"]);
    assert!(no_folder.code == 2 && no_folder.stderr.contains("--fleet-ca"), "{}", no_folder.stderr);
    // The CA is there before any hub is: the hub has to trust it from its start.
    let no_hub = env.run(["device", "--fleet", "mixed.yaml", "--fleet-ca", "ca"]);
    assert!(no_hub.code == 2 && no_hub.stderr.contains("no hub is named"), "{}", no_hub.stderr);
    // A host name alone would be refused next.
    assert!(!no_hub.stderr.contains("IOTHUB_HOST"), "{}", no_hub.stderr);
    let hub = HubProcess::start(&env, &["--trust-ca", "ca/fleet-ca.pem"]);
    // The second time the thumbprints of the first have to give way.
    for _ in 0..2 {
        let mut process = started(
            &env,
            &hub,
            &["--fleet", "mixed.yaml", "--fleet-ca", "ca", "--stop-after", "7", "--output", "json"],
        );
        for _ in 0..7 {
            process.wait_for("\"event\":\"ready\"");
        }
        let mut http = RawHttp::connect(&hub.ready, "iothubowner");
        for target in [
            "tokens-00001",
            "tokens-00001/modules/cam",
            "signed-00001",
            "signed-00002",
            "signed-00001/modules/cam",
            "signed-00002/modules/cam",
            "issued-00001",
        ] {
            let call = r#"{"methodName":"ping","payload":null,"responseTimeoutInSeconds":30}"#;
            let answer = http.ask(&format!("POST /twins/{target}/methods"), call);
            assert_eq!(answer.status, 200, "{target}: {}", answer.verdict());
        }
        let (code, stdout, stderr) = process.finish();
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(events(&stdout).pop().expect("a summary")["onlineMost"], 7, "{stderr}");
    }
    let all = pruned(&env, &hub, &["--fleet", "mixed.yaml"]);
    assert!(all.code == 0 && registered(&hub).is_empty(), "{}", all.stderr);
}

#[test]
fn one_device_may_use_a_websocket_and_stop_by_itself() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d"]);
    let string =
        hub.ready.device("d").replace(&format!(":{}", hub.ready.mqtt_port), &format!(":{}", hub.ready.https_port));
    let mut command = env.iotjob();
    command.args(["device", "--transport", "websocket", "--stop-after", "1"]);
    command.env("IOTHUB_DEVICE_CONNECTION_STRING", string).env("SSL_CERT_FILE", &hub.ready.ca_file);
    let mut process = Process::start(&mut command);
    process.wait_for("d is ready");
    assert_eq!(call_all(&env, &hub, "d").code, 0);
    let (code, stdout, stderr) = process.finish();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("d method lockDoor") && stderr.contains("1 device for"), "{stdout}\n{stderr}");
}

#[test]
fn a_flag_that_cannot_be_says_what_to_write() {
    let env = TestEnv::new();
    let cases: [(&[&str], &str); 5] = [
        (&["--count", "0"], "1 or more"),
        (&["--count", "2", "--stop-after", "0"], "1 or more"),
        (&["--count", "2", "--seed", "x"], "write a whole number"),
        (&["--count", "2", "--metrics", "nowhere"], "127.0.0.1:9464"),
        (&["--count", "2", "--hub-host", "https://hub"], "without scheme and path"),
    ];
    for (flags, text) in cases {
        let refused = env.run([&["device"], flags].concat());
        assert_eq!(refused.code, 2, "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(text), "{flags:?}: {}", refused.stderr);
    }
}
