//! The store bench: a hub with a million twins on the disk, each figure beside what the database itself needs.
//!
//! `cargo bench --bench store` runs it; `cargo bench --bench store -- 100000` takes another number of twins. It needs
//! about 3 KiB of disk for each. Figures are of one run on a warm page cache; the ratios are what to compare.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at what fails")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iotjob::auth::parse_service;
use iotjob::client::{HubAccess, HubClient, HubClientConfig, Patience};
use iotjob::hub::registry::{Authentication, Identity};
use iotjob::hub::store::{DeviceCounts, Store};
use iotjob::model::limits::STORE_CACHE_BYTES_MAX;
use iotjob::model::{
    Clock, IdentityStatus, JobId, JobRequest, JobStatus, JsonObject, Rng, SymmetricKey, SymmetricKeyPair, Twin, TwinId,
    TwinPatch, WireTime,
};
use iotjob::tls::TrustAnchors;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_iotjob");
const TWINS_DEFAULT: usize = 1_000_000;
/// Twins that the bench writes with one commit, as a writer does that only wants to be done.
const BATCH: usize = 10_000;
/// A site that one twin in a thousand has.
const RARE_SITE: &str = "hammerfest";

type Records = TableDefinition<'static, &'static str, &'static [u8]>;
const TWINS: Records = TableDefinition::new("twins");
const ROWS: Records = TableDefinition::new("rows");

/// A child that is gone when the bench is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() {
    // Under `cargo test --all-targets` a bench is only to compile.
    if std::env::args().any(|arg| arg == "--test") || cfg!(debug_assertions) {
        return;
    }
    let twins = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(TWINS_DEFAULT);
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy.redb"));

    let filling = Instant::now();
    let bytes = fill(&data, twins);
    show("twins", &format!("{twins}, {bytes} bytes each"));
    show("filling", &per_second(twins, filling.elapsed()));
    fs::copy(data.join("hub.redb"), &copy).unwrap();

    let database = open(&copy);
    read_all(&database);
    let reading = best(|| read_all(&database));
    show("database alone: read all twins", &per_second(twins, reading));
    let writing = rewrite_all(&database);
    show("database alone: rewrite all, with rows", &per_second(twins, writing));
    drop(database);
    fs::remove_file(&copy).unwrap();

    let ready_file = dir.path().join("ready.json");
    let starting = Instant::now();
    let hub = start_hub(dir.path(), &data, &ready_file);
    show("hub, exec to ready", &format!("{:.0?}", starting.elapsed()));
    show("hub, resident after start", &mebi(resident_bytes(hub.0.id())));
    let client = client(&ready_file);

    let middle = device_id(twins / 2);
    for (what, query) in [
        ("page: first 100", "SELECT * FROM devices".to_owned()),
        ("page: deviceId = one", format!("SELECT * FROM devices WHERE deviceId = '{middle}'")),
        (
            "page: 100 by prefix",
            format!("SELECT * FROM devices WHERE STARTSWITH(deviceId, '{}')", &middle[..middle.len() - 2]),
        ),
    ] {
        show(what, &format!("{:.2?}", ask(&client, &query).await.0));
    }
    for (what, query) in [
        ("scan: tag that nobody has", "SELECT * FROM devices WHERE tags.site = 'nowhere'".to_owned()),
        ("scan: tag, counted", format!("SELECT COUNT() AS n FROM devices WHERE tags.site = '{RARE_SITE}'")),
        (
            "scan: tag and reported",
            "SELECT * FROM devices WHERE tags.floor = 3 AND properties.reported.battery < 0".to_owned(),
        ),
        ("scan: registry status", "SELECT COUNT() AS n FROM devices WHERE status = 'disabled'".to_owned()),
        ("scan: group by tag", "SELECT tags.building, COUNT() AS n FROM devices GROUP BY tags.building".to_owned()),
    ] {
        let took = ask(&client, &query).await.0.min(ask(&client, &query).await.0);
        show(what, &format!("{}, {:.2} x the database's reading", per_second(twins, took), ratio(took, reading)));
    }
    show("hub, resident after scans", &mebi(resident_bytes(hub.0.id())));

    let (took, busy) = twin_job(&client, "all", "*").await;
    show(
        "twin job over all",
        &format!("{}, {:.2} x the database's rewriting", per_second(twins, took), ratio(took, writing)),
    );
    show("slowest twin read meanwhile", &format!("{busy:.0?}"));
    let (took, _) = twin_job(&client, "filtered", "tags.fleet = 'doors'").await;
    show("the same by a tag that all have", &format!("{}, {:.2} x", per_second(twins, took), ratio(took, writing)));
    show("hub, resident after jobs", &mebi(resident_bytes(hub.0.id())));
    show("database file", &mebi(fs::metadata(data.join("hub.redb")).unwrap().len()));
}

