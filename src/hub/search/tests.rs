//! Queries over a store in memory.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::continuation::{Continuation, InvalidContinuation, Position};
use super::{PageRequest, SearchError, run};
use crate::hub::registry::{Authentication, Identity};
use crate::hub::store::{JobRecord, Snapshot, Store};
use crate::hub::{HubError, search};
use crate::model::{ErrorCode, IdentityStatus, JobRequest, JobStatus, JobType, Twin, TwinId, WireTime};
use crate::query::{ItemType, parse};

/// A view of a store that stays open as long as the view.
struct Fleet {
    snapshot: Snapshot,
    _store: Store,
}

impl std::ops::Deref for Fleet {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

fn identity(id: TwinId) -> Identity {
    Identity {
        id,
        generation_id: 1,
        etag: 1,
        status: IdentityStatus::Enabled,
        status_reason: None,
        status_updated: WireTime::Never,
        authentication: Authentication::None,
        iot_edge: false,
        device_scope: None,
        parent_scopes: Vec::new(),
        managed_by: None,
    }
}

fn twin_id(text: &str) -> TwinId {
    match text.split_once('/') {
        None => TwinId::device(text.parse().unwrap()),
        Some((device, module)) => TwinId::module(device.parse().unwrap(), module.parse().unwrap()),
    }
}

/// A store with these twins (`device` or `device/module`) and tags, and with a job `j1` and `j2` over each device.
fn snapshot(twins: &[(&str, Value)]) -> Fleet {
    let store = Store::in_memory().unwrap();
    let batch = store.begin().unwrap();
    {
        let mut tables = batch.tables(&store).unwrap();
        for job in ["j1", "j2"] {
            tables.put_job(&job_record(job)).unwrap();
        }
        for (text, tags) in twins {
            let id = twin_id(text);
            let mut twin = Twin::new(jiff::Timestamp::UNIX_EPOCH);
            twin.tags = tags.as_object().unwrap().clone();
            tables.put_identity(&identity(id.clone())).unwrap();
            tables.put_twin(&id, &twin).unwrap();
            for job in ["j1", "j2"] {
                tables
                    .add_targets(&job.parse().unwrap(), std::slice::from_ref(&id), jiff::Timestamp::UNIX_EPOCH)
                    .unwrap();
            }
        }
    }
    batch.commit().unwrap();
    Fleet { snapshot: store.snapshot().unwrap(), _store: store }
}

fn job_record(job: &str) -> JobRecord {
    let request = json!({
        "jobId": job,
        "type": "scheduleUpdateTwin",
        "queryCondition": "*",
        "updateTwin": {"etag": "*"},
        "maxExecutionTimeInSeconds": 60,
    });
    let request: JobRequest = serde_json::from_value(request).unwrap();
    assert_eq!(request.job_type, JobType::ScheduleUpdateTwin);
    JobRecord {
        request,
        status: JobStatus::Running,
        created: WireTime::Never,
        start: WireTime::At(jiff::Timestamp::UNIX_EPOCH),
        end: None,
        failure: None,
        statistics: None,
        rows_created: None,
    }
}

/// Six twins: `a`…`d` with a ring, and two modules.
fn fleet() -> Fleet {
    snapshot(&[
        ("a", json!({"ring": 1})),
        ("a/m1", json!({"ring": 1})),
        ("b", json!({"ring": 2})),
        ("b-1", json!({"ring": 1})),
        ("b-1/m1", json!({})),
        ("c", json!({})),
    ])
}

/// The sizes of all pages and their rows.
fn all(snapshot: &Snapshot, text: &str, max_items: Option<usize>) -> (Vec<usize>, Vec<Value>) {
    let query = parse(text).unwrap();
    let (mut sizes, mut rows) = (Vec::new(), Vec::new());
    let mut request = PageRequest { max_items, continuation: None };
    loop {
        let page = run(snapshot, &query, &request).unwrap();
        sizes.push(page.rows.len());
        rows.extend(page.rows);
        assert!(sizes.len() < 1_000, "{text}: the pages have no end");
        match page.continuation {
            None => return (sizes, rows),
            token => request.continuation = token,
        }
    }
}

fn ids(rows: &[Value]) -> Vec<String> {
    let id = |row: &Value| {
        let parts = ["jobId", "deviceId", "moduleId"].map(|key| row[key].as_str());
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    };
    rows.iter().map(id).collect()
}

// conformance: REST.md 9: a page of one of two rows has a continuation, the next has none
#[test]
fn a_page_of_one_of_two_rows_has_a_successor_and_that_has_none() {
    let (sizes, rows) = all(&fleet(), "SELECT * FROM devices WHERE deviceId IN ['c', 'a', 'x']", Some(1));
    assert_eq!((sizes, ids(&rows)), (vec![1, 1], vec!["a".to_owned(), "c".to_owned()]));
}

// conformance: GRAMMAR.md 3: devices, devices.modules and devices.jobs are queried, paths bare or qualified
#[test]
fn each_collection_gives_its_rows_in_order() {
    let fleet = fleet();
    for (text, item_type, want) in [
        ("SELECT * FROM devices", ItemType::Twin, "a b b-1 c"),
        ("SELECT * FROM devices WHERE STARTSWITH(deviceId, 'b')", ItemType::Twin, "b b-1"),
        ("SELECT * FROM devices WHERE tags.ring = 1", ItemType::Twin, "a b-1"),
        ("SELECT * FROM devices WHERE deviceId = 'none'", ItemType::Twin, ""),
        ("SELECT deviceId FROM devices WHERE NOT IS_DEFINED(tags.ring)", ItemType::Raw, "c"),
        ("SELECT deviceId, moduleId FROM devices.modules", ItemType::Raw, "a/m1 b-1/m1"),
        ("SELECT deviceId, moduleId FROM devices.modules WHERE deviceId IN ['b-1', 'b']", ItemType::Raw, "b-1/m1"),
        (
            "SELECT * FROM devices.jobs WHERE jobId IN ['j2', 'not legal!', 'j1'] AND deviceId = 'b-1'",
            ItemType::DeviceJob,
            "j1/b-1 j1/b-1/m1 j2/b-1 j2/b-1/m1",
        ),
        ("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'none'", ItemType::DeviceJob, ""),
        (
            "SELECT * FROM devices.jobs WHERE deviceId = 'a' AND status = 'pending'",
            ItemType::DeviceJob,
            "j1/a j1/a/m1 j2/a j2/a/m1",
        ),
    ] {
        let page = run(&fleet, &parse(text).unwrap(), &PageRequest::default()).unwrap();
        assert_eq!((page.item_type, ids(&page.rows).join(" ").as_str()), (item_type, want), "{text}");
        assert_eq!(page.continuation, None, "{text}");
        for size in [1, 2, 3] {
            let (_, rows) = all(&fleet, text, Some(size));
            assert_eq!(rows, page.rows, "{text} by {size}");
        }
    }
}

// conformance: GRAMMAR.md 6: TOP bounds the whole, not the page
#[test]
fn page_sizes_are_cut_to_what_the_service_gives() {
    let names: Vec<String> = (0..250).map(|index| format!("d{index:03}")).collect();
    let twins: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), json!({}))).collect();
    let many = snapshot(&twins);
    for (asked, want) in [
        (None, vec![100, 100, 50]),
        (Some(100_000), vec![100, 100, 50]),
        (Some(0), vec![1; 250]),
        (Some(125), vec![100, 100, 50]),
    ] {
        let (sizes, rows) = all(&many, "SELECT deviceId FROM devices", asked);
        assert_eq!((sizes, ids(&rows)), (want, names.clone()), "{asked:?}");
    }
    assert_eq!(all(&many, "SELECT TOP 130 * FROM devices", None).0, [100, 30]);
    assert_eq!(all(&many, "SELECT TOP 200 * FROM devices", None).0, [100, 100]);
    assert_eq!(all(&many, "SELECT TOP 0 * FROM devices", None).0, [0]);
    assert_eq!(all(&many, "SELECT TOP 3 * FROM devices", Some(2)).0, [2, 1]);
    assert_eq!(all(&many, "SELECT * FROM devices WHERE deviceId < 'd100'", None).0, [100]);
}

