//! The hub's device side as a device sees it: bytes over TLS (DEVICE.md 1 and 2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use iotjob::auth::parse_service;
use iotjob::hub::Hub;
use iotjob::hub::registry::{Authentication, IdentityDraft, IfMatch};
use iotjob::model::{
    ErrorCode, IdentityStatus, JsonObject, MethodRequest, SectionPatch, SymmetricKey, TwinId, TwinPatch,
    X509Thumbprints,
};
use serde_json::{Value, json};

use crate::support::raw_mqtt::{
    ConnectBytes, DISCONNECT, FRESH, PING, PONG, RESUMED, RawDevice, connection_string, hub_config, puback, publish,
    publish_1, refused, sign, start_hub, suback, subscribe, token, unsuback, unsubscribe, within,
};

const METHODS: &str = "$iothub/methods/POST/#";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const USER: &str = "localhost/d1/?api-version=2021-04-12&DeviceClientType=hand%2F1";

fn device(id: &str) -> TwinId {
    TwinId::device(id.parse().expect("a device id"))
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().expect("an object")
}

fn method(name: &str, payload: Value) -> MethodRequest {
    MethodRequest {
        method_name: name.to_owned(),
        payload,
        response_timeout_in_seconds: 30,
        connect_timeout_in_seconds: 0,
    }
}

/// Sends bytes on a new connection and expects the CONNACK's code; after a refusal the hub closes.
async fn expect_connack(hub: &Hub, connect: &[u8], code: u8) {
    let mut raw = RawDevice::dial(hub).await;
    raw.send(connect).await;
    raw.expect(&refused(code)).await;
    if code == 0 {
        raw.send(DISCONNECT).await;
    }
    raw.expect_closed().await;
}

async fn replace(hub: &Hub, id: &str, authentication: Authentication, status: IdentityStatus) {
    let draft = IdentityDraft { status, ..IdentityDraft::enabled(device(id), authentication) };
    hub.engine().replace_identity(draft, IfMatch::Any).await.expect("the device is registered");
}

// conformance: DEVICE.md 1.3: tokens of the device and of policies with DeviceConnect are taken, others are CONNACK 5
#[tokio::test]
async fn tokens_of_device_and_policy_open_the_door() {
    let hub = start_hub(&["d1"]).await;
    let own = connection_string(&hub, "d1").key;
    let policy = |name: &str| parse_service(&hub.ready().connection_strings[name]).unwrap().value.key;
    let cases = [
        (sign("localhost/devices/d1", &own, None, 60), 0),
        (sign("LOCALHOST:9999/devices/d1", &own, None, 60), 0),
        (sign("localhost", &policy("device"), Some("device"), 60), 0),
        (sign("localhost/devices/d1", &policy("iothubowner"), Some("iothubowner"), 60), 0),
        (sign("localhost", &policy("service"), Some("service"), 60), 5),
        (sign("localhost/devices/d1", &policy("device"), Some("nobody"), 60), 5),
        (sign("localhost/devices/d2", &own, None, 60), 5),
        (sign("elsewhere/devices/d1", &own, None, 60), 5),
        (sign("localhost/devices/d1", &own, None, -3_600), 5),
        (sign("localhost/devices/d1", &SymmetricKey::from_bytes(vec![7; 32]).unwrap(), None, 60), 5),
        ("no token at all".to_owned(), 5),
    ];
    for (token, code) in cases {
        expect_connack(&hub, &ConnectBytes::new("d1", USER, &token).clean().bytes(), code).await;
    }
    hub.stop().await;
}

