//! The thread behind the handle.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::rig::{START, code, draft, job_id, method_job, object, twin_id};
use crate::hub::engine::{EngineHandle, EngineOptions, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::registry::IfMatch;
use crate::hub::store::Store;
use crate::model::{Clock, ConnectionState, ErrorCode, JobStatus, MethodRequest, MethodResponse, Rng, TwinPatch};
use crate::mqtt::Subscription;

struct Hands {
    seconds: Arc<AtomicU64>,
    hub: EngineHandle,
}

fn start(store: Store) -> Hands {
    let seconds = Arc::new(AtomicU64::new(0));
    let driver = Arc::clone(&seconds);
    let clock = Clock::driven(START, move || Duration::from_secs(driver.load(Ordering::SeqCst)));
    let hub = EngineHandle::start(store, EngineOptions::instant(clock, Rng::seeded(1))).unwrap();
    Hands { seconds, hub }
}

impl Hands {
    async fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
        self.hub.wake().await;
    }

    async fn online(&self, id: &str, connection: u64) -> mpsc::Receiver<Box<Notice>> {
        let (mailbox, notices) = mpsc::channel(4);
        let connection = ConnectionId(connection);
        self.hub.connect(twin_id(id), connection, SessionKind::Clean, mailbox).await.unwrap();
        let all = vec![(Subscription::Methods, 0), (Subscription::DesiredPatches, 0)];
        self.hub.subscribe(connection, all).await.unwrap();
        notices
    }
}

fn request() -> MethodRequest {
    MethodRequest {
        method_name: "reboot".to_owned(),
        payload: Value::Null,
        response_timeout_in_seconds: 30,
        connect_timeout_in_seconds: 0,
    }
}

#[tokio::test]
async fn a_method_goes_out_and_its_answer_comes_back() {
    let hands = start(Store::in_memory().unwrap());
    hands.hub.create_identity(draft("a")).await.unwrap();
    let mut notices = hands.online("a", 1).await;
    let device = async {
        let Some(Notice::Method { call, name, .. }) = notices.recv().await.map(|notice| *notice) else {
            panic!("no call")
        };
        assert_eq!(name, "reboot");
        let response = MethodResponse { status: 200, payload: json!({"ok": true}) };
        hands.hub.method_answered(ConnectionId(1), call, response).await;
    };
    let (answer, ()) = tokio::join!(hands.hub.invoke_method(twin_id("a"), request()), device);
    assert_eq!(answer.unwrap().payload, json!({"ok": true}));
}

#[tokio::test]
async fn timers_follow_the_clock_that_is_driven() {
    let hands = start(Store::in_memory().unwrap());
    hands.hub.create_identity(draft("a")).await.unwrap();
    let job = serde_json::from_value(method_job("j", "*", 60)).unwrap();
    hands.hub.create_job(job).await.unwrap();
    hands.hub.wake().await;
    let status = || hands.hub.snapshot().unwrap().job(&job_id("j")).unwrap().unwrap().status;
    assert_eq!(status(), JobStatus::Running);
    hands.pass(60).await;
    assert_eq!(status(), JobStatus::Completed);
}

// conformance: DEVICE.md 10: a device that does not read loses its connection, and nothing piles up for it
#[tokio::test]
async fn a_device_that_does_not_read_loses_its_connection() {
    let hands = start(Store::in_memory().unwrap());
    hands.hub.create_identity(draft("a")).await.unwrap();
    let mut notices = hands.online("a", 1).await;
    for n in 0..5 {
        let patch = TwinPatch { tags: None, desired: Some(object(json!({"n": n})).into()) };
        hands.hub.patch_twin(twin_id("a"), patch, IfMatch::Any).await.unwrap();
    }
    hands.hub.wake().await;
    assert_eq!(hands.hub.snapshot().unwrap().presence(&twin_id("a")).state, ConnectionState::Disconnected);
    let mut read = 0;
    while notices.recv().await.is_some() {
        read += 1;
    }
    assert_eq!(read, 4, "what fitted, then the end");
}

