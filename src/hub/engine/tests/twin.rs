//! Twins from both sides (REST.md 6, DEVICE.md 2.9).

use serde_json::{Value, json};

use super::rig::{Rig, code, twin_id, twin_patch};
use crate::hub::engine::{Command, Reply};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::registry::IfMatch;
use crate::model::{ErrorCode, SectionPatch, TwinPatch};

fn desired(notice: &(ConnectionId, Notice)) -> (u64, Value) {
    match &notice.1 {
        Notice::DesiredPatch { version, patch } => (*version, Value::Object(patch.clone())),
        other => panic!("{other:?}"),
    }
}

// conformance: REST.md 6.2: a twin has no generationId and no members that are null
#[test]
fn a_fresh_twin_has_the_services_members_and_no_others() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m"]);
    let members = |id: &str| -> Vec<String> {
        let document = rig.snapshot().twin_document(&twin_id(id)).unwrap().unwrap();
        document.as_object().unwrap().keys().cloned().collect()
    };
    let device = members("a");
    assert_eq!(
        device,
        [
            "deviceId",
            "etag",
            "deviceEtag",
            "status",
            "statusUpdateTime",
            "connectionState",
            "lastActivityTime",
            "cloudToDeviceMessageCount",
            "authenticationType",
            "x509Thumbprint",
            "modelId",
            "version",
            "properties",
            "capabilities",
        ]
    );
    assert_eq!(members("a/m")[1], "moduleId");
}

// conformance: REST.md 6.4: a connected device that subscribed hears of a patch, with its version
#[test]
fn a_patch_answers_the_whole_twin_and_tells_the_device_the_patch() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    rig.patch("a", json!({"tags": {"site": "oslo"}, "desired": {"x": 1, "y": {"z": 2}}})).unwrap();
    let document = rig.patch("a", json!({"desired": {"x": null, "$version": 9, "$metadata": {}}})).unwrap();
    assert_eq!(document["tags"], json!({"site": "oslo"}));
    assert_eq!(document["connectionState"], "Connected");
    assert_eq!(document["properties"]["desired"]["$version"], 3);
    assert_eq!(desired(&rig.notices[1]), (3, json!({"x": null})));
}

// conformance: DEVICE.md 2.11: a desired patch is neither sent nor kept for a device that did not subscribe
#[test]
fn nobody_is_told_who_did_not_subscribe() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.connect("a", 1, crate::hub::engine::SessionKind::Clean);
    rig.patch("a", json!({"desired": {"x": 1}})).unwrap();
    assert_eq!(rig.notices, []);
}

#[test]
fn clearing_and_replacing_tell_the_device_what_went() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    rig.online("a", 1);
    rig.patch("a", json!({"tags": {"t": 1}, "desired": {"x": 1, "y": {"z": 2}}})).unwrap();
    let clear = TwinPatch { tags: None, desired: Some(SectionPatch::Clear) };
    rig.apply(Command::PatchTwin { id: twin_id("a"), patch: clear, if_match: IfMatch::Any }).unwrap();
    assert_eq!(desired(&rig.notices[1]), (3, json!({"x": null, "y": null})));

    rig.patch("a", json!({"desired": {"x": 1, "y": {"z": 2}}})).unwrap();
    let content = twin_patch(&json!({"desired": {"y": {"w": 3}}}));
    let reply = rig.apply(Command::ReplaceTwin { id: twin_id("a"), content, if_match: IfMatch::Absent }).unwrap();
    let Reply::Document(document) = reply else { panic!("{reply:?}") };
    assert!(document.get("tags").is_none(), "a section that PUT leaves out becomes empty");
    assert_eq!(document["properties"]["desired"]["y"], json!({"w": 3}));
    assert_eq!(desired(&rig.notices[3]), (5, json!({"x": null, "y": {"z": null, "w": 3}})));
}

// conformance: REST.md 3.3: a stale etag of a module twin names the device
#[test]
fn a_stale_etag_names_the_device_also_for_a_module() {
    let mut rig = Rig::new();
    rig.register(&["a", "a/m"]);
    let etag = IfMatch::Etag("AAAAAAAAAAE=".to_owned());
    rig.patch_if("a/m", json!({"tags": {"x": 1}}), etag.clone()).unwrap();
    assert_eq!(
        code(rig.patch_if("a/m", json!({"tags": {"x": 1}}), etag)),
        (ErrorCode::PreconditionFailed, "ETag mismatch for device ID 'a'".to_owned())
    );
    assert_eq!(code(rig.patch("a/other", json!({}))), (ErrorCode::DeviceNotFound, "a".to_owned()));
}

// conformance: REST.md 6.5: a patch that breaks a limit changes nothing, and the text names the place
#[test]
fn a_broken_limit_changes_nothing_and_names_the_place() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    let parts: Vec<Value> = (0..2).map(|_| json!("x".repeat(4_000))).collect();
    rig.patch("a", json!({"tags": {"one": parts[0]}})).unwrap();
    rig.patch("a", json!({"tags": {"two": parts[1]}})).unwrap();
    let before = rig.snapshot().twin(&twin_id("a")).unwrap();
    let (refusal, text) = code(rig.patch("a", json!({"tags": {"three": "x".repeat(300)}})));
    assert_eq!(refusal, ErrorCode::ArgumentInvalid);
    assert!(text.contains("'tags'") && text.contains("8192"), "{text}");
    let (_, text) = code(rig.patch("a", json!({"desired": {"ok": {"a.b": 1}}})));
    assert!(text.contains("'properties.desired/ok/a.b'"), "{text}");
    assert_eq!(rig.snapshot().twin(&twin_id("a")).unwrap(), before);
}

// conformance: REST.md 6.3: a reported change moves version and reported.$version, not the etag
// conformance: DEVICE.md 2.9: a report with a stale base version is 412
#[test]
fn a_report_moves_its_version_and_may_be_conditional() {
    let mut rig = Rig::new();
    rig.register(&["a"]);
    assert_eq!(rig.report("a", json!({"x": 1}), None), Ok(2));
    assert_eq!(rig.report("a", json!({"x": 2}), Some(2)), Ok(3));
    assert_eq!(code(rig.report("a", json!({"x": 3}), Some(2))).0, ErrorCode::PreconditionFailed);
    for bad in [json!({"$version": null}), json!({"a": [null]}), json!({"a": {"$metadata": 1}})] {
        assert_eq!(code(rig.report("a", bad.clone(), None)).0, ErrorCode::ArgumentInvalid, "{bad}");
    }
    assert_eq!(rig.snapshot().twin(&twin_id("a")).unwrap().unwrap().reported.version, 3);
}
