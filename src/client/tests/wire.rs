//! What the client puts on the wire, word by word.

use serde_json::json;

use super::scripted_hub::{ScriptedHub, answer, ok};
use crate::client::{ErrorKind, IfMatch, NewAuthentication, NewIdentity, RegistryEntry};
use crate::model::{
    AuthenticationType, ErrorCode, JobRequest, JobStatus, JobType, JsonObject, MethodRequest, TwinId, TwinPatch,
    X509Thumbprints,
};

#[tokio::test]
async fn every_request_carries_what_the_service_asks_for() {
    let hub = ScriptedHub::start(vec![ok(&[], r#"{"jobId":"j","type":"unknown","status":"unknown"}"#)]).await;
    let job = hub.client().job(&"j".parse().unwrap()).await.unwrap();
    assert_eq!(job.status, JobStatus::Unknown);
    let request = &hub.requests()[0];
    assert_eq!(request.line, "GET /jobs/v2/j?api-version=2021-04-12 HTTP/1.1");
    assert_eq!(request.header("host").unwrap(), hub.host());
    let token = request.header("authorization").unwrap();
    let resource = format!("SharedAccessSignature sr={}&sig=", hub.host().replace(':', "%3A"));
    assert!(token.starts_with(&resource) && token.ends_with("&skn=iothubowner"), "{token}");
    assert!(request.header("user-agent").unwrap().starts_with("iotjob/"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("x-ms-client-request-id").unwrap().len(), 36);
    assert_eq!(request.header("content-type"), None);
}

#[tokio::test]
async fn a_job_is_put_in_the_wires_own_names() {
    let hub = ScriptedHub::start(vec![ok(&[], r#"{"jobId":"j","type":"scheduleUpdateTwin","status":"queued"}"#)]).await;
    let request: JobRequest = serde_json::from_value(json!({
        "jobId": "j", "type": "scheduleUpdateTwin", "queryCondition": "*",
        "updateTwin": {"etag": "*", "tags": {"wave": null}}, "maxExecutionTimeInSeconds": 60,
    }))
    .unwrap();
    let job = hub.client().create_job(&request).await.unwrap();
    assert_eq!((job.job_type, job.status), (JobType::ScheduleUpdateTwin, JobStatus::Queued));
    let sent = &hub.requests()[0];
    assert_eq!(sent.line, "PUT /jobs/v2/j?api-version=2021-04-12 HTTP/1.1");
    assert_eq!(sent.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&sent.body).unwrap(), json!(request));
    assert!(sent.body.contains(r#""wave":null"#), "{}", sent.body);
}

#[tokio::test]
async fn ids_are_escaped_and_those_that_no_url_can_hold_are_never_sent() {
    let unknown = r#"{"type":"unknown","status":"unknown"}"#;
    let hub = ScriptedHub::start(vec![ok(&[], unknown)]).await;
    let client = hub.client();
    let job = client.job_by_text("a/b?c#d %'ö").await.unwrap();
    assert_eq!(job.job_id, "a/b?c#d %'ö", "an unknown job that is not echoed keeps its id");
    assert_eq!(hub.requests()[0].line, "GET /jobs/v2/a%2Fb%3Fc%23d%20%25%27%C3%B6?api-version=2021-04-12 HTTP/1.1");
    for id in ["", ".", ".."] {
        let error = client.job_by_text(id).await.unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Unaddressable { .. }), "{id}: {error}");
    }
    assert_eq!(hub.requests().len(), 1);
}

#[tokio::test]
async fn methods_and_twins_go_to_modules_too() {
    let hub = ScriptedHub::start(vec![ok(&[], r#"{"status":200,"payload":[1]}"#), ok(&[], r#"{"version":3}"#)]).await;
    let client = hub.client();
    let module = TwinId::module("d".parse().unwrap(), "$edgeAgent".parse().unwrap());
    let request = MethodRequest {
        method_name: "lock".to_owned(),
        payload: json!(null),
        response_timeout_in_seconds: 5,
        connect_timeout_in_seconds: 0,
    };
    let response = client.invoke_method(&module, &request).await.unwrap();
    assert_eq!((response.status, response.payload), (200, json!([1])));
    let patch = TwinPatch { tags: None, desired: json!({"a": null}).as_object().cloned().map(Into::into) };
    let twin = client.patch_twin(&TwinId::device("d".parse().unwrap()), &patch, &IfMatch::Any).await.unwrap();
    assert_eq!(twin["version"], 3);
    let requests = hub.requests();
    assert_eq!(requests[0].line, "POST /twins/d/modules/%24edgeAgent/methods?api-version=2021-04-12 HTTP/1.1");
    assert_eq!(
        requests[0].body,
        r#"{"methodName":"lock","payload":null,"responseTimeoutInSeconds":5,"connectTimeoutInSeconds":0}"#
    );
    assert_eq!(requests[1].line, "PATCH /twins/d?api-version=2021-04-12 HTTP/1.1");
    assert_eq!(requests[1].header("if-match"), Some("\"*\""));
    assert_eq!(requests[1].body, r#"{"properties":{"desired":{"a":null}}}"#);
}

const ALL_GOOD: &str = r#"{"isSuccessful":true,"errors":[],"warnings":[]}"#;

fn new_identity(id: &str) -> NewIdentity {
    NewIdentity {
        id: TwinId::device(id.parse().unwrap()),
        authentication: NewAuthentication::Sas,
        status_reason: None,
        tags: JsonObject::new(),
    }
}

#[tokio::test]
async fn a_bulk_call_gives_the_items_that_failed_whatever_form_their_code_has() {
    let failed = r#"{"isSuccessful":false,"warnings":[],"errors":[
        {"deviceId":"a","errorCode":"DeviceAlreadyExists","errorStatus":"exists"},
        {"deviceId":"b","moduleId":"m","errorCode":409001,"errorStatus":null}]}"#;
    let hub = ScriptedHub::start(vec![
        ok(&[], ALL_GOOD),
        answer("400 Bad Request", &["iothub-errorcode: BulkRegistryOperationFailure"], failed),
    ])
    .await;
    let devices: Vec<NewIdentity> = (0..101).map(|n| new_identity(&format!("d{n}"))).collect();
    let failures = hub.client().create_identities(&devices).await.unwrap();
    let told: Vec<_> =
        failures.iter().map(|failed| (failed.device_id.as_str(), failed.module_id.as_deref(), failed.code)).collect();
    let code = Some(ErrorCode::DeviceAlreadyExists);
    assert_eq!(told, [("a", None, code), ("b", Some("m"), code)]);
    let sizes: Vec<usize> = hub.requests().iter().map(|request| request.body.matches("importMode").count()).collect();
    assert_eq!(sizes, [100, 1]);
}

#[tokio::test]
async fn bulk_items_say_what_they_are_and_what_they_must_not_touch() {
    let hub = ScriptedHub::start(vec![ok(&[], ALL_GOOD), ok(&[], ALL_GOOD), ok(&[], ALL_GOOD)]).await;
    let client = hub.client();
    let tags = json!({"building": 43}).as_object().cloned().unwrap();
    let made = NewIdentity { status_reason: Some("made by a test".to_owned()), tags, ..new_identity("d") };
    let module = NewIdentity { id: TwinId::module("d".parse().unwrap(), "m".parse().unwrap()), ..new_identity("d") };
    client.create_identities(&[made, module]).await.unwrap();
    let thumbprints = X509Thumbprints { primary_thumbprint: Some("AB".to_owned()), secondary_thumbprint: None };
    let signed = NewIdentity { authentication: NewAuthentication::SelfSigned(thumbprints), ..new_identity("s") };
    client.replace_identities(&[(signed, Some("MQ==".to_owned()))]).await.unwrap();
    let entry = RegistryEntry {
        id: "d".parse().unwrap(),
        etag: "Mg==".to_owned(),
        authentication_type: AuthenticationType::Sas,
    };
    client.delete_devices(&[entry]).await.unwrap();
    let bodies: Vec<String> = hub.requests().into_iter().map(|request| request.body).collect();
    insta::assert_snapshot!(bodies.join("\n"), @r#"
    [{"id":"d","importMode":"create","status":"enabled","statusReason":"made by a test","authentication":{"type":"sas","symmetricKey":{}},"tags":{"building":43}},{"id":"d","moduleId":"m","importMode":"create","authentication":{"type":"sas","symmetricKey":{}}}]
    [{"id":"s","importMode":"updateIfMatchETag","eTag":"MQ==","status":"enabled","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"AB","secondaryThumbprint":null}}}]
    [{"id":"d","importMode":"deleteIfMatchETag","eTag":"Mg=="}]
    "#);
    assert!(hub.requests().iter().all(|request| request.line == "POST /devices?api-version=2021-04-12 HTTP/1.1"));
}

#[tokio::test]
async fn devices_are_found_by_their_status_reason_whatever_it_holds() {
    let page = r#"[{"deviceId":"a","deviceEtag":"MQ==","authenticationType":"selfSigned"}]"#;
    let hub = ScriptedHub::start(vec![ok(&["x-ms-continuation: more"], page), ok(&[], "[]"), ok(&[], r#"[{}]"#)]).await;
    let client = hub.client();
    let found = client.devices_with_status_reason(r"it's \ mine").await.unwrap();
    let authentication_type = AuthenticationType::SelfSigned;
    assert_eq!(found, [RegistryEntry { id: "a".parse().unwrap(), etag: "MQ==".to_owned(), authentication_type }]);
    let query = r#"{"query":"SELECT deviceId, deviceEtag, authenticationType FROM devices WHERE statusReason = 'it\\'s \\\\ mine'"}"#;
    assert!(hub.requests().iter().all(|request| request.body == query), "{:?}", hub.requests());
    let error = client.devices_with_status_reason("x").await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::BadAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_device_with_a_certificate_has_no_keys() {
    let body = r#"{"deviceId":"d","etag":"x","status":"disabled","connectionState":"Connected","authentication":
        {"type":"selfSigned","symmetricKey":{"primaryKey":null,"secondaryKey":null},"x509Thumbprint":{"primaryThumbprint":"AB"}}}"#;
    let hub = ScriptedHub::start(vec![ok(&[], body)]).await;
    let device = hub.client().device(&"d".parse().unwrap()).await.unwrap();
    assert_eq!(device.authentication.symmetric_key, None);
    assert_eq!(device.authentication.x509_thumbprint.unwrap().primary_thumbprint.as_deref(), Some("AB"));
}
