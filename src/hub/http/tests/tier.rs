//! What a tier does to requests.

use axum::http::Method;
use serde_json::{Value, json};

use super::TestHub;
use crate::hub::Fidelity;

fn hub(tier: &str) -> TestHub {
    TestHub::with(Fidelity { tier: Some(tier.parse().unwrap()), ..Fidelity::INSTANT })
}

fn job() -> String {
    json!({
        "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {"etag": "*", "tags": {"a": 1}},
        "startTime": "2026-02-04T04:05:06Z",
    })
    .to_string()
}

// conformance: REST.md 4.7: the refusal of a job beyond the slots is 429 in the double envelope
#[tokio::test]
async fn a_second_job_is_refused_in_the_double_envelope() {
    let hub = hub("S1");
    assert_eq!(hub.ask(Method::PUT, "/jobs/v2/a", job()).await.verdict(), "200 -");
    let refused = hub.ask(Method::PUT, "/jobs/v2/b", job()).await;
    assert_eq!(refused.verdict(), "429 ThrottlingMaxActiveJobCountExceeded");
    let message = refused.body["Message"].as_str().unwrap();
    let (head, inner) = message.split_once('{').unwrap();
    assert_eq!(head, "ErrorCode:ThrottlingMaxActiveJobCountExceeded;Error: TooManyRequests ");
    let inner: Value = serde_json::from_str(&format!("{{{inner}")).unwrap();
    assert!(inner["Message"].as_str().unwrap().starts_with("ErrorCode:ThrottlingMaxActiveJobCountExceeded;"));
    // An id that exists is a conflict whether a slot is free or not.
    assert_eq!(hub.ask(Method::PUT, "/jobs/v2/a", job()).await.verdict(), "409 JobAlreadyExists");
}

// conformance: REST.md 3.3: a throttled request gets 429 ThrottlingBacklogTimeout without Retry-After
#[tokio::test(start_paused = true)]
async fn requests_past_the_backlog_are_refused_without_retry_after() {
    let hub = hub("S1");
    let query = || hub.ask(Method::POST, "/devices/query", r#"{"query":"SELECT * FROM devices"}"#);
    // The hub's clock stands still: 20 at once, three that wait, and then the backlog is too long.
    for n in 0..23 {
        assert_eq!(query().await.verdict(), "200 -", "{n}");
    }
    let refused = query().await;
    assert_eq!(refused.verdict(), "429 ThrottlingBacklogTimeout");
    assert_eq!(
        refused.body["Message"],
        "ErrorCode:ThrottlingBacklogTimeout;The request has been throttled. Wait 10 seconds and try again. \
         Operation type: Query"
    );
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (None, Some("close")));
    hub.pass(3);
    assert_eq!(query().await.verdict(), "200 -");
}

// conformance: DEVICE.md 6.1: basic tiers answer twins, methods and jobs with 403010, and keep registry and queries
#[tokio::test]
async fn a_basic_hub_refuses_what_it_lacks() {
    let hub = hub("B1");
    assert_eq!(hub.ask(Method::PUT, "/devices/d", r#"{"deviceId":"d"}"#).await.verdict(), "200 -");
    let lacking = "403 OperationNotAvailableInCurrentTier";
    for (verb, path, body) in [
        (Method::GET, "/twins/d", String::new()),
        (Method::PATCH, "/twins/d", json!({"tags": {}}).to_string()),
        (Method::POST, "/twins/d/methods", json!({"methodName": "m"}).to_string()),
        (Method::PUT, "/jobs/v2/a", job()),
        (Method::GET, "/jobs/v2/a", String::new()),
        (Method::GET, "/jobs/v2/query", String::new()),
    ] {
        assert_eq!(hub.ask(verb.clone(), path, body).await.verdict(), lacking, "{verb} {path}");
    }
    let found = hub.ask(Method::POST, "/devices/query", r#"{"query":"SELECT * FROM devices"}"#).await;
    assert_eq!(found.verdict(), "200 -");
}

#[tokio::test]
async fn who_is_not_let_in_uses_up_nobodys_budget() {
    let hub = hub("S1");
    for _ in 0..300 {
        let mut request = hub.request(Method::POST, "/devices/query", "{}");
        request.headers_mut().remove("Authorization");
        assert_eq!(hub.send(request).await.verdict(), "401 IotHubUnauthorizedAccess");
    }
    let found = hub.ask(Method::POST, "/devices/query", r#"{"query":"SELECT * FROM devices"}"#).await;
    assert_eq!(found.verdict(), "200 -");
}
