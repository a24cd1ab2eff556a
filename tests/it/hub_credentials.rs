//! Every endpoint and every kind of credential, over real sockets (REST.md 2.3 and 2.5, DEVICE.md 1.3 and 1.10).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use iotjob::auth::{generate_key_pair, parse_service};
use iotjob::hub::Hub;
use iotjob::hub::registry::{Authentication, Identity, IdentityDraft, IfMatch};
use iotjob::model::{IdentityStatus, SymmetricKey, TwinId};
use iotjob::tls::{ClientConfig, client_config, sha256};

use crate::support::certificates::{Authority, Pair, hex, params, thumbprints};
use crate::support::env::checkout;
use crate::support::raw_caller::RawCaller;
use crate::support::raw_mqtt::{ConnectBytes, DISCONNECT, RawDevice, hub_config, sign, trust};

/// What an endpoint wants of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    RegistryRead,
    RegistryWrite,
    Service,
    Jobs,
    Nothing,
}

use Wants::{Jobs, RegistryRead, RegistryWrite, Service};

/// What a caller reaches.
const NOTHING: &[Wants] = &[];
const ALL: &[Wants] = &[RegistryRead, RegistryWrite, Service, Jobs];

/// Verb, path, body, what it wants, and the status for a caller who has it. None of them changes anything.
const ENDPOINTS: &[(&str, &str, &str, Wants, u16)] = &[
    ("GET", "/devices", "", RegistryRead, 200),
    ("GET", "/devices/d1", "", RegistryRead, 200),
    ("GET", "/devices/d1/modules", "", RegistryRead, 200),
    ("GET", "/devices/d1/modules/m1", "", RegistryRead, 200),
    ("GET", "/statistics/devices", "", RegistryRead, 200),
    ("GET", "/statistics/service", "", RegistryRead, 200),
    ("POST", "/devices", "[]", RegistryWrite, 200),
    ("PUT", "/devices/d1", "{}", RegistryWrite, 409),
    ("DELETE", "/devices/d1", "", RegistryWrite, 412),
    ("POST", "/devices/keys/regenerate", "{}", RegistryWrite, 400),
    ("PUT", "/devices/d1/modules/m1", "{}", RegistryWrite, 409),
    ("DELETE", "/devices/d1/modules/m1", "", RegistryWrite, 412),
    ("POST", "/devices/query", r#"{"query":"SELECT * FROM devices"}"#, Service, 200),
    ("GET", "/twins/d1", "", Service, 200),
    ("PATCH", "/twins/d1", "{}", Service, 200),
    ("PUT", "/twins/d1", "{}", Service, 200),
    ("POST", "/twins/d1", "{}", Service, 405),
    ("GET", "/twins/d1/modules/m1", "", Service, 200),
    ("PATCH", "/twins/d1/modules/m1", "{}", Service, 200),
    ("PUT", "/twins/d1/modules/m1", "{}", Service, 200),
    ("POST", "/twins/d1/methods", r#"{"methodName":"m"}"#, Service, 404),
    ("POST", "/twins/d1/modules/m1/methods", r#"{"methodName":"m"}"#, Service, 404),
    ("PUT", "/jobs/v2/j1", "{}", Jobs, 400),
    ("GET", "/jobs/v2/j1", "", Jobs, 200),
    ("POST", "/jobs/v2/j1/cancel", "", Jobs, 404),
    ("GET", "/jobs/v2/query", "", Jobs, 200),
    ("GET", "/jobs", "", Jobs, 200),
    ("GET", "/jobs/j1", "", Jobs, 404),
    ("DELETE", "/jobs/j1", "", Jobs, 404),
    ("GET", "/healthz", "", Wants::Nothing, 200),
];

const AN_HOUR: i64 = 3_600;
const LONG_AGO: i64 = -3_600;

/// A hub with `d1`, `d2`, the disabled `off`, and the module `d1/m1`.
async fn hub() -> Hub {
    hub_with(Vec::new()).await
}

/// The same, which trusts the device CAs of some files.
async fn hub_with(trust_cas: Vec<PathBuf>) -> Hub {
    let mut config = hub_config(&["d1", "d2", "off"]);
    config.trust_cas = trust_cas;
    config.policies = vec!["writer=RegistryWrite".parse().expect("a policy")];
    let hub = Hub::start(config).await.expect("the hub starts");
    let off = identity(&hub, "off");
    let disabled =
        IdentityDraft { status: IdentityStatus::Disabled, ..IdentityDraft::enabled(off.id, off.authentication) };
    hub.engine().replace_identity(disabled, IfMatch::Any).await.expect("it is registered");
    let module = twin_id("d1/m1");
    hub.engine()
        .create_identity(IdentityDraft::enabled(module, Authentication::Sas(generate_key_pair().expect("keys"))))
        .await
        .expect("it is new");
    hub
}

fn twin_id(text: &str) -> TwinId {
    let device = |id: &str| id.parse().expect("a device id");
    match text.split_once('/') {
        Some((of, module)) => TwinId::module(device(of), module.parse().expect("a module id")),
        None => TwinId::device(device(text)),
    }
}

fn identity(hub: &Hub, id: &str) -> Identity {
    let snapshot = hub.engine().snapshot().expect("the store is there");
    snapshot.identity(&twin_id(id)).expect("it can be read").expect("it is registered")
}

/// The primary and the secondary key of an identity.
fn keys(hub: &Hub, id: &str) -> [SymmetricKey; 2] {
    match identity(hub, id).authentication {
        Authentication::Sas(pair) => [pair.primary_key, pair.secondary_key],
        other => panic!("`{id}` has no keys but {other:?}"),
    }
}

fn policy_key(hub: &Hub, policy: &str) -> SymmetricKey {
    parse_service(&hub.ready().connection_strings[policy]).expect("the hub prints what it reads").value.key
}

/// A token of a policy for the whole hub.
fn policy_token(hub: &Hub, policy: &str, seconds: i64) -> String {
    sign("localhost", &policy_key(hub, policy), Some(policy), seconds)
}

/// Name, Authorization header, and what it reaches.
type Caller = (&'static str, Option<String>, &'static [Wants]);

fn callers(hub: &Hub) -> Vec<Caller> {
    let owner = policy_key(hub, "iothubowner");
    let [d1, d1_second] = keys(hub, "d1");
    let token = |resource: &str, key: &SymmetricKey, policy| Some(sign(resource, key, policy, AN_HOUR));
    let policy = |name: &'static str| Some(policy_token(hub, name, AN_HOUR));
    let good = policy_token(hub, "iothubowner", AN_HOUR);
    vec![
        ("none", None, NOTHING),
        ("empty", Some(String::new()), NOTHING),
        ("garbage", Some("garbage".to_owned()), NOTHING),
        ("half a token", Some(good[..good.len() / 2].to_owned()), NOTHING),
        ("user and password", Some("Basic aW90aHVib3duZXI6c2VjcmV0".to_owned()), NOTHING),
        ("bearer garbage", Some("Bearer a.b.c".to_owned()), NOTHING),
        ("iothubowner", policy("iothubowner"), ALL),
        ("registryRead", policy("registryRead"), &[RegistryRead]),
        ("registryReadWrite", policy("registryReadWrite"), &[RegistryRead, RegistryWrite, Jobs]),
        ("service", policy("service"), &[Service]),
        ("device", policy("device"), NOTHING),
        (
            "a policy with RegistryWrite, which implies RegistryRead",
            policy("writer"),
            &[RegistryRead, RegistryWrite, Jobs],
        ),
        ("expired", Some(policy_token(hub, "iothubowner", LONG_AGO)), NOTHING),
        ("another policy's key", token("localhost", &policy_key(hub, "service"), Some("iothubowner")), NOTHING),
        (
            "a strange key",
            token("localhost", &SymmetricKey::from_bytes(vec![7; 32]).expect("long enough"), Some("iothubowner")),
            NOTHING,
        ),
        ("an unknown policy", token("localhost", &owner, Some("nobody")), NOTHING),
        ("another hub's", token("elsewhere", &owner, Some("iothubowner")), NOTHING),
        ("for another device only", token("localhost/devices/d2", &owner, Some("iothubowner")), NOTHING),
        ("a device's key for its own path", token("localhost/devices/d1", &d1, None), NOTHING),
        ("a device's second key for its own path", token("localhost/devices/d1", &d1_second, None), NOTHING),
        ("a device's key for the hub", token("localhost", &d1, None), NOTHING),
        ("a device's key as a policy's", token("localhost", &d1, Some("iothubowner")), NOTHING),
        ("a disabled device's key", token("localhost/devices/off", &keys(hub, "off")[0], None), NOTHING),
    ]
}

// conformance: REST.md 2.3: every endpoint and every kind of credential, over the wire
// conformance: REST.md 2.5: a refused caller reads nothing but the 401, and its connection goes on
#[tokio::test]
async fn every_endpoint_knows_its_callers() {
    let hub = hub().await;
    let mut http = RawCaller::dial(&hub).await;
    let mut wrong = Vec::new();
    for (caller, authorization, reaches) in callers(&hub) {
        for &(verb, path, body, wants, opened) in ENDPOINTS {
            let want = if wants == Wants::Nothing || reaches.contains(&wants) { opened } else { 401 };
            let answer = http.ask(verb, path, authorization.as_deref(), body).await;
            let code = if want == 401 { "IotHubUnauthorizedAccess" } else { answer.error_code() };
            if (answer.status, answer.error_code()) != (want, code) {
                wrong.push(format!("{verb} {path} with {caller}: {} instead of {want}", answer.status));
            }
            let members: Vec<_> = answer.body.as_object().into_iter().flat_map(|body| body.keys()).collect();
            if answer.status == 401 && members != ["Message", "ExceptionMessage"] {
                wrong.push(format!("{verb} {path} with {caller}: the 401 has {members:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hub.stop().await;
}

#[test]
fn no_endpoint_of_the_router_is_left_out() {
    let router = std::fs::read_to_string(checkout().join("src/hub/http/router.rs")).unwrap();
    let paths = router.split("at(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let paths: Vec<_> = paths
        .map(|path| path.replace("{device}", "d1").replace("{module}", "m1").replace("{id}", "j1"))
        .filter(|path| !ENDPOINTS.iter().any(|endpoint| endpoint.1 == path))
        .collect();
    assert!(paths.is_empty(), "without a line in the table: {paths:?}");
}

/// Name and password of a CONNECT, and the identities of the table that it opens.
type Password = (&'static str, Option<String>, &'static [&'static str]);

/// Name of a certificate that the handshake carried, with a password of the CONNECT, and the identities that it opens.
type Certified = (&'static str, Pair, Option<String>, &'static [&'static str]);

/// Identities that try every credential. `thumb` and `issued` prove themselves with certificates, `cold` too and is
/// disabled, as `off` is; `ghost` is nobody.
const IDENTITIES: &[&str] = &["d1", "d1/m1", "off", "thumb", "issued", "cold", "ghost"];

fn passwords(hub: &Hub) -> Vec<Password> {
    let resource = |id: &str| format!("localhost/devices/{}", id.replace('/', "/modules/"));
    let own = |id: &str, key: usize| Some(sign(&resource(id), &keys(hub, id)[key], None, AN_HOUR));
    let with = |resource: &str, key: &SymmetricKey, policy| Some(sign(resource, key, policy, AN_HOUR));
    let [d1, d2, m1] = ["d1", "d2", "d1/m1"].map(|id| keys(hub, id)[0].clone());
    let device = policy_key(hub, "device");
    let policy = |name: &'static str| Some(policy_token(hub, name, AN_HOUR));
    vec![
        ("no password", None, &[]),
        ("an empty password", Some(String::new()), &[]),
        ("garbage", Some("garbage".to_owned()), &[]),
        ("the key itself", Some(d1.expose_base64()), &[]),
        ("d1's key", own("d1", 0), &["d1"]),
        ("d1's second key", own("d1", 1), &["d1"]),
        ("the module's key", own("d1/m1", 0), &["d1/m1"]),
        ("the disabled device's key", own("off", 0), &[]),
        ("d1's key, expired", Some(sign(&resource("d1"), &d1, None, LONG_AGO)), &[]),
        ("another device's token", own("d2", 0), &[]),
        ("another device's key for d1", with(&resource("d1"), &d2, None), &[]),
        ("d1's key for its module", with(&resource("d1/m1"), &d1, None), &[]),
        ("the module's key, for all of its device", with(&resource("d1"), &m1, None), &["d1/m1"]),
        ("d1's key for the disabled device", with(&resource("off"), &d1, None), &[]),
        ("d1's key for another hub", with("elsewhere/devices/d1", &d1, None), &[]),
        ("d1's key as a policy's", with(&resource("d1"), &d1, Some("device")), &[]),
        ("iothubowner", policy("iothubowner"), &["d1", "d1/m1"]),
        ("device", policy("device"), &["d1", "d1/m1"]),
        ("device, for d1 and what is below", with(&resource("d1"), &device, Some("device")), &["d1", "d1/m1"]),
        ("device, for the module only", with(&resource("d1/m1"), &device, Some("device")), &["d1/m1"]),
        ("device, for another device only", with(&resource("d2"), &device, Some("device")), &[]),
        ("device, expired", Some(policy_token(hub, "device", LONG_AGO)), &[]),
        ("device, without naming it", with("localhost", &device, None), &[]),
        ("service", policy("service"), &[]),
        ("registryRead", policy("registryRead"), &[]),
        ("registryReadWrite", policy("registryReadWrite"), &[]),
        ("an unknown policy", with("localhost", &device, Some("nobody")), &[]),
        ("another policy's key", with("localhost", &policy_key(hub, "service"), Some("device")), &[]),
    ]
}

/// Certificates of the hub's devices and of strangers.
fn certificates(hub: &Hub, folder: &Path, ca: &Authority) -> Vec<Certified> {
    let issued = |file: &str, name: &str| ca.issue(folder, file, params(name));
    let stranger = Authority::new("devices");
    let token = Some(sign("localhost/devices/d1", &keys(hub, "d1")[0], None, AN_HOUR));
    let own = |id: &str| Pair::at(folder, id);
    vec![
        ("thumb's certificate", own("thumb"), None, &["thumb"]),
        ("thumb's second certificate", own("thumb-2"), None, &["thumb"]),
        ("the disabled device's certificate", own("cold"), None, &[]),
        ("a stranger's certificate with thumb's name", Pair::self_signed(folder, "thumb-stranger"), None, &[]),
        ("a certificate of the CA for issued", issued("issued", "issued"), None, &["issued"]),
        ("a certificate of the CA for d1, which has keys", issued("keyed", "d1"), None, &[]),
        ("a certificate of the CA for another device", issued("other", "d2"), None, &[]),
        ("a certificate of another CA for issued", stranger.issue(folder, "foreign", params("issued")), None, &[]),
        ("thumb's certificate and d1's token", own("thumb"), token.clone(), &["d1"]),
        ("a stranger's certificate and d1's token", Pair::self_signed(folder, "stranger"), token, &["d1"]),
    ]
}

// conformance: DEVICE.md 1.3: every kind of credential against a device, a module, a disabled and an unknown device
// conformance: DEVICE.md 1.10: whatever is wrong with the credentials, CONNACK says 5, and the hub closes
#[tokio::test]
async fn every_identity_knows_its_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("devices");
    let hub = hub_with(vec![ca.file(folder.path())]).await;
    for id in ["thumb", "cold"] {
        let pairs = [id.to_owned(), format!("{id}-2")].map(|name| Pair::self_signed(folder.path(), &name));
        let [primary, secondary] = pairs.map(|pair| Some(hex(&sha256(&pair.der))));
        let status = if id == "cold" { IdentityStatus::Disabled } else { IdentityStatus::Enabled };
        let known = IdentityDraft { status, ..IdentityDraft::enabled(twin_id(id), thumbprints(primary, secondary)) };
        hub.engine().create_identity(known).await.expect("it is new");
    }
    let issued = IdentityDraft::enabled(twin_id("issued"), Authentication::CertificateAuthority);
    hub.engine().create_identity(issued).await.expect("it is new");

    let mut wrong = Vec::new();
    for (name, password, opens) in passwords(&hub) {
        let tls = client_config(&trust(&hub)).unwrap();
        wrong.extend(wrongly_let_in(&hub, name, &tls, password.as_deref(), opens).await);
    }
    for (name, pair, password, opens) in certificates(&hub, folder.path(), &ca) {
        wrong.extend(wrongly_let_in(&hub, name, &pair.offered_to(&hub), password.as_deref(), opens).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hub.stop().await;
}

/// Tries a credential on every identity; gives those that it opens or not, other than it should.
async fn wrongly_let_in(
    hub: &Hub,
    name: &str,
    tls: &ClientConfig,
    password: Option<&str>,
    opens: &[&str],
) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in IDENTITIES {
        let user_name = format!("localhost/{id}/?api-version=2021-04-12");
        let connect = match password {
            Some(password) => ConnectBytes::new(id, &user_name, password).clean(),
            None => ConnectBytes::new(id, &user_name, "").clean().without_password(),
        };
        let want = if opens.contains(id) { 0 } else { 5 };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, hub.ready().mqtt_port));
        let mut raw = RawDevice::dial_as(address, tls.clone()).await;
        raw.send(&connect.bytes()).await;
        let code = raw.connack().await;
        if code != want {
            wrong.push(format!("{name} for {id}: {code} instead of {want}"));
        }
        raw.send_in_vain(DISCONNECT).await;
        raw.expect_closed().await;
    }
    wrong
}
