//! Entra ID tokens at the endpoints (REST.md 2.3 to 2.5), signed here with a key of the test's own.

use axum::http::Method;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::*;
use crate::auth::KeySet;

const ISSUER: &str = "https://login.test/tenant/v2.0";
/// 2026-02-03T04:05:06Z, when the test's hubs begin.
const NOW: i64 = 1_770_091_506;

/// An issuer with one P-256 key.
struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { key: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap(), random }
    }

    fn trust(&self, roles: &[&str]) -> EntraTrust {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": encode(x), "y": encode(y)});
        EntraTrust {
            issuer: ISSUER.to_owned(),
            keys: KeySet::parse(&json!({"keys": [jwk]}).to_string()).unwrap(),
            assignments: roles.iter().map(|role| role.parse().unwrap()).collect(),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&json!({"alg": "ES256", "kid": "k1", "typ": "JWT"})), encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    fn token(&self, principal: &str) -> String {
        self.sign(&good(principal))
    }
}

fn good(principal: &str) -> Value {
    json!({
        "iss": ISSUER, "aud": "https://iothubs.azure.net", "oid": principal, "nbf": NOW, "exp": NOW + 3_600,
    })
}

async fn ask(hub: &TestHub, method: &Method, path: &str, token: &str) -> Answer {
    let mut request = hub.request(method.clone(), path, "");
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    hub.send(request).await
}

// conformance: REST.md 2.4: an Entra ID token for https://iothubs.azure.net opens the service API
#[tokio::test]
async fn a_token_of_the_trusted_issuer_opens_everything_without_assignments() {
    let issuer = Issuer::new();
    let hub = TestHub::trusting(Some(issuer.trust(&[])));
    for (method, path) in [
        (Method::GET, "/devices"),
        (Method::PUT, "/devices/d1"),
        (Method::GET, "/twins/d1"),
        (Method::GET, "/jobs/v2/query"),
    ] {
        assert_eq!(ask(&hub, &method, path, &issuer.token("p")).await.status, 200, "{method} {path}");
    }
    hub.pass(3_600 + 301);
    assert_eq!(ask(&hub, &Method::GET, "/devices", &issuer.token("p")).await.verdict(), "401 IotHubUnauthorizedAccess");
}

#[tokio::test]
async fn whatever_is_wrong_with_an_entra_token_the_caller_reads_the_same() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let hub = TestHub::trusting(Some(issuer.trust(&[])));
    let with = |member: &str, value: Value| {
        let mut claims = good("p");
        claims[member] = value;
        issuer.sign(&claims)
    };
    for (what, token) in [
        ("another's key", stranger.token("p")),
        ("another issuer", with("iss", json!("https://evil.test"))),
        ("another audience", with("aud", json!("https://management.azure.com"))),
        ("no audience", with("aud", json!([]))),
        ("expired", with("exp", json!(NOW - 301))),
        ("not yet good", with("nbf", json!(NOW + 301))),
        ("no expiry", with("exp", json!(null))),
        ("garbage", "abc.def.ghi".to_owned()),
        ("nothing", String::new()),
    ] {
        let answer = ask(&hub, &Method::GET, "/devices", &token).await;
        assert_eq!(answer.verdict(), "401 IotHubUnauthorizedAccess", "{what}");
        assert_eq!(answer.body["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized", "{what}");
    }
    assert_eq!(
        ask(&hub, &Method::GET, "/devices", &with("aud", json!(["x", "https://iothubs.azure.net/"]))).await.status,
        200
    );
    let deaf = TestHub::start();
    assert_eq!(
        ask(&deaf, &Method::GET, "/devices", &issuer.token("p")).await.verdict(),
        "401 IotHubUnauthorizedAccess"
    );
}

// conformance: REST.md 2.3: with Entra ID each verb wants its own data action, and a principal without a role gets 401
#[tokio::test]
async fn roles_open_their_part_of_the_endpoints() {
    let issuer = Issuer::new();
    let roles = ["reader=Reader", "registry=RegistryContributor", "twins=TwinContributor", "all=Contributor"];
    let hub = TestHub::trusting(Some(issuer.trust(&roles)));
    for (method, path, allowed) in [
        (Method::GET, "/devices/d", "reader registry all"),
        (Method::PUT, "/devices/d", "registry all"),
        (Method::DELETE, "/devices/d", "registry all"),
        (Method::POST, "/devices", "registry all"),
        (Method::POST, "/devices/keys/regenerate", "registry all"),
        (Method::GET, "/devices/d/modules", "reader registry all"),
        (Method::POST, "/devices/query", "reader twins all"),
        (Method::GET, "/twins/d", "reader twins all"),
        (Method::PATCH, "/twins/d", "twins all"),
        (Method::POST, "/twins/d/methods", "all"),
        (Method::GET, "/jobs/v2/j", "reader all"),
        (Method::PUT, "/jobs/v2/j", "all"),
        (Method::POST, "/jobs/v2/j/cancel", "all"),
        (Method::GET, "/statistics/devices", "reader all"),
    ] {
        for principal in ["reader", "registry", "twins", "all", "nobody"] {
            let answer = ask(&hub, &method, path, &issuer.token(principal)).await;
            let want = allowed.split(' ').any(|it| it == principal);
            assert_eq!(answer.status != 401, want, "{method} {path} as {principal}: {}", answer.verdict());
        }
    }
}

// conformance: REST.md 2.5: with Entra ID, modules of a missing device answer 404 and those of a disabled one are served
#[tokio::test]
async fn the_quirk_of_module_identities_is_one_of_signatures_only() {
    let issuer = Issuer::new();
    let hub = TestHub::trusting(Some(issuer.trust(&[])));
    let modules = "/devices/d1/modules";
    assert_eq!(ask(&hub, &Method::GET, modules, &issuer.token("p")).await.verdict(), "404 DeviceNotFound");
    assert_eq!(hub.ask(Method::GET, modules, "").await.status, 401);
    hub.ask(Method::PUT, "/devices/d1", r#"{"status":"disabled"}"#).await;
    assert_eq!(ask(&hub, &Method::GET, modules, &issuer.token("p")).await.status, 200);
    assert_eq!(hub.ask(Method::GET, modules, "").await.status, 401);
}