// conformance: DEVICE.md 1.10: 5 for a wrong identity, a disabled device or a foreign will; 3 for an unknown host; 1 for another level
// conformance: DEVICE.md 1.2: device ids are told apart by case
#[tokio::test]
async fn what_a_connect_says_of_itself_must_hold() {
    let hub = start_hub(&["d1", "off", "x509"]).await;
    let keys = hub.engine().snapshot().unwrap().identity(&device("off")).unwrap().unwrap().authentication;
    let off = token(&hub, "off");
    replace(&hub, "off", keys, IdentityStatus::Disabled).await;
    let x509 = token(&hub, "x509");
    replace(&hub, "x509", Authentication::SelfSigned(X509Thumbprints::default()), IdentityStatus::Enabled).await;
    let good = token(&hub, "d1");

    let with = |client_id, user_name, password| ConnectBytes::new(client_id, user_name, password).clean();
    expect_connack(&hub, &with("d1", USER, &good).bytes(), 0).await;
    expect_connack(&hub, &with("d1", "localhost/d1", &good).bytes(), 0).await;
    expect_connack(&hub, &with("d1", "localhost/d1/api-version=2016-11-14", &good).bytes(), 0).await;
    expect_connack(&hub, &with("d2", USER, &good).bytes(), 5).await;
    expect_connack(&hub, &with("D1", "localhost/D1/?api-version=2021-04-12", &good).bytes(), 5).await;
    expect_connack(&hub, &with("d1", "elsewhere/d1/?api-version=2021-04-12", &good).bytes(), 3).await;
    expect_connack(&hub, &with("off", "localhost/off/?api-version=2021-04-12", &off).bytes(), 5).await;
    expect_connack(&hub, &with("x509", "localhost/x509/?api-version=2021-04-12", &x509).bytes(), 5).await;
    let foreign_will = with("d1", USER, &good).will("devices/d2/messages/events/", "x");
    expect_connack(&hub, &foreign_will.bytes(), 5).await;
    for level in [3, 5] {
        let mut connect = with("d1", USER, &good);
        connect.level = level;
        expect_connack(&hub, &connect.bytes(), 1).await;
    }
    hub.stop().await;
}

// conformance: DEVICE.md 2.2: a filter or topic that is not the own closes, and leaves no subscription
#[tokio::test]
async fn foreign_topics_and_filters_close() {
    let hub = start_hub(&["d1"]).await;
    let cases: [&[u8]; 8] = [
        &subscribe(1, &[("#", 0)]),
        &subscribe(1, &[(METHODS, 0), ("devices/d2/messages/devicebound/#", 0)]),
        &publish("devices/d2/messages/events/", "x"),
        &publish("d1/status", "x"),
        &publish("$iothub/twin/GET/", ""),
        &publish("$iothub/methods/res/ok/?$rid=1", ""),
        &publish("devices/d1/messages/events/", &"x".repeat(256 * 1024 + 1)),
        &publish("$iothub/methods/res/200/?$rid=1", &"1".repeat(128 * 1024 + 1)),
    ];
    let mut connack = FRESH;
    for bytes in cases {
        let mut raw = RawDevice::connect(&hub, "d1", connack).await;
        connack = RESUMED;
        raw.send_in_vain(bytes).await;
        raw.expect_closed().await;
    }
    // None of it left a subscription behind.
    let call = hub.engine().invoke_method(device("d1"), method("m", Value::Null)).await;
    assert_eq!(call.unwrap_err().code, ErrorCode::DeviceNotOnline);
    hub.stop().await;
}

