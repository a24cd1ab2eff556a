//! Devices that prove themselves with certificates: by thumbprint, by a CA, over both transports, and with both device
//! programs (DEVICE.md 1.4, REST.md 8.1).

use std::net::{Ipv4Addr, SocketAddr};

use iotjob::hub::Hub;
use iotjob::hub::registry::{Authentication, IdentityDraft, IfMatch};
use iotjob::model::{MethodRequest, TwinId};
use iotjob::tls::{ClientConfig, client_config, sha1, sha256};
use serde_json::{Value, json};

use crate::support::certificates::{Authority, Pair, hex, params, thumbprints};
use crate::support::env::TestEnv;
use crate::support::process::Process;
use crate::support::python::{port_8883, python, script};
use crate::support::raw_mqtt::{
    ConnectBytes, DISCONNECT, FRESH, RESUMED, RawDevice, hub_config, refused, start_hub, token, trust,
};
use crate::support::raw_websocket::RawWebSocket;

fn twin_id(text: &str) -> TwinId {
    match text.split_once('/') {
        Some((device, module)) => TwinId::module(device.parse().expect("an id"), module.parse().expect("an id")),
        None => TwinId::device(text.parse().expect("an id")),
    }
}

async fn register(hub: &Hub, id: &str, authentication: Authentication) {
    let draft = IdentityDraft::enabled(twin_id(id), authentication);
    let known = hub.engine().snapshot().expect("the store").identity(&draft.id).expect("the store").is_some();
    let registered = if known {
        hub.engine().replace_identity(draft, IfMatch::Any).await
    } else {
        hub.engine().create_identity(draft).await
    };
    registered.expect("the identity is registered");
}

/// What CONNACK answers to a CONNECT with these TLS settings, over TLS and over a WebSocket alike.
async fn connack(hub: &Hub, tls: &ClientConfig, id: &str, password: Option<&str>) -> u8 {
    let user_name = format!("localhost/{id}/?api-version=2021-04-12");
    let mut connect = ConnectBytes::new(id, &user_name, password.unwrap_or_default()).clean();
    if password.is_none() {
        connect = connect.without_password();
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, hub.ready().mqtt_port));
    let mut raw = RawDevice::dial_as(address, tls.clone()).await;
    raw.send(&connect.bytes()).await;
    let code = raw.connack().await;

    let mut websocket = RawWebSocket::dial_with(hub, tls.clone()).await;
    websocket.upgrade("/$iothub/websocket").await;
    websocket.send(&connect.bytes()).await;
    websocket.expect(&refused(code)).await;
    code
}

// conformance: DEVICE.md 1.4: a selfSigned identity is let in by SHA-1 or SHA-256 of its leaf, primary or secondary, without password or with an empty one
// conformance: DEVICE.md 1.4: an X.509 identity whose handshake carried no certificate, or another one, is refused with CONNACK 5
#[tokio::test]
async fn a_thumbprint_opens_for_its_certificate_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let hub = start_hub(&["d1", "keyed"]).await;
    let own = Pair::self_signed(folder.path(), "anybody");
    let other = Pair::self_signed(folder.path(), "d1");
    let (own_tls, other_tls, none) =
        (own.offered_to(&hub), other.offered_to(&hub), client_config(&trust(&hub)).unwrap());
    let d1_token = token(&hub, "d1");

    let zeros = || Some("0".repeat(40));
    for authentication in [
        thumbprints(Some(hex(&sha1(&own.der))), None),
        thumbprints(zeros(), Some(hex(&sha256(&own.der)).to_uppercase())),
        thumbprints(Some(hex(&sha256(&own.der))), zeros()),
        thumbprints(None, Some(hex(&sha1(&own.der)))),
    ] {
        register(&hub, "d1", authentication).await;
        assert_eq!(connack(&hub, &own_tls, "d1", None).await, 0);
        assert_eq!(connack(&hub, &own_tls, "d1", Some("")).await, 0);
        assert_eq!(connack(&hub, &own_tls, "d1", Some(&d1_token)).await, 5, "a token is no certificate");
        assert_eq!(connack(&hub, &other_tls, "d1", None).await, 5);
        assert_eq!(connack(&hub, &none, "d1", None).await, 5);
    }
    register(&hub, "d1", thumbprints(None, None)).await;
    assert_eq!(connack(&hub, &own_tls, "d1", None).await, 5);

    // The other way round: a certificate is no token.
    assert_eq!(connack(&hub, &own_tls, "keyed", None).await, 5);
    assert_eq!(connack(&hub, &own_tls, "keyed", Some(&token(&hub, "keyed"))).await, 0);
    hub.stop().await;
}

