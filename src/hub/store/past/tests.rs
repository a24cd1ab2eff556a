//! The lagging index against a history that forgets nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::hub::registry::{Authentication, Identity};
use crate::hub::store::{Snapshot, Store, WriteTables};
use crate::model::{ConnectionState, IdentityStatus, Twin, WireTime};
use crate::query::KeyRange;

const LAG_S: u64 = 10;
const IDS: [&str; 6] = ["a", "a/m", "b", "ba", "c", "c/n"];

struct Rig {
    store: Store,
    seconds: Arc<AtomicU64>,
}

fn id(text: &str) -> TwinId {
    match text.split_once('/') {
        None => TwinId::device(text.parse().unwrap()),
        Some((device, module)) => TwinId::module(device.parse().unwrap(), module.parse().unwrap()),
    }
}

impl Rig {
    fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(0));
        let driver = Arc::clone(&seconds);
        let clock = Clock::driven(Timestamp::UNIX_EPOCH, move || Duration::from_secs(driver.load(Ordering::SeqCst)));
        let lag = Duration::from_secs(LAG_S);
        Self { store: Store::in_memory().unwrap().with_lags(&clock, lag, lag), seconds }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn write(&self, act: impl FnOnce(&mut WriteTables<'_>)) {
        let batch = self.store.begin().unwrap();
        act(&mut batch.tables(&self.store).unwrap());
        batch.commit().unwrap();
    }

    /// Registers or changes a twin.
    fn put(&self, text: &str, wave: u64) {
        let identity = Identity {
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
        };
        let mut twin = Twin::new(Timestamp::UNIX_EPOCH);
        twin.tags.insert("wave".to_owned(), json!(wave));
        self.write(|tables| {
            tables.put_identity(&identity).unwrap();
            tables.put_twin(&id(text), &twin).unwrap();
        });
    }

    fn remove(&self, text: &str) {
        self.write(|tables| tables.remove_identity(&id(text)).unwrap());
    }

    fn snapshot(&self) -> Snapshot {
        self.store.snapshot().unwrap()
    }

    /// What queries see: ids and waves.
    fn seen(&self, collection: TwinCollection, range: &KeyRange, after: Option<&str>) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        let visit = &mut |id: &TwinId, twin: Value| {
            found.push((id.to_string(), twin["tags"]["wave"].as_u64().unwrap()));
            ControlFlow::Continue(())
        };
        self.snapshot().scan_twins(&TwinScan::whole(collection, range, after.map(id).as_ref()), visit).unwrap();
        found
    }

    fn devices(&self) -> Vec<(String, u64)> {
        self.seen(TwinCollection::Devices, &KeyRange::All, None)
    }
}

fn rows(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
    rows.iter().map(|(id, wave)| ((*id).to_owned(), *wave)).collect()
}

// conformance: REST.md 9: with --query-lag new devices and changed twins show up late, and deleted devices linger
#[test]
fn queries_see_what_was_and_a_get_what_is() {
    let rig = Rig::new();
    rig.put("a", 1);
    rig.put("b", 1);
    assert_eq!(rig.devices(), rows(&[]));
    rig.pass(LAG_S);
    assert_eq!(rig.devices(), rows(&[("a", 1), ("b", 1)]));
    rig.put("a", 2);
    rig.remove("b");
    rig.put("c", 3);
    assert_eq!(rig.devices(), rows(&[("a", 1), ("b", 1)]));
    let get = |text: &str| rig.snapshot().twin_document(&id(text)).unwrap().map(|twin| twin["tags"]["wave"].clone());
    assert_eq!([get("a"), get("b"), get("c")], [Some(json!(2)), None, Some(json!(3))]);
    rig.pass(LAG_S - 1);
    assert_eq!(rig.devices(), rows(&[("a", 1), ("b", 1)]));
    rig.pass(1);
    assert_eq!(rig.devices(), rows(&[("a", 2), ("c", 3)]));
}