// conformance: DEVICE.md 1.1: packets may follow CONNECT at once
// conformance: DEVICE.md 2.8: a twin read has desired and reported with $version only
// conformance: DEVICE.md 10: the hub listens on both loopbacks
#[tokio::test]
async fn both_loopbacks_answer_and_packets_may_be_pipelined_behind_connect() {
    let hub = start_hub(&["d1"]).await;
    let port = hub.ready().mqtt_port;
    let token = token(&hub, "d1");
    let pipelined = [
        ConnectBytes::new("d1", USER, &token).clean().bytes(),
        subscribe(7, &[(METHODS, 0), (TWIN_RESPONSES, 1), ("devices/d1/messages/devicebound/#", 2)]),
        publish("$iothub/twin/GET/?$rid=get_twin", " "),
        PING.to_vec(),
    ]
    .concat();
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    let ipv6 = tokio::net::TcpStream::connect(addresses[1]).await.is_ok();
    for address in addresses.into_iter().take(if ipv6 { 2 } else { 1 }) {
        let mut raw = RawDevice::dial_at(&hub, address).await;
        raw.send(&pipelined).await;
        raw.expect(FRESH).await;
        raw.expect(&suback(7, &[0, 1, 1])).await;
        let (topic, twin) = raw.expect_publish().await;
        assert_eq!(topic, "$iothub/twin/res/200/?$rid=get_twin");
        assert_eq!(twin, r#"{"desired":{"$version":1},"reported":{"$version":1}}"#);
        raw.expect(PONG).await;
    }
    hub.stop().await;
}

// conformance: DEVICE.md 2.9: reports merge, move their version, and may be conditional
// conformance: DEVICE.md 2.10: an error answer to a twin request has a body
#[tokio::test]
async fn reported_properties_are_merged_versioned_and_conditional() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    let report = |rid: &str, body: &str| publish(&format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}"), body);

    // Nobody listens to answers yet: the patch counts, the reply is lost.
    raw.send(&report("0", r#"{"a":1,"b":{"c":2}}"#)).await;
    raw.expect_silence().await;
    raw.send(&subscribe(1, &[(TWIN_RESPONSES, 0)])).await;
    raw.expect(&suback(1, &[0])).await;

    raw.send(&publish_1(9, "$iothub/twin/PATCH/properties/reported/?$rid=1", r#"{"a":null,"b":{"d":3}}"#)).await;
    let (topic, body) = raw.expect_publish().await;
    assert_eq!((topic.as_str(), body.as_str()), ("$iothub/twin/res/204/?$rid=1&$version=3", ""));
    raw.expect(&puback(9)).await;

    raw.send(&report("2&$version=2", r#"{"b":null}"#)).await;
    let (topic, body) = raw.expect_publish().await;
    assert_eq!(topic, "$iothub/twin/res/412/?$rid=2");
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(error["errorCode"], 412_001);
    assert!(error["trackingId"].is_string() && error["message"].is_string() && error["timestampUtc"].is_string());

    for bad in ["", "[1]", "{", r#"{"$version":7}"#, r#"{"a.b":1}"#, r#"{"a":[null]}"#] {
        raw.send(&report("3", bad)).await;
        let (topic, body) = raw.expect_publish().await;
        assert_eq!(topic, "$iothub/twin/res/400/?$rid=3", "{bad}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["errorCode"].is_u64(), "{bad}: {body}");
    }

    raw.send(&publish("$iothub/twin/GET/?$rid=4", "")).await;
    let (_, twin) = raw.expect_publish().await;
    let twin: Value = serde_json::from_str(&twin).unwrap();
    assert_eq!(twin, json!({"desired": {"$version": 1}, "reported": {"b": {"c": 2, "d": 3}, "$version": 3}}));
    hub.stop().await;
}

// conformance: DEVICE.md 2.3: methods go out at quality 0 whatever was granted
// conformance: DEVICE.md 2.7: a device answers at quality 0 or 1
#[tokio::test]
async fn methods_are_called_at_qos_0_and_answered_at_either() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    raw.send(&subscribe(1, &[(METHODS, 1)])).await;
    raw.expect(&suback(1, &[1])).await;
    for (answer_at_qos_1, body, payload) in
        [(true, r#"{"Response":"lockDoor called"}"#, json!({"Response": "lockDoor called"})), (false, "", Value::Null)]
    {
        let engine = hub.engine().clone();
        let request = method("lockDoor", json!("{\"lockTime\":\"10m\"}"));
        let call = tokio::spawn(async move { engine.invoke_method(device("d1"), request).await });
        let (topic, request) = raw.expect_publish().await;
        let rid = topic.strip_prefix("$iothub/methods/POST/lockDoor/?$rid=").expect("the rid is alone").to_owned();
        assert!(rid.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{rid}");
        assert_eq!(request, r#""{\"lockTime\":\"10m\"}""#, "a JSON string stays one");
        let answer = format!("$iothub/methods/res/418/?$rid={rid}");
        if answer_at_qos_1 {
            raw.send(&publish_1(5, &answer, body)).await;
            raw.expect(&puback(5)).await;
        } else {
            raw.send(&publish(&answer, body)).await;
        }
        let response = within(call).await.unwrap().unwrap();
        assert_eq!((response.status, response.payload), (418, payload));
        // The second answer to a call is nobody's.
        raw.send(&publish(&answer, body)).await;
        raw.expect_silence().await;
    }
    raw.send(&unsubscribe(2, METHODS)).await;
    raw.expect(&unsuback(2)).await;
    let call = hub.engine().invoke_method(device("d1"), method("m", Value::Null)).await;
    assert_eq!(call.unwrap_err().code, ErrorCode::DeviceNotOnline);
    hub.stop().await;
}

// conformance: DEVICE.md 2.9: a desired patch arrives as it was applied, with its version
#[tokio::test]
async fn desired_patches_arrive_as_applied_with_their_version() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    let patch = |desired: Value| {
        let patch = TwinPatch { tags: None, desired: Some(SectionPatch::Merge(object(desired))) };
        hub.engine().patch_twin(device("d1"), patch, IfMatch::Absent)
    };
    patch(json!({"legacy": 1})).await.unwrap();
    raw.expect_silence().await;
    raw.send(&subscribe(1, &[(DESIRED, 1)])).await;
    raw.expect(&suback(1, &[1])).await;
    patch(json!({"building": 43, "floor": 3, "legacy": null})).await.unwrap();
    let (topic, body) = raw.expect_publish().await;
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=3");
    assert_eq!(body, r#"{"building":43,"floor":3,"legacy":null,"$version":3}"#);
    hub.stop().await;
}

// conformance: DEVICE.md 1.9: the loser sees its socket close and no packet
// conformance: DEVICE.md 1.8: a will is sent when the link ends without DISCONNECT, as telemetry with iothub-MessageType
#[tokio::test]
async fn a_second_connection_of_one_device_ends_the_first() {
    let hub = start_hub(&["d1", "d2"]).await;
    let token = token(&hub, "d1");
    let mut first = RawDevice::dial(&hub).await;
    let connect = ConnectBytes::new("d1", USER, &token).will("devices/d1/messages/events/%24.ct=text", "gone");
    first.send(&connect.bytes()).await;
    first.expect(FRESH).await;
    let mut other = RawDevice::connect(&hub, "d2", FRESH).await;

    let mut second = RawDevice::connect(&hub, "d1", RESUMED).await;
    first.expect_closed().await;
    second.send(&subscribe(1, &[(METHODS, 0)])).await;
    second.expect(&suback(1, &[0])).await;
    second.expect_silence().await;
    other.expect_silence().await;

    let sent = hub.telemetry().newest();
    let [will] = &sent[..] else { panic!("one will: {sent:?}") };
    assert_eq!((will.from.to_string().as_str(), &will.body[..]), ("d1", &b"gone"[..]));
    let property =
        |key: &str| will.properties.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.clone());
    assert_eq!(property("iothub-MessageType").as_deref(), Some("Will"));
    assert_eq!(property("$.ct").as_deref(), Some("text"));
    hub.stop().await;
}

// conformance: DEVICE.md 1.6: subscriptions are restored, methods and twin replies too, and session present says so
// conformance: CLIENTS.md 3: a client that does not subscribe again after a reconnect is served
#[tokio::test]
async fn subscriptions_outlive_the_connection_unless_the_session_is_clean() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    raw.send(&subscribe(1, &[(METHODS, 0), (TWIN_RESPONSES, 0)])).await;
    raw.expect(&suback(1, &[0, 0])).await;
    raw.send(DISCONNECT).await;
    raw.expect_closed().await;

    // Back without subscribing again, as the SDKs do.
    let mut raw = RawDevice::connect(&hub, "d1", RESUMED).await;
    raw.send(&publish("$iothub/twin/GET/?$rid=1", "")).await;
    assert_eq!(raw.expect_publish().await.0, "$iothub/twin/res/200/?$rid=1");
    let engine = hub.engine().clone();
    let call = tokio::spawn(async move { engine.invoke_method(device("d1"), method("m", Value::Null)).await });
    let (topic, payload) = raw.expect_publish().await;
    assert_eq!(payload, "null");
    raw.send(&publish(&topic.replace("POST/m", "res/200"), "")).await;
    assert_eq!(within(call).await.unwrap().unwrap().status, 200);

    let token = token(&hub, "d1");
    let mut clean = RawDevice::dial(&hub).await;
    clean.send(&ConnectBytes::new("d1", USER, &token).clean().bytes()).await;
    clean.expect(FRESH).await;
    clean.send(&publish("$iothub/twin/GET/?$rid=2", "")).await;
    clean.expect_silence().await;
    clean.send(DISCONNECT).await;
    clean.expect_closed().await;
    RawDevice::connect(&hub, "d1", FRESH).await;
    hub.stop().await;
}

// conformance: DEVICE.md 2.5: telemetry of quality 1 is acknowledged in order, of quality 0 not
#[tokio::test]
async fn telemetry_is_acknowledged_in_order_counted_and_kept() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    let topic = "devices/d1/messages/events/%24.ct=application%2Fjson&k%20%2F=v%20%C3%A9";
    let batch = [
        publish_1(1, topic, "{}"),
        publish_1(2, "devices/d1/messages/events/", "two"),
        publish("devices/d1/messages/events", "zero"),
        publish_1(3, topic, "3"),
    ]
    .concat();
    raw.send(&batch).await;
    raw.expect(&[puback(1), puback(2), puback(3)].concat()).await;
    raw.expect_silence().await;
    assert_eq!(hub.telemetry().received(), 4);
    let newest = hub.telemetry().newest();
    let value = |value: &str| Some(value.to_owned());
    let expected = vec![("$.ct".to_owned(), value("application/json")), ("k /".to_owned(), value("v é"))];
    assert_eq!(newest[0].properties, expected);
    assert_eq!(newest[2].body, "zero");
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_with_data_comes_back_with_keys_twins_and_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = hub_config(&["d1"]);
        config.data = Some(folder.path().to_owned());
        config.ca = iotjob::hub::CaPlace::Folder(folder.path().to_owned());
        config
    };
    let hub = Hub::start(config()).await.unwrap();
    let (ca, key) = (hub.ca_pem().to_owned(), connection_string(&hub, "d1").key);
    let owner = |hub: &Hub| parse_service(&hub.ready().connection_strings["iothubowner"]).unwrap().value.key;
    let owner_key = owner(&hub);
    let mut raw = RawDevice::connect(&hub, "d1", FRESH).await;
    raw.send(&subscribe(1, &[(TWIN_RESPONSES, 0)])).await;
    raw.expect(&suback(1, &[0])).await;
    raw.send(&publish("$iothub/twin/PATCH/properties/reported/?$rid=1", r#"{"seen":true}"#)).await;
    assert_eq!(raw.expect_publish().await.0, "$iothub/twin/res/204/?$rid=1&$version=2");
    hub.stop().await;
    raw.expect_closed().await;

    let hub = Hub::start(config()).await.unwrap();
    assert_eq!((hub.ca_pem(), connection_string(&hub, "d1").key, owner(&hub)), (ca.as_str(), key, owner_key));
    let mut raw = RawDevice::connect(&hub, "d1", RESUMED).await;
    raw.send(&publish("$iothub/twin/GET/?$rid=2", "")).await;
    let (_, twin) = raw.expect_publish().await;
    assert_eq!(twin, r#"{"desired":{"$version":1},"reported":{"seen":true,"$version":2}}"#);
    hub.stop().await;
}