// conformance: DEVICE.md 1.4: a certificateAuthority identity is let in when its leaf chains to a known CA, is valid now and carries its id as CN
#[tokio::test]
async fn a_ca_vouches_for_ids_it_issued_to_within_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, stranger) = (Authority::new("devices"), Authority::new("devices"));
    let mut config = hub_config(&["d1"]);
    config.trust_cas = vec![ca.file(folder.path())];
    let hub = Hub::start(config).await.unwrap();
    register(&hub, "d1", Authentication::CertificateAuthority).await;
    register(&hub, "d1/m", Authentication::CertificateAuthority).await;

    let mut expired = params("d1");
    (expired.not_before, expired.not_after) = (rcgen::date_time_ymd(1990, 1, 1), rcgen::date_time_ymd(1991, 1, 1));
    let cases = [
        (ca.issue(folder.path(), "good", params("d1")), "d1", 0),
        (ca.issue(folder.path(), "module", params("d1/m")), "d1/m", 0),
        (ca.issue(folder.path(), "device", params("d1")), "d1/m", 5),
        (ca.issue(folder.path(), "other", params("d2")), "d1", 5),
        (ca.issue(folder.path(), "expired", expired), "d1", 5),
        (stranger.issue(folder.path(), "stranger", params("d1")), "d1", 5),
        (Pair::self_signed(folder.path(), "d1"), "d1", 5),
    ];
    for (pair, id, code) in cases {
        assert_eq!(connack(&hub, &pair.offered_to(&hub), id, None).await, code, "{}", pair.cert.display());
    }
    hub.stop().await;

    // Without --trust-ca there is nobody to vouch.
    let hub = start_hub(&["d1"]).await;
    register(&hub, "d1", Authentication::CertificateAuthority).await;
    let pair = ca.issue(folder.path(), "again", params("d1"));
    assert_eq!(connack(&hub, &pair.offered_to(&hub), "d1", None).await, 5);
    hub.stop().await;
}

#[tokio::test]
async fn a_resumed_handshake_still_knows_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let hub = start_hub(&["d1"]).await;
    let own = Pair::self_signed(folder.path(), "d1");
    register(&hub, "d1", thumbprints(Some(hex(&sha256(&own.der))), None)).await;
    let tls = own.offered_to(&hub);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, hub.ready().mqtt_port));
    let connect = ConnectBytes::new("d1", "localhost/d1", "").without_password().bytes();
    for connack in [FRESH, RESUMED, RESUMED] {
        // Clones share their memory of sessions.
        let mut raw = RawDevice::dial_as(address, tls.clone()).await;
        raw.send(&connect).await;
        raw.expect(connack).await;
        raw.send(DISCONNECT).await;
        raw.expect_closed().await;
    }
    hub.stop().await;
}

