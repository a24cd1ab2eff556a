//! One simulation from its seed to its end: what happens, and what must hold whatever happens.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use iotjob::client::IfMatch;
use iotjob::model::{Clock, JobResponse, JsonObject, TwinId, TwinPatch};
use iotjob::run::{Ended, OutcomeClass};
use iotjob::tls::{ClientConfig, DevCa, TrustAnchors, client_config};
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::disk::Failure;
use crate::faults::Plan;
use crate::fleet::{self, DEVICES, device_id};
use crate::hub::Hub;
use crate::ledger::Ledger;
use crate::runner::Office;
use crate::steps::{Errand, Rows, errands};

const START: Timestamp = Timestamp::constant(1_780_000_000, 0);
const DAY: Duration = Duration::from_secs(86_400);
/// Within which every run must have ended: the longest start, the longest job, and patience for queues.
const LONG_ENOUGH: Duration = DAY;

/// What needs no seed: made once for all simulations.
#[derive(Clone)]
pub(crate) struct Constants {
    tls: Arc<ClientConfig>,
    ca_pem: Arc<[u8]>,
}

/// How a simulation went.
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) fingerprint: u64,
}

impl Constants {
    pub(crate) fn new() -> Self {
        let ca = DevCa::in_memory(&[], Clock::system().now()).expect("a CA");
        let pem = ca.ca_pem().as_bytes().to_vec();
        let tls = client_config(&TrustAnchors::Pem(pem.clone())).expect("TLS settings");
        Self { tls: Arc::new(tls), ca_pem: pem.into() }
    }
}

/// Simulates a seed.
pub(crate) fn simulate(seed: u64, constants: &Constants) -> Verdict {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let ledger = Ledger::new(paused_clock());
        Box::pin(World::new(seed, constants, ledger.clone()).live()).await;
        let (violations, trace) = (ledger.violations(), ledger.trace());
        Verdict { violations, trace, fingerprint: ledger.fingerprint() }
    })
}

/// A clock that goes as tokio's does.
#[expect(clippy::disallowed_methods, reason = "the paused time of tokio is what this clock shows")]
fn paused_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    Clock::driven(START, move || tokio::time::Instant::now().duration_since(origin))
}

struct World {
    seed: u64,
    chance: Chance,
    tls: Arc<ClientConfig>,
    office: Office,
}

impl World {
    fn new(seed: u64, constants: &Constants, ledger: Ledger) -> Self {
        let (chance, clock) = (Chance::of(seed), paused_clock());
        let plan = Plan::of(&chance);
        ledger.note(format!("{plan:?}"));
        let hub = Hub::new(plan.clone(), clock.clone(), chance.branch(), ledger.clone());
        let office = Office { hub, plan, clock, ledger, ca_pem: Arc::clone(&constants.ca_pem) };
        Self { seed, chance, tls: Arc::clone(&constants.tls), office }
    }

    async fn live(self) {
        let Office { hub, plan, clock, ledger, .. } = &self.office;
        hub.start_again().await;
        let registered = self.office.client("registrar", &self.chance).create_identities(&fleet::registrations()).await;
        ledger.check(registered.as_ref().is_ok_and(Vec::is_empty), || format!("no devices: {registered:?}"));
        let (fleet, mut ready) = fleet::start(hub, Arc::clone(&self.tls), (clock.clone(), self.seed), ledger.clone());
        let all_ready = ready.wait_for(|count| *count == DEVICES);
        if timeout(Duration::from_secs(600), all_ready).await.is_err() {
            return ledger.violate("the fleet does not come up".to_owned());
        }
        // Behind it, the hub's index knows all of them.
        sleep(plan.query_lag).await;

        let errands = errands(&self.chance, clock);
        let told = self.trouble(&errands).await;
        self.audit(&errands, &told).await;
        fleet.stop().await;
        self.a_month_passes().await;
    }

