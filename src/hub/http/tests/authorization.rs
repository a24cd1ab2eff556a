//! Who may call what (REST.md 2.3), and what everybody else reads (REST.md 2.5).

use axum::http::Method;
use jiff::Timestamp;

use super::*;

const READ: &[&str] = &["iothubowner", "registryRead", "registryReadWrite"];
const WRITE: &[&str] = &["iothubowner", "registryReadWrite"];
const SERVICE: &[&str] = &["iothubowner", "service"];

/// Every endpoint, and the default policies that open it.
const MATRIX: &[(Method, &str, &[&str])] = &[
    (Method::GET, "/devices", READ),
    (Method::GET, "/devices/", READ),
    (Method::POST, "/devices", WRITE),
    (Method::GET, "/devices/d", READ),
    (Method::PUT, "/devices/d", WRITE),
    (Method::DELETE, "/devices/d", WRITE),
    (Method::GET, "/devices/d/modules", READ),
    (Method::GET, "/twins/d", SERVICE),
    (Method::PATCH, "/twins/d", SERVICE),
    (Method::PUT, "/twins/d", SERVICE),
    (Method::POST, "/twins/d", SERVICE),
    (Method::GET, "/twins/d/modules/m", SERVICE),
    (Method::PATCH, "/twins/d/modules/m/", SERVICE),
    (Method::POST, "/twins/d/methods", SERVICE),
    (Method::POST, "/twins/d/modules/m/methods", SERVICE),
    (Method::GET, "/jobs/v2/query", WRITE),
    (Method::GET, "/jobs/v2/j", WRITE),
    (Method::PUT, "/jobs/v2/j", WRITE),
    (Method::POST, "/jobs/v2/j/cancel", WRITE),
    (Method::POST, "/devices/keys/regenerate", WRITE),
    (Method::GET, "/jobs", WRITE),
    (Method::GET, "/jobs/j", WRITE),
    (Method::POST, "/devices/query", SERVICE),
    (Method::GET, "/statistics/devices", READ),
    (Method::GET, "/statistics/service", READ),
];

// conformance: REST.md 2.3: each endpoint opens to the default policies that have its right, and to no other
#[tokio::test]
async fn each_endpoint_opens_to_the_policies_of_the_table() {
    let hub = TestHub::start();
    for (method, path, allowed) in MATRIX {
        for policy in ["iothubowner", "service", "device", "registryRead", "registryReadWrite"] {
            let mut request = hub.request(method.clone(), path, "");
            request.headers_mut().insert("Authorization", hub.token(policy).parse().unwrap());
            let answer = hub.send(request).await;
            // Module identities of a device that is not there are 401 by the service's own quirk.
            let opened = answer.status != 401 || (path.ends_with("/modules") && allowed.contains(&policy));
            assert_eq!(opened, allowed.contains(&policy), "{method} {path} with {policy}: {}", answer.verdict());
        }
    }
}

// conformance: REST.md 2.5: whatever is wrong with the credentials, the caller reads one and the same 401 IotHubUnauthorizedAccess
// conformance: REST.md 3.1: the tracking id of the gateway is the x-ms-request-id without its dashes
#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_caller_reads_the_same() {
    let hub = TestHub::start();
    let good_until: Timestamp = "2026-02-03T05:05:06Z".parse().unwrap();
    let key = hub.key("iothubowner");
    let other = hub.key("service");
    for (what, token) in [
        ("no header", None),
        ("garbage", Some("nonsense".to_owned())),
        ("Entra ID", Some("Bearer abc.def.ghi".to_owned())),
        ("unknown policy", Some(sign("localhost", &key, Some("nobody"), good_until))),
        ("wrong key", Some(sign("localhost", &other, Some("iothubowner"), good_until))),
        ("other hub", Some(sign("elsewhere.azure-devices.net", &key, Some("iothubowner"), good_until))),
        ("device's own", Some(sign("localhost", &key, None, good_until))),
        ("expired", Some(sign("localhost", &key, Some("iothubowner"), "2026-02-03T03:00:00Z".parse().unwrap()))),
    ] {
        let mut request = hub.request(Method::GET, "/devices", "");
        request.headers_mut().remove("Authorization");
        if let Some(token) = token {
            request.headers_mut().insert("Authorization", token.parse().unwrap());
        }
        let answer = hub.send(request).await;
        assert_eq!(answer.verdict(), "401 IotHubUnauthorizedAccess", "{what}");
        assert_eq!(answer.body["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized", "{what}");
        let tracking = answer.header("x-ms-request-id").unwrap().replace('-', "");
        let want = format!("Tracking ID:{tracking}-G:0-TimeStamp:02/03/2026 04:05:06");
        assert_eq!(answer.body["ExceptionMessage"], want, "{what}");
    }
}

// conformance: REST.md 2.2: the primary and the secondary key of a policy are good, and hosts match without case and port
#[tokio::test]
async fn every_name_of_the_hub_and_either_key_will_do() {
    let hub = TestHub::start();
    let expiry: Timestamp = "2026-02-03T05:05:06Z".parse().unwrap();
    let secondary = hub.policies.get("registryRead").unwrap().keys.secondary_key.clone();
    for host in ["localhost", "LOCALHOST:8443", "127.0.0.1:1", "[::1]:8443", "my-hub.local"] {
        let mut request = hub.request(Method::GET, "/devices", "");
        let token = sign(host, &secondary, Some("registryRead"), expiry);
        request.headers_mut().insert("Authorization", token.parse().unwrap());
        assert_eq!(hub.send(request).await.status, 200, "{host}");
    }
}

// conformance: REST.md 2.2: a token reaches what lies below its resource, by whole segments
#[tokio::test]
async fn a_token_reaches_what_lies_below_its_resource() {
    let hub = TestHub::start();
    let expiry: Timestamp = "2026-02-03T05:05:06Z".parse().unwrap();
    let resource = Resource::parse("localhost/devices/d1");
    let token = SasToken::sign(&resource, &hub.key("iothubowner"), Some("iothubowner"), expiry).expose().to_owned();
    for (path, verdict) in [
        ("/devices/d1", "404 DeviceNotFound"),
        ("/devices/d11", "401 IotHubUnauthorizedAccess"),
        ("/twins/d1", "401 IotHubUnauthorizedAccess"),
    ] {
        let mut request = hub.request(Method::GET, path, "");
        request.headers_mut().insert("Authorization", token.parse().unwrap());
        assert_eq!(hub.send(request).await.verdict(), verdict, "{path}");
    }
}

// conformance: REST.md 2.2: a token is refused from five minutes after its expiry
#[tokio::test]
async fn a_token_ends_some_minutes_after_its_expiry() {
    let hub = TestHub::start();
    assert_eq!(hub.ask(Method::GET, "/devices", "").await.status, 200);
    hub.pass(3_600 + 301);
    assert_eq!(hub.ask(Method::GET, "/devices", "").await.status, 401);
}

#[tokio::test]
async fn health_needs_no_credentials() {
    let hub = TestHub::start();
    let request = Request::builder().uri("/healthz").body(Body::empty()).unwrap();
    assert_eq!(hub.send(request).await.status, 200);
}
