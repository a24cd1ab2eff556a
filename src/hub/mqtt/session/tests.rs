//! Protocol traces: what comes in on the left, what follows on the right.

use serde_json::json;

use super::*;
use crate::mqtt::Connect;

fn device() -> Session {
    Session::new(TwinId::device("d1".parse().unwrap()), Vec::new())
}

fn listening(to: Subscription) -> Session {
    Session::new(TwinId::device("d1".parse().unwrap()), vec![(to, QoS::AtMostOnce)])
}

fn pid(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn filter(filter: &str, qos: QoS) -> RequestedSubscription {
    RequestedSubscription { filter: filter.to_owned(), qos }
}

fn publish(topic: &str, body: &str) -> ClientPacket {
    ClientPacket::Publish(Publish::at_most_once(topic.to_owned(), body.to_owned()))
}

fn sent(topic: &str, body: &str) -> Action {
    Action::Send(ServerPacket::Publish(Publish::at_most_once(topic.to_owned(), body.to_owned())))
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

// conformance: DEVICE.md 2.2: a subscription is stored before SUBACK, and granted with quality 1 at most
// conformance: DEVICE.md 2.6: a subscription to cloud-to-device messages is accepted and kept
#[test]
fn subscriptions_are_stored_before_they_are_granted_with_at_most_qos_1() {
    let filters = vec![
        filter("$iothub/methods/POST/#", QoS::AtMostOnce),
        filter("$iothub/twin/res/#", QoS::AtLeastOnce),
        filter("devices/d1/messages/devicebound/#", QoS::ExactlyOnce),
    ];
    assert_eq!(
        device().on_packet(ClientPacket::Subscribe { id: pid(7), filters }),
        [
            Action::Subscribe(vec![
                (Subscription::Methods, QoS::AtMostOnce),
                (Subscription::TwinResponses, QoS::AtLeastOnce),
                (Subscription::CloudToDevice, QoS::AtLeastOnce),
            ]),
            Action::Send(ServerPacket::SubAck {
                id: pid(7),
                codes: vec![
                    SubAckCode::Granted(QoS::AtMostOnce),
                    SubAckCode::Granted(QoS::AtLeastOnce),
                    SubAckCode::Granted(QoS::AtLeastOnce),
                ],
            }),
        ]
    );
}

#[test]
fn one_bad_filter_closes_and_nothing_is_stored() {
    for bad in ["#", "devices/d2/messages/devicebound/#", "$iothub/twin/#"] {
        let filters = vec![filter("$iothub/methods/POST/#", QoS::AtMostOnce), filter(bad, QoS::AtMostOnce)];
        let actions = device().on_packet(ClientPacket::Subscribe { id: pid(1), filters });
        assert_eq!(actions, [Action::Close(Closing::Filter { filter: bad.to_owned() })]);
    }
}

// conformance: DEVICE.md 2.2: UNSUBSCRIBE is always acknowledged and ends delivery
#[test]
fn unsubscribing_is_always_acknowledged_and_ends_delivery() {
    let mut session = listening(Subscription::Methods);
    let filters = vec!["$iothub/methods/POST/#".to_owned(), "unknown/#".to_owned()];
    assert_eq!(
        session.on_packet(ClientPacket::Unsubscribe { id: pid(3), filters }),
        [Action::Unsubscribe(vec![Subscription::Methods]), Action::Send(ServerPacket::UnsubAck(pid(3)))]
    );
    let late = Notice::Method { call: CallId(1), name: "m".to_owned(), payload: Value::Null };
    assert_eq!(session.on_notice(late), []);
    let filters = vec!["unknown/#".to_owned()];
    assert_eq!(
        session.on_packet(ClientPacket::Unsubscribe { id: pid(4), filters }),
        [Action::Send(ServerPacket::UnsubAck(pid(4)))]
    );
}

// conformance: DEVICE.md 2.7: the rid of a call is lower-case hex, first and alone
#[test]
fn a_method_goes_out_at_qos_0_with_a_hex_rid_and_its_answer_comes_back() {
    let mut session =
        Session::new(TwinId::device("d1".parse().unwrap()), vec![(Subscription::Methods, QoS::AtLeastOnce)]);
    let payload = json!("{\"lockTime\":\"10m\"}");
    assert_eq!(
        session.on_notice(Notice::Method { call: CallId(26), name: "lockDoor".to_owned(), payload }),
        [sent("$iothub/methods/POST/lockDoor/?$rid=1a", r#""{\"lockTime\":\"10m\"}""#)]
    );
    assert_eq!(
        session.on_packet(publish("$iothub/methods/res/200/?$rid=1a", r#"{"ok":true}"#)),
        [Action::Answer { call: CallId(26), response: MethodResponse { status: 200, payload: json!({"ok": true}) } }]
    );
}

// conformance: DEVICE.md 2.7: an answer may be empty; a rid that is not known is ignored
#[test]
fn method_answers_may_be_empty_or_no_json_at_all() {
    let cases = [("", Value::Null), ("plain words", json!("plain words")), ("7", json!(7))];
    for (body, payload) in cases {
        let response = MethodResponse { status: -1, payload };
        let actions = device().on_packet(publish("$iothub/methods/res/-1/?$rid=1", body));
        assert_eq!(actions, [Action::Answer { call: CallId(1), response }]);
    }
    let actions = device().on_packet(publish("$iothub/methods/res/200/?$rid=none-of-ours", ""));
    assert!(matches!(actions[..], [Action::Remark(_)]), "{actions:?}");
}

// conformance: DEVICE.md 2.9: a desired patch carries its nulls and $version, and no metadata
#[test]
fn a_desired_patch_carries_its_nulls_and_its_version_last() {
    let patch = object(json!({"building": 43, "legacy": null}));
    assert_eq!(
        listening(Subscription::DesiredPatches).on_notice(Notice::DesiredPatch { version: 5, patch: patch.clone() }),
        [sent("$iothub/twin/PATCH/properties/desired/?$version=5", r#"{"building":43,"legacy":null,"$version":5}"#)]
    );
    assert_eq!(listening(Subscription::Methods).on_notice(Notice::DesiredPatch { version: 5, patch }), []);
}

// conformance: DEVICE.md 2.9: a report is answered 204 with rid and new version, and an empty body
// conformance: DEVICE.md 2.8: a reply goes to a device that subscribed to replies, else it is lost
#[test]
fn twin_replies_name_status_rid_and_version() {
    let session = listening(Subscription::TwinResponses);
    let reply = |reply| session.twin_reply("r1".to_owned(), reply).map(Action::Send);
    let twin = json!({"desired": {"$version": 1}, "reported": {"$version": 1}});
    assert_eq!(
        reply(TwinReply::Read(twin)),
        Some(sent("$iothub/twin/res/200/?$rid=r1", r#"{"desired":{"$version":1},"reported":{"$version":1}}"#))
    );
    assert_eq!(reply(TwinReply::Patched(4)), Some(sent("$iothub/twin/res/204/?$rid=r1&$version=4", "")));
    let refused = TwinReply::Refused { status: 412, body: b"{}".to_vec() };
    assert_eq!(reply(refused), Some(sent("$iothub/twin/res/412/?$rid=r1", "{}")));
    assert_eq!(device().twin_reply("r1".to_owned(), TwinReply::Patched(4)), None, "nobody listens");
}

// conformance: DEVICE.md 2.8: any body of a twin read is ignored, and any rid comes back
#[test]
fn twin_requests_are_run_before_they_are_acknowledged() {
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=a-b&$version=3".to_owned();
    let packet = ClientPacket::Publish(Publish::at_least_once(topic, r#"{"a":null}"#, pid(9)));
    assert_eq!(
        device().on_packet(packet),
        [
            Action::Report { rid: "a-b".to_owned(), patch: object(json!({"a": null})), base_version: Some(3) },
            Action::Send(ServerPacket::PubAck(pid(9))),
        ]
    );
    assert_eq!(
        device().on_packet(publish("$iothub/twin/GET/?$rid=get_twin", " ")),
        [Action::ReadTwin { rid: "get_twin".to_owned() }]
    );
}

// conformance: DEVICE.md 2.9: reported properties that are no object are answered 400
#[test]
fn reported_properties_that_are_no_object_are_answered_not_closed() {
    for body in ["", "{", "[1]", "null"] {
        let actions = device().on_packet(publish("$iothub/twin/PATCH/properties/reported/?$rid=1", body));
        let [Action::Refuse { rid, error }] = &actions[..] else { panic!("{body}: {actions:?}") };
        assert_eq!((rid.as_str(), error.code.http_status()), ("1", 400));
    }
}

// conformance: DEVICE.md 1.8: RETAIN becomes the property mqtt-retain, nothing is retained
#[test]
fn telemetry_is_taken_with_its_properties_and_the_retain_flag_as_one() {
    let packet = ClientPacket::Publish(Publish {
        topic: "devices/d1/messages/events/%24.ct=application%2Fjson&alert".to_owned(),
        payload: Bytes::from_static(b"{}"),
        delivery: Delivery::AtLeastOnce { id: pid(2), dup: true },
        retain: true,
    });
    let mut bag = PropertyBag::default();
    bag.set("$.ct", Some("application/json"));
    bag.set("alert", None);
    bag.set("mqtt-retain", Some("true"));
    let text = "%24.ct=application%2Fjson&alert&mqtt-retain=true".to_owned();
    let properties = MessageProperties { bag, text };
    assert_eq!(
        device().on_packet(packet),
        [Action::Receive { properties, body: Bytes::from_static(b"{}") }, Action::Send(ServerPacket::PubAck(pid(2)))]
    );
}

// conformance: DEVICE.md 1.8: telemetry over 256 KB and method answers over 128 KB close
#[test]
fn messages_past_their_limit_close() {
    let cases = [
        ("devices/d1/messages/events/k=v", TELEMETRY_BYTES_MAX - 2, TELEMETRY_BYTES_MAX - 1),
        ("$iothub/methods/res/200/?$rid=1", METHOD_PAYLOAD_BYTES_MAX, METHOD_PAYLOAD_BYTES_MAX + 1),
    ];
    for (topic, fits, too_large) in cases {
        let close = |bytes| {
            let actions = device().on_packet(publish(topic, &"1".repeat(bytes)));
            matches!(actions[..], [Action::Close(Closing::TooLarge { .. })])
        };
        assert!(!close(fits), "{topic}");
        assert!(close(too_large), "{topic}");
    }
}

// conformance: DEVICE.md 2.1: topics of others, of the hub and unknown ones close
#[test]
fn what_the_service_closes_on_closes() {
    let connect =
        Connect { client_id: "d1".to_owned(), clean_session: false, keep_alive_s: 0, login: None, will: None };
    let cases = [
        ClientPacket::Connect(Box::new(connect)),
        publish("devices/d2/messages/events/", ""),
        publish("devices/d1/messages/devicebound/", ""),
        publish("$iothub/twin/GET/", ""),
        publish("$iothub/methods/POST/m/?$rid=1", ""),
        publish("anything", ""),
        ClientPacket::Disconnect,
    ];
    for packet in cases {
        let text = format!("{packet:?}");
        let actions = device().on_packet(packet);
        assert!(matches!(actions[..], [Action::Close(_)]), "{text}: {actions:?}");
    }
}

// conformance: DEVICE.md 2.3: an acknowledgement of nothing is ignored and logged
#[test]
fn pings_are_answered_and_strange_acknowledgements_ignored() {
    assert_eq!(device().on_packet(ClientPacket::PingReq), [Action::Send(ServerPacket::PingResp)]);
    assert!(matches!(device().on_packet(ClientPacket::PubAck(pid(1)))[..], [Action::Remark(_)]));
    let mut strict = device().with_strictness(Strictness::Strict);
    let closed = vec![Action::Close(Closing::UnknownPubAck { id: 1 })];
    assert_eq!(strict.on_packet(ClientPacket::PubAck(pid(1))), closed);
    let ordered = device().on_notice(Notice::Close { reason: "taken over".to_owned() });
    assert_eq!(ordered, [Action::Close(Closing::Ordered("taken over".to_owned()))]);
}
