use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use FrameError as E;

/// A packet by hand: first byte, then the body behind its length.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128, "one byte of length is enough for tests");
    [&[first, u8::try_from(body.len()).unwrap()], body].concat()
}

fn text(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// A CONNECT body by hand: name, level, flags, keep alive 60, then the given texts.
fn connect_body(name: &[u8], level: u8, flags: u8, texts: &[&[u8]]) -> Vec<u8> {
    let mut body = text(name);
    body.extend([level, flags, 0, 60]);
    texts.iter().for_each(|content| body.extend(text(content)));
    body
}

fn from_client(bytes: &[u8]) -> Result<Option<ClientPacket>, FrameError> {
    ClientPacket::decode(&mut BytesMut::from(bytes))
}

fn from_server(bytes: &[u8]) -> Result<Option<ServerPacket>, FrameError> {
    ServerPacket::decode(&mut BytesMut::from(bytes))
}

#[test]
fn reads_the_connect_of_the_python_sdk() {
    let body =
        connect_body(b"MQTT", 4, 0xC0, &[b"dev1", b"hub/dev1/?api-version=2019-10-01", b"SharedAccessSignature x"]);
    let Some(ClientPacket::Connect(connect)) = from_client(&packet(0x10, &body)).unwrap() else { panic!("no CONNECT") };
    let login = connect.login.as_ref().unwrap();
    assert_eq!((connect.client_id.as_str(), connect.keep_alive_s, connect.clean_session), ("dev1", 60, false));
    assert_eq!(login.user_name, "hub/dev1/?api-version=2019-10-01");
    assert_eq!(login.password.as_ref().unwrap().expose(), "SharedAccessSignature x");
    assert!(!format!("{connect:?}").contains("SharedAccessSignature"));
}

// conformance: DEVICE.md 1.2: no password and an empty one are the same
#[test]
fn no_password_and_an_empty_one_are_the_same() {
    for (flags, texts) in [(0x80, &[b"d".as_slice(), b"h/d"][..]), (0xC0, &[b"d", b"h/d", b""])] {
        let read = from_client(&packet(0x10, &connect_body(b"MQTT", 4, flags, texts))).unwrap();
        let Some(ClientPacket::Connect(connect)) = read else { panic!("no CONNECT") };
        assert_eq!(connect.login, Some(Login { user_name: "h/d".to_owned(), password: None }));
    }
}

#[test]
fn writes_bytes_as_the_standard_says() {
    let cases: [(ServerPacket, &[u8]); 7] = [
        (ServerPacket::ConnAck { session_present: true, code: ConnAckCode::Accepted }, &[0x20, 2, 1, 0]),
        (ServerPacket::ConnAck { session_present: true, code: ConnAckCode::NotAuthorized }, &[0x20, 2, 0, 5]),
        (ServerPacket::PubAck(PacketId::new(258).unwrap()), &[0x40, 2, 1, 2]),
        (
            ServerPacket::SubAck {
                id: PacketId::new(1).unwrap(),
                codes: vec![SubAckCode::Granted(QoS::AtLeastOnce), SubAckCode::Failure],
            },
            &[0x90, 4, 0, 1, 1, 0x80],
        ),
        (ServerPacket::UnsubAck(PacketId::new(9).unwrap()), &[0xB0, 2, 0, 9]),
        (ServerPacket::PingResp, &[0xD0, 0]),
        (ServerPacket::Publish(Publish::at_most_once("a/b".to_owned(), "x")), &[0x30, 6, 0, 3, b'a', b'/', b'b', b'x']),
    ];
    for (server_packet, bytes) in cases {
        let mut buffer = BytesMut::from(&b"before"[..]);
        server_packet.encode(&mut buffer).unwrap();
        assert_eq!(&buffer[6..], bytes, "{server_packet:?}");
    }
}

#[test]
fn a_connect_behind_other_packets_keeps_its_flags() {
    let connect = Connect {
        client_id: "d".to_owned(),
        clean_session: false,
        keep_alive_s: 60,
        login: Some(Login { user_name: "h/d".to_owned(), password: Some(Password::new("p".to_owned())) }),
        will: None,
    };
    let mut buffer = BytesMut::from(&[0xC0_u8, 0][..]);
    ClientPacket::Connect(Box::new(connect)).encode(&mut buffer).unwrap();
    let expected = packet(0x10, &connect_body(b"MQTT", 4, 0xC0, &[b"d", b"h/d", b"p"]));
    assert_eq!(&buffer[2..], expected);
}

// conformance: DEVICE.md 8.2: malformed packets are told apart, with the reason for the log
/// The malformed packets of DEVICE.md 8.2 and crates.md 4.3, by hand.
#[test]
fn malformed_packets_of_clients_are_refused_with_the_reason() {
    let connect = |flags, texts: &[&[u8]]| packet(0x10, &connect_body(b"MQTT", 4, flags, texts));
    let id = [0_u8, 1];
    let with_id = |rest: &[u8]| [&id[..], rest].concat();
    let filter = |content: &[u8], qos: u8| [text(content), vec![qos]].concat();
    let trailing = [connect_body(b"MQTT", 4, 2, &[b"d"]), vec![0]].concat();
    let cases: Vec<(&str, Vec<u8>, FrameError)> = vec![
        ("level 5", packet(0x10, &connect_body(b"MQTT", 5, 2, &[b"d"])), E::ProtocolLevel { level: 5 }),
        ("MQIsdp 3", packet(0x10, &connect_body(b"MQIsdp", 3, 2, &[b"d"])), E::ProtocolLevel { level: 3 }),
        ("other protocol", packet(0x10, &connect_body(b"HTTP", 4, 2, &[b"d"])), E::ProtocolName),
        ("reserved connect flag", connect(0x03, &[b"d"]), E::ReservedConnectFlag),
        (
            "connect header flags",
            packet(0x11, &connect_body(b"MQTT", 4, 2, &[b"d"])),
            E::HeaderFlags { packet: "CONNECT" },
        ),
        ("password without user", connect(0x42, &[b"d", b"p"]), E::PasswordWithoutUserName),
        ("will flags without will", connect(0x22, &[b"d"]), E::WillFlags),
        ("will QoS 3", connect(0x1E, &[b"d", b"t", b"m"]), E::WillFlags),
        ("will topic with wildcard", connect(0x06, &[b"d", b"a/#", b"m"]), E::TopicName),
        ("connect trailing bytes", packet(0x10, &trailing), E::TrailingBytes { packet: "CONNECT" }),
        ("connect cut short", connect(0x82, &[b"d"]), E::Truncated { packet: "CONNECT" }),
        ("binary password", connect(0xC2, &[b"d", b"u", &[0xFF]]), E::Text { packet: "CONNECT" }),
        ("empty client id", connect(0x00, &[b""]), E::EmptyClientId),
        ("NUL in client id", connect(0x02, &[b"a\0"]), E::Text { packet: "CONNECT" }),
        ("subscribe flags", packet(0x80, &with_id(&filter(b"a", 0))), E::HeaderFlags { packet: "SUBSCRIBE" }),
        (
            "subscribe id 0",
            packet(0x82, &[&[0, 0], &filter(b"a", 0)[..]].concat()),
            E::PacketIdZero { packet: "SUBSCRIBE" },
        ),
        ("subscribe QoS byte", packet(0x82, &with_id(&filter(b"a", 0xFC))), E::ReservedFilterBits),
        ("subscribe QoS 3", packet(0x82, &with_id(&filter(b"a", 3))), E::Qos),
        ("subscribe empty filter", packet(0x82, &with_id(&filter(b"", 0))), E::TopicFilter),
        ("subscribe a#b", packet(0x82, &with_id(&filter(b"a#b", 0))), E::TopicFilter),
        ("subscribe #/a", packet(0x82, &with_id(&filter(b"#/a", 0))), E::TopicFilter),
        ("subscribe a+/b", packet(0x82, &with_id(&filter(b"a+/b", 0))), E::TopicFilter),
        ("subscribe nothing", packet(0x82, &id), E::NoFilter { packet: "SUBSCRIBE" }),
        ("unsubscribe nothing", packet(0xA2, &id), E::NoFilter { packet: "UNSUBSCRIBE" }),
        ("publish DUP QoS 0", packet(0x38, &text(b"a")), E::DuplicateAtMostOnce),
        ("publish to #", packet(0x30, &text(b"#")), E::TopicName),
        ("publish to nothing", packet(0x30, &text(b"")), E::TopicName),
        ("publish NUL", packet(0x30, &text(b"a\0")), E::Text { packet: "PUBLISH" }),
        ("publish bad UTF-8", packet(0x30, &text(&[0xC3])), E::Text { packet: "PUBLISH" }),
        ("publish id 0", packet(0x32, &[text(b"a"), vec![0, 0]].concat()), E::PacketIdZero { packet: "PUBLISH" }),
        ("publish QoS 2", packet(0x34, &[text(b"a"), vec![0, 1]].concat()), E::ExactlyOnce),
        ("publish QoS 3", packet(0x36, &[text(b"a"), vec![0, 1]].concat()), E::Qos),
        ("publish cut short", packet(0x30, &[0, 9, b'a']), E::Truncated { packet: "PUBLISH" }),
        ("pubrel", packet(0x62, &id), E::ExactlyOnce),
        ("puback id 0", packet(0x40, &[0, 0]), E::PacketIdZero { packet: "PUBACK" }),
        ("puback trailing", packet(0x40, &[0, 1, 0]), E::TrailingBytes { packet: "PUBACK" }),
        ("pingreq with a body", packet(0xC0, &[0]), E::TrailingBytes { packet: "PINGREQ" }),
        ("pingreq flags", packet(0xC1, &[]), E::HeaderFlags { packet: "PINGREQ" }),
        ("disconnect with a body", packet(0xE0, &[0]), E::TrailingBytes { packet: "DISCONNECT" }),
        ("connack from a client", packet(0x20, &[0, 0]), E::WrongDirection { packet: "CONNACK" }),
        ("suback from a client", packet(0x90, &[0, 1, 0]), E::WrongDirection { packet: "SUBACK" }),
        ("pingresp from a client", packet(0xD0, &[]), E::WrongDirection { packet: "PINGRESP" }),
        ("type 0", packet(0x00, &[]), E::UnknownType { number: 0 }),
        ("type 15", packet(0xF0, &[]), E::UnknownType { number: 15 }),
        ("five length bytes", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], E::RemainingLength),
        (
            "oversize at its header",
            vec![0x30, 0x80, 0x80, 0x80, 1],
            E::TooLarge { bytes: 2_097_152, max: MQTT_PACKET_BYTES_MAX },
        ),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(from_client(&bytes), Err(error), "{name}");
    }
}

