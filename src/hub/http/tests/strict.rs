//! What only a strict hub refuses.

use axum::http::Method;
use serde_json::{Value, json};

use super::TestHub;
use crate::hub::Fidelity;
use crate::query::Strictness;

fn twin_job(change: &Value) -> String {
    let mut job = json!({
        "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {"etag": "*", "tags": {"a": 1}},
    });
    job.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    job.to_string()
}

// conformance: REST.md 4.3: a strict hub takes job ids of lower-case letters, digits and dashes only
// conformance: REST.md 4.2: a strict hub wants the etag * of a twin job, and answers its lack with 400 in the double envelope
#[tokio::test]
async fn doubtful_jobs_pass_unless_the_hub_is_strict() {
    let doubtful = [
        ("/jobs/v2/JOBSAMPLE-1", json!({})),
        ("/jobs/v2/no-etag", json!({"updateTwin": {"tags": {"a": 1}}})),
        ("/jobs/v2/null-etag", json!({"updateTwin": {"etag": null, "tags": {"a": 1}}})),
        ("/jobs/v2/offset", json!({"startTime": "2026-02-03T06:05:06+02:00"})),
    ];
    let lenient = TestHub::start();
    let strict = TestHub::with(Fidelity { strictness: Strictness::Strict, ..Fidelity::INSTANT });
    for (path, change) in doubtful {
        let body = twin_job(&change);
        assert_eq!(lenient.ask(Method::PUT, path, body.clone()).await.verdict(), "200 -", "{path}");
        let refused = strict.ask(Method::PUT, path, body).await;
        assert_eq!(refused.verdict(), "400 ArgumentInvalid", "{path}");
        let message = refused.body["Message"].as_str().unwrap();
        assert_eq!(message.contains("Error: BadRequest {"), path.ends_with("etag"), "{message}");
    }
    let plain = [
        ("/jobs/v2/star", json!({"updateTwin": {"etag": "\"*\"", "tags": {"a": 1}}})),
        ("/jobs/v2/utc", json!({"startTime": "2026-02-03T06:05:06.1234567Z"})),
        ("/jobs/v2/no-zone", json!({"startTime": "2026-02-03T06:05:06"})),
    ];
    for (path, change) in plain {
        assert_eq!(strict.ask(Method::PUT, path, twin_job(&change)).await.verdict(), "200 -", "{path}");
    }
}

// conformance: GRAMMAR.md 7: a strict hub says of a bad query no more than the service does: BadRequest
#[tokio::test]
async fn what_is_wrong_with_a_query_is_said_unless_the_hub_is_strict() {
    let strict = TestHub::with(Fidelity { strictness: Strictness::Strict, ..Fidelity::INSTANT });
    let query = json!({"query": "SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'a')"}).to_string();
    let refused = strict.ask(Method::POST, "/devices/query", query.clone()).await;
    assert_eq!(refused.verdict(), "400 ArgumentInvalid");
    assert_eq!(refused.body["Message"], "ErrorCode:ArgumentInvalid;BadRequest");
    let refused = TestHub::start().ask(Method::POST, "/devices/query", query).await;
    assert_eq!(refused.verdict(), "400 ArgumentInvalid");
    let message = refused.body["Message"].as_str().unwrap();
    assert!(message.starts_with("ErrorCode:ArgumentInvalid;BadRequest: column 29 of the query: "), "{message}");
}

#[tokio::test]
async fn doubtful_queries_pass_unless_the_hub_is_strict() {
    let lenient = TestHub::start();
    let strict = TestHub::with(Fidelity { strictness: Strictness::Strict, ..Fidelity::INSTANT });
    let condition = "tags.a NOT IN [1]";
    let query = json!({"query": format!("SELECT * FROM devices WHERE {condition}")}).to_string();
    assert_eq!(lenient.ask(Method::POST, "/devices/query", query.clone()).await.verdict(), "200 -");
    assert_eq!(strict.ask(Method::POST, "/devices/query", query).await.verdict(), "400 ArgumentInvalid");
    for (hub, ends) in [(&lenient, "completed"), (&strict, "failed")] {
        let job = twin_job(&json!({"queryCondition": condition}));
        assert_eq!(hub.ask(Method::PUT, "/jobs/v2/j", job).await.verdict(), "200 -");
        hub.engine.wake().await;
        assert_eq!(hub.ask(Method::GET, "/jobs/v2/j", "").await.body["status"], ends);
    }
}
