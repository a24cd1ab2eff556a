//! What the client makes of answers that are no success.

use super::scripted_hub::{ScriptedHub, Step, answer, ok};
use crate::client::{BadAnswer, ClientError, ErrorClass, ErrorKind, Operation, Unreached};
use crate::model::limits::HTTP_BODY_BYTES_MAX;
use crate::model::{ErrorCode, JobId, JobRequest};

fn id() -> JobId {
    "j".parse().unwrap()
}

fn request() -> JobRequest {
    let text = r#"{"jobId":"j","type":"scheduleUpdateTwin","queryCondition":"*","maxExecutionTimeInSeconds":60}"#;
    serde_json::from_str(text).unwrap()
}

async fn reading(step: Step) -> ClientError {
    let hub = ScriptedHub::start(vec![step]).await;
    let error = hub.client().job(&id()).await.unwrap_err();
    assert_eq!(hub.requests().len(), 1, "{error}");
    error
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let body = r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"Tracking ID:ab-G:4-TimeStamp:x"}"#;
    let error = reading(answer("401 Unauthorized", &["iothub-errorcode: IotHubUnauthorizedAccess"], body)).await;
    assert!(error.is_unauthorized());
    assert_eq!((error.class(), error.code()), (ErrorClass::NotPermitted, Some(ErrorCode::IotHubUnauthorizedAccess)));
    assert_eq!(
        error.to_string(),
        "cannot read the job: 401 IotHubUnauthorizedAccess: Unauthorized (tracking id ab-G:4)"
    );
    assert!(error.hint().unwrap().contains("RegistryRead and RegistryWrite"), "{:?}", error.hint());
    assert!(!format!("{error:?}").contains("sig="), "{error:?}");
}

#[tokio::test]
async fn every_class_of_answer_has_its_exit() {
    let cases = [
        ("403 Forbidden", "OperationNotAvailableInCurrentTier", ErrorClass::Unavailable),
        ("403 Forbidden", "IotHubQuotaExceeded", ErrorClass::Unavailable),
        ("403 Forbidden", "GenericForbidden", ErrorClass::NotPermitted),
        ("404 Not Found", "JobNotFound", ErrorClass::Unexpected),
        ("429 Too Many Requests", "ThrottlingMaxActiveJobCountExceeded", ErrorClass::Unavailable),
    ];
    for (status, code, class) in cases {
        let error = reading(answer(status, &[&format!("iothub-errorcode: {code}")], "")).await;
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_no_hub_is_told_from_one() {
    let error = reading(ok(&[], "<html>welcome</html>")).await;
    assert!(matches!(&*error.kind, ErrorKind::BadAnswer { problem: BadAnswer::Body { .. }, .. }), "{error}");
    let error = reading(answer("302 Found", &["location: https://example.com/"], "")).await;
    assert!(matches!(&*error.kind, ErrorKind::BadAnswer { problem: BadAnswer::Status(302), .. }), "{error}");
}

#[tokio::test]
async fn a_body_without_end_is_not_read() {
    let size = HTTP_BODY_BYTES_MAX + 1;
    let body = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{}", " ".repeat(size));
    let error = reading(Step::AnswerAndClose(body)).await;
    assert!(matches!(&*error.kind, ErrorKind::BadAnswer { problem: BadAnswer::TooLarge(_), .. }), "{error}");
}

#[tokio::test]
async fn a_lost_answer_to_a_put_is_told_and_not_repeated() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned();
    for step in [Step::Close, Step::AnswerAndClose(half)] {
        let hub = ScriptedHub::start(vec![step]).await;
        let error = hub.client().create_job(&request()).await.unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Lost { .. }), "{error}");
        assert!(error.may_have_been_carried_out());
        assert!(error.to_string().ends_with("; it may have been carried out"), "{error}");
        assert_eq!(hub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_fault_after_a_put_is_not_repeated_and_a_conflict_is_known() {
    let hub = ScriptedHub::start(vec![
        answer("503 Service Unavailable", &[], ""),
        answer("409 Conflict", &["iothub-errorcode: JobAlreadyExists"], ""),
    ])
    .await;
    let client = hub.client();
    let fault = client.create_job(&request()).await.unwrap_err();
    assert!(fault.may_have_been_carried_out(), "{fault}");
    let conflict = client.create_job(&request()).await.unwrap_err();
    assert!(conflict.is_conflict() && !conflict.may_have_been_carried_out(), "{conflict}");
}

#[tokio::test]
async fn a_strange_certificate_is_refused_at_once_and_the_hint_names_the_flag() {
    let hub = ScriptedHub::start(vec![]).await;
    let stranger = ScriptedHub::start(vec![]).await;
    let client = super::scripted_hub::client_of(&hub.host(), stranger.ca(), super::scripted_hub::hasty(), None);
    let error = client.job(&id()).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::NotReached { cause: Unreached::UnknownCa, .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.hint().unwrap().contains("--ca-file"), "{:?}", error.hint());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let hub = ScriptedHub::start_as("elsewhere.example", vec![]).await;
    let error = hub.client().job(&id()).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::NotReached { cause: Unreached::WrongName, .. }), "{error:?}");
}

#[test]
fn what_changes_something_says_so_when_its_answer_is_lost() {
    let lost = |operation| {
        ClientError::new(operation, ErrorKind::Lost { host: "h".to_owned(), detail: "cut".to_owned() }).to_string()
    };
    assert_eq!(lost(Operation::ReadTwin), "cannot read the twin: the answer of h was lost (cut)");
    assert_eq!(
        lost(Operation::InvokeMethod),
        "cannot call the method: the answer of h was lost (cut); it may have been carried out"
    );
}