#[test]
fn malformed_packets_of_servers_are_refused_with_the_reason() {
    let cases: Vec<(&str, Vec<u8>, FrameError)> = vec![
        ("connect from a server", packet(0x10, &[]), E::WrongDirection { packet: "CONNECT" }),
        ("connack code 6", packet(0x20, &[0, 6]), E::ReturnCode { packet: "CONNACK" }),
        ("connack session with a refusal", packet(0x20, &[1, 5]), E::ReturnCode { packet: "CONNACK" }),
        ("connack flags", packet(0x20, &[2, 0]), E::ReturnCode { packet: "CONNACK" }),
        ("suback without codes", packet(0x90, &[0, 1]), E::Truncated { packet: "SUBACK" }),
        ("suback code 3", packet(0x90, &[0, 1, 3]), E::ReturnCode { packet: "SUBACK" }),
        ("unsuback trailing", packet(0xB0, &[0, 1, 0]), E::TrailingBytes { packet: "UNSUBACK" }),
        ("publish QoS 2", packet(0x34, &[text(b"a"), vec![0, 1]].concat()), E::ExactlyOnce),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(from_server(&bytes), Err(error), "{name}");
    }
}

#[test]
fn a_level_other_than_4_has_an_answer() {
    assert_eq!(E::ProtocolLevel { level: 5 }.connack(), Some(ConnAckCode::UnacceptableProtocolVersion));
    assert_eq!(E::ProtocolName.connack(), None);
}

