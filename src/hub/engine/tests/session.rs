//! Connections and sessions (DEVICE.md 1.6, 1.9).

use super::rig::{Rig, code, twin_id};
use crate::hub::engine::{Command, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::model::{ConnectionState, ErrorCode, WireTime};
use crate::mqtt::Subscription;

// conformance: DEVICE.md 1.6: a persistent session outlives connection and hub
#[test]
fn a_persistent_session_outlives_connection_and_process() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    assert!(!rig.connect("a", 1, SessionKind::Persistent).session_present);
    rig.subscribe(1, &[Subscription::Methods, Subscription::TwinResponses]);
    let unsubscribe =
        Command::Unsubscribe { connection: ConnectionId(1), subscriptions: vec![Subscription::TwinResponses] };
    rig.apply(unsubscribe).unwrap();
    rig.disconnect(1);
    let mut rig = rig.restarted();
    let opened = rig.connect("a", 1, SessionKind::Persistent);
    assert!(opened.session_present);
    assert_eq!(opened.subscriptions, [(Subscription::Methods, 0)]);
    rig.invoke("a", 30, 0).unwrap();
    assert_eq!(rig.calls().len(), 1, "a restored subscription is in force from the start");
}

// conformance: DEVICE.md 1.6: a clean session drops what was stored and stores nothing
#[test]
fn a_clean_session_drops_what_was_stored_and_stores_nothing() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.connect("a", 1, SessionKind::Persistent);
    rig.subscribe(1, &[Subscription::Methods]);
    let opened = rig.connect("a", 2, SessionKind::Clean);
    assert!(!opened.session_present && opened.subscriptions.is_empty());
    rig.subscribe(2, &[Subscription::Methods]);
    assert!(!rig.connect("a", 3, SessionKind::Persistent).session_present);
}

// conformance: DEVICE.md 1.9: the second connection of an identity takes the first away
#[test]
fn a_second_connection_takes_over() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    let ticket = rig.invoke("a", 30, 0).unwrap();
    rig.notices.clear();
    rig.online("a", 2);
    assert!(matches!(&rig.notices[..], [(ConnectionId(1), Notice::Close { .. })]), "{:?}", rig.notices);
    assert_eq!(rig.completions[0].ticket, ticket);
    assert_eq!(code(rig.completions[0].result.clone()), (ErrorCode::DeviceNotOnline, "Device unavailable".to_owned()));
    rig.disconnect(1);
    assert_eq!(rig.snapshot().presence(&twin_id("a")).state, ConnectionState::Connected, "the loser is forgotten");
    rig.disconnect(2);
    let presence = rig.snapshot().presence(&twin_id("a"));
    assert_eq!((presence.state, presence.state_updated), (ConnectionState::Disconnected, WireTime::At(rig.now)));
    rig.notices.clear();
    rig.online("a", 3);
    assert_eq!(rig.notices, [], "there is nobody to close");
}

#[test]
fn a_connection_that_the_hub_closed_cannot_subscribe() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    rig.online("a", 2);
    let late = Command::Subscribe { connection: ConnectionId(1), subscriptions: vec![(Subscription::Methods, 0)] };
    assert_eq!(code(rig.apply(late)).0, ErrorCode::DeviceConnectionClosedRemotely);
}

// conformance: DEVICE.md 1.9: a device and its modules are identities of their own
#[test]
fn a_device_and_its_module_are_two() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m"]);
    rig.online("a", 1);
    rig.online("a/m", 2);
    assert_eq!(rig.notices, []);
    assert_eq!(rig.snapshot().counts().unwrap().connected, 1, "modules are not counted");
}