    /// Lets runners, operator and faults loose on each other; gives what the runners were told.
    async fn trouble(&self, errands: &[Errand]) -> Vec<Vec<Ended>> {
        let Office { plan, ledger, .. } = &self.office;
        plan.switch(true);
        let mut others = JoinSet::new();
        others.spawn(operate(self.office.clone(), self.chance.branch()));
        others.spawn(watch(self.office.hub.clone()));
        let mut chaos = JoinSet::new();
        chaos.spawn(kill_hubs(self.office.hub.clone(), plan.hub_kills, self.chance.branch()));
        let mut runners = JoinSet::new();
        for number in 0..plan.runners {
            let steps = errands.iter().map(|errand| errand.step.clone()).collect();
            let (office, kills, chance) = (self.office.clone(), plan.runner_kills, self.chance.branch());
            runners.spawn(async move { office.insist(format!("runner {number}"), steps, kills, chance).await });
        }
        let mut told = Vec::new();
        let all = async {
            while let Some(ended) = runners.join_next().await {
                told.push(ended.expect("a runner without a panic"));
            }
        };
        if timeout(LONG_ENOUGH, all).await.is_err() {
            ledger.violate("the runs do not end".to_owned());
        }
        others.shutdown().await;
        // The hub is left alive.
        chaos.join_all().await;
        plan.switch(false);
        told
    }

    /// What must be true once everything has calmed down.
    async fn audit(&self, errands: &[Errand], told: &[Vec<Ended>]) {
        let Office { hub, plan, ledger, .. } = &self.office;
        let steps = errands.iter().map(|errand| errand.step.clone()).collect();
        let Ok(last) = timeout(LONG_ENOUGH, self.office.run("auditor", steps, &self.chance)).await else {
            return ledger.violate("the runs do not end even now".to_owned());
        };
        for ended in told {
            ledger.check(*ended == last, || format!("a runner was told {ended:?}, and the auditor {last:?}"));
        }
        hub.look();
        let Some(snapshot) = hub.snapshot() else { return ledger.violate("no hub to audit".to_owned()) };
        let Ok(jobs) = snapshot.jobs() else { return ledger.violate("no jobs to audit".to_owned()) };
        ledger.check(jobs.len() == errands.len(), || format!("{} runs made {} jobs", errands.len(), jobs.len()));
        for (errand, ended) in errands.iter().zip(&last) {
            let mut rows = Rows::new();
            let id = errand.job_id().parse().expect("a job id");
            let read = snapshot.scan_rows(Some(&id), None, &mut |key, row| {
                rows.insert(key.target.to_string(), row);
                ControlFlow::Continue(())
            });
            ledger.check(read.is_ok(), || format!("the rows of {id} cannot be read"));
            let job = jobs.iter().find(|job| job.job_id == errand.job_id());
            self.audit_run(errand, ended, job, &rows);
            if plan.spares_devices() {
                self.audit_outcomes(errand, &rows);
            }
        }
    }

    fn audit_run(&self, errand: &Errand, ended: &Ended, job: Option<&JobResponse>, rows: &Rows) {
        let (ledger, id, count) = (&self.office.ledger, errand.job_id(), errand.targets.len() as u64);
        ledger.check(job.is_some_and(|job| job.status.is_terminal()), || format!("{id} has not ended: {job:?}"));
        let wanted: Vec<String> = errand.targets.iter().map(|number| device_id(*number).to_string()).collect();
        ledger.check(rows.keys().eq(wanted.iter()), || format!("{id} has rows of {:?}", rows.keys()));
        let Some(tally) = &ended.tally else { return ledger.violate(format!("{id} has no sum: {ended:?}")) };
        let outcomes = tally.outcomes();
        ledger.check(tally.targets() == count && outcomes.total() == count, || {
            format!("{id} has {count} targets, and its run {} with {} outcomes", tally.targets(), outcomes.total())
        });
        let completed = rows.values().filter(|row| row["status"] == "completed").count() as u64;
        let answered = outcomes.of(OutcomeClass::Succeeded) + outcomes.of(OutcomeClass::Rejected);
        ledger.check(answered == completed, || format!("{id}: {completed} rows completed, {answered} told so"));
        for (device, row) in rows.iter().filter(|_| errand.is_method()) {
            let calls = ledger.calls(device, id);
            let fits = match (row["status"].as_str(), row["error"]["code"].as_str()) {
                (Some("completed"), _) => calls == 1,
                (_, Some("JobRunPreconditionFailed")) => calls == 0,
                _ => calls <= 1,
            };
            ledger.check(fits, || format!("{device} got {calls} calls of {id}, and its row is {row}"));
        }
    }

