//! `--telemetry-tap`: what devices send, as lines of JSON in a file (DEVICE.md 1.8, 2.4).

use iotjob::hub::Hub;

use crate::support::env::TestEnv;
use crate::support::process::HubProcess;
use crate::support::raw_mqtt::{ConnectBytes, FRESH, RawDevice, hub_config, packet, puback, publish, publish_1, token};

const USER: &str = "localhost/d1/?api-version=2021-04-12";
const EVENTS: &str = "devices/d1/messages/events/";

// conformance: DEVICE.md 1.8: a will becomes telemetry with iothub-MessageType=Will when the link ends without DISCONNECT
// conformance: DEVICE.md 1.8: RETAIN retains nothing and becomes the property mqtt-retain=true
#[tokio::test]
async fn every_message_is_a_line_with_its_raw_bag_and_the_will_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tap.jsonl");
    let mut config = hub_config(&["d1"]);
    config.telemetry_tap = Some(path.clone());
    let hub = Hub::start(config).await.unwrap();

    let token = token(&hub, "d1");
    let will = format!("{EVENTS}%24.ct=text");
    let mut raw = RawDevice::dial(&hub).await;
    raw.send(&ConnectBytes::new("d1", USER, &token).will(&will, "gone").bytes()).await;
    raw.expect(FRESH).await;
    raw.send(&publish_1(1, &format!("{EVENTS}%24.ct=application%2Fjson&k%20=v&alert"), "{\"t\":1}")).await;
    raw.expect(&puback(1)).await;
    raw.send(&publish(EVENTS, "")).await;
    // PUBLISH at QoS 0 with RETAIN.
    let topic = format!("{EVENTS}a=b");
    let body = [&(topic.len() as u16).to_be_bytes()[..], topic.as_bytes(), b"kept"].concat();
    raw.send(&packet(0x31, &body)).await;
    raw.expect_silence().await;
    drop(raw);
    hub.stop().await;

    let line = |bag: &str, body: &str| format!(r#"{{"deviceId":"d1","moduleId":null,"bag":"{bag}","body":"{body}"}}"#);
    let expected = [
        line("%24.ct=application%2Fjson&k%20=v&alert", "eyJ0IjoxfQ=="),
        line("", ""),
        line("a=b&mqtt-retain=true", "a2VwdA=="),
        line("%24.ct=text&iothub-MessageType=Will", "Z29uZQ=="),
    ];
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_tap_that_cannot_be_written_is_wrong_usage_and_a_good_one_starts() {
    let env = TestEnv::new();
    let told = env.run(["hub", "--telemetry-tap", "no/such/folder/tap.jsonl"]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("--telemetry-tap") && told.stderr.contains("no/such/folder"), "{}", told.stderr);

    let hub = HubProcess::start(&env, &["--telemetry-tap", "tap.jsonl"]);
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(std::fs::read_to_string(env.path().join("tap.jsonl")).unwrap(), "");
}
