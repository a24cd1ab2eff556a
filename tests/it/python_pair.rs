//! Microsoft's own Python packages, device and service, against the local hub over TLS.

use serde_json::{Value, json};

use crate::support::env::{TestEnv, checkout, finish};
use crate::support::process::{HubProcess, Process};
use crate::support::python::{port_8883, python, script};

/// The three rights, as a policy of its own.
const POLICY: &str = "serviceAndRegistryReadWrite";

fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

// conformance: CLIENTS.md 1: the unmodified Python device and service of the quickstart run against the hub
// conformance: DEVICE.md 3: the Python device SDK gets its SUBACK, its methods and its patches in time
#[test]
fn the_official_device_and_service_cannot_tell_the_local_hub() {
    let python = python();
    let _turn = port_8883();
    let env = TestEnv::new();
    let policy = format!("{POLICY}=RegistryRead,RegistryWrite,ServiceConnect");
    let hub = HubProcess::start_on(&env, "8883", &["--device", "front-door", "--policy", &policy]);

    let mut device = Process::start(
        env.command(&python)
            .arg(script("device.py"))
            .env("IOTHUB_DEVICE_CONNECTION_STRING", hub.ready.device("front-door"))
            .env("SSL_CERT_FILE", &hub.ready.ca_file),
    );
    device.wait_for("\"ready\"");

    let service = finish(
        env.command(&python)
            .arg(script("service.py"))
            .arg("front-door")
            .env("IOTHUB_CONNECTION_STRING", hub.ready.policy(POLICY))
            .env("REQUESTS_CA_BUNDLE", &hub.ready.ca_file),
    );
    assert_eq!(service.code, 0, "{}\n{}", service.stdout, service.stderr);
    let told: Vec<Value> = service.stdout.lines().map(event).collect();
    let ended = |job_type: &str| json!({"event": "ended", "type": job_type, "status": "completed", "devices": 1, "succeeded": 1, "failed": 0});
    assert_eq!(
        told,
        [
            json!({"event": "created", "type": "scheduleDeviceMethod", "status": "queued"}),
            json!({"event": "created", "type": "scheduleUpdateTwin", "status": "queued"}),
            ended("scheduleDeviceMethod"),
            json!({
                "event": "row", "deviceId": "front-door", "jobType": "scheduleDeviceMethod", "status": "completed",
                "outcome": {"deviceMethodResponse": {"status": 200, "payload": {"locked": true}}},
            }),
            ended("scheduleUpdateTwin"),
            json!({
                "event": "row", "deviceId": "front-door", "jobType": "scheduleUpdateTwin", "status": "completed",
                "outcome": {},
            }),
            json!({"event": "twin", "building": 43, "floor": 3}),
        ]
    );

    let called = event(&device.wait_for("\"method\""));
    assert_eq!(called, json!({"event": "method", "name": "lockDoor", "payload": {"lockTime": "10m"}}));
    device.wait_for("\"reported\"");
    let patched = device.stdout().iter().map(|line| event(line)).find(|told| told["event"] == "desired");
    assert_eq!(patched.expect("the patch came")["patch"]["building"], 43);

    // The command line has no more rights than the script had.
    let apply = finish(hub.client(&env, POLICY).arg("apply").arg(checkout().join("jobs/building-43.yaml")));
    assert_eq!(apply.code, 0, "{}\n{}", apply.stdout, apply.stderr);

    drop(device.stdin());
    let (code, stdout, stderr) = device.finish();
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
}
