//! What a device does by itself: telemetry, reports of desired properties, calls that hang; on a driven clock.

use super::*;
use crate::device::{Apply, DesiredRule, PayloadTemplate, Telemetry};
use crate::model::Share;
use crate::model::limits::{DEVICE_REPORTS_MAX, DEVICE_TELEMETRY_UNACKED_MAX};
use crate::mqtt::{Delivery, PropertyBag};

fn sending() -> Behaviour {
    let body = PayloadTemplate::of_message(&json!({"n": "${count}"})).unwrap();
    let properties = PropertyBag::from_iter([("level", "in fo")]);
    let telemetry = Telemetry::new(Duration::from_secs(10), Share::NONE, body, properties).unwrap();
    Behaviour { telemetry: Some(telemetry), ..Behaviour::default() }
}

/// A telemetry message: identifier, whether it is sent again, topic and body.
fn message_of(packet: &ClientPacket) -> (PacketId, bool, &str, &str) {
    let ClientPacket::Publish(publish) = packet else { panic!("{packet:?}") };
    let Delivery::AtLeastOnce { id, dup } = publish.delivery else { panic!("{packet:?}") };
    (id, dup, &publish.topic, std::str::from_utf8(&publish.payload).unwrap())
}

#[test]
fn telemetry_is_sent_at_quality_1_and_acknowledged() {
    let mut bench = Bench::ready_with(sending());
    let mut at = Vec::new();
    for count in 1..=5_u64 {
        let effects = bench.wake();
        let (id, dup, topic, body) = message_of(&effects.packets[0]);
        assert_eq!((dup, topic), (false, "devices/dev1/messages/events/level=in%20fo"));
        assert_eq!(body, format!(r#"{{"n":{count}}}"#));
        assert_eq!(bench.packet(ServerPacket::PubAck(id)).events, [Event::TelemetrySent { count }]);
        at.push(bench.second);
    }
    assert!(at[0] <= 10, "{at:?}");
    assert!(at.windows(2).all(|pair| (10..=11).contains(&(pair[1] - pair[0]))), "{at:?}");
}

#[test]
fn the_window_of_telemetry_is_bounded_and_opens_with_an_acknowledgement() {
    // Half a minute of messages is more than the window holds, and less than the hub may take over a PUBACK.
    let telemetry = Telemetry::new(
        Duration::from_secs(2),
        Share::NONE,
        PayloadTemplate::of_message(&json!(1)).unwrap(),
        PropertyBag::default(),
    );
    let behaviour = Behaviour { telemetry: Some(telemetry.unwrap()), ..Behaviour::default() };
    let mut bench = Bench::ready_with(behaviour);
    let mut ids = Vec::new();
    while bench.second < 50 {
        ids.extend(bench.wake().packets.iter().map(|packet| message_of(packet).0));
        if ids.len() == DEVICE_TELEMETRY_UNACKED_MAX {
            break;
        }
    }
    assert_eq!(bench.wake().packets, [], "the window is full");
    let next = bench.packet(ServerPacket::PubAck(ids[0]));
    assert_eq!((next.events.len(), next.packets.len()), (1, 0));
    assert_eq!(bench.wake().packets.len(), 1, "and the message that waited goes");
    // The rest is never acknowledged.
    let lost = loop {
        let effects = bench.wake();
        if effects.next != Next::Stay {
            break effects;
        }
        if effects.packets == [ClientPacket::PingReq] {
            bench.packet(ServerPacket::PingResp);
        }
    };
    let Some(Event::Disconnected { reason, .. }) = lost.events.last() else { panic!("{lost:?}") };
    assert_eq!(*reason, LossReason::NoAnswer("a telemetry message"));
}

#[test]
fn what_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    let mut bench = Bench::ready_with(sending());
    let sent = bench.wake();
    let (id, _, _, body) = message_of(&sent.packets[0]);
    bench.lose(LossReason::Closed);
    bench.accept(true);
    let ready = bench.message("$iothub/twin/res/200/?$rid=2", &twin(1, json!({})));
    assert_eq!(message_of(&ready.packets[0]), (id, true, "devices/dev1/messages/events/level=in%20fo", body));

    // A hub that forgot the session gets it as a new message, after the subscriptions.
    bench.lose(LossReason::Closed);
    bench.accept(false);
    bench.acknowledge_subscriptions();
    let ready = bench.message("$iothub/twin/res/200/?$rid=3", &twin(1, json!({})));
    let (id, dup, _, again) = message_of(&ready.packets[0]);
    assert_eq!((dup, again), (false, body));
    assert_eq!(bench.packet(ServerPacket::PubAck(id)).events, [Event::TelemetrySent { count: 1 }]);
}

fn applying(apply: Apply, delay: &str) -> Behaviour {
    Behaviour { desired: DesiredRule { apply, delay: delay.parse().unwrap() }, ..Behaviour::default() }
}

/// The bodies of the reports in effects, and their request ids.
fn reports(effects: &Effects) -> Vec<(String, Value)> {
    let report = |packet: &ClientPacket| {
        let ClientPacket::Publish(publish) = packet else { return None };
        let rid = publish.topic.strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=")?;
        Some((rid.to_owned(), serde_json::from_slice(&publish.payload).unwrap()))
    };
    effects.packets.iter().filter_map(report).collect()
}

#[test]
fn desired_properties_are_reported_after_their_time_and_in_order() {
    let mut bench = Bench::ready_with(applying(Apply::Echo, "5s"));
    assert_eq!(patch(&mut bench, 2, json!({"a": 1, "b": null, "$version": 2})).packets, []);
    bench.second += 1;
    patch(&mut bench, 3, json!({"a": 2, "$version": 3}));
    let first = bench.wake();
    assert_eq!(bench.second, 5);
    assert_eq!(reports(&first), [("2".to_owned(), json!({"a": 1, "b": null}))]);
    bench.second = 20;
    assert_eq!(bench.on(Input::Woken).packets, [], "one at a time");
    let second = bench.message("$iothub/twin/res/204/?$rid=2&$version=2", &Value::Null);
    assert_eq!(second.events, [Event::Reported { version: Some(2) }]);
    assert_eq!(reports(&second), [("3".to_owned(), json!({"a": 2}))]);
    let done = bench.message("$iothub/twin/res/204/?$rid=3&$version=3", &Value::Null);
    assert_eq!(done.packets, [], "a report leads to no further one");
    assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
}

#[test]
fn a_rejection_is_a_note() {
    let mut bench = Bench::ready_with(applying(Apply::Reject, "0s"));
    let effects = patch(&mut bench, 2, json!({"a": 1, "$version": 2}));
    assert_eq!(reports(&effects), [("2".to_owned(), json!({"rejected": {"version": 2}}))]);
}

#[test]
fn what_the_twin_holds_is_not_reported_again() {
    let mut bench = Bench::new(applying(Apply::Echo, "0s"));
    bench.accept(false);
    bench.acknowledge_subscriptions();
    let read = json!({"desired": {"a": 1, "$version": 4}, "reported": {"a": 1, "$version": 2}});
    let ready = bench.message("$iothub/twin/res/200/?$rid=1", &read);
    assert_eq!((ready.packets.len(), ready.events.len()), (0, 2));
    // What changed while the device was away is.
    bench.lose(LossReason::Closed);
    bench.accept(true);
    let read = json!({"desired": {"a": 2, "$version": 5}, "reported": {"a": 1, "$version": 2}});
    let ready = bench.message("$iothub/twin/res/200/?$rid=2", &read);
    assert_eq!(reports(&ready), [("3".to_owned(), json!({"a": 2}))]);
}

#[test]
fn a_report_outlives_its_connection_and_a_busy_hub() {
    let mut bench = Bench::ready_with(applying(Apply::Echo, "0s"));
    assert_eq!(reports(&patch(&mut bench, 2, json!({"a": 1, "$version": 2}))).len(), 1);
    bench.lose(LossReason::Closed);
    bench.accept(true);
    let ready = bench.message("$iothub/twin/res/200/?$rid=3", &twin(2, json!({"a": 1})));
    assert_eq!(reports(&ready), [("4".to_owned(), json!({"a": 1}))]);
    let busy = bench.message("$iothub/twin/res/429/?$rid=4", &json!({}));
    assert!(matches!(busy.events[..], [Event::ReportRefused { status: 429, .. }]));
    assert_eq!(busy.packets, []);
    let again = bench.wake();
    assert_eq!((bench.second, reports(&again)), (5, vec![("5".to_owned(), json!({"a": 1}))]));
    let refused = bench.message("$iothub/twin/res/400/?$rid=5", &json!({}));
    assert_eq!((refused.events.len(), refused.packets.len()), (1, 0), "what the hub will never take is dropped");
    assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
}

#[test]
fn a_flood_of_changes_is_reported_in_a_bounded_queue_with_the_newest_values() {
    let mut bench = Bench::ready_with(applying(Apply::Echo, "10m"));
    for version in 2..=200 {
        patch(&mut bench, version, json!({"a": {"n": version, format!("k{version}"): 1}, "$version": version}));
    }
    let (mut sent, mut told) = (0, JsonObject::new());
    let mut effects = idle(&mut bench);
    while let Some((rid, report)) = reports(&effects).pop() {
        sent += 1;
        crate::model::merge(&mut told, &object(report));
        effects = bench.message(&format!("$iothub/twin/res/204/?$rid={rid}&$version={sent}"), &Value::Null);
    }
    assert_eq!(sent, DEVICE_REPORTS_MAX);
    assert_eq!((&told["a"]["n"], told["a"].as_object().unwrap().len()), (&json!(200), 200));
}

#[test]
fn a_call_that_hangs_is_told_and_never_answered() {
    let other = MethodRule { hangs: Share::ALL, ..MethodRule::default() };
    let mut bench = Bench::ready_with(Behaviour { other, ..Behaviour::default() });
    let effects = bench.message("$iothub/methods/POST/m/?$rid=a", &json!(1));
    assert_eq!(effects.packets, []);
    assert_eq!(effects.events[1..], [Event::MethodHung { name: "m".to_owned() }]);
    assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
}

#[test]
fn one_seed_gives_the_same_device_again() {
    let rule =
        MethodRule { hangs: "30%".parse().unwrap(), latency: "1s..9s".parse().unwrap(), ..MethodRule::default() };
    let run = |seed| {
        let config = config(Behaviour { other: rule.clone(), ..Behaviour::default() });
        let mut bench = Bench { machine: Machine::new(config, Seed::new(seed)), second: 0 };
        bench.accept(false);
        bench.acknowledge_subscriptions();
        bench.message("$iothub/twin/res/200/?$rid=1", &twin(1, json!({})));
        let mut all = Vec::new();
        for rid in 0..50 {
            all.push(bench.message(&format!("$iothub/methods/POST/m/?$rid={rid}"), &json!(rid)));
            bench.second += 10;
            all.push(bench.on(Input::Woken));
        }
        all.push(bench.lose(LossReason::Closed));
        all
    };
    assert_eq!(run(42), run(42));
    assert_ne!(run(42), run(43));
}

#[test]
fn a_message_from_the_cloud_is_acknowledged() {
    let mut bench = Bench::ready();
    let id = PacketId::new(3).unwrap();
    let message = Publish::at_least_once("devices/dev1/messages/devicebound/a=1".to_owned(), "hello", id);
    assert_eq!(bench.packet(ServerPacket::Publish(message)).packets, [ClientPacket::PubAck(id)]);
}
