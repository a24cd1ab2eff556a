//! Packets that no client may send, over real TLS: each ends its own connection and hurts nobody else's (DEVICE.md 8.2).

use crate::support::bystander::Bystander;
use crate::support::raw_mqtt::{
    ConnectBytes, FRESH, PING, RawDevice, packet, publish, refused, start_hub, subscribe, token,
};

const METHODS: &str = "$iothub/methods/POST/#";
const EVENTS: &str = "devices/d1/messages/events/";

/// A name, and the bytes.
type Case = (&'static str, Vec<u8>);

/// A text with its length in front, whatever its bytes are.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).expect("short bytes only").to_be_bytes()[..], bytes].concat()
}

/// A CONNECT from its parts: header, protocol, level, flags, and what follows the keep-alive.
fn connect(header: u8, protocol: &[u8], level: u8, flags: u8, texts: &[&[u8]]) -> Vec<u8> {
    let mut body = [&text(protocol)[..], &[level, flags, 0, 60]].concat();
    body.extend(texts.iter().flat_map(|bytes| text(bytes)));
    packet(header, &body)
}

/// Sent first, and answered by nothing but the end.
fn instead_of_connect() -> Vec<Case> {
    let user: &[u8] = b"localhost/d1/?api-version=2021-04-12";
    let good = |flags, texts: &[&[u8]]| connect(0x10, b"MQTT", 4, flags, texts);
    let trailing = [&text(b"MQTT")[..], &[4, 2, 0, 60], &text(b"d1"), &[0]].concat();
    vec![
        ("another protocol", connect(0x10, b"HTTP", 4, 2, &[b"d1"])),
        ("the reserved flag of CONNECT", good(0x03, &[b"d1"])),
        ("flags in the header of CONNECT", connect(0x11, b"MQTT", 4, 2, &[b"d1"])),
        ("a password without a user name", good(0x42, &[b"d1", b"p"])),
        ("will flags without a will", good(0x22, &[b"d1"])),
        ("a will of quality 3", good(0x1E, &[b"d1", b"t", b"m"])),
        ("a will to a wildcard", good(0x06, &[b"d1", b"a/#", b"m"])),
        ("bytes behind CONNECT's fields", packet(0x10, &trailing)),
        ("a CONNECT cut short", good(0x82, &[b"d1"])),
        ("a password that is no text", good(0xC2, &[b"d1", user, &[0xFF]])),
        ("NUL in the client id", good(0x82, &[b"d\0", user])),
        ("PINGREQ first", PING.to_vec()),
        ("PUBLISH first", publish(EVENTS, "x")),
        ("SUBSCRIBE first", subscribe(1, &[(METHODS, 0)])),
        ("a CONNECT of zeros", packet(0x10, &[0; 4])),
        ("type 0 first", vec![0, 0]),
        ("five bytes of length first", vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

/// Sent by a device that was let in.
fn after_connect(good_connect: &[u8]) -> Vec<Case> {
    let with_id = |rest: &[u8]| [&[0, 1], rest].concat();
    let filter = |name: &[u8], qos: u8| packet(0x82, &with_id(&[&text(name)[..], &[qos]].concat()));
    let publish_id = |header, id: u8| packet(header, &[&text(EVENTS.as_bytes())[..], &[0, id], b"x"].concat());
    vec![
        ("a second CONNECT", good_connect.to_vec()),
        ("SUBSCRIBE without its flags", packet(0x80, &with_id(&[&text(METHODS.as_bytes())[..], &[0]].concat()))),
        ("SUBSCRIBE with identifier 0", subscribe(0, &[(METHODS, 0)])),
        ("SUBSCRIBE with reserved bits", filter(METHODS.as_bytes(), 0xFC)),
        ("SUBSCRIBE of quality 3", filter(METHODS.as_bytes(), 3)),
        ("SUBSCRIBE to nothing at all", subscribe(1, &[])),
        ("SUBSCRIBE to an empty filter", filter(b"", 0)),
        ("SUBSCRIBE to a#b", filter(b"a#b", 0)),
        ("SUBSCRIBE to #/a", filter(b"#/a", 0)),
        ("SUBSCRIBE to a+/b", filter(b"a+/b", 0)),
        ("SUBSCRIBE to bad UTF-8", filter(&[0xC3], 0)),
        ("UNSUBSCRIBE from nothing", packet(0xA2, &[0, 1])),
        ("UNSUBSCRIBE without its flags", packet(0xA0, &with_id(&text(METHODS.as_bytes())))),
        ("DUP at quality 0", packet(0x38, &[&text(EVENTS.as_bytes())[..], b"x"].concat())),
        ("PUBLISH to a wildcard", publish("devices/d1/messages/#", "")),
        ("PUBLISH to nothing", publish("", "")),
        ("PUBLISH to NUL", publish("devices/d1/messages/events/\0", "")),
        ("PUBLISH to bad UTF-8", packet(0x30, &text(&[0xC3]))),
        ("PUBLISH of quality 1 with identifier 0", publish_id(0x32, 0)),
        ("PUBLISH of quality 2", publish_id(0x34, 1)),
        ("PUBLISH of quality 3", publish_id(0x36, 1)),
        ("PUBLISH cut short", packet(0x30, &[0, 9, b'a'])),
        ("PUBREL", packet(0x62, &[0, 1])),
        ("PUBREL without its flags", packet(0x60, &[0, 1])),
        ("PUBACK of identifier 0", packet(0x40, &[0, 0])),
        ("PUBACK with more", packet(0x40, &[0, 1, 0])),
        ("PINGREQ with a body", packet(0xC0, &[0])),
        ("PINGREQ with flags", packet(0xC1, &[])),
        ("DISCONNECT with a body", packet(0xE0, &[0])),
        ("CONNACK from a client", packet(0x20, &[0, 0])),
        ("SUBACK from a client", packet(0x90, &[0, 1, 0])),
        ("UNSUBACK from a client", packet(0xB0, &[0, 1])),
        ("PINGRESP from a client", packet(0xD0, &[])),
        ("type 0", vec![0, 0]),
        ("type 15", vec![0xF0, 0]),
        ("five bytes of length", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        ("256 MiB at the header", vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F]),
        ("a packet past the limit", packet(0x30, &vec![0; 400 * 1024])),
    ]
}

// conformance: DEVICE.md 8.2: malformed packets close their own connection, and a device beside it goes on answering
#[tokio::test]
async fn malformed_packets_close_their_own_connection_and_no_other() {
    let hub = start_hub(&["d1", "d2"]).await;
    let bystander = Bystander::connect(&hub, "d2").await;
    for (name, bytes) in instead_of_connect() {
        let mut raw = RawDevice::dial(&hub).await;
        raw.send_in_vain(&bytes).await;
        raw.expect_closed_after(name).await;
        bystander.answers(&hub, name).await;
    }
    let token = token(&hub, "d1");
    let good = ConnectBytes::new("d1", "localhost/d1/?api-version=2021-04-12", &token).clean().bytes();
    for (name, bytes) in after_connect(&good) {
        let mut raw = RawDevice::dial(&hub).await;
        raw.send(&good).await;
        raw.expect(FRESH).await;
        raw.send_in_vain(&bytes).await;
        raw.expect_closed_after(name).await;
        bystander.answers(&hub, name).await;
    }
    hub.stop().await;
}

// conformance: DEVICE.md 8.2: another protocol level is answered CONNACK 1, no client id CONNACK 2, and both are closed
#[tokio::test]
async fn what_the_standard_answers_is_answered() {
    let hub = start_hub(&["d1", "d2"]).await;
    let bystander = Bystander::connect(&hub, "d2").await;
    for (name, code, bytes) in [
        ("level 5", 1, connect(0x10, b"MQTT", 5, 2, &[b"d1"])),
        ("level 3", 1, connect(0x10, b"MQIsdp", 3, 2, &[b"d1"])),
        ("no client id", 2, connect(0x10, b"MQTT", 4, 0x80, &[b"", b"localhost/d1"])),
    ] {
        let mut raw = RawDevice::dial(&hub).await;
        raw.send(&bytes).await;
        raw.expect(&refused(code)).await;
        raw.expect_closed_after(name).await;
        bystander.answers(&hub, name).await;
    }
    hub.stop().await;
}

#[tokio::test]
async fn packets_that_never_end_are_cut_off_with_their_connection() {
    let hub = start_hub(&["d1", "d2"]).await;
    let bystander = Bystander::connect(&hub, "d2").await;
    let token = token(&hub, "d1");
    let good = ConnectBytes::new("d1", "localhost/d1/?api-version=2021-04-12", &token).clean().bytes();
    // Beginnings of a CONNECT, and of a PUBLISH behind it, left by a device that went.
    for length in (0..good.len()).step_by(16) {
        let mut raw = RawDevice::dial(&hub).await;
        raw.send(&good[..length]).await;
        drop(raw);
    }
    let event = publish(EVENTS, "text");
    for length in (0..event.len()).step_by(4) {
        let mut raw = RawDevice::dial(&hub).await;
        raw.send(&good).await;
        raw.expect(FRESH).await;
        raw.send(&event[..length]).await;
        drop(raw);
        bystander.answers(&hub, "half a packet").await;
    }
    assert_eq!(hub.telemetry().received(), 0);
    hub.stop().await;
}
