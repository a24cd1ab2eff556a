//! A hub with a million twins on the disk, each figure beside what the database itself needs.
//!
//! It takes about 3 KiB of disk for each twin. Figures are of one run on a warm page cache.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use iotjob::client::HubClient;
use iotjob::model::TwinId;
use iotjob::model::limits::STORE_CACHE_BYTES_MAX;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::doors::{BATCH, RARE_SITE, door_id, fill};
use crate::figures::{Figures, mebi, median, pace, ratio};
use crate::processes::{Hub, twin_job};

const LIMITED_FROM: usize = 1_000_000;
const SCAN_LIMIT: f64 = 2.0;
const TWIN_JOB_LIMIT: f64 = 3.0;
const START_LIMIT_S: f64 = 2.0;
const READINGS: usize = 3;
const READ_EVERY: Duration = Duration::from_millis(100);

type Records = TableDefinition<'static, &'static str, &'static [u8]>;
const TWINS: Records = TableDefinition::new("twins");
const ROWS: Records = TableDefinition::new("rows");

pub(crate) async fn run(twins: usize, figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy.redb"));
    let filling = Instant::now();
    fill(&data, twins);
    figures.show("twins", twins.to_string());
    figures.show("filling", pace(twins, filling.elapsed()));
    fs::copy(data.join("hub.redb"), &copy).unwrap();

    let database = open(&copy);
    let bytes = read_all(&database).1;
    figures.show("bytes of a twin's record", (bytes / twins as u64).to_string());

    let hub = Hub::start(dir.path(), &["--data", data.to_str().unwrap()]);
    figures.show_limited("hub, exec to ready", hub.start.as_secs_f64(), START_LIMIT_S, "s");
    figures.show("hub, resident after start", mebi(hub.process.resident_bytes()));
    let client = hub.client();
    pages(&client, twins, figures).await;
    scans(&client, &database, twins, figures).await;
    figures.show("hub, resident after scans", mebi(hub.process.resident_bytes()));

    // The reader's pages would be in the writer's way.
    drop(database);
    let database = open(&copy);
    let writing = rewrite_all(&database);
    drop(database);
    fs::remove_file(&copy).unwrap();
    figures.show("database alone: rewrite all, with rows", pace(twins, writing));
    let mut slowest = Duration::ZERO;
    let took = tokio::select! {
        took = twin_job(&client, "all", "*") => took,
        () = read_meanwhile(&client, &mut slowest) => unreachable!("it reads until it is dropped"),
    };
    figures.show("slowest read of a twin meanwhile", format!("{slowest:.0?}"));
    figures.show("twin job over all", pace(twins, took));
    let limit = (TWIN_JOB_LIMIT, "x");
    let size = (twins, LIMITED_FROM);
    figures.show_limited_from(size, "twin job, of the database's rewriting", ratio(took, writing), limit);
    let took = twin_job(&client, "filtered", "tags.fleet = 'doors'").await;
    figures.show("twin job by a tag that all have", pace(twins, took));
    figures.show_limited_from(size, "the same, of the database's rewriting", ratio(took, writing), limit);
    figures.show("hub, resident after jobs", mebi(hub.process.resident_bytes()));
    figures.show("database file", mebi(fs::metadata(data.join("hub.redb")).unwrap().len()));
}

/// Pages that the key leads to.
async fn pages(client: &HubClient, twins: usize, figures: &Figures) {
    let middle = door_id(twins / 2);
    for (what, query) in [
        ("page: first 100", "SELECT * FROM devices".to_owned()),
        ("page: deviceId = one", format!("SELECT * FROM devices WHERE deviceId = '{middle}'")),
        (
            "page: 100 by prefix",
            format!("SELECT * FROM devices WHERE STARTSWITH(deviceId, '{}')", &middle[..middle.len() - 2]),
        ),
    ] {
        figures.show(what, format!("{:.2?}", ask(client, &query).await));
    }
}

/// Queries that look at every twin, in turns with the database that only reads their bytes.
async fn scans(client: &HubClient, database: &Database, twins: usize, figures: &mut Figures) {
    for (what, query, limit) in [
        ("scan: tag that nobody has", "SELECT * FROM devices WHERE tags.site = 'nowhere'".to_owned(), Some(SCAN_LIMIT)),
        (
            "scan: tag, counted",
            format!("SELECT COUNT() AS n FROM devices WHERE tags.site = '{RARE_SITE}'"),
            Some(SCAN_LIMIT),
        ),
        (
            "scan: tag and reported",
            "SELECT * FROM devices WHERE tags.floor = 3 AND properties.reported.battery < 0".to_owned(),
            None,
        ),
        ("scan: registry status", "SELECT COUNT() AS n FROM devices WHERE status = 'disabled'".to_owned(), None),
        (
            "scan: group by tag",
            "SELECT tags.building, COUNT() AS n FROM devices GROUP BY tags.building".to_owned(),
            None,
        ),
    ] {
        let (mut scanning, mut reading) = (Vec::new(), Vec::new());
        for _ in 0..READINGS {
            reading.push(read_all(database).0);
            scanning.push(ask(client, &query).await);
        }
        let ratio = ratio(median(&scanning), median(&reading));
        figures.show(
            what,
            format!("{}, the database reads {}", pace(twins, median(&scanning)), pace(twins, median(&reading))),
        );
        match limit {
            Some(limit) => {
                let size = (twins, LIMITED_FROM);
                figures.show_limited_from(size, "  of the database's reading", ratio, (limit, "x"));
            }
            None => figures.show("  of the database's reading", format!("{ratio:.2} x")),
        }
    }
}

/// The file with the hub's own settings.
fn open(file: &Path) -> Database {
    Database::builder().set_cache_size(STORE_CACHE_BYTES_MAX).open(file).unwrap()
}

/// Reads every twin's bytes once: how long that took, and how many there were.
fn read_all(database: &Database) -> (Duration, u64) {
    let began = Instant::now();
    let table = database.begin_read().unwrap().open_table(TWINS).unwrap();
    let (mut sum, mut bytes) = (0_u64, 0);
    for entry in table.iter().unwrap() {
        let (key, value) = entry.unwrap();
        bytes += value.value().len() as u64;
        sum += key.value().len() as u64 + value.value().iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    assert!(sum > 0);
    (began.elapsed(), bytes)
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

/// The first page of a query.
async fn ask(client: &HubClient, query: &str) -> Duration {
    let began = Instant::now();
    client.query_pages(query, 100).next_page().await.unwrap();
    began.elapsed()
}

/// Reads a twin now and again, and keeps the longest that it took.
async fn read_meanwhile(client: &HubClient, slowest: &mut Duration) {
    let one = TwinId::device(door_id(1).parse().unwrap());
    loop {
        let asking = Instant::now();
        client.twin(&one).await.unwrap();
        *slowest = asking.elapsed().max(*slowest);
        tokio::time::sleep(READ_EVERY).await;
    }
}
