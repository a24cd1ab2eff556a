//! A real `iotjob hub` from both sides at once: raw HTTP here, raw MQTT there, and its log in between.

use serde_json::{Value, json};

use crate::support::env::TestEnv;
use crate::support::process::{HubProcess, Ready};
use crate::support::raw_http::{Answer, RawHttp, key_of, sign};
use crate::support::raw_mqtt::{
    ConnectBytes, DISCONNECT, FRESH, RESUMED, RawDevice, packet, publish, refused, suback, subscribe,
};

const METHODS: &str = "$iothub/methods/POST/#";
const USER: &str = "localhost/d1/?api-version=2021-04-12";

/// A device's own token, signed by hand with the key of `of`.
fn token(ready: &Ready, of: &str) -> String {
    sign("localhost%2Fdevices%2Fd1", &key_of(ready.device(of)), None, 3_600)
}

/// `d1` with a persistent session.
async fn connect(ready: &Ready, connack: &[u8]) -> RawDevice {
    let mut raw = RawDevice::dial_process(ready).await;
    raw.send(&ConnectBytes::new("d1", USER, &token(ready, "d1")).bytes()).await;
    raw.expect(connack).await;
    raw
}

/// Asks the service API while the devices go on.
async fn ask(ready: &Ready, line: &'static str, body: &'static str) -> Answer {
    let ready = ready.clone();
    let asked = tokio::task::spawn_blocking(move || RawHttp::connect(&ready, "iothubowner").ask(line, body));
    asked.await.expect("nobody panics")
}

async fn state_of(ready: &Ready) -> Value {
    ask(ready, "GET /devices/d1", "").await.ok()["connectionState"].clone()
}

/// Calls a method of `d1` over HTTP, answers it as the device, and checks that the caller gets the answer.
async fn call(ready: &Ready, device: &mut RawDevice) {
    let body = r#"{"methodName":"lock door","payload":{"a":[1,2.0]},"responseTimeoutInSeconds":30}"#;
    let answer_as_device = async {
        let (topic, payload) = device.expect_publish().await;
        let rid = topic.strip_prefix("$iothub/methods/POST/lock%20door/?$rid=").expect("a call").to_owned();
        assert_eq!(payload, r#"{"a":[1,2.0]}"#);
        device.send(&publish(&format!("$iothub/methods/res/-7/?$rid={rid}"), r#"["done"]"#)).await;
    };
    let (answer, ()) = tokio::join!(ask(ready, "POST /twins/d1/methods", body), answer_as_device);
    assert_eq!(answer.ok(), json!({"status": -7, "payload": ["done"]}), "whatever the device says");
}

// conformance: DEVICE.md 10: the log says why a device was refused, without its token
#[tokio::test]
async fn who_is_not_let_in_is_told_a_number_and_the_log_says_why() {
    let env = TestEnv::new();
    let mut hub = HubProcess::start(&env, &["--device", "d1", "--device", "d2"]);
    let (good, wrong) = (token(&hub.ready, "d1"), token(&hub.ready, "d2"));
    let mut newer = ConnectBytes::new("d1", USER, &good);
    newer.level = 5;
    for (connect, code, reason) in [(ConnectBytes::new("d1", USER, &wrong), 5, "signature"), (newer, 1, "level 5")] {
        let mut raw = RawDevice::dial_process(&hub.ready).await;
        raw.send(&connect.bytes()).await;
        raw.expect(&refused(code)).await;
        raw.expect_closed().await;
        let line = hub.process.wait_for(reason);
        assert!(!line.contains("sig=") && !line.contains("SharedAccessSignature"), "{line}");
    }
    assert_eq!(state_of(&hub.ready).await, "Disconnected");
}

// conformance: DEVICE.md 1.9: calls go to the connection that came last
#[tokio::test]
async fn the_second_connection_of_a_device_is_the_one_that_is_called() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let mut first = connect(&hub.ready, FRESH).await;
    first.send(&subscribe(1, &[(METHODS, 1)])).await;
    first.expect(&suback(1, &[1])).await;
    let mut second = connect(&hub.ready, RESUMED).await;
    first.expect_closed().await;
    assert_eq!(state_of(&hub.ready).await, "Connected", "the end of the first is not the device's");
    call(&hub.ready, &mut second).await;
}

// conformance: DEVICE.md 1.6: a session with its subscriptions outlives a killed hub
#[tokio::test]
async fn what_was_subscribed_outlives_the_connection_and_a_killed_hub() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--data", "data", "--device", "d1"]);
    let mut raw = connect(&hub.ready, FRESH).await;
    raw.send(&subscribe(1, &[(METHODS, 0)])).await;
    raw.expect(&suback(1, &[0])).await;
    raw.send(DISCONNECT).await;
    raw.expect_closed().await;
    let mut raw = connect(&hub.ready, RESUMED).await;
    call(&hub.ready, &mut raw).await;

    hub.process.kill();
    raw.expect_closed().await;
    let hub = HubProcess::start(&env, &["--data", "data", "--device", "d1"]);
    assert_eq!(state_of(&hub.ready).await, "Disconnected", "nobody has come back yet");
    let mut raw = connect(&hub.ready, RESUMED).await;
    call(&hub.ready, &mut raw).await;
}

// conformance: DEVICE.md 1.8: a PUBLISH of quality 2 closes
#[tokio::test]
async fn quality_2_ends_its_own_connection_and_no_call() {
    let env = TestEnv::new();
    let mut hub = HubProcess::start(&env, &["--device", "d1", "--device", "d2"]);
    let mut bystander = connect(&hub.ready, FRESH).await;
    bystander.send(&subscribe(1, &[(METHODS, 0)])).await;
    bystander.expect(&suback(1, &[0])).await;

    let key = key_of(hub.ready.device("d2"));
    let token = sign("localhost%2Fdevices%2Fd2", &key, None, 60);
    let mut raw = RawDevice::dial_process(&hub.ready).await;
    raw.send(&ConnectBytes::new("d2", "localhost/d2/?api-version=2021-04-12", &token).bytes()).await;
    raw.expect(FRESH).await;
    let topic = b"devices/d2/messages/events/";
    let body = [&[0, 27], &topic[..], &[0, 1], b"x"].concat();
    raw.send_in_vain(&packet(0x34, &body)).await;
    raw.expect_closed().await;
    hub.process.wait_for("QoS 2");
    bystander.expect_silence().await;
    call(&hub.ready, &mut bystander).await;
}