/// Calls a method of the device and gives what it answered.
async fn call(hub: &Hub, id: &str) -> (i64, Value) {
    let request = MethodRequest {
        method_name: "lockDoor".to_owned(),
        payload: json!({"lockTime": "10m"}),
        response_timeout_in_seconds: 30,
        connect_timeout_in_seconds: 0,
    };
    let response = hub.engine().invoke_method(twin_id(id), request).await.expect("the device answers");
    (response.status, response.payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_device_proves_itself_with_its_certificate() {
    let env = TestEnv::new();
    let (ca, hub_ca) = (Authority::new("devices"), env.path().join("hub-ca.pem"));
    let mut config = hub_config(&["d1"]);
    config.trust_cas = vec![ca.file(env.path())];
    let hub = Hub::start(config).await.unwrap();
    register(&hub, "d1", Authentication::CertificateAuthority).await;
    std::fs::write(&hub_ca, hub.ca_pem()).unwrap();
    let string = format!("HostName=localhost:{};DeviceId=d1;x509=true", hub.ready().mqtt_port);
    let pair = ca.issue(env.path(), "d1", params("d1"));

    let mut command = env.iotjob();
    command.arg("device").arg("--cert").arg(&pair.cert).arg("--key").arg(&pair.key);
    command.env("IOTHUB_DEVICE_CONNECTION_STRING", &string).env("SSL_CERT_FILE", &hub_ca);
    let mut device = Process::start(&mut command);
    tokio::task::block_in_place(|| device.wait_for("ready"));
    assert_eq!(call(&hub, "d1").await.0, 200);
    let (code, _, stderr) = tokio::task::block_in_place(|| device.interrupt());
    assert_eq!(code, Some(0), "{stderr}");

    // Another device's certificate: refused, and the program says so.
    let foreign = ca.issue(env.path(), "d2", params("d2"));
    let mut command = env.iotjob();
    command.arg("device").arg("--cert").arg(&foreign.cert).arg("--key").arg(&foreign.key);
    command.env("IOTHUB_DEVICE_CONNECTION_STRING", &string).env("SSL_CERT_FILE", &hub_ca);
    let mut device = Process::start(&mut command);
    let (code, _, stderr) = tokio::task::block_in_place(|| device.finish());
    assert_eq!(code, Some(4), "{stderr}");
    hub.stop().await;
}

#[test]
fn certificates_and_connection_strings_must_agree() {
    let env = TestEnv::new();
    let pair = Pair::self_signed(env.path(), "d1");
    let files = ["--cert".as_ref(), pair.cert.as_os_str(), "--key".as_ref(), pair.key.as_os_str()];
    let with_key = "HostName=h;DeviceId=d;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let told = env.run(["device", "--connection-string", "HostName=h;DeviceId=d;x509=true"]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("--cert"), "{}", told.stderr);
    let args = ["device", "--connection-string", with_key].map(AsRef::as_ref);
    let told = env.run(args.into_iter().chain(files));
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("x509=true"), "{}", told.stderr);
    let told = env.run(["hub", "--trust-ca", "no-such-file.pem"]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("no-such-file.pem"), "{}", told.stderr);
}

// conformance: DEVICE.md 1.4: the Python SDK connects with create_from_x509_certificate
#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_proves_itself_with_its_certificate() {
    let (python, _turn) = tokio::task::block_in_place(|| (python(), port_8883()));
    let env = TestEnv::new();
    let mut config = hub_config(&["front-door"]);
    config.mqtt_port = 8883;
    let hub = Hub::start(config).await.unwrap();
    let hub_ca = env.write("hub-ca.pem", hub.ca_pem());
    let own = Pair::self_signed(env.path(), "front-door");
    register(&hub, "front-door", thumbprints(Some(hex(&sha1(&own.der))), None)).await;

    let mut command = env.command(&python);
    command.arg(script("device.py")).args(["localhost", "front-door"]).arg(&own.cert).arg(&own.key);
    let mut device = Process::start(command.env("SSL_CERT_FILE", &hub_ca));
    tokio::task::block_in_place(|| device.wait_for("\"ready\""));
    assert_eq!(call(&hub, "front-door").await, (200, json!({"locked": true})));
    drop(device.stdin());
    let (code, stdout, stderr) = tokio::task::block_in_place(|| device.finish());
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    hub.stop().await;
}
