//! Direct methods: each ends once (REST.md 7, DEVICE.md 2.7).

use serde_json::json;

use super::rig::{Rig, code, twin_id};
use crate::hub::engine::{Command, SessionKind};
use crate::hub::notice::CallId;
use crate::hub::registry::IfMatch;
use crate::model::ErrorCode;
use crate::mqtt::Subscription;

// conformance: REST.md 7: a device without a method subscription counts as offline
// conformance: DEVICE.md 2.11: a method for a device that is offline or did not subscribe is refused, or waits for connectTimeout
#[test]
fn who_is_away_or_takes_no_methods_is_not_online_at_once() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let away = rig.invoke("a", 30, 0).unwrap_err();
    assert_eq!((away.code, away.info), (ErrorCode::DeviceNotOnline, Some(json!({"timeout": "00:00:00"}))));
    rig.connect("a", 1, SessionKind::Clean);
    assert_eq!(code(rig.invoke("a", 30, 0)).0, ErrorCode::DeviceNotOnline);
    assert_eq!(code(rig.invoke("b", 30, 0)), (ErrorCode::DeviceNotFound, "b".to_owned()));
    assert_eq!(code(rig.invoke("a/m", 30, 0)).0, ErrorCode::ModuleNotFound);
}

// conformance: DEVICE.md 2.7: the first answer of a device counts, later ones are ignored
#[test]
fn an_answer_ends_the_call_and_later_ones_are_ignored() {
    let mut rig = Rig::new();
    rig.register(&["a", "b"]);
    rig.online("a", 1);
    rig.online("b", 2);
    let ticket = rig.invoke("a", 30, 0).unwrap();
    let (_, call) = rig.calls()[0];
    rig.answer(2, call, 500);
    assert_eq!(rig.completions, [], "only the connection that was called can answer");
    rig.answer(1, CallId(call.0 + 1), 500);
    rig.answer(1, call, 200);
    rig.answer(1, call, 201);
    rig.pass(60);
    assert_eq!(rig.completions.len(), 1);
    assert_eq!((rig.completions[0].ticket, rig.completions[0].result.as_ref().unwrap().status), (ticket, 200));
}

// conformance: REST.md 7: the response time-out bounds the whole call
#[test]
fn the_response_timeout_bounds_the_whole_call() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.invoke("a", 30, 20).unwrap();
    rig.pass(19);
    rig.online("a", 1);
    let (_, call) = rig.calls()[0];
    rig.pass(10);
    assert_eq!(rig.completions, []);
    rig.pass(1);
    let error = rig.completions[0].result.clone().unwrap_err();
    assert_eq!((error.code, error.info), (ErrorCode::GatewayTimeout, Some(json!({}))));
    rig.answer(1, call, 200);
    assert_eq!(rig.completions.len(), 1);
}

// conformance: REST.md 7: a device that does not come within the connect time-out is 404 DeviceNotOnline
#[test]
fn who_does_not_come_within_the_connect_timeout_is_not_online() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.invoke("a", 300, 60).unwrap();
    rig.connect("a", 1, SessionKind::Clean);
    rig.pass(60);
    let error = rig.completions[0].result.clone().unwrap_err();
    assert_eq!((error.code, error.info), (ErrorCode::DeviceNotOnline, Some(json!({"timeout": "00:01:00"}))));
    rig.subscribe(1, &[Subscription::Methods]);
    assert_eq!(rig.calls(), [], "it is over");
}

// conformance: REST.md 7: a device that drops in mid-call ends the call
// conformance: DEVICE.md 2.7: a call is not sent again after a reconnect
#[test]
fn a_lost_link_ends_the_call_and_nothing_is_sent_again() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    rig.invoke("a", 30, 20).unwrap();
    rig.calls();
    rig.disconnect(1);
    assert_eq!(code(rig.completions[0].result.clone()), (ErrorCode::DeviceNotOnline, "Device unavailable".to_owned()));
    rig.online("a", 2);
    rig.pass(60);
    assert_eq!((rig.calls(), rig.completions.len()), (vec![], 1));
}

#[test]
fn a_deleted_device_ends_the_calls_that_wait_for_it() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.invoke("a", 30, 20).unwrap();
    rig.apply(Command::DeleteIdentity { id: twin_id("a"), if_match: IfMatch::Any }).unwrap();
    assert_eq!(code(rig.completions[0].result.clone()).0, ErrorCode::DeviceNotFound);
}

// conformance: REST.md 7: too many calls at once to one device are 403 DeviceMaximumInflightMethodExceeded
#[test]
fn one_device_has_a_limited_number_of_calls() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    for _ in 0..60 {
        rig.invoke("a", 30, 20).unwrap();
    }
    rig.online("a", 1);
    for _ in 0..40 {
        rig.invoke("a", 30, 0).unwrap();
    }
    assert_eq!(code(rig.invoke("a", 30, 0)).0, ErrorCode::DeviceMaximumInflightMethodExceeded);
    let (_, call) = rig.calls()[0];
    rig.answer(1, call, 200);
    rig.invoke("a", 30, 0).unwrap();
}
