//! How long the client keeps trying, and what it says meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpSocket;

use super::scripted_hub::{ScriptedHub, Step, answer, client_of, hasty, ok};
use crate::client::{ErrorKind, Notify, Unreached};
use crate::model::{JobId, JobRequest, JobStatus, MethodRequest, TwinId};

const QUEUED: &str = r#"{"jobId":"j","type":"scheduleUpdateTwin","status":"queued"}"#;
const THROTTLED: &str =
    r#"{"Message":"ErrorCode:ThrottlingBacklogTimeout;The request has been throttled.","ExceptionMessage":""}"#;

fn id() -> JobId {
    "j".parse().unwrap()
}

fn request() -> JobRequest {
    let text = r#"{"jobId":"j","type":"scheduleUpdateTwin","queryCondition":"*","maxExecutionTimeInSeconds":60}"#;
    serde_json::from_str(text).unwrap()
}

/// A throttled answer as the service gives it: the connection ends with it (REST.md 1.3).
fn throttled(headers: &str) -> Step {
    let length = THROTTLED.len();
    Step::AnswerAndClose(format!(
        "HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{THROTTLED}"
    ))
}

fn notes() -> (Notify, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notes);
    (Arc::new(move |waiting| sink.lock().unwrap().push(waiting.error.to_string())), notes)
}

#[tokio::test]
async fn throttling_is_waited_out_also_for_a_put_and_somebody_is_told() {
    let hub = ScriptedHub::start(vec![throttled(""), throttled("retry-after: 0\r\n"), ok(&[], QUEUED)]).await;
    let (notify, notes) = notes();
    let job = hub.client_with(hasty(), Some(notify)).create_job(&request()).await.unwrap();
    assert_eq!(job.status, JobStatus::Queued);
    let notes = notes.lock().unwrap();
    assert_eq!(notes.len(), 2);
    assert!(notes[0].contains("429 ThrottlingBacklogTimeout: The request has been throttled."), "{notes:?}");
}

#[tokio::test]
async fn a_pause_longer_than_patience_is_not_begun() {
    let hub = ScriptedHub::start(vec![throttled("retry-after: 3600\r\n")]).await;
    let error = hub.client().job(&id()).await.unwrap_err();
    assert!(error.is_throttled());
    assert_eq!(error.service().unwrap().retry_after, Some(Duration::from_secs(3_600)));
    let hub = ScriptedHub::start(vec![throttled("retry-after: Thu, 01 Jan 2099 00:00:00 GMT\r\n")]).await;
    let error = hub.client().job(&id()).await.unwrap_err();
    assert!(error.service().unwrap().retry_after > Some(Duration::from_secs(3_600)), "{error:?}");
}

#[tokio::test]
async fn a_taken_job_slot_is_the_callers_to_wait_for() {
    let slot = answer("429 Too Many Requests", &["iothub-errorcode: ThrottlingMaxActiveJobCountExceeded"], "");
    let hub = ScriptedHub::start(vec![slot]).await;
    let error = hub.client().create_job(&request()).await.unwrap_err();
    assert!(error.is_without_job_slot() && error.is_throttled(), "{error}");
    assert_eq!(hub.requests().len(), 1);
}

#[tokio::test]
async fn reading_survives_lost_answers_and_faults() {
    let hub = ScriptedHub::start(vec![
        Step::Close,
        answer("502 Bad Gateway", &[], "<html>"),
        Step::AnswerAndClose("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()),
        answer("500 Internal Server Error", &[], ""),
        ok(&[], QUEUED),
    ])
    .await;
    assert_eq!(hub.client().job(&id()).await.unwrap().status, JobStatus::Queued);
    let ids: std::collections::HashSet<String> =
        hub.requests().iter().map(|request| request.header("x-ms-client-request-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 5, "each try has its own id");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_lost() {
    let hub = ScriptedHub::start(vec![Step::Hang]).await;
    let mut patience = hasty();
    patience.request = Duration::from_millis(200);
    let error = hub.client_with(patience, None).create_job(&request()).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Lost { .. }), "{error}");
}

#[tokio::test]
async fn a_method_is_called_once_unless_it_was_throttled() {
    let hub = ScriptedHub::start(vec![throttled(""), Step::Close]).await;
    let twin = TwinId::device("d".parse().unwrap());
    let method = MethodRequest {
        method_name: "m".to_owned(),
        payload: json!(null),
        response_timeout_in_seconds: 5,
        connect_timeout_in_seconds: 0,
    };
    let error = hub.client().invoke_method(&twin, &method).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::Lost { .. }), "{error}");
    assert_eq!(hub.requests().len(), 2);
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_given_up() {
    let ca = ScriptedHub::start(vec![]).await.ca();
    // Bound and not listening: nobody else can take the port meanwhile, and connections are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = format!("localhost:{}", socket.local_addr().unwrap().port());
    let (notify, notes) = notes();
    let client = client_of(&host, ca, hasty(), Some(notify));
    let error = client.create_job(&request()).await.unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::NotReached { cause: Unreached::Refused, .. }), "{error:?}");
    assert!(!error.may_have_been_carried_out());
    assert!(!notes.lock().unwrap().is_empty(), "it was tried more than once");
    assert!(error.hint().unwrap().contains("iotjob hub"));
}