#[test]
fn half_a_packet_is_no_error() {
    let whole = packet(0x10, &connect_body(b"MQTT", 4, 2, &[b"d"]));
    for length in 0..whole.len() {
        assert_eq!(from_client(&whole[..length]), Ok(None), "{length}");
    }
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let mut buffer = BytesMut::new();
    let long = Publish::at_most_once("x".repeat(65_536), "");
    assert_eq!(ClientPacket::Publish(long).encode(&mut buffer), Err(E::TextTooLong { bytes: 65_536 }));
    let large = Publish::at_most_once("x".to_owned(), vec![0; MQTT_PACKET_BYTES_MAX]);
    assert!(matches!(ClientPacket::Publish(large).encode(&mut buffer), Err(E::TooLarge { .. })));
    assert!(buffer.is_empty());
}

fn any_publish() -> impl Strategy<Value = Publish> {
    let delivery = prop_oneof![
        Just(Delivery::AtMostOnce),
        (1..=u16::MAX, any::<bool>())
            .prop_map(|(id, dup)| Delivery::AtLeastOnce { id: PacketId::new(id).unwrap(), dup }),
    ];
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    ("[^\0#+]{1,40}", payload, delivery, any::<bool>()).prop_map(|(topic, payload, delivery, retain)| Publish {
        topic,
        payload: Bytes::from(payload),
        delivery,
        retain,
    })
}

