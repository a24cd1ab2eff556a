//! Headers and errors that every endpoint shares (REST.md 1 and 3).

use axum::http::Method;

use super::*;

// conformance: REST.md 1.3: every answer has Server, Vary, Content-Type with charset and x-ms-request-id
#[tokio::test]
async fn every_answer_has_the_services_headers() {
    let hub = TestHub::start();
    for path in ["/devices", "/devices/none", "/nowhere"] {
        let answer = hub.ask(Method::GET, path, "").await;
        assert_eq!(answer.header("server"), Some("Microsoft-HTTPAPI/2.0"), "{path}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"), "{path}");
        assert_eq!(answer.header("x-ms-request-id").map(str::len), Some(36), "{path}");
    }
}

// conformance: REST.md 3.2: a path that is not served is 404 GenericNotFound
// conformance: REST.md 3.1: a verb that a resource does not take is 405 in the words of the router
#[tokio::test]
async fn what_is_not_served_is_refused_in_the_services_shape() {
    let hub = TestHub::start();
    for (method, path) in [
        (Method::GET, "/configurations"),
        (Method::PUT, "/configurations/c1"),
        (Method::POST, "/jobs/create"),
        (Method::DELETE, "/devices/d1/commands"),
        (Method::POST, "/digitaltwins/d1/commands/c"),
    ] {
        let answer = hub.ask(method, path, "{}").await;
        assert_eq!(answer.verdict(), "404 GenericNotFound", "{path}");
        assert!(answer.body["Message"].as_str().unwrap().starts_with("ErrorCode:GenericNotFound;"), "{path}");
    }
    for (method, path) in [
        (Method::PUT, "/devices"),
        (Method::PATCH, "/devices/d1"),
        (Method::DELETE, "/jobs/v2/j1"),
        (Method::POST, "/twins/d1"),
        (Method::POST, "/jobs/v2//cancel"),
    ] {
        let answer = hub.ask(method.clone(), path, "{}").await;
        assert_eq!(answer.verdict(), "405 -", "{method} {path}");
        let text = format!("The requested resource does not support http method '{method}'.");
        assert_eq!(answer.body, serde_json::json!({"Message": text}), "{path}");
    }
}

// conformance: REST.md 1.1: an api-version of the wrong form is 400 InvalidProtocolVersion
#[tokio::test]
async fn an_api_version_is_needed_on_every_call() {
    let hub = TestHub::start();
    let mut request = hub.request(Method::GET, "/devices", "");
    *request.uri_mut() = "/devices?api-version=soon".parse().unwrap();
    assert_eq!(hub.send(request).await.verdict(), "400 InvalidProtocolVersion");
}

// conformance: REST.md 1.1: ids in paths are percent-decoded; what is no id then is 400; `$edgeAgent` may come raw or encoded
#[tokio::test]
async fn ids_are_decoded_and_checked() {
    let hub = TestHub::start();
    for (path, verdict) in [
        ("/devices/a%23b", "404 DeviceNotFound"),
        ("/devices/a%20b", "400 ArgumentInvalid"),
        ("/devices/a%2Fb", "400 ArgumentInvalid"),
        ("/devices/%FF", "400 ArgumentInvalid"),
        ("/jobs/v2/%FF", "400 ArgumentInvalid"),
        ("/devices?top=1&top=2", "400 ArgumentInvalid"),
        ("/twins/d/modules/%24edgeAgent", "404 DeviceNotFound"),
        ("/twins/d/modules/$edgeAgent", "404 DeviceNotFound"),
    ] {
        assert_eq!(hub.ask(Method::GET, path, "").await.verdict(), verdict, "{path}");
    }
}