fn show(what: &str, figure: &str) {
    println!("{what:<40} {figure}");
}

fn device_id(number: usize) -> String {
    format!("door-{number:07}")
}

/// Writes the identities and twins of a fleet of doors; gives the average size of a twin's record.
fn fill(data: &Path, twins: usize) -> usize {
    let store = Store::open(data).unwrap();
    let key = || SymmetricKey::from_bytes(vec![7; 32]).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    for start in (0..twins).step_by(BATCH) {
        let batch = store.begin().unwrap();
        {
            let mut tables = batch.tables(&store).unwrap();
            for number in start..(start + BATCH).min(twins) {
                let id: TwinId = TwinId::device(device_id(number).parse().unwrap());
                let identity = Identity {
                    id: id.clone(),
                    generation_id: 638_000_000_000_000_000,
                    etag: 1,
                    status: IdentityStatus::Enabled,
                    status_reason: None,
                    status_updated: WireTime::Never,
                    authentication: Authentication::Sas(SymmetricKeyPair { primary_key: key(), secondary_key: key() }),
                    iot_edge: false,
                    device_scope: None,
                    parent_scopes: Vec::new(),
                    managed_by: None,
                };
                tables.put_identity(&identity).unwrap();
                tables.put_twin(&id, &twin(number, now)).unwrap();
            }
            let enabled = (start + BATCH).min(twins) as u64;
            tables.put_counts(DeviceCounts { enabled, disabled: 0 }).unwrap();
        }
        batch.commit().unwrap();
    }
    drop(store);
    let database = open(&data.join("hub.redb"));
    let table = database.begin_read().unwrap().open_table(TWINS).unwrap();
    let sampled: usize = table.iter().unwrap().take(1_000).map(|entry| entry.unwrap().1.value().len()).sum();
    sampled / twins.min(1_000)
}

fn twin(number: usize, now: jiff::Timestamp) -> Twin {
    let object = |value: Value| -> JsonObject { value.as_object().cloned().unwrap() };
    let site = if number.is_multiple_of(1_000) { RARE_SITE } else { "oslo" };
    let tags = json!({"fleet": "doors", "site": site, "building": number % 100, "floor": number % 7});
    let desired = json!({"lockTime": "10m", "firmware": {"version": "1.4.2"}});
    let mut twin = Twin::new(now);
    twin.patch(TwinPatch { tags: Some(object(tags).into()), desired: Some(object(desired).into()) }, now);
    twin.report(&object(json!({"firmware": {"version": "1.4.1"}, "battery": 87, "locked": false})), now);
    twin
}

/// The file with the hub's own settings.
fn open(file: &Path) -> Database {
    Database::builder().set_cache_size(STORE_CACHE_BYTES_MAX).open(file).unwrap()
}

