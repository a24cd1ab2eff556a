//! MQTT over WebSocket as a device sees it: HTTP, frames and packets in bytes (DEVICE.md 1.1, CLIENTS.md 2.3).

use iotjob::model::{MethodRequest, TwinId};
use serde_json::{Value, json};

use crate::support::raw_mqtt::{
    ConnectBytes, DISCONNECT, FRESH, PING, PONG, RESUMED, RawDevice, puback, publish_1, refused, start_hub, suback,
    subscribe, token, within,
};
use crate::support::raw_websocket::{BINARY, CLOSE, RawWebSocket};

const PATH: &str = "/$iothub/websocket";
const PROTOCOL: &str = "Sec-WebSocket-Protocol: mqtt\r\n";
const USER: &str = "localhost/d1/?api-version=2021-04-12";
const METHODS: &str = "$iothub/methods/POST/#";

// conformance: DEVICE.md 1.1: MQTT over WebSocket at /$iothub/websocket, subprotocol mqtt, is the same MQTT as on its own port
#[tokio::test]
async fn a_device_on_a_websocket_is_a_device_like_any_other() {
    let hub = start_hub(&["d1"]).await;
    let token = token(&hub, "d1");
    let mut raw = RawWebSocket::open(&hub).await;
    // Packets and frames have nothing to do with each other.
    let connect = ConnectBytes::new("d1", USER, &token).bytes();
    let (head, tail) = connect.split_at(7);
    raw.send_frame(0x02, head).await;
    raw.send_frame(0x80, &[tail, &subscribe(1, &[(METHODS, 1)]), PING].concat()).await;
    raw.expect(FRESH).await;
    raw.expect(&suback(1, &[1])).await;
    raw.expect(PONG).await;

    let engine = hub.engine().clone();
    let request = MethodRequest {
        method_name: "lockDoor".to_owned(),
        payload: Value::Null,
        response_timeout_in_seconds: 30,
        connect_timeout_in_seconds: 0,
    };
    let call = tokio::spawn(async move { engine.invoke_method(TwinId::device("d1".parse().unwrap()), request).await });
    let (first, packet) = raw.receive().await.expect("the call");
    let topic = String::from_utf8(packet[4..packet.len() - 4].to_vec()).expect("a topic and null");
    assert_eq!(first, BINARY);
    raw.send(&publish_1(7, &topic.replace("POST/lockDoor", "res/200"), "{\"locked\":true}")).await;
    raw.expect(&puback(7)).await;
    assert_eq!(within(call).await.unwrap().unwrap().payload, json!({"locked": true}));

    // One session, whatever it is carried by.
    let mut on_tls = RawDevice::connect(&hub, "d1", RESUMED).await;
    raw.expect_closed().await;
    on_tls.send(DISCONNECT).await;
    on_tls.expect_closed().await;
    hub.stop().await;
}

// conformance: DEVICE.md 1.1: the WebSocket path is matched without its query, and with its `$` encoded or not
// conformance: DEVICE.md 1.1: permessage-deflate is declined
#[tokio::test]
async fn the_path_counts_without_its_query_with_and_without_alpn() {
    let hub = start_hub(&[]).await;
    for (alpn, path) in [
        (&[][..], "/$iothub/websocket?iothub-no-client-cert=true"),
        (&["http/1.1"], PATH),
        (&[], "/%24iothub/websocket"),
    ] {
        let mut raw = RawWebSocket::dial(&hub, alpn).await;
        raw.upgrade(path).await;
        raw.send_frame(0x89, b"still there?").await;
        assert_eq!(raw.receive().await, Some((0x8A, b"still there?".to_vec())));
        raw.send_frame(CLOSE, &1_000_u16.to_be_bytes()).await;
        assert_eq!(raw.receive().await, Some((CLOSE, 1_000_u16.to_be_bytes().to_vec())));
        raw.expect_closed().await;
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_request_that_is_no_websocket_of_mqtt_is_refused_in_words() {
    let hub = start_hub(&[]).await;
    let cases = [
        (PATH, "", "400"),
        (PATH, "Sec-WebSocket-Protocol: amqp\r\n", "400"),
        ("/$iothub/websockets", PROTOCOL, "404"),
        ("/devices", PROTOCOL, "401"),
    ];
    for (path, headers, status) in cases {
        let head = RawWebSocket::dial(&hub, &[]).await.ask(path, headers).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {headers}: {head}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_breaks_mqtt_or_websocket_closes_and_a_bad_token_is_refused() {
    let hub = start_hub(&["d1"]).await;
    let good = ConnectBytes::new("d1", USER, &token(&hub, "d1")).clean().bytes();

    let mut raw = RawWebSocket::open(&hub).await;
    raw.send(&ConnectBytes::new("d1", USER, "no token").bytes()).await;
    raw.expect(&refused(5)).await;
    raw.expect_closed().await;

    let mut not_mqtt = RawWebSocket::open(&hub).await;
    not_mqtt.send(b"hello").await;
    not_mqtt.expect_closed().await;

    for (first, payload) in [
        (0x81, &b"text"[..]),
        (0x83, b"unknown"),
        (0xC2, b"compressed"),
        (0x80, b"goes on with nothing"),
        (BINARY, &[0; 301 * 1024]),
    ] {
        let mut raw = RawWebSocket::open(&hub).await;
        raw.send(&good).await;
        raw.expect(FRESH).await;
        raw.send_frame(first, payload).await;
        raw.expect_closed().await;
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_hub_that_stops_lets_go_of_its_websockets() {
    let hub = start_hub(&["d1"]).await;
    let mut raw = RawWebSocket::open(&hub).await;
    raw.send(&ConnectBytes::new("d1", USER, &token(&hub, "d1")).bytes()).await;
    raw.expect(FRESH).await;
    let mut idle = RawWebSocket::open(&hub).await;
    within(hub.stop()).await;
    raw.expect_closed().await;
    idle.expect_closed().await;
}
