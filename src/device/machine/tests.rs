use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::device::{Behaviour, DesiredOrigin, Endpoint, KeepAlive, MethodRule, Payload, Transport, ValueTemplate};
use crate::model::{JsonObject, Latency, SymmetricKey, TwinId};
use crate::mqtt::{PacketId, Publish, QoS, SubAckCode};
use crate::tls::{DevCa, TrustAnchors, client_config};

use super::super::config::Credentials;
use DeviceEventKind as Event;

mod doings;
mod faults;
mod herd;

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn config(behaviour: Behaviour) -> DeviceConfig {
    let ca = DevCa::in_memory(&[], Clock::system().now()).unwrap();
    let tls = Arc::new(client_config(&TrustAnchors::Pem(ca.ca_pem().as_bytes().to_vec())).unwrap());
    let mut endpoint = Endpoint::of_hub(&"hub.local:1".parse().unwrap(), Transport::Mqtt, 8883, tls);
    endpoint.keep_alive = KeepAlive::of_seconds(240);
    let key: SymmetricKey = KEY.parse().unwrap();
    let id = TwinId::device("dev1".parse().unwrap());
    DeviceConfig::new(Arc::new(endpoint), id, Credentials::IdentityKey(key), Arc::new(behaviour)).unwrap()
}

/// A device under test and the time it lives in.
struct Bench {
    machine: Machine,
    second: u64,
}

impl Bench {
    fn new(behaviour: Behaviour) -> Self {
        Self { machine: Machine::new(config(behaviour), Seed::new(7)), second: 0 }
    }

    fn on(&mut self, input: Input) -> Effects {
        let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(self.second).unwrap()).unwrap();
        self.machine.on(input, Now { wall, monotonic: Duration::from_secs(self.second) })
    }

    fn packet(&mut self, packet: ServerPacket) -> Effects {
        self.on(Input::Packet(packet))
    }

    fn message(&mut self, topic: &str, body: &Value) -> Effects {
        self.packet(ServerPacket::Publish(Publish::at_most_once(topic.to_owned(), body.to_string())))
    }

    /// Lets time pass up to the device's own deadline and wakes it.
    fn wake(&mut self) -> Effects {
        self.second = self.machine.deadline().expect("an online device has a deadline").as_secs_f64().ceil() as u64;
        self.on(Input::Woken)
    }

    fn accept(&mut self, session_present: bool) -> Effects {
        self.on(Input::Opened);
        self.packet(ServerPacket::ConnAck { session_present, code: ConnAckCode::Accepted })
    }

    fn acknowledge_subscriptions(&mut self) -> Effects {
        let acknowledge = |bench: &mut Self, id| {
            let codes = vec![SubAckCode::Granted(QoS::AtMostOnce)];
            bench.packet(ServerPacket::SubAck { id: PacketId::new(id).unwrap(), codes })
        };
        assert_eq!(acknowledge(self, 2), Effects::none());
        assert_eq!(acknowledge(self, 1), Effects::none());
        acknowledge(self, 3)
    }

    /// Connects for the first time; the twin is at version 1.
    fn ready() -> Self {
        Self::ready_with(Behaviour::default())
    }

    fn ready_with(behaviour: Behaviour) -> Self {
        let mut bench = Self::new(behaviour);
        bench.accept(false);
        bench.acknowledge_subscriptions();
        bench.message("$iothub/twin/res/200/?$rid=1", &twin(1, json!({})));
        bench
    }

    fn lose(&mut self, reason: LossReason) -> Effects {
        self.on(Input::Lost(reason))
    }
}

