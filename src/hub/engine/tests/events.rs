//! Random events: whatever comes in whatever order, the books balance.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::json;

use super::rig::{Rig, method_job, twin_id, twin_job};
use crate::hub::engine::{Command, SessionKind, Ticket};
use crate::hub::notice::CallId;
use crate::hub::registry::IfMatch;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Event {
    Register(usize),
    Delete(usize),
    Connect(usize, SessionKind),
    TakeMethods(usize),
    Disconnect(usize),
    Invoke(usize, u64),
    /// Answers one of the calls that were ever sent, over the connection it was sent to.
    Answer(usize),
    Patch(usize),
    Report(usize),
    MethodJob(u64),
    TwinJob,
    Cancel(usize),
    Step,
    Pass(i64),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let device = 0..DEVICES.len();
    let session = prop_oneof![Just(SessionKind::Clean), Just(SessionKind::Persistent)];
    prop_oneof![
        2 => device.clone().prop_map(Event::Register),
        1 => device.clone().prop_map(Event::Delete),
        4 => (device.clone(), session).prop_map(|(device, session)| Event::Connect(device, session)),
        4 => device.clone().prop_map(Event::TakeMethods),
        2 => device.clone().prop_map(Event::Disconnect),
        3 => (device.clone(), prop_oneof![Just(0_u64), Just(20)]).prop_map(|(device, s)| Event::Invoke(device, s)),
        6 => (0..64_usize).prop_map(Event::Answer),
        2 => device.clone().prop_map(Event::Patch),
        2 => device.prop_map(Event::Report),
        3 => prop_oneof![Just(0_u64), Just(10), Just(100)].prop_map(Event::MethodJob),
        2 => Just(Event::TwinJob),
        1 => (0..8_usize).prop_map(Event::Cancel),
        6 => Just(Event::Step),
        3 => (1..40_i64).prop_map(Event::Pass),
        1 => Just(Event::Restart),
    ]
}

/// What the test remembers to compare with.
struct Books {
    rig: Rig,
    connections: u64,
    connected: HashMap<usize, u64>,
    sent: Vec<(u64, CallId)>,
    asked: BTreeMap<Ticket, usize>,
    jobs: Vec<String>,
    versions: HashMap<usize, u64>,
    ended: HashMap<String, serde_json::Value>,
}

impl Books {
    fn new() -> Self {
        let mut rig = Rig::new();
        rig.register(&DEVICES);
        Self {
            rig,
            connections: 0,
            connected: HashMap::new(),
            sent: Vec::new(),
            asked: BTreeMap::new(),
            jobs: Vec::new(),
            versions: HashMap::new(),
            ended: HashMap::new(),
        }
    }

    fn play(&mut self, event: &Event) {
        match *event {
            Event::Register(device) => {
                let _ = self.rig.apply(Command::CreateIdentity(super::rig::draft(DEVICES[device])));
            }
            Event::Delete(device) => {
                let id = twin_id(DEVICES[device]);
                // A device registered again is another one.
                self.versions.remove(&device);
                let _ = self.rig.apply(Command::DeleteIdentity { id, if_match: IfMatch::Any });
            }
            Event::Connect(device, session) => {
                self.connections += 1;
                let connection = crate::hub::notice::ConnectionId(self.connections);
                let connect = Command::Connect { id: twin_id(DEVICES[device]), connection, session };
                if self.rig.apply(connect).is_ok() {
                    self.connected.insert(device, self.connections);
                }
            }
            Event::TakeMethods(device) => {
                if let Some(&connection) = self.connected.get(&device) {
                    let connection = crate::hub::notice::ConnectionId(connection);
                    let subscriptions = vec![(crate::mqtt::Subscription::Methods, 0)];
                    let _ = self.rig.apply(Command::Subscribe { connection, subscriptions });
                }
            }
            Event::Disconnect(device) => {
                if let Some(connection) = self.connected.remove(&device) {
                    self.rig.disconnect(connection);
                }
            }
            Event::Invoke(device, connect_s) => {
                if let Ok(ticket) = self.rig.invoke(DEVICES[device], 30, connect_s) {
                    self.asked.insert(ticket, 0);
                }
            }
            Event::Answer(which) => {
                if let Some(&(connection, call)) = self.sent.get(which) {
                    self.rig.answer(connection, call, 200);
                }
            }
            Event::Patch(device) => drop(self.rig.patch(DEVICES[device], json!({"desired": {"x": 1}}))),
            Event::Report(device) => drop(self.rig.report(DEVICES[device], json!({"y": 1}), None)),
            Event::MethodJob(max_s) => self.job(|id| method_job(id, "*", max_s)),
            Event::TwinJob => self.job(|id| twin_job(id, "deviceId != 'b'", json!({"tags": {"z": 1}}))),
            Event::Cancel(which) => {
                if let Some(id) = self.jobs.get(which).cloned() {
                    let _ = self.rig.cancel(&id);
                }
            }
            Event::Step => self.rig.advance(),
            Event::Pass(seconds) => self.rig.pass(seconds),
            Event::Restart => self.restart(),
        }
        self.take_effects();
    }