#[test]
fn a_scan_stops_where_it_is_told_to_also_at_a_deleted_twin() {
    let rig = Rig::new();
    IDS.into_iter().for_each(|id| rig.put(id, 1));
    rig.pass(LAG_S);
    rig.remove("b");
    rig.remove("c");
    for stop in ["a", "b", "ba", "c"] {
        let mut last = None;
        let visit = &mut |seen: &TwinId, _| {
            last = Some(seen.to_string());
            if seen.to_string() == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        rig.snapshot().scan_twins(&TwinScan::whole(TwinCollection::Devices, &KeyRange::All, None), visit).unwrap();
        assert_eq!(last.as_deref(), Some(stop));
    }
}

#[test]
fn the_past_is_let_go_once_it_is_over() {
    let rig = Rig::new();
    for wave in 0..50 {
        rig.put("a", wave);
        rig.pass(1);
    }
    let past = rig.store.past.clone().unwrap();
    assert!(past.read().order.len() <= 2 * (1 + usize::try_from(LAG_S).unwrap()), "{}", past.read().order.len());
    rig.pass(LAG_S);
    rig.put("b", 1);
    rig.pass(LAG_S);
    rig.put("b", 2);
    let changes = past.read();
    assert_eq!((changes.order.len(), changes.by_twin.len()), (2, 1));
    assert_eq!(changes.bytes, changes.by_twin.values().flatten().map(Change::bytes).sum::<usize>());
}

// conformance: DEVICE.md 6.2: with --state-lag connectionState is seen late in registry and twin
#[test]
fn a_connection_state_is_seen_late_and_the_count_is_not() {
    let rig = Rig::new();
    rig.put("a", 1);
    let board = rig.store.presence();
    let seen = || (board.get(&id("a")).state, board.devices_connected());
    board.set(&id("a"), ConnectionState::Connected, Timestamp::UNIX_EPOCH);
    assert_eq!(seen(), (ConnectionState::Disconnected, 1));
    rig.pass(LAG_S - 1);
    board.set(&id("a"), ConnectionState::Disconnected, Timestamp::UNIX_EPOCH);
    assert_eq!(seen(), (ConnectionState::Disconnected, 0));
    rig.pass(1);
    assert_eq!(seen(), (ConnectionState::Connected, 0));
    rig.pass(LAG_S - 1);
    assert_eq!(seen(), (ConnectionState::Disconnected, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Put(usize, u64),
    Remove(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..IDS.len(), 0_u64..100).prop_map(|(id, wave)| Step::Put(id, wave)),
        (0..IDS.len()).prop_map(Step::Remove),
        (0_u64..6).prop_map(Step::Pass),
    ]
}

/// What there was at each time, kept for ever.
type History = Vec<(u64, BTreeMap<&'static str, u64>)>;

fn then(history: &History, now: u64) -> BTreeMap<&'static str, u64> {
    let known = history.iter().rev().find(|(at, _)| at + LAG_S <= now);
    known.map(|(_, twins)| twins.clone()).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_shows_the_history_of_back_then(steps in prop::collection::vec(step(), 1..40), after in 0..IDS.len()) {
        let rig = Rig::new();
        let (mut now, mut twins, mut history) = (0, BTreeMap::new(), History::new());
        for step in steps {
            match step {
                Step::Put(index, wave) => {
                    rig.put(IDS[index], wave);
                    twins.insert(IDS[index], wave);
                }
                Step::Remove(index) => {
                    rig.remove(IDS[index]);
                    twins.remove(IDS[index]);
                }
                Step::Pass(seconds) => {
                    rig.pass(seconds);
                    now += seconds;
                }
            }
            history.push((now, twins.clone()));
            let known = then(&history, now);
            for (collection, slash) in [(TwinCollection::Devices, false), (TwinCollection::Modules, true)] {
                for range in [KeyRange::All, KeyRange::Prefix("b".to_owned()), KeyRange::Ids(["a".to_owned(), "c".to_owned()].into())] {
                    for after in [None, Some(IDS[after])] {
                        let expected: Vec<(String, u64)> = known
                            .iter()
                            .filter(|(text, _)| text.contains('/') == slash && range.contains(id(text).device.as_str()))
                            .filter(|(text, _)| after.is_none_or(|after| id(text) > id(after)))
                            .map(|(text, wave)| (id(text).to_string(), *wave))
                            .collect();
                        prop_assert_eq!(rig.seen(collection, &range, after), expected, "{:?} after {:?} at {}", range, after, now);
                    }
                }
            }
        }
    }
}