#[tokio::test]
async fn a_connection_whose_opener_gave_up_does_not_stay() {
    let store = Store::in_memory().unwrap();
    let hands = start(store.clone());
    hands.hub.create_identity(draft("a")).await.unwrap();
    let (mailbox, _notices) = mpsc::channel(4);
    let mut connect = Box::pin(hands.hub.connect(twin_id("a"), ConnectionId(1), SessionKind::Clean, mailbox));
    // The engine cannot begin while somebody else writes: the order is queued, and nobody reads its answer.
    let writing = store.begin().unwrap();
    assert!(futures_util::poll!(&mut connect).is_pending());
    drop(connect);
    drop(writing);
    hands.hub.wake().await;
    assert_eq!(hands.hub.snapshot().unwrap().presence(&twin_id("a")).state, ConnectionState::Disconnected);
}

/// A clock that goes as tokio's does.
#[expect(clippy::disallowed_methods, reason = "the paused time of tokio is what this clock shows")]
fn paused_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    Clock::driven(START, move || tokio::time::Instant::now().duration_since(origin))
}

#[tokio::test(start_paused = true)]
async fn an_engine_in_a_task_waits_on_paused_time_and_takes_nothing_once_it_is_dropped() {
    let options = EngineOptions::instant(paused_clock(), Rng::seeded(1));
    let (hub, engine) = EngineHandle::start_in_task(Store::in_memory().unwrap(), options).unwrap();
    let engine = tokio::spawn(engine);
    hub.create_identity(draft("a")).await.unwrap();
    let job = serde_json::from_value(method_job("j", "*", 60)).unwrap();
    hub.create_job(job).await.unwrap();
    let status = async || hub.read(|snapshot| snapshot.job(&job_id("j"))).await.unwrap().map(|job| job.status);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(status().await, Some(JobStatus::Running));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(status().await, Some(JobStatus::Completed));
    engine.abort();
    assert!(engine.await.unwrap_err().is_cancelled());
    assert_eq!(code(hub.create_identity(draft("b")).await).0, ErrorCode::ServiceUnavailable);
}

#[tokio::test]
async fn who_stops_has_kept_everything_and_takes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let hands = start(Store::open(dir.path()).unwrap());
    hands.hub.create_identity(draft("a")).await.unwrap();
    hands.hub.stop().await;
    assert_eq!(code(hands.hub.create_identity(draft("b")).await).0, ErrorCode::ServiceUnavailable);
    drop(hands);
    let hands = start(Store::open(dir.path()).unwrap());
    assert!(hands.hub.snapshot().unwrap().identity(&twin_id("a")).unwrap().is_some());
}

/// Memory that fails like a full disk once it is told to.
#[derive(Debug)]
struct Disk {
    memory: InMemoryBackend,
    full: Arc<AtomicBool>,
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.memory.set_len(len)
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.memory.sync_data(),
        }
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.memory.write(offset, data)
    }
}

#[tokio::test]
async fn a_disk_that_fails_acknowledges_nothing_and_frees_everybody_who_waits() {
    let full = Arc::new(AtomicBool::new(false));
    let disk = Disk { memory: InMemoryBackend::new(), full: Arc::clone(&full) };
    let hands = start(Store::with_backend(disk).unwrap());
    hands.hub.create_identity(draft("a")).await.unwrap();
    let mut notices = hands.online("a", 1).await;
    let trouble = async {
        let Some(Notice::Method { .. }) = notices.recv().await.map(|notice| *notice) else { panic!("no call") };
        full.store(true, Ordering::SeqCst);
        hands.hub.create_identity(draft("b")).await
    };
    let (waited, refused) = tokio::join!(hands.hub.invoke_method(twin_id("a"), request()), trouble);
    assert_eq!(code(refused).0, ErrorCode::ServiceUnavailable);
    assert_eq!(code(waited).0, ErrorCode::ServiceUnavailable);
    assert_eq!(notices.recv().await, None, "connections end with the engine");
    assert_eq!(code(hands.hub.create_identity(draft("c")).await).0, ErrorCode::ServiceUnavailable);
}
