//! Who may exist (REST.md 8, 1.4, 3.3).

use super::rig::{Rig, code, draft, twin_id};
use crate::hub::HubError;
use crate::hub::engine::{Command, Reply, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::registry::{Identity, IdentityDraft, IfMatch};
use crate::hub::store::{Counts, IdentityScope};
use crate::model::{ConnectionState, ErrorCode, IdentityStatus, WireTime};

fn identity(reply: Result<Reply, HubError>) -> Identity {
    match reply.unwrap() {
        Reply::Identity(identity) => *identity,
        other => panic!("{other:?}"),
    }
}

fn create(rig: &mut Rig, id: &str) -> Result<Reply, HubError> {
    rig.apply(Command::CreateIdentity(draft(id)))
}

fn replace(rig: &mut Rig, draft: IdentityDraft, if_match: IfMatch) -> Result<Reply, HubError> {
    rig.apply(Command::ReplaceIdentity { draft, if_match })
}

fn delete(rig: &mut Rig, id: &str, if_match: IfMatch) -> Result<Reply, HubError> {
    rig.apply(Command::DeleteIdentity { id: twin_id(id), if_match })
}

// conformance: REST.md 3.3: the text of 409 names the device
#[test]
fn creating_twice_is_a_conflict() {
    let mut rig = Rig::new();
    let first = identity(create(&mut rig, "a"));
    assert_eq!((first.status_updated, first.generation_id.to_string().len()), (WireTime::Never, 18));
    assert_eq!(
        code(create(&mut rig, "a")),
        (ErrorCode::DeviceAlreadyExists, "A device with ID 'a' is already registered.".to_owned())
    );
    assert_eq!(code(create(&mut rig, "b/m")), (ErrorCode::DeviceNotFound, "b".to_owned()));
    identity(create(&mut rig, "a/m"));
    assert_eq!(code(create(&mut rig, "a/m")).0, ErrorCode::ModuleAlreadyExistsOnDevice);
    assert_eq!(code(create(&mut rig, "a/$m")).0, ErrorCode::ArgumentInvalid);
}

// conformance: REST.md 8.2: the module past the limit is 413 TooManyModulesOnDevice
#[test]
fn the_fifty_first_module_is_refused() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    for n in 0..50 {
        create(&mut rig, &format!("a/m{n}")).unwrap();
    }
    assert_eq!(code(create(&mut rig, "a/more")).0, ErrorCode::TooManyModulesOnDevice);
}

#[test]
fn replacing_needs_the_identity_and_its_etag() {
    let mut rig = Rig::new();
    assert_eq!(code(replace(&mut rig, draft("a"), IfMatch::Any)), (ErrorCode::DeviceNotFound, "a".to_owned()));
    let first = identity(create(&mut rig, "a"));
    assert_eq!(code(replace(&mut rig, draft("a/m"), IfMatch::Any)).0, ErrorCode::ModuleNotFound);
    let second = identity(replace(&mut rig, draft("a"), IfMatch::Etag(first.etag_text())));
    assert_eq!((second.etag, second.generation_id), (first.etag + 1, first.generation_id));
    let stale = replace(&mut rig, draft("a"), IfMatch::Etag(first.etag_text()));
    assert_eq!(code(stale), (ErrorCode::PreconditionFailed, "PreconditionFailed".to_owned()));
    assert_eq!(code(replace(&mut rig, draft("a"), IfMatch::Absent)).0, ErrorCode::PreconditionFailed);
}

// conformance: REST.md 1.4: an identity write moves the identity etag by one and the deviceEtag of the twin, not the etag of the twin
#[test]
fn the_twin_keeps_its_etag_when_the_identity_changes() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let before = rig.snapshot().twin_document(&twin_id("a")).unwrap().unwrap();
    replace(&mut rig, draft("a"), IfMatch::Any).unwrap();
    let after = rig.snapshot().twin_document(&twin_id("a")).unwrap().unwrap();
    assert_eq!((&before["etag"], &before["version"]), (&after["etag"], &after["version"]));
    assert_ne!(before["deviceEtag"], after["deviceEtag"]);
}

// conformance: REST.md 8.1: a disabled device and its modules cannot be connected
#[test]
fn a_disabled_device_and_its_modules_lose_their_connections_and_get_no_new_ones() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m"]);
    rig.online("a", 1);
    rig.online("a/m", 2);
    let disabled = IdentityDraft { status: IdentityStatus::Disabled, ..draft("a") };
    let changed = identity(replace(&mut rig, disabled, IfMatch::Any));
    assert_eq!(changed.status_updated, WireTime::At(rig.now));
    let mut closed: Vec<u64> = rig.notices.iter().map(|(connection, _)| connection.0).collect();
    closed.sort_unstable();
    assert_eq!(closed, [1, 2]);
    assert!(rig.notices.iter().all(|(_, notice)| matches!(notice, Notice::Close { .. })));
    assert_eq!(rig.snapshot().presence(&twin_id("a")).state, ConnectionState::Disconnected);
    for id in ["a", "a/m"] {
        let connect = Command::Connect { id: twin_id(id), connection: ConnectionId(3), session: SessionKind::Clean };
        assert_eq!(code(rig.apply(connect)).0, ErrorCode::DeviceDisabled);
    }
    assert_eq!(rig.snapshot().counts().unwrap(), Counts { devices: 1, enabled: 0, disabled: 1, connected: 0 });
}

// conformance: REST.md 8.1: deleting a device takes twin, modules and session along
#[test]
fn deleting_takes_everything_along() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m", "a-b"]);
    rig.connect("a", 1, SessionKind::Persistent);
    rig.connect("a/m", 2, SessionKind::Persistent);
    assert_eq!(code(delete(&mut rig, "a", IfMatch::Absent)).0, ErrorCode::PreconditionFailed);
    delete(&mut rig, "a", IfMatch::Any).unwrap();
    assert_eq!(rig.notices.len(), 2);
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.identities(&IdentityScope::Devices, None, 9).unwrap().len(), 1);
    assert_eq!(snapshot.twin(&twin_id("a/m")).unwrap(), None);
    assert_eq!(snapshot.counts().unwrap(), Counts { devices: 1, enabled: 1, disabled: 0, connected: 0 });
    assert_eq!(code(delete(&mut rig, "a", IfMatch::Any)), (ErrorCode::DeviceNotFound, "a".to_owned()));
    rig.register(&["a"]);
    assert!(!rig.connect("a", 3, SessionKind::Persistent).session_present, "the old session is gone");
}

// conformance: REST.md 8.2: an edge device gets $edgeAgent and $edgeHub
// conformance: REST.md 8.3: an edge device has a scope of its own and keeps it
#[test]
fn an_edge_device_has_the_services_modules_and_keeps_its_scope() {
    let mut rig = Rig::new();
    let edge = IdentityDraft { iot_edge: true, ..draft("a") };
    let made = identity(rig.apply(Command::CreateIdentity(edge.clone())));
    let scope = made.device_scope.clone().unwrap();
    assert_eq!(scope, format!("ms-azure-iot-edge://a-{}", made.generation_id));
    let modules = rig.snapshot().identities(&IdentityScope::ModulesOf("a".parse().unwrap()), None, 9).unwrap();
    let names: Vec<String> = modules.iter().map(|module| module.id.to_string()).collect();
    assert_eq!(names, ["a/$edgeAgent", "a/$edgeHub"]);
    assert_eq!(identity(replace(&mut rig, edge, IfMatch::Any)).device_scope, Some(scope));
}
