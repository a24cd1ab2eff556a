//! Who may exist (REST.md 8, 1.4, 3.3).

use super::rig::{Rig, code, draft, twin_id};
use crate::hub::HubError;
use crate::hub::engine::{Command, NewKeys, Reply, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::registry::{Authentication, Identity, IdentityDraft, IfMatch};
use crate::hub::store::{Counts, IdentityScope};
use crate::model::{ConnectionState, ErrorCode, IdentityStatus, SymmetricKey, WireTime};

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

fn edge(id: &str) -> IdentityDraft {
    IdentityDraft { iot_edge: true, ..draft(id) }
}

// conformance: REST.md 8.3: an edge device gets $edgeAgent, $edgeHub and a deviceScope of its own, whatever it asks for
#[test]
fn an_edge_device_has_the_services_modules_and_a_scope_of_its_own() {
    let mut rig = Rig::new();
    let wish = IdentityDraft { device_scope: Some("mine".to_owned()), ..edge("a") };
    let made = identity(rig.apply(Command::CreateIdentity(wish)));
    assert_eq!(made.device_scope, Some(format!("ms-azure-iot-edge://a-{}", made.generation_id)));
    let modules = rig.snapshot().identities(&IdentityScope::ModulesOf("a".parse().unwrap()), None, 9).unwrap();
    let shown: Vec<_> =
        modules.iter().map(|m| (m.id.to_string(), m.managed_by.as_deref(), &m.authentication)).collect();
    let none = &Authentication::None;
    assert_eq!(
        shown,
        [("a/$edgeAgent".to_owned(), Some("iotEdge"), none), ("a/$edgeHub".to_owned(), Some("iotEdge"), none)]
    );
}

// conformance: REST.md 8.3: an edge device repeats its deviceScope on every PUT
#[test]
fn an_edge_device_repeats_its_scope_and_names_its_parents() {
    let mut rig = Rig::new();
    let scope = identity(rig.apply(Command::CreateIdentity(edge("a")))).device_scope;
    assert_eq!(
        code(replace(&mut rig, edge("a"), IfMatch::Any)),
        (ErrorCode::InvalidDeviceScope, "Device scope is immutable".to_owned())
    );
    let parents = vec!["ms-azure-iot-edge://p-1".to_owned()];
    let child = IdentityDraft { device_scope: scope.clone(), parent_scopes: parents.clone(), ..edge("a") };
    let child = identity(replace(&mut rig, child, IfMatch::Any));
    assert_eq!((&child.device_scope, child.parent_scopes), (&scope, parents));
    let alone = identity(replace(&mut rig, IdentityDraft { device_scope: scope, ..edge("a") }, IfMatch::Any));
    assert!(alone.parent_scopes.is_empty());
}

// conformance: REST.md 8.3: a leaf device carries its parent's scope in deviceScope, mirrored into parentScopes
#[test]
fn a_leaf_names_its_parent_as_its_scope() {
    let mut rig = Rig::new();
    let scope = "ms-azure-iot-edge://p-1".to_owned();
    let leaf = IdentityDraft { device_scope: Some(scope.clone()), ..draft("a") };
    assert_eq!(identity(rig.apply(Command::CreateIdentity(leaf))).parent_scopes, std::slice::from_ref(&scope));
    // Parents without the scope are ignored: so a client that blanks the scope of what it read detaches the leaf.
    let detached = IdentityDraft { parent_scopes: vec![scope], ..draft("a") };
    let detached = identity(replace(&mut rig, detached, IfMatch::Any));
    assert_eq!((detached.device_scope, detached.parent_scopes.len()), (None, 0));
}

#[test]
fn a_device_may_become_an_edge_device_and_a_leaf_again() {
    let mut rig = Rig::new();
    let parent = vec!["ms-azure-iot-edge://p-1".to_owned()];
    rig.register(&["a"]);
    let confused = IdentityDraft { device_scope: parent.first().cloned(), ..edge("a") };
    assert_eq!(code(replace(&mut rig, confused, IfMatch::Any)).0, ErrorCode::ServiceUnavailable);
    let grown = identity(replace(&mut rig, IdentityDraft { parent_scopes: parent.clone(), ..edge("a") }, IfMatch::Any));
    assert_eq!((grown.device_scope.as_deref(), &grown.parent_scopes), (Some("ms-azure-iot-edge://a-"), &parent));
    let back = IdentityDraft { device_scope: grown.device_scope, parent_scopes: parent, ..draft("a") };
    let leaf = identity(replace(&mut rig, back, IfMatch::Any));
    assert_eq!((leaf.device_scope, leaf.parent_scopes.len()), (None, 0));
}

// conformance: CLIENTS.md 2.4: keys are regenerated one or both, the other stays; identities without keys are refused
#[test]
fn new_keys_leave_the_rest_and_the_connection_alone() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    let before = rig.snapshot().identity(&twin_id("a")).unwrap().unwrap();
    let key = SymmetricKey::from_bytes(vec![9; 32]).unwrap();
    let new = NewKeys { primary: None, secondary: Some(key.clone()) };
    let after = identity(rig.apply(Command::RegenerateKeys { id: twin_id("a"), new: new.clone() }));
    let Authentication::Sas(mut keys) = before.authentication.clone() else { panic!("drafts have keys") };
    keys.secondary_key = key;
    assert_eq!(after, Identity { authentication: Authentication::Sas(keys), etag: before.etag + 1, ..before });
    assert!(rig.notices.is_empty());
    identity(rig.apply(Command::CreateIdentity(edge("e"))));
    let of = |id: &str| Command::RegenerateKeys { id: twin_id(id), new: new.clone() };
    for (id, want) in [
        ("b", ErrorCode::DeviceNotFound),
        ("a/m", ErrorCode::ModuleNotFound),
        ("e/$edgeHub", ErrorCode::InvalidOperation),
    ] {
        assert_eq!(code(rig.apply(of(id))).0, want, "{id}");
    }
}