fn twin(version: u64, mut desired: Value) -> Value {
    desired["$version"] = version.into();
    json!({"desired": desired, "reported": {"$version": 1}})
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

fn topics(effects: &Effects) -> Vec<String> {
    let topic = |packet: &ClientPacket| match packet {
        ClientPacket::Publish(publish) => Some(publish.topic.clone()),
        ClientPacket::Subscribe { filters, .. } => Some(filters[0].filter.clone()),
        _ => None,
    };
    effects.packets.iter().filter_map(topic).collect()
}

fn retry_after(effects: &Effects) -> Duration {
    let Next::Reconnect { after } = effects.next else { panic!("{:?} is no reconnect", effects.next) };
    after
}

fn connect_of(effects: &Effects) -> &Connect {
    let [ClientPacket::Connect(connect)] = effects.packets.as_slice() else { panic!("{:?}", effects.packets) };
    connect
}

#[test]
fn connects_as_an_azure_device_does() {
    let mut bench = Bench::new(Behaviour::default());
    let effects = bench.on(Input::Opened);
    let connect = connect_of(&effects);
    let login = connect.login.as_ref().unwrap();
    assert_eq!((connect.client_id.as_str(), connect.clean_session, connect.keep_alive_s), ("dev1", false, 240));
    assert!(login.user_name.starts_with("hub.local/dev1/?api-version=2021-04-12&"), "{}", login.user_name);
    let token = login.password.as_ref().unwrap().expose();
    assert!(token.starts_with("SharedAccessSignature sr=hub.local%2Fdevices%2Fdev1&sig="), "{token}");
    assert!(token.ends_with("&se=1800003600"), "{token}");
}

#[test]
fn a_module_with_a_policys_key_names_both() {
    let device = config(Behaviour::default());
    let key = Arc::new(KEY.parse::<SymmetricKey>().unwrap());
    let credentials = Credentials::PolicyKey { policy: "device".into(), key };
    let id = TwinId::module("dev1".parse().unwrap(), "cam".parse().unwrap());
    let module = DeviceConfig::new(device.endpoint, id, credentials, device.behaviour).unwrap();
    let mut bench = Bench { machine: Machine::new(module, Seed::new(1)), second: 0 };
    let effects = bench.on(Input::Opened);
    let connect = connect_of(&effects);
    let login = connect.login.as_ref().unwrap();
    assert_eq!(connect.client_id, "dev1/cam");
    assert!(login.user_name.starts_with("hub.local/dev1/cam/?api-version="), "{}", login.user_name);
    let token = login.password.as_ref().unwrap().expose();
    assert!(token.contains("sr=hub.local%2Fdevices%2Fdev1%2Fmodules%2Fcam&"), "{token}");
    assert!(token.ends_with("&skn=device"), "{token}");
}

#[test]
fn a_device_with_a_certificate_sends_no_password_and_renews_nothing() {
    let config = DeviceConfig { credentials: Credentials::Certificate, ..config(Behaviour::default()) };
    let mut bench = Bench { machine: Machine::new(config, Seed::new(1)), second: 0 };
    assert_eq!(connect_of(&bench.on(Input::Opened)).login.as_ref().unwrap().password, None);
    bench.packet(ServerPacket::ConnAck { session_present: false, code: ConnAckCode::Accepted });
    bench.acknowledge_subscriptions();
    bench.message("$iothub/twin/res/200/?$rid=1", &twin(1, json!({})));
    // Three hours of pings, three tokens long.
    while bench.second < 3 * 3_600 {
        assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
        bench.packet(ServerPacket::PingResp);
    }
}

#[test]
fn each_connect_carries_a_fresh_token() {
    let mut bench = Bench::ready();
    bench.second = 100;
    bench.lose(LossReason::Closed);
    let effects = bench.on(Input::Opened);
    let password = connect_of(&effects).login.as_ref().unwrap().password.as_ref().unwrap();
    assert!(password.expose().ends_with("&se=1800003700"));
}

#[test]
fn reads_the_twin_only_after_every_suback() {
    let mut bench = Bench::new(Behaviour::default());
    let subscribed = bench.accept(false);
    assert_eq!(subscribed.events, [Event::Connected]);
    assert_eq!(
        topics(&subscribed),
        ["$iothub/twin/res/#", "$iothub/methods/POST/#", "$iothub/twin/PATCH/properties/desired/#"]
    );
    assert_eq!(topics(&bench.acknowledge_subscriptions()), ["$iothub/twin/GET/?$rid=1"]);
    let ready = bench.message("$iothub/twin/res/200/?$rid=1", &twin(1, json!({})));
    assert_eq!(ready.events, [Event::Ready { desired_version: 1 }]);
}

#[test]
fn subscribes_again_only_when_the_session_is_gone() {
    let mut bench = Bench::ready();
    bench.lose(LossReason::Closed);
    assert_eq!(topics(&bench.accept(true)), ["$iothub/twin/GET/?$rid=2"]);
    bench.lose(LossReason::Closed);
    assert_eq!(topics(&bench.accept(false)).len(), 3);
}

#[test]
fn a_session_of_an_earlier_process_is_not_trusted() {
    let mut bench = Bench::new(Behaviour::default());
    assert_eq!(topics(&bench.accept(true)).len(), 3);
}

#[test]
fn a_method_is_told_and_answered() {
    let mut bench = Bench::ready();
    let effects = bench.message("$iothub/methods/POST/lockDoor/?$rid=a1", &json!({"lockTime": "10m"}));
    assert_eq!(topics(&effects), ["$iothub/methods/res/200/?$rid=a1"]);
    let called = Event::MethodCalled { name: "lockDoor".to_owned(), payload: json!({"lockTime": "10m"}) };
    assert_eq!(effects.events, [called, Event::MethodAnswered { name: "lockDoor".to_owned(), status: 200 }]);
}

#[test]
fn a_call_without_payload_carries_null() {
    let mut bench = Bench::ready();
    let empty = Publish::at_most_once("$iothub/methods/POST/m/?$rid=1".to_owned(), Bytes::new());
    let effects = bench.packet(ServerPacket::Publish(empty));
    assert_eq!(effects.events[0], Event::MethodCalled { name: "m".to_owned(), payload: Value::Null });
}

#[test]
fn a_call_of_quality_1_is_acknowledged_first() {
    let mut bench = Bench::ready();
    let id = PacketId::new(9).unwrap();
    let call = Publish::at_least_once("$iothub/methods/POST/m/?$rid=1".to_owned(), "1", id);
    let effects = bench.packet(ServerPacket::Publish(call));
    assert_eq!(effects.packets[0], ClientPacket::PubAck(id));
    assert_eq!(effects.packets.len(), 2);
}

fn slow(seconds: u64) -> Behaviour {
    let rule = MethodRule {
        status: 418.try_into().unwrap(),
        payload: Payload::Fixed("{}".into()),
        latency: Latency::fixed(Duration::from_secs(seconds)).unwrap(),
        ..MethodRule::default()
    };
    Behaviour { methods: [("slow".to_owned(), rule)].into(), ..Behaviour::default() }
}

#[test]
fn a_slow_answer_comes_when_it_is_due() {
    let mut bench = Bench::ready_with(slow(20));
    let called = bench.message("$iothub/methods/POST/slow/?$rid=1", &Value::Null);
    assert_eq!((called.packets.len(), called.events.len()), (0, 1));
    let answered = bench.wake();
    assert_eq!(bench.second, 20);
    assert_eq!(topics(&answered), ["$iothub/methods/res/418/?$rid=1"]);
}

#[test]
fn an_answer_does_not_outlive_its_connection() {
    let mut bench = Bench::ready_with(slow(20));
    bench.message("$iothub/methods/POST/slow/?$rid=1", &Value::Null);
    bench.lose(LossReason::Closed);
    bench.accept(true);
    bench.message("$iothub/twin/res/200/?$rid=2", &twin(1, json!({})));
    let woken = bench.wake();
    assert_eq!(woken.packets, [ClientPacket::PingReq], "the next thing to do is a ping");
}

#[test]
fn too_many_calls_at_once_are_turned_away() {
    let mut bench = Bench::ready_with(slow(20));
    for rid in 0..crate::model::limits::DEVICE_CALLS_MAX {
        let effects = bench.message(&format!("$iothub/methods/POST/slow/?$rid={rid}"), &Value::Null);
        assert_eq!(effects.packets.len(), 0);
    }
    let effects = bench.message("$iothub/methods/POST/slow/?$rid=x", &Value::Null);
    assert_eq!(topics(&effects), ["$iothub/methods/res/503/?$rid=x"]);
}

fn patch(bench: &mut Bench, version: u64, body: Value) -> Effects {
    bench.message(&format!("$iothub/twin/PATCH/properties/desired/?$version={version}"), &body)
}

#[test]
fn patches_are_told_in_order_and_stale_ones_are_not() {
    let mut bench = Bench::ready();
    let told = patch(&mut bench, 2, json!({"building": 43, "floor": null, "$version": 2}));
    let expected = Event::DesiredPatch {
        version: 2,
        patch: object(json!({"building": 43, "floor": null})),
        origin: DesiredOrigin::Notification,
    };
    assert_eq!(told.events, [expected]);
    assert_eq!(patch(&mut bench, 2, json!({"building": 43, "$version": 2})), Effects::none());
    assert_eq!(patch(&mut bench, 1, json!({"$version": 1})), Effects::none());
}

#[test]
fn a_gap_makes_the_device_read_its_twin() {
    let mut bench = Bench::ready();
    let gap = patch(&mut bench, 4, json!({"b": 2, "$version": 4}));
    assert_eq!(topics(&gap), ["$iothub/twin/GET/?$rid=2"]);
    assert_eq!(gap.events, []);
    let read = bench.message("$iothub/twin/res/200/?$rid=2", &twin(4, json!({"a": 1, "b": 2})));
    let patch = object(json!({"a": 1, "b": 2}));
    assert_eq!(read.events, [Event::DesiredPatch { version: 4, patch, origin: DesiredOrigin::Read }]);
}

#[test]
fn what_changed_while_away_is_read_after_the_reconnect() {
    let mut bench = Bench::ready();
    bench.lose(LossReason::Closed);
    bench.accept(true);
    let read = bench.message("$iothub/twin/res/200/?$rid=2", &twin(3, json!({"a": 1})));
    let patch = object(json!({"a": 1}));
    let news = Event::DesiredPatch { version: 3, patch, origin: DesiredOrigin::Read };
    assert_eq!(read.events, [news, Event::Ready { desired_version: 3 }]);
}

#[test]
fn a_patch_that_overtakes_the_first_read_is_not_lost() {
    let mut bench = Bench::new(Behaviour::default());
    bench.accept(false);
    bench.acknowledge_subscriptions();
    assert_eq!(patch(&mut bench, 5, json!({"a": 5, "$version": 5})), Effects::none());
    let stale = bench.message("$iothub/twin/res/200/?$rid=1", &twin(4, json!({})));
    assert_eq!(topics(&stale), ["$iothub/twin/GET/?$rid=2"]);
    assert_eq!(stale.events, []);
    let read = bench.message("$iothub/twin/res/200/?$rid=2", &twin(5, json!({"a": 5})));
    assert_eq!(read.events.len(), 2);
}

#[test]
fn a_busy_hub_is_asked_again_later() {
    let mut bench = Bench::new(Behaviour::default());
    bench.accept(false);
    bench.acknowledge_subscriptions();
    assert_eq!(bench.message("$iothub/twin/res/429/?$rid=1", &json!({"errorCode": 429_001})), Effects::none());
    assert_eq!(topics(&bench.wake()), ["$iothub/twin/GET/?$rid=2"]);
    assert_eq!(bench.second, 5);
}

#[test]
fn properties_are_reported_once_the_twin_is_read_unless_it_holds_them() {
    let reported = Some(ValueTemplate::fixed(object(json!({"firmware": "1.2"}))));
    let mut bench = Bench::new(Behaviour { reported, ..Behaviour::default() });
    bench.accept(false);
    bench.acknowledge_subscriptions();
    let ready = bench.message("$iothub/twin/res/200/?$rid=1", &twin(1, json!({})));
    assert_eq!(topics(&ready), ["$iothub/twin/PATCH/properties/reported/?$rid=2"]);
    let taken = bench.message("$iothub/twin/res/204/?$rid=2&$version=2", &Value::Null);
    assert_eq!(taken.events, [Event::Reported { version: Some(2) }]);

    bench.lose(LossReason::Closed);
    bench.accept(true);
    let held = json!({"desired": {"$version": 1}, "reported": {"firmware": "1.2", "$version": 2}});
    assert_eq!(bench.message("$iothub/twin/res/200/?$rid=3", &held).packets, []);
}

#[test]
fn a_refused_report_is_told_with_the_hubs_words() {
    let reported = Some(ValueTemplate::fixed(object(json!({"a.b": 1}))));
    let mut bench = Bench::ready_with(Behaviour { reported, ..Behaviour::default() });
    let refused = bench.message("$iothub/twin/res/400/?$rid=2", &json!({"errorCode": 400_004}));
    let body = r#"{"errorCode":400004}"#.to_owned();
    assert_eq!(refused.events, [Event::ReportRefused { status: 400, body }]);
}

#[test]
fn an_idle_device_pings_and_notices_a_silent_hub() {
    let mut bench = Bench::ready();
    assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
    assert_eq!(bench.second, 180, "three quarters of the keep-alive");
    assert_eq!(bench.packet(ServerPacket::PingResp), Effects::none());
    assert_eq!(bench.wake().packets, [ClientPacket::PingReq]);
    assert_eq!(bench.second, 360);
    let silent = bench.wake();
    assert_eq!(bench.second, 390);
    assert!(matches!(&silent.events[0], Event::Disconnected { reason: LossReason::NoAnswer("PINGREQ"), .. }));
}

#[test]
fn answers_that_do_not_come_end_the_connection() {
    let mut bench = Bench::new(Behaviour::default());
    bench.on(Input::Opened);
    assert!(matches!(bench.wake().next, Next::Reconnect { .. }));
    assert_eq!(bench.second, 60, "CONNACK");

    bench.accept(false);
    assert!(matches!(bench.wake().next, Next::Reconnect { .. }));
    assert_eq!(bench.second, 120, "SUBACK");

    bench.accept(false);
    bench.acknowledge_subscriptions();
    let silent = bench.wake();
    assert_eq!(bench.second, 180, "the twin");
    assert!(matches!(&silent.events[0], Event::Disconnected { reason: LossReason::NoAnswer("a twin read"), .. }));
}

/// Wakes and answers pings until something else happens.
fn idle(bench: &mut Bench) -> Effects {
    for _ in 0..100 {
        let effects = bench.wake();
        if effects.packets != [ClientPacket::PingReq] {
            return effects;
        }
        bench.packet(ServerPacket::PingResp);
    }
    panic!("nothing but pings");
}

#[test]
fn the_token_is_renewed_by_reconnecting_before_it_expires() {
    let mut bench = Bench::ready();
    let renewed = idle(&mut bench);
    assert_eq!(renewed.packets, [ClientPacket::Disconnect]);
    assert_eq!(renewed.next, Next::Reconnect { after: Duration::ZERO });
    assert!((3_000..=3_300).contains(&bench.second), "{}", bench.second);
}

#[test]
fn a_call_under_way_delays_the_renewal_and_is_answered() {
    let mut bench = Bench::ready_with(slow(3_400));
    bench.message("$iothub/methods/POST/slow/?$rid=1", &Value::Null);
    let answered = loop {
        let effects = idle(&mut bench);
        if effects != Effects::none() {
            break effects;
        }
    };
    assert_eq!(topics(&answered), ["$iothub/methods/res/418/?$rid=1"]);
    assert_eq!(bench.second, 3_400);
    assert_eq!(idle(&mut bench).packets, [ClientPacket::Disconnect]);
}

#[test]
fn a_refusal_is_believed_the_second_time() {
    let mut bench = Bench::new(Behaviour::default());
    let refuse = |bench: &mut Bench| {
        bench.on(Input::Opened);
        bench.packet(ServerPacket::ConnAck { session_present: false, code: ConnAckCode::NotAuthorized })
    };
    assert!(matches!(refuse(&mut bench).next, Next::Reconnect { .. }));
    let given_up = refuse(&mut bench);
    assert_eq!(given_up.next, Next::GiveUp);
    assert_eq!(given_up.events, [Event::GaveUp { reason: LossReason::Refused(ConnAckCode::NotAuthorized) }]);
}

#[test]
fn an_unavailable_hub_is_tried_for_ever() {
    let mut bench = Bench::new(Behaviour::default());
    let mut waits = Vec::new();
    for _ in 0..20 {
        bench.on(Input::Opened);
        let code = ConnAckCode::ServerUnavailable;
        waits.push(retry_after(&bench.packet(ServerPacket::ConnAck { session_present: false, code })));
    }
    assert!(waits[0] <= Duration::from_millis(500) && waits[19] >= Duration::from_secs(30), "{waits:?}");
}

#[test]
fn an_untrusted_certificate_is_fatal() {
    let mut bench = Bench::new(Behaviour::default());
    assert_eq!(bench.lose(LossReason::Untrusted("who".to_owned())).next, Next::GiveUp);
}

#[test]
fn two_clients_with_one_identity_are_told_about() {
    let mut bench = Bench::new(Behaviour::default());
    let mut reasons = Vec::new();
    for _ in 0..3 {
        bench.accept(true);
        bench.second += 1;
        let Event::Disconnected { reason, .. } = bench.lose(LossReason::Closed).events.remove(0) else { panic!() };
        reasons.push(reason);
    }
    assert_eq!(reasons, [LossReason::Closed, LossReason::Closed, LossReason::ClosedAgainAndAgain]);
}

#[test]
fn a_connection_that_lasted_starts_the_back_off_over() {
    let mut bench = Bench::new(Behaviour::default());
    for _ in 0..10 {
        bench.lose(LossReason::Unreachable("refused".to_owned()));
    }
    bench.accept(false);
    bench.second += 60;
    assert!(retry_after(&bench.lose(LossReason::Closed)) <= Duration::from_millis(500));
}

#[test]
fn what_no_hub_sends_is_passed_over() {
    let mut bench = Bench::ready();
    assert_eq!(bench.message("devices/dev1/messages/devicebound/a=1", &json!("hello")), Effects::none());
    assert_eq!(bench.message("hello/world", &json!(1)), Effects::none());
    assert_eq!(bench.message("$iothub/twin/res/200/?$rid=77", &json!(1)), Effects::none());
}