    fn job(&mut self, body: impl FnOnce(&str) -> serde_json::Value) {
        let id = format!("j{}", self.jobs.len());
        self.rig.create_job(body(&id)).unwrap();
        self.jobs.push(id);
    }

    fn restart(&mut self) {
        let store = self.rig.store.clone();
        let fresh = Rig::on(store, self.rig.now);
        self.rig = fresh;
        // Direct calls end with the process: their callers' connections do too.
        self.asked.clear();
        self.connected.clear();
    }

    fn take_effects(&mut self) {
        self.sent.extend(self.rig.calls());
        for completion in std::mem::take(&mut self.rig.completions) {
            *self.asked.get_mut(&completion.ticket).expect("somebody asked") += 1;
        }
    }

    fn check(&mut self) {
        assert!(self.asked.values().all(|&ends| ends <= 1), "a call ended twice");
        let mut calls: Vec<CallId> = self.sent.iter().map(|&(_, call)| call).collect();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), self.sent.len(), "a call was sent twice");
        for id in self.jobs.clone() {
            self.check_job(&id);
        }
        for (device, id) in DEVICES.iter().enumerate() {
            if let Some(twin) = self.rig.snapshot().twin(&twin_id(id)).unwrap() {
                let known = self.versions.entry(device).or_default();
                assert!(twin.version >= *known, "a version went back");
                *known = twin.version;
            }
        }
    }

    fn check_job(&mut self, id: &str) {
        let job = self.rig.job(id).unwrap();
        let rows = self.rig.rows(id);
        if job.device_job_statistics.is_some() {
            let [devices, succeeded, failed, running, pending] = self.rig.counts(id);
            assert_eq!(devices, succeeded + failed + running + pending, "{id}");
            let of = |status: &str| rows.iter().filter(|row| row["status"] == status).count() as u64;
            assert_eq!(
                [of("completed"), of("failed"), of("running"), of("pending")],
                [succeeded, failed, running, pending],
                "{id}"
            );
            let over = running + pending == 0;
            assert_eq!(over, job.status.is_terminal(), "{id} {job:?}");
        } else {
            assert!(rows.is_empty(), "{id}");
        }
        if job.status.is_terminal() {
            let seen = json!([job, rows]);
            let before = self.ended.entry(id.to_owned()).or_insert_with(|| seen.clone());
            assert_eq!(*before, seen, "an ended job changed");
        }
    }

    fn finish(&mut self) {
        self.rig.pass(1_000);
        self.take_effects();
        self.check();
        assert!(self.asked.values().all(|&ends| ends == 1), "a call never ended: {:?}", self.asked);
        for id in &self.jobs {
            assert!(self.rig.job(id).unwrap().status.is_terminal(), "{id} never ended");
        }
        let engine = &self.rig.engine;
        assert!(engine.jobs.is_empty() && engine.calls.is_empty() && engine.waiting_calls.is_empty());
        assert!(engine.waiting.is_empty(), "somebody still waits: {:?}", engine.waiting);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_books_balance(events in prop::collection::vec(event(), 1..60)) {
        let mut books = Books::new();
        for event in &events {
            books.play(event);
            books.check();
        }
        books.finish();
    }
}