/// Reads every twin's bytes once.
fn read_all(database: &Database) -> Duration {
    let began = Instant::now();
    let table = database.begin_read().unwrap().open_table(TWINS).unwrap();
    let mut sum = 0_u64;
    for entry in table.iter().unwrap() {
        let (key, value) = entry.unwrap();
        sum += key.value().len() as u64 + value.value().iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    assert!(sum > 0);
    began.elapsed()
}

/// Reads every twin, writes as many bytes back, and a job's row beside it.
fn rewrite_all(database: &Database) -> Duration {
    let began = Instant::now();
    let mut after = String::new();
    loop {
        let mut txn = database.begin_write().unwrap();
        txn.set_durability(Durability::Immediate).unwrap();
        txn.set_quick_repair(true);
        let mut keys = Vec::with_capacity(BATCH);
        {
            let mut twins = txn.open_table(TWINS).unwrap();
            let mut rows = txn.open_table(ROWS).unwrap();
            let range = (std::ops::Bound::Excluded(after.as_str()), std::ops::Bound::Unbounded);
            for entry in twins.range::<&str>(range).unwrap().take(BATCH) {
                let (key, value) = entry.unwrap();
                keys.push((key.value().to_owned(), value.value().to_vec()));
            }
            for (key, value) in &keys {
                twins.insert(key.as_str(), value.as_slice()).unwrap();
                rows.insert(format!("job\0{key}").as_str(), &[b'r'; 50][..]).unwrap();
            }
        }
        txn.commit().unwrap();
        match keys.pop() {
            Some((last, _)) => after = last,
            None => return began.elapsed(),
        }
    }
}

fn best(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| measure()).min().unwrap()
}

fn start_hub(home: &Path, data: &Path, ready_file: &Path) -> Ended {
    let mut hub = Ended(
        Command::new(BINARY)
            .args(["hub", "--https-port", "0", "--mqtt-port", "0", "--quiet", "--ready-file"])
            .arg(ready_file)
            .arg("--data")
            .arg(data)
            .env("HOME", home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(hub.0.stdout.take().unwrap()).lines();
    lines.next().expect("the hub starts").unwrap();
    std::thread::spawn(move || lines.count());
    hub
}

fn client(ready_file: &Path) -> HubClient {
    let ready: Value = serde_json::from_str(&fs::read_to_string(ready_file).unwrap()).unwrap();
    let connection = parse_service(ready["connectionStrings"]["iothubowner"].as_str().unwrap()).unwrap().value;
    let trust = TrustAnchors::Pem(fs::read(ready["caFile"].as_str().unwrap()).unwrap());
    let patience = Patience { request: Duration::from_secs(600), ..Patience::standard() };
    let access = HubAccess::Policy(connection);
    let config = HubClientConfig { access, trust, clock: Clock::system(), rng: Rng::seeded(1), patience, notify: None };
    HubClient::new(config).unwrap()
}

/// One page of a query, and how many rows it had.
async fn ask(client: &HubClient, query: &str) -> (Duration, usize) {
    let began = Instant::now();
    let page = client.query_pages(query, 100).next_page().await.unwrap();
    (began.elapsed(), page.map_or(0, |page| page.rows.len()))
}

/// Patches the tags of whoever the condition finds: from submit to its end, and the slowest read of a twin meanwhile.
async fn twin_job(client: &HubClient, name: &str, condition: &str) -> (Duration, Duration) {
    let id: JobId = name.parse().unwrap();
    let request: JobRequest = serde_json::from_value(json!({
        "jobId": name, "type": "scheduleUpdateTwin", "queryCondition": condition,
        "updateTwin": {"etag": "*", "tags": {"wave": name}}, "maxExecutionTimeInSeconds": 7_200,
    }))
    .unwrap();
    client.create_job(&request).await.unwrap();
    let one = TwinId::device(device_id(1).parse().unwrap());
    let mut slowest = Duration::ZERO;
    loop {
        let job = client.job(&id).await.unwrap();
        if job.status.is_terminal() {
            assert_eq!(job.status, JobStatus::Completed, "{:?}", job.failure_reason);
            let time = |time: Option<WireTime>| time.and_then(WireTime::timestamp).unwrap();
            return (time(job.end_time).duration_since(time(job.created_time)).unsigned_abs(), slowest);
        }
        let asking = Instant::now();
        client.twin(&one).await.unwrap();
        slowest = slowest.max(asking.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Resident memory of a process; 0 where the system has no `/proc`.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

fn mebi(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

fn per_second(count: usize, time: Duration) -> String {
    format!("{time:.2?} ({:.0}/s)", count as f64 / time.as_secs_f64())
}

fn ratio(this: Duration, that: Duration) -> f64 {
    this.as_secs_f64() / that.as_secs_f64()
}
