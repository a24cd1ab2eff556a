//! Registering and deleting against a hub that says what a test told it to.

use serde_json::{Value, json};

use super::*;
use crate::client::tests::scripted_hub::{ScriptedHub, Step, answer, ok};
use crate::client::{NewAuthentication, NewIdentity};
use crate::model::{JsonObject, TwinId, X509Thumbprints};

const ALL_GOOD: &str = r#"{"isSuccessful":true,"errors":[],"warnings":[]}"#;

fn mark() -> Mark {
    Mark::of_fleet("doors").unwrap()
}

fn device(id: &str, authentication: NewAuthentication) -> NewIdentity {
    NewIdentity {
        id: TwinId::device(id.parse().unwrap()),
        authentication,
        status_reason: None,
        tags: JsonObject::new(),
    }
}

fn signed(id: &str) -> NewIdentity {
    let thumbprints = X509Thumbprints { primary_thumbprint: Some("AB".to_owned()), secondary_thumbprint: None };
    device(id, NewAuthentication::SelfSigned(thumbprints))
}

fn module(id: &str) -> NewIdentity {
    let id = TwinId::module(id.parse().unwrap(), "m".parse().unwrap());
    NewIdentity { id, ..device("d", NewAuthentication::Sas) }
}

/// A bulk answer in which these items failed.
fn failed(items: &[(&str, &str)]) -> Step {
    let errors: Vec<Value> =
        items.iter().map(|(id, code)| json!({"deviceId": id, "errorCode": code, "errorStatus": "no"})).collect();
    let body = json!({"isSuccessful": false, "errors": errors, "warnings": []}).to_string();
    answer("400 Bad Request", &["iothub-errorcode: BulkRegistryOperationFailure"], &body)
}

/// An identity as `GET /devices/{id}` answers it.
fn identity(id: &str, reason: Value) -> Step {
    let authentication = json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "OLD"}});
    let body = json!({"deviceId": id, "etag": "Nw==", "statusReason": reason, "authentication": authentication});
    ok(&[], &body.to_string())
}

fn bodies(hub: &ScriptedHub) -> Vec<Value> {
    hub.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap_or(Value::Null)).collect()
}

#[tokio::test]
async fn what_is_new_gets_the_mark_and_its_modules() {
    let hub = ScriptedHub::start(vec![ok(&[], ALL_GOOD), ok(&[], ALL_GOOD)]).await;
    let identities = [device("a", NewAuthentication::Sas), module("a")];
    let registered = register(&hub.client(), &mark(), identities.into_iter(), |_| ()).await.unwrap();
    assert_eq!(registered, Registered { created: 1, ..Registered::default() });
    let bodies = bodies(&hub);
    assert_eq!(bodies[0][0]["statusReason"], "made by iotjob device, fleet doors");
    assert_eq!((&bodies[1][0]["moduleId"], &bodies[1][0]["statusReason"]), (&json!("m"), &Value::Null));
}

#[tokio::test]
async fn a_stranger_keeps_everything_and_gets_no_module() {
    let hub = ScriptedHub::start(vec![failed(&[("a", "DeviceAlreadyExists")]), ok(&[], "[]")]).await;
    let identities = [device("a", NewAuthentication::Sas), module("a"), device("b", NewAuthentication::Sas)];
    let registered = register(&hub.client(), &mark(), identities.into_iter(), |_| ()).await.unwrap();
    assert_eq!((registered.created, registered.kept, registered.unmarked.len()), (1, 0, 1));
    assert_eq!(hub.requests().len(), 2, "the devices, and the question for the marks");
}

#[tokio::test]
async fn a_new_thumbprint_replaces_that_of_a_marked_device_and_of_no_other() {
    let reason = "made by iotjob device, fleet doors";
    let exist = ["indexed", "fresh", "stranger"].map(|id| (id, "DeviceAlreadyExists"));
    let index = r#"[{"deviceId":"indexed","deviceEtag":"MQ==","authenticationType":"selfSigned"}]"#;
    // The index does not know the fresh one yet.
    let hub = ScriptedHub::start(vec![
        failed(&exist),
        ok(&[], index),
        identity("fresh", json!(reason)),
        identity("stranger", Value::Null),
        ok(&[], ALL_GOOD),
    ])
    .await;
    let identities = ["indexed", "fresh", "stranger"].map(signed);
    let registered = register(&hub.client(), &mark(), identities.into_iter(), |_| ()).await.unwrap();
    assert_eq!((registered.kept, registered.unmarked.len(), registered.locked_out), (2, 1, 1));
    let replaced = bodies(&hub).pop().unwrap();
    let told: Vec<_> = replaced.as_array().unwrap().iter().map(|item| (&item["id"], &item["eTag"])).collect();
    assert_eq!(told, [(&json!("indexed"), &json!("MQ==")), (&json!("fresh"), &json!("Nw=="))]);
    assert!(replaced.as_array().unwrap().iter().all(|item| item["importMode"] == "updateIfMatchETag"));
}

#[tokio::test]
async fn who_may_not_ask_for_marks_runs_what_is_there() {
    let refused = answer("401 Unauthorized", &["iothub-errorcode: IotHubUnauthorizedAccess"], "{}");
    let hub = ScriptedHub::start(vec![failed(&[("a", "DeviceAlreadyExists")]), refused]).await;
    let identities = [device("a", NewAuthentication::Sas)];
    let registered = register(&hub.client(), &mark(), identities.into_iter(), |_| ()).await.unwrap();
    assert!(registered.marks_unreadable && registered.unmarked.len() == 1, "{registered:?}");
}

#[tokio::test]
async fn another_refusal_names_the_device() {
    let hub = ScriptedHub::start(vec![failed(&[("a", "IotHubQuotaExceeded")])]).await;
    let identities = [device("a", NewAuthentication::Sas)];
    let error = register(&hub.client(), &mark(), identities.into_iter(), |_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub did not register `a`: no");
}

#[tokio::test]
async fn who_was_changed_since_the_index_saw_it_is_not_deleted() {
    let row = |id: &str| json!({"deviceId": id, "deviceEtag": "MQ==", "authenticationType": "sas"});
    let index = json!([row("a"), row("gone"), row("changed")]).to_string();
    let left = failed(&[("gone", "DeviceNotFound"), ("changed", "EtagDoesNotMatch")]);
    let hub = ScriptedHub::start(vec![ok(&[], &index), left]).await;
    let pruned = prune(&hub.client(), &mark(), |_, _| ()).await.unwrap();
    assert_eq!(pruned, Pruned { deleted: 1, changed: 1 });
    let sent = bodies(&hub).pop().unwrap();
    assert!(
        sent.as_array().unwrap().iter().all(|item| item["importMode"] == "deleteIfMatchETag" && item["eTag"] == "MQ==")
    );
}
