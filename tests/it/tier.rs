//! A hub that is as narrow and late as the real one, through the binary: `--tier`, `--query-lag`, `--state-lag`; and how one watches it: `--metrics`.

use serde_json::{Value, json};

use crate::support::env::TestEnv;
use crate::support::process::{HubProcess, Process};
use crate::support::raw_http::{RawHttp, get_plain};

fn twin_job(start: Option<&str>) -> String {
    json!({
        "type": "scheduleUpdateTwin", "queryCondition": "*", "startTime": start,
        "updateTwin": {"etag": "*", "tags": {"a": 1}}, "maxExecutionTimeInSeconds": 60,
    })
    .to_string()
}

/// A time that is a day away: a job for then holds its slot for as long as a test runs.
fn tomorrow() -> String {
    (iotjob::model::Clock::system().now() + jiff::SignedDuration::from_hours(24)).to_string()
}

// conformance: REST.md 4.7: one job at a time on S1, and a scheduled one counts
#[test]
fn apply_waits_for_the_slot_of_an_s1_hub_and_says_so() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--tier", "S1", "--device", "d"]);
    let mut http = RawHttp::connect(&hub.ready, "iothubowner");
    http.ask("PUT /jobs/v2/first", &twin_job(Some(&tomorrow()))).ok();

    let second = http.ask("PUT /jobs/v2/second", &twin_job(None));
    assert_eq!(second.verdict(), "429 ThrottlingMaxActiveJobCountExceeded");
    let body = second.json();
    let message = body["Message"].as_str().unwrap();
    let (head, inner) = message.split_once("Error: TooManyRequests ").unwrap();
    assert_eq!(head, "ErrorCode:ThrottlingMaxActiveJobCountExceeded;");
    let inner: Value = serde_json::from_str(inner).unwrap();
    assert!(inner["Message"].as_str().unwrap().starts_with("ErrorCode:ThrottlingMaxActiveJobCountExceeded;"));

    env.write("second.yaml", "type: scheduleUpdateTwin\ndevices: [d]\npatch: { tags: { wave: 2 } }\n");
    let mut apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "second.yaml"]));
    apply.wait_for("every job slot of the hub is taken");
    http.ask("POST /jobs/v2/first/cancel", "").ok();
    let (code, stdout, stderr) = apply.finish();
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
}

#[test]
fn the_tier_is_told_at_the_start_and_a_wrong_one_refused() {
    let env = TestEnv::new();
    let mut hub = HubProcess::start(&env, &["--tier", "S2:2"]);
    let line = hub.process.wait_for("Tier S2:2");
    assert!(line.contains("5 jobs at a time") && line.contains("40 queries a minute"), "{line}");
    let wrong = env.run(["hub", "--tier", "S9"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("F1, S1, S2, S3"), "{}", wrong.stderr);
}

// conformance: DEVICE.md 6.1: a basic hub has no jobs and says 403010
#[test]
fn apply_on_a_basic_hub_ends_with_5_and_says_what_jobs_need() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--tier", "B1", "--device", "d"]);
    env.write("j.yaml", "type: scheduleUpdateTwin\ndevices: [d]\npatch: { tags: { wave: 2 } }\n");
    let apply = crate::support::env::finish(hub.client(&env, "iothubowner").args(["apply", "j.yaml"]));
    assert_eq!(apply.code, 5, "{}", apply.stderr);
    assert!(apply.stderr.contains("S1"), "{}", apply.stderr);
}

// conformance: REST.md 9: with --query-lag a query misses what GET of the twin shows
#[test]
fn a_lagging_index_misses_what_a_get_shows() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--query-lag", "1h", "--state-lag", "1h", "--device", "d"]);
    let _device = hub.device(&env, "d", &[]);
    let query = json!({"query": "SELECT * FROM devices"}).to_string();
    let mut http = RawHttp::connect(&hub.ready, "iothubowner");
    assert_eq!(http.ask("POST /devices/query", &query).ok(), json!([]));
    let twin = http.ask("GET /twins/d", "").ok();
    assert_eq!((&twin["deviceId"], &twin["connectionState"]), (&json!("d"), &json!("Disconnected")));
    let counted = http.ask("GET /statistics/service", "").ok();
    assert_eq!(counted["connectedDeviceCount"], 1);
}

#[test]
fn metrics_are_scraped_without_credentials_and_tell_what_happened() {
    let env = TestEnv::new();
    let mut hub = HubProcess::start(&env, &["--metrics", "127.0.0.1:0", "--tier", "S1", "--device", "d"]);
    let line = hub.process.wait_for("Metrics: http://");
    let address = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics")).expect("an address");
    let _device = hub.device(&env, "d", &[]);
    let mut http = RawHttp::connect(&hub.ready, "iothubowner");
    http.ask("PUT /jobs/v2/first", &twin_job(Some(&tomorrow()))).ok();
    assert_eq!(http.ask("PUT /jobs/v2/second", &twin_job(None)).status, 429);

    let text = get_plain(address, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("application/openmetrics-text"), "{text}");
    for line in [
        "iotjob_hub_device_connections 1",
        "iotjob_hub_requests_total{endpoints=\"jobs\",status=\"200\"} 1",
        "iotjob_hub_requests_total{endpoints=\"jobs\",status=\"429\"} 1",
        "iotjob_hub_request_refusals_total{code=\"ThrottlingMaxActiveJobCountExceeded\"} 1",
        "iotjob_hub_devices{status=\"enabled\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains("iotjob_hub_engine_commit_duration_seconds_bucket"), "{text}");
    assert!(get_plain(address, "/").starts_with("HTTP/1.1 404"));

    let taken = env.run(["hub", "--https-port", "0", "--mqtt-port", "0", "--metrics", address]);
    assert_eq!(taken.code, 2, "{}", taken.stderr);
    assert!(taken.stderr.contains("--metrics"), "{}", taken.stderr);
}
