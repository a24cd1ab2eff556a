//! Listings in pages, and what live hubs have been seen to leave out.

use super::scripted_hub::{ScriptedHub, Step, ok};
use crate::client::{BadAnswer, ErrorKind, device_jobs_query};
use crate::model::limits::EMPTY_PAGES_MAX;
use crate::model::{JobStatus, JobType};

const ROW: &str = r#"{"deviceId":"a","jobId":"j","jobType":"scheduleUpdateTwin","status":"completed","outcome":{}}"#;

#[tokio::test]
async fn pages_are_followed_to_the_last_also_past_an_empty_one() {
    let hub = ScriptedHub::start(vec![
        ok(&["x-ms-item-type: DeviceJob", "x-ms-continuation: t1=="], &format!("[{ROW}]")),
        ok(&["x-ms-continuation: t2"], "[]"),
        ok(&[], &format!("[{ROW},{ROW}]")),
    ])
    .await;
    let mut pages = Vec::new();
    let rows = hub.client().device_jobs(&"j".parse().unwrap(), |page| pages.push(page.len())).await.unwrap();
    assert_eq!((rows.len(), pages), (3, vec![1, 0, 2]));
    let requests = hub.requests();
    let tokens: Vec<_> = requests.iter().map(|request| request.header("x-ms-continuation")).collect();
    assert_eq!(tokens, [None, Some("t1=="), Some("t2")]);
    for request in &requests {
        assert_eq!(request.line, "POST /devices/query?api-version=2021-04-12 HTTP/1.1");
        assert_eq!(request.header("x-ms-max-item-count"), Some("100"));
        assert_eq!(request.body, r#"{"query":"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'"}"#);
    }
}

#[tokio::test]
async fn the_item_type_is_told_when_there_is_one() {
    let hub =
        ScriptedHub::start(vec![ok(&["x-ms-item-type: Raw", "x-ms-continuation: t"], "[{\"n\":1}]"), ok(&[], "[]")])
            .await;
    let mut pages = hub.client().query_pages("SELECT 1", 1);
    assert_eq!(pages.next_page().await.unwrap().unwrap().item_type.as_deref(), Some("Raw"));
    assert_eq!(pages.next_page().await.unwrap().unwrap().item_type, None);
    assert_eq!(pages.next_page().await.unwrap(), None);
    assert_eq!(hub.requests()[0].header("x-ms-max-item-count"), Some("1"));
}

#[tokio::test]
async fn empty_pages_without_end_are_an_error() {
    let page = || ok(&["x-ms-continuation: same"], "[]");
    let hub = ScriptedHub::start((0..EMPTY_PAGES_MAX).map(|_| page()).collect()).await;
    let error = hub.client().list_jobs(None, None).await.unwrap_err();
    assert!(matches!(&*error.kind, ErrorKind::BadAnswer { problem: BadAnswer::EndlessPages(_), .. }), "{error}");
}

#[tokio::test]
async fn jobs_are_filtered_by_the_hub_and_sorted_here() {
    let job = |id: &str, time: &str| {
        format!(r#"{{"jobId":"{id}","type":"scheduleUpdateTwin","status":"running","createdTime":"{time}"}}"#)
    };
    let (old, new) = (job("old", "2026-05-01T01:00:00.1Z"), job("new", "2026-05-02T01:00:00"));
    let hub = ScriptedHub::start(vec![
        ok(&["x-ms-continuation: t"], &format!("[{old}]")),
        ok(&[], &format!("[{new},{{\"jobId\":\"x\",\"type\":\"export\",\"status\":\"enqueued\"}}]")),
    ])
    .await;
    let jobs = hub.client().list_jobs(Some(JobType::ScheduleUpdateTwin), Some(JobStatus::Running)).await.unwrap();
    let ids: Vec<_> = jobs.iter().map(|job| job.job_id.as_str()).collect();
    assert_eq!(ids, ["new", "old", "x"]);
    assert_eq!(jobs[2].job_type, JobType::Unknown);
    assert_eq!(
        hub.requests()[0].line,
        "GET /jobs/v2/query?api-version=2021-04-12&jobType=scheduleUpdateTwin&jobStatus=running HTTP/1.1"
    );
}

#[tokio::test]
async fn a_listing_that_is_no_array_is_refused() {
    let hub = ScriptedHub::start(vec![ok(&[], r#"{"items":[]}"#)]).await;
    let error = hub.client().list_jobs(None, None).await.unwrap_err();
    assert!(error.to_string().contains("the body is not an array of rows"), "{error}");
}

#[tokio::test]
async fn a_page_can_be_asked_for_again_after_an_error() {
    let hub = ScriptedHub::start(vec![
        ok(&["x-ms-continuation: t"], "[1]"),
        Step::Answer("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned()),
        ok(&[], "[2]"),
    ])
    .await;
    let mut pages = hub.client().query_pages("q", 100);
    pages.next_page().await.unwrap();
    pages.next_page().await.unwrap_err();
    assert_eq!(pages.next_page().await.unwrap().unwrap().rows, [2]);
}

#[test]
fn quotes_in_an_id_do_not_end_the_text() {
    let query = device_jobs_query(r"it's\");
    assert_eq!(query, r"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'it\'s\\'");
}
