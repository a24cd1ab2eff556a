//! Whatever JSON a caller sends, the hub answers, and never with a fault of its own.

use axum::http::Method;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ENDPOINTS: &[(Method, &str)] = &[
    (Method::PUT, "/devices/d1"),
    (Method::POST, "/devices"),
    (Method::PUT, "/devices/d1/modules/m1"),
    (Method::PATCH, "/twins/d1"),
    (Method::PUT, "/twins/d1"),
    (Method::POST, "/twins/d1/methods"),
    (Method::PUT, "/jobs/v2/j1"),
    (Method::POST, "/jobs/v2/j1/cancel"),
    (Method::POST, "/devices/query"),
];

/// Member names and words that the endpoints know, so that random bodies get past the first check.
const WORDS: &str = "id|deviceId|moduleId|importMode|create|authentication|symmetricKey|primaryKey|type|sas|tags|\
    properties|desired|reported|\\$version|etag|\\*|methodName|payload|responseTimeoutInSeconds|queryCondition|\
    scheduleUpdateTwin|scheduleDeviceMethod|updateTwin|cloudToDeviceMethod|startTime|maxExecutionTimeInSeconds|\
    status|enabled|query|SELECT \\* FROM devices|d1|";

fn bodies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        WORDS.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((WORDS, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    // conformance: REST.md 3.2: any body at all gets an answer that is no 5xx
    #[test]
    fn every_body_gets_an_answer(bodies in prop::collection::vec(bodies(), 8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hub = TestHub::start();
            for body in bodies {
                for (method, path) in ENDPOINTS {
                    let answer = hub.ask(method.clone(), path, body.to_string()).await;
                    assert!(answer.status.as_u16() < 500, "{method} {path} {body}: {}", answer.body);
                }
            }
        });
    }
}