// conformance: GRAMMAR.md 5: groups come in pages
#[test]
fn aggregates_see_every_row_and_page_their_groups() {
    let fleet = fleet();
    let (sizes, rows) = all(&fleet, "SELECT COUNT() AS n FROM devices WHERE tags.ring = 1", Some(1));
    assert_eq!((sizes, rows), (vec![1], vec![json!({"n": 2})]));
    let text = "SELECT tags.ring, COUNT() AS n FROM devices GROUP BY tags.ring";
    let (sizes, rows) = all(&fleet, text, Some(2));
    assert_eq!(sizes, [2, 1]);
    assert_eq!(rows, [json!({"ring": 1, "n": 2}), json!({"ring": 2, "n": 1}), json!({"n": 1})]);
    assert_eq!(all(&fleet, &text.replace("SELECT", "SELECT TOP 2"), Some(1)).0, [1, 1]);
}

// conformance: REST.md 9: a continuation of another query is 400
#[test]
fn a_token_of_another_query_or_kind_is_an_invalid_argument() {
    let fleet = fleet();
    let devices = parse("SELECT * FROM devices").unwrap();
    let first = run(&fleet, &devices, &PageRequest { max_items: Some(1), continuation: None }).unwrap();
    let refused = |text: &str, token: &str| -> SearchError {
        let request = PageRequest { max_items: None, continuation: Some(token.to_owned()) };
        run(&fleet, &parse(text).unwrap(), &request).unwrap_err()
    };
    let other = refused("SELECT * FROM devices.modules", first.continuation.as_deref().unwrap());
    assert!(matches!(other, SearchError::Continuation(InvalidContinuation::OtherQuery)));
    assert_eq!(HubError::from(other).code, ErrorCode::ArgumentInvalid);
    let odd = Continuation::new(&devices, 1, Position::Group).token();
    for token in ["", "nonsense", odd.as_str()] {
        let error = refused("SELECT * FROM devices", token);
        assert!(matches!(error, SearchError::Continuation(InvalidContinuation::Damaged)), "{token}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_add_up_to_the_filtered_whole(
        twins in prop::collection::btree_map("[ab]{1,3}(/[mn])?", 0..3_i32, 0..12),
        size in 1..5_usize,
        filter in prop::sample::select(vec![
            "true", "tags.t = 1", "STARTSWITH(deviceId, 'a')", "deviceId IN ['a', 'b', 'ab', 'bb']", "NOT tags.t = 0",
        ]),
        collection in prop::sample::select(vec!["devices", "devices.modules", "devices.jobs"]),
        top in prop::option::of(0..6_usize),
    ) {
        let twins: Vec<(String, Value)> = twins.into_iter().map(|(id, t)| (id, json!({"t": t}))).collect();
        let named: Vec<(&str, Value)> = twins.iter().map(|(id, tags)| (id.as_str(), tags.clone())).collect();
        let snapshot = snapshot(&named);
        let mut whole = Vec::new();
        let everything = parse(&format!("SELECT * FROM {collection}")).unwrap();
        search::rows::walk(&snapshot, &everything, None, &mut |_, row| {
            whole.push(row);
            std::ops::ControlFlow::Continue(())
        }).unwrap();
        let top_text = top.map(|top| format!("TOP {top} ")).unwrap_or_default();
        let text = format!("SELECT {top_text}* FROM {collection} WHERE {filter}");
        let query = parse(&text).unwrap();
        let want: Vec<Value> = whole.into_iter().filter(|row| query.matches(row)).take(top.unwrap_or(usize::MAX)).collect();
        let (sizes, rows) = all(&snapshot, &text, Some(size));
        prop_assert_eq!(ids(&rows), ids(&want), "{}", text);
        prop_assert_eq!(rows, want);
        prop_assert!(sizes.len() == 1 || sizes.iter().all(|&rows| rows > 0), "{:?}", sizes);
    }
}