fn any_client_packet() -> impl Strategy<Value = ClientPacket> {
    let id = (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap());
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    let filter = r"([a-z$]{1,8}/){0,3}(#|\+|[a-z]{1,4})";
    let login = ("[^\0]{1,30}", prop::option::of("[^\0]{1,30}"))
        .prop_map(|(user_name, password)| Login { user_name, password: password.map(Password::new) });
    let will = ("[^\0#+]{1,20}", prop::collection::vec(any::<u8>(), 0..20), qos.clone(), any::<bool>())
        .prop_map(|(topic, payload, qos, retain)| Will { topic, payload: Bytes::from(payload), qos, retain });
    let connect = ("[^\0]{1,20}", any::<bool>(), any::<u16>(), prop::option::of(login), prop::option::of(will))
        .prop_map(|(client_id, clean_session, keep_alive_s, login, will)| {
            ClientPacket::Connect(Box::new(Connect { client_id, clean_session, keep_alive_s, login, will }))
        });
    let requested = (filter, qos).prop_map(|(filter, qos)| RequestedSubscription { filter, qos });
    prop_oneof![
        connect,
        any_publish().prop_map(ClientPacket::Publish),
        id.clone().prop_map(ClientPacket::PubAck),
        (id.clone(), prop::collection::vec(requested, 1..4))
            .prop_map(|(id, filters)| ClientPacket::Subscribe { id, filters }),
        (id, prop::collection::vec(filter, 1..4)).prop_map(|(id, filters)| ClientPacket::Unsubscribe { id, filters }),
        Just(ClientPacket::PingReq),
        Just(ClientPacket::Disconnect),
    ]
}

proptest! {
    #[test]
    fn packets_of_clients_survive_a_round_trip(sent in any_client_packet()) {
        let mut buffer = BytesMut::new();
        sent.encode(&mut buffer).unwrap();
        prop_assert_eq!(ClientPacket::decode(&mut buffer), Ok(Some(sent)));
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again(mut sent in any_client_packet().prop_map(|sent| {
        let mut buffer = BytesMut::new();
        sent.encode(&mut buffer).unwrap();
        buffer
    }), place in any::<prop::sample::Index>(), value in any::<u8>()) {
        let index = place.index(sent.len());
        sent[index] = value;
        if let Ok(Some(read)) = ClientPacket::decode(&mut sent) {
            let mut again = BytesMut::new();
            read.encode(&mut again).unwrap();
            prop_assert_eq!(ClientPacket::decode(&mut again), Ok(Some(read)));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = from_client(&bytes);
        let _ = from_server(&bytes);
    }
}