    /// Nothing happened to hub and devices: each run ends as if nobody had been killed and nothing lost.
    fn audit_outcomes(&self, errand: &Errand, rows: &Rows) {
        for number in &errand.targets {
            let row = rows.get(device_id(*number).as_str()).cloned().unwrap_or_default();
            let answered = row["outcome"]["deviceMethodResponse"]["status"].as_i64();
            let wanted = errand.is_method().then(|| fleet::status(*number));
            self.office.ledger.check(row["status"] == "completed" && answered == wanted, || {
                format!("{} should have answered {wanted:?}: {row}", device_id(*number))
            });
        }
    }

    /// A week with a kill at its end, and then so long that the hub forgets its jobs (REST.md 4.7).
    async fn a_month_passes(&self) {
        let Office { hub, ledger, .. } = &self.office;
        sleep(7 * DAY).await;
        hub.kill("a week later");
        hub.start_again().await;
        hub.look();
        ledger.jobs_may_go();
        sleep(31 * DAY).await;
        hub.look();
        let jobs = hub.snapshot().and_then(|snapshot| snapshot.jobs().ok());
        ledger.check(jobs.is_some_and(|jobs| jobs.is_empty()), || "jobs outlive their history".to_owned());
    }
}

/// Writes twins, each property once, and reads some.
async fn operate(office: Office, chance: Chance) {
    let client = office.client("operator", &chance);
    for count in 0_u64.. {
        let most = *chance.pick(&[500, 5_000, 5_000 + count * 2_000]);
        sleep(chance.ms(0, most)).await;
        let number = usize::try_from(chance.between(0, DEVICES as u64 - 1)).expect("a number");
        let id = TwinId::device(device_id(number));
        if chance.hits(0.2) {
            // What it says is in the ledger; that it does not come is no news.
            drop(client.twin(&id).await);
            continue;
        }
        let desired = JsonObject::from_iter([(format!("w{count}"), json!(count))]);
        let patch = TwinPatch { desired: Some(desired.into()), tags: None };
        drop(client.patch_twin(&id, &patch, &IfMatch::Any).await);
    }
}

/// Looks at everything, less and less often.
async fn watch(hub: Hub) {
    for count in 0_u64.. {
        sleep(Duration::from_millis(300 + count * 1_500)).await;
        hub.look();
    }
}

/// Kills the hub now and then, at any moment or around a sync, and starts it again.
async fn kill_hubs(hub: Hub, kills: u64, chance: Chance) {
    for _ in 0..kills {
        let most = *chance.pick(&[300, 3_000, 30_000, 240_000]);
        sleep(chance.ms(0, most)).await;
        if chance.hits(0.6) {
            let failure = *chance.pick(&[Failure::BeforeSync, Failure::AfterSync]);
            hub.disk().arm(chance.between(1, 12), failure);
            for _ in 0..60 {
                if !hub.is_alive() {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
        }
        hub.kill("chance wants it");
        let most = *chance.pick(&[10, 1_000, 60_000]);
        sleep(chance.ms(0, most)).await;
        if chance.hits(0.2) {
            hub.disk().arm(chance.between(1, 3), Failure::BeforeSync);
        }
        hub.start_again().await;
    }
}
