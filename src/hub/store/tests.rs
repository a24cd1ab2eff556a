//! Ranges, pages and what survives a closed file.

use std::cell::RefCell;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::schema::{META, META_FORMAT};
use super::{
    IdentityScope, JobRecord, Portion, RowKey, Store, StoreError, TwinCollection, TwinFilter, TwinScan, WriteTables,
};
use crate::hub::registry::{Authentication, Identity};
use crate::model::{
    ConnectionState, IdentityStatus, JobId, JobStatus, SymmetricKey, SymmetricKeyPair, Twin, TwinId, WireTime,
};
use crate::query::{KeyRange, Row, parse_condition};

const IDS: [&str; 7] = ["a", "a/m", "a/n", "a-1", "ab", "ab/m", "b"];

fn id(text: &str) -> TwinId {
    match text.split_once('/') {
        None => TwinId::device(text.parse().unwrap()),
        Some((device, module)) => TwinId::module(device.parse().unwrap(), module.parse().unwrap()),
    }
}

fn identity(text: &str) -> Identity {
    Identity {
        id: id(text),
        generation_id: 1,
        etag: 1,
        status: IdentityStatus::Enabled,
        status_reason: None,
        status_updated: WireTime::Never,
        authentication: Authentication::CertificateAuthority,
        iot_edge: false,
        device_scope: None,
        parent_scopes: Vec::new(),
        managed_by: None,
    }
}

