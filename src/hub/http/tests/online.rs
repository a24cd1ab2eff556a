//! Calls that need a connected device: the test plays the device at the engine's side of the connection.

use axum::http::Method;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::hub::engine::SessionKind;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::model::{MethodResponse, TwinId};
use crate::mqtt::Subscription;

const CONNECTION: ConnectionId = ConnectionId(1);

/// Registers `d1` and connects it with its method subscription.
async fn connected(hub: &TestHub) -> mpsc::Receiver<Box<Notice>> {
    assert_eq!(hub.ask(Method::PUT, "/devices/d1", "{}").await.status, 200);
    let (mailbox, notices) = mpsc::channel(8);
    let id = TwinId::device("d1".parse().unwrap());
    hub.engine.connect(id, CONNECTION, SessionKind::Clean, mailbox).await.unwrap();
    hub.engine.subscribe(CONNECTION, vec![(Subscription::Methods, 0)]).await.unwrap();
    notices
}

async fn next_call(notices: &mut mpsc::Receiver<Box<Notice>>) -> (CallId, String, Value) {
    match notices.recv().await.map(|notice| *notice) {
        Some(Notice::Method { call, name, payload }) => (call, name, payload),
        other => panic!("a method was expected, not {other:?}"),
    }
}

// conformance: REST.md 7: the answer of the device is 200 with its own status and payload, whatever they are
#[tokio::test]
async fn a_method_gets_the_devices_answer_whatever_its_status() {
    let hub = TestHub::start();
    let mut notices = connected(&hub).await;
    let device = async {
        let (call, name, payload) = next_call(&mut notices).await;
        assert_eq!((name.as_str(), payload), ("lockDoor", json!({"lockTime": "10m"})));
        hub.engine
            .method_answered(CONNECTION, call, MethodResponse { status: 404, payload: json!(["no", "door"]) })
            .await;
    };
    let call = hub.ask(
        Method::POST,
        "/twins/d1/methods",
        r#"{"methodName":"lockDoor","payload":{"lockTime":"10m"},"responseTimeoutInSeconds":15,"connectTimeoutInSeconds":5}"#,
    );
    let (answer, ()) = tokio::join!(call, device);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.to_string(), r#"{"status":404,"payload":["no","door"]}"#);
}

// conformance: REST.md 7: a device that does not answer in time is 504 GatewayTimeout, 504101
#[tokio::test]
async fn a_device_that_does_not_answer_is_a_gateway_time_out() {
    let hub = TestHub::start();
    let mut notices = connected(&hub).await;
    let silence = async {
        next_call(&mut notices).await;
        hub.pass(6);
        hub.engine.wake().await;
    };
    let call = hub.ask(Method::POST, "/twins/d1/methods", r#"{"methodName":"lockDoor","responseTimeoutInSeconds":5}"#);
    let (answer, ()) = tokio::join!(call, silence);
    assert_eq!(answer.verdict(), "504 GatewayTimeout");
    let inner: Value = serde_json::from_str(answer.body["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inner["errorCode"], 504_101);
    assert_eq!(inner["message"], "Timed out waiting for the response from device.");
}

// conformance: DEVICE.md 6: registry, twin, query and statistics show a connection at once
// conformance: REST.md 8.5: connected devices are counted
#[tokio::test]
async fn registry_twin_and_statistics_show_the_connection() {
    let hub = TestHub::start();
    let _notices = connected(&hub).await;
    let device = hub.ask(Method::GET, "/devices/d1", "").await.body;
    assert_eq!(device["connectionState"], "Connected");
    assert_eq!(device["connectionStateUpdatedTime"], "2026-02-03T04:05:06Z");
    assert_eq!(hub.ask(Method::GET, "/twins/d1", "").await.body["connectionState"], "Connected");
    let counts = hub.ask(Method::GET, "/statistics/service", "").await.body;
    assert_eq!(counts, json!({"connectedDeviceCount": 1}));
    let query = r#"{"query":"SELECT deviceId FROM devices WHERE connectionState = 'Connected'"}"#;
    assert_eq!(hub.ask(Method::POST, "/devices/query", query).await.body, json!([{"deviceId": "d1"}]));
}

// conformance: REST.md 5: a device that answers with an error status has a completed row with that status
// conformance: REST.md 4.4: queryCondition is echoed to the letter
#[tokio::test]
async fn a_method_job_counts_an_answer_of_any_status_as_done() {
    let hub = TestHub::start();
    let mut notices = connected(&hub).await;
    let body = r#"{"type":"scheduleDeviceMethod","queryCondition":"DeviceId in ['d1']","maxExecutionTimeInSeconds":60,
        "cloudToDeviceMethod":{"methodName":"lockDoor","payload":"{\"lockTime\":\"10m\"}"}}"#;
    let created = hub.ask(Method::PUT, "/jobs/v2/lock-1", body).await;
    assert_eq!(created.body["status"], "queued");
    hub.pass(5);
    hub.engine.wake().await;
    let (call, _, payload) = next_call(&mut notices).await;
    assert_eq!(payload, json!("{\"lockTime\":\"10m\"}"), "a text stays a text");
    hub.engine.method_answered(CONNECTION, call, MethodResponse { status: 500, payload: Value::Null }).await;
    hub.engine.wake().await;
    let job = hub.ask(Method::GET, "/jobs/v2/lock-1", "").await.body;
    assert_eq!(
        (&job["status"], &job["deviceJobStatistics"]["succeededCount"], &job["queryCondition"]),
        (&json!("completed"), &json!(1), &json!("DeviceId in ['d1']"))
    );
    let rows =
        hub.ask(Method::POST, "/devices/query", r#"{"query":"SELECT * FROM devices.jobs WHERE jobId = 'lock-1'"}"#);
    assert_eq!(rows.await.body[0]["outcome"], json!({"deviceMethodResponse": {"status": 500, "payload": null}}));
}