fn write(store: &Store, act: impl FnOnce(&mut WriteTables<'_>) -> Result<(), StoreError>) {
    let batch = store.begin().unwrap();
    act(&mut batch.tables(store).unwrap()).unwrap();
    batch.commit().unwrap();
}

fn filled() -> Store {
    let store = Store::in_memory().unwrap();
    write(&store, |tables| {
        for text in IDS {
            tables.put_identity(&identity(text))?;
            tables.put_twin(&id(text), &Twin::new(Timestamp::UNIX_EPOCH))?;
        }
        Ok(())
    });
    store
}

fn scan(store: &Store, collection: TwinCollection, range: &KeyRange, after: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let visit = &mut |id: &TwinId, _| {
        found.push(id.to_string());
        ControlFlow::Continue(())
    };
    store.snapshot().unwrap().scan_twins(&TwinScan::whole(collection, range, after.map(id).as_ref()), visit).unwrap();
    found
}

#[test]
fn a_scan_is_bounded_by_collection_range_and_place() {
    let store = filled();
    let ids = |texts: &[&str]| KeyRange::Ids(texts.iter().map(|&text| text.to_owned()).collect());
    let prefix = |text: &str| KeyRange::Prefix(text.to_owned());
    use TwinCollection::{Devices, Modules};
    let cases: [(_, _, _, &[&str]); 12] = [
        (Devices, KeyRange::All, None, &["a", "a-1", "ab", "b"]),
        (Devices, KeyRange::All, Some("a"), &["a-1", "ab", "b"]),
        (Modules, KeyRange::All, None, &["a/m", "a/n", "ab/m"]),
        (Modules, KeyRange::All, Some("a/m"), &["a/n", "ab/m"]),
        (Devices, prefix("a"), None, &["a", "a-1", "ab"]),
        (Devices, prefix("a"), Some("a-1"), &["ab"]),
        (Modules, prefix("ab"), None, &["ab/m"]),
        (Devices, ids(&["b", "a", "none"]), None, &["a", "b"]),
        (Devices, ids(&["b", "a"]), Some("a"), &["b"]),
        (Modules, ids(&["a", "b"]), None, &["a/m", "a/n"]),
        (Modules, ids(&["a", "ab"]), Some("a/m"), &["a/n", "ab/m"]),
        (Devices, ids(&[]), None, &[]),
    ];
    for (collection, range, after, want) in cases {
        assert_eq!(scan(&store, collection, &range, after), want, "{collection:?} {range:?} after {after:?}");
    }
}

#[test]
fn ids_alone_come_in_pages_of_their_collection() {
    let store = filled();
    let page = |collection, after: Option<&str>, limit| -> Vec<String> {
        let batch = store.begin().unwrap();
        let ids = batch.tables(&store).unwrap().twins_after(collection, after.map(id).as_ref(), limit).unwrap();
        ids.iter().map(ToString::to_string).collect()
    };
    assert_eq!(page(TwinCollection::Devices, None, 2), ["a", "a-1"]);
    assert_eq!(page(TwinCollection::Devices, Some("a-1"), 2), ["ab", "b"]);
    assert_eq!(page(TwinCollection::Devices, Some("b"), 2), Vec::<String>::new());
    assert_eq!(page(TwinCollection::Modules, Some("a/m"), 9), ["a/n", "ab/m"]);
}

#[test]
fn a_scan_stops_when_told() {
    let store = filled();
    for range in [KeyRange::All, KeyRange::Ids(["a", "b"].map(str::to_owned).into())] {
        let mut seen = 0;
        let visit = &mut |_: &_, _| {
            seen += 1;
            ControlFlow::Break(())
        };
        store.snapshot().unwrap().scan_twins(&TwinScan::whole(TwinCollection::Devices, &range, None), visit).unwrap();
        assert_eq!(seen, 1);
    }
}

/// Whatever way a condition finds its members, they are those of the document.
#[test]
fn what_a_condition_sees_is_what_a_document_shows() {
    let store = filled();
    write(&store, |tables| {
        tables.put_identity(&Identity { status: IdentityStatus::Disabled, ..identity("ab") })?;
        tables.presence().set(&id("a"), ConnectionState::Connected, Timestamp::UNIX_EPOCH);
        tables.presence().set(&id("a/m"), ConnectionState::Connected, Timestamp::UNIX_EPOCH);
        Ok(())
    });
    let snapshot = store.snapshot().unwrap();
    let paths = ["deviceId", "moduleId", "status", "statusReason", "connectionState", "authenticationType", "version"];
    for collection in [TwinCollection::Devices, TwinCollection::Modules] {
        for path in paths {
            let reads = parse_condition(&format!("IS_DEFINED({path})")).unwrap().filter_reads();
            let (portion, seen) = (Portion::of(&reads), RefCell::new(Vec::new()));
            let passes = |row: &dyn Row| {
                seen.borrow_mut().push(format!("{:?}", row.member(&[path.into()])));
                true
            };
            let filter = Some(TwinFilter { reads: &portion, passes: &passes });
            let mut shown = Vec::new();
            let scan = TwinScan { filter, ..TwinScan::whole(collection, &KeyRange::All, None) };
            snapshot
                .scan_twins(&scan, &mut |_, document| {
                    shown.push(format!("{:?}", document.member(&[path.into()])));
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(seen.into_inner(), shown, "{path} of {collection:?}");
            assert!(shown.len() >= 3);
        }
    }
}

#[test]
fn identities_come_in_pages() {
    let snapshot = filled().snapshot().unwrap();
    let page = |scope: &IdentityScope, after: Option<&str>, limit| -> Vec<String> {
        let page = snapshot.identities(scope, after.map(id).as_ref(), limit).unwrap();
        page.iter().map(|identity| identity.id.to_string()).collect()
    };
    assert_eq!(page(&IdentityScope::Devices, None, 2), ["a", "a-1"]);
    assert_eq!(page(&IdentityScope::Devices, Some("a-1"), 9), ["ab", "b"]);
    let modules = IdentityScope::ModulesOf("a".parse().unwrap());
    assert_eq!(page(&modules, None, 9), ["a/m", "a/n"]);
    assert_eq!(page(&modules, Some("a/m"), 9), ["a/n"]);
    assert_eq!(page(&IdentityScope::ModulesOf("b".parse().unwrap()), None, 9), Vec::<String>::new());
}

#[test]
fn a_snapshot_does_not_move() {
    let store = filled();
    let before = store.snapshot().unwrap();
    write(&store, |tables| tables.remove_identity(&id("b")));
    assert!(before.identity(&id("b")).unwrap().is_some());
    assert!(store.snapshot().unwrap().twin(&id("b")).unwrap().is_none());
}

fn job(id: &str, created: i64) -> JobRecord {
    let created = WireTime::At(Timestamp::from_second(created).unwrap());
    JobRecord {
        request: serde_json::from_value(json!({
            "jobId": id, "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {},
            "maxExecutionTimeInSeconds": 60,
        }))
        .unwrap(),
        status: JobStatus::Running,
        created,
        start: created,
        end: None,
        failure: None,
        statistics: None,
        rows_created: None,
    }
}

#[test]
fn rows_are_walked_by_job_and_place_and_go_with_their_job() {
    let store = Store::in_memory().unwrap();
    let jobs: [JobId; 2] = ["j", "j-2"].map(|text| text.parse().unwrap());
    write(&store, |tables| {
        for (created, job_id) in jobs.iter().enumerate() {
            tables.put_job(&job(job_id.as_str(), i64::try_from(created).unwrap()))?;
            tables.add_targets(job_id, &["a", "a/m", "b"].map(id), Timestamp::UNIX_EPOCH)?;
        }
        Ok(())
    });
    let walk = |job: Option<&JobId>, after: Option<RowKey>| -> Vec<String> {
        let mut seen = Vec::new();
        let visit = &mut |key: &RowKey, row: Value| {
            assert_eq!(row["jobId"], key.job.as_str());
            seen.push(format!("{}:{}", key.job, key.target));
            ControlFlow::Continue(())
        };
        store.snapshot().unwrap().scan_rows(job, after.as_ref(), visit).unwrap();
        seen
    };
    assert_eq!(walk(Some(&jobs[0]), None), ["j:a", "j:a/m", "j:b"]);
    assert_eq!(walk(None, None).len(), 6);
    let after = RowKey { job: jobs[0].clone(), target: id("a/m") };
    assert_eq!(walk(None, Some(after.clone())), ["j:b", "j-2:a", "j-2:a/m", "j-2:b"]);
    assert_eq!(walk(Some(&jobs[0]), Some(after)), ["j:b"]);
    let newest: Vec<String> = store.snapshot().unwrap().jobs().unwrap().into_iter().map(|job| job.job_id).collect();
    assert_eq!(newest, ["j-2", "j"]);
    write(&store, |tables| tables.remove_job(&jobs[0]));
    assert_eq!(walk(None, None), ["j-2:a", "j-2:a/m", "j-2:b"]);
}

#[test]
fn a_file_keeps_the_policies_keys_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/data");
    let store = Store::open(&folder).unwrap();
    assert_eq!(store.policy_keys().unwrap(), []);
    let key = |byte| SymmetricKey::from_bytes(vec![byte; 32]).unwrap();
    let keys = vec![("iothubowner".to_owned(), SymmetricKeyPair { primary_key: key(1), secondary_key: key(2) })];
    store.put_policy_keys(&keys).unwrap();
    drop(store);
    assert_eq!(Store::open(&folder).unwrap().policy_keys().unwrap(), keys);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.join("hub.redb")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn another_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let batch = store.begin().unwrap();
    batch.0.open_table(META).unwrap().insert(META_FORMAT, b"7".as_slice()).unwrap();
    batch.commit().unwrap();
    drop(store);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Format { found: 7, known: 3 })));
}
