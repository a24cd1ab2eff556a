//! The hub of a simulation: lives on a disk, is killed, and lives again.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use bytes::Bytes;
use futures_util::FutureExt;
use iotjob::auth::AcceptedHosts;
use iotjob::client::{NoAnswer, Unreached, WireAnswer};
use iotjob::device::{ByteStream, Dial};
use iotjob::hub::engine::{EngineHandle, EngineOptions};
use iotjob::hub::http::{HttpState, router};
use iotjob::hub::mqtt::{self, DeviceEdge, Telemetry};
use iotjob::hub::policies::{Policies, Policy};
use iotjob::hub::store::{Snapshot, Store};
use iotjob::hub::{Fidelity, Manner};
use iotjob::model::{Clock, SymmetricKey, SymmetricKeyPair, TwinId};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::chance::Chance;
use crate::disk::Disk;
use crate::faults::Plan;
use crate::ledger::Ledger;
use crate::line;

/// The name that the hub goes by.
pub(crate) const HOST: &str = "hub.simulated";

/// A hub that can be killed.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    disk: Disk,
    plan: Plan,
    clock: Clock,
    chance: Chance,
    ledger: Ledger,
    policies: Arc<Policies>,
    life: Mutex<Option<Life>>,
    next_peer: AtomicU64,
}

/// What a kill ends.
struct Life {
    engine: EngineHandle,
    router: Router,
    edge: Arc<DeviceEdge>,
    tasks: JoinSet<()>,
    dead: CancellationToken,
}

/// A key that is the same in every simulation: the length of a token must not depend on chance that is not ours.
pub(crate) fn fixed_keys() -> SymmetricKeyPair {
    let key: SymmetricKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().expect("a key");
    SymmetricKeyPair { primary_key: key.clone(), secondary_key: key }
}

impl Hub {
    pub(crate) fn new(plan: Plan, clock: Clock, chance: Chance, ledger: Ledger) -> Self {
        let policy = |draft: iotjob::hub::policies::PolicyDraft| Policy {
            name: draft.name,
            rights: draft.rights,
            keys: fixed_keys(),
        };
        let drafts = Policies::drafts(&[]).expect("the service's own policies");
        let policies = Arc::new(Policies::new(drafts.into_iter().map(policy).collect()));
        let (disk, life, next_peer) = (Disk::default(), Mutex::new(None), AtomicU64::new(1));
        Self(Arc::new(Inner { disk, plan, clock, chance, ledger, policies, life, next_peer }))
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life().is_some()
    }

    /// Starts on what the disk holds; fails when the power does.
    pub(crate) fn start(&self) -> Result<(), String> {
        let Inner { plan, clock, chance, ledger, policies, .. } = &*self.0;
        let fidelity = Fidelity { tier: plan.tier, query_lag: plan.query_lag, ..Fidelity::INSTANT };
        let dead = CancellationToken::new();
        let manner = Manner::of(&fidelity, clock, &CancellationToken::new());
        let store = Store::with_backend(self.0.disk.mount()).map_err(|error| error.chain())?.with_lags(
            clock,
            fidelity.query_lag,
            fidelity.state_lag,
        );
        let rng = chance.branch().rng();
        let metrics = manner.metrics.clone();
        let options = EngineOptions { clock: clock.clone(), rng: rng.clone(), fidelity, metrics };
        let (engine, work) = EngineHandle::start_in_task(store, options).map_err(|error| error.chain())?;
        let hosts = Arc::new(AcceptedHosts::of([HOST]));
        let edge = DeviceEdge::new(
            engine.clone(),
            Arc::clone(policies),
            Arc::clone(&hosts),
            Arc::default(),
            clock.clone(),
            rng.clone(),
            Arc::new(Telemetry::default()),
        );
        let edge = Arc::new(edge.with_manner(manner.clone()));
        let router = router(HttpState {
            engine: engine.clone(),
            policies: Arc::clone(policies),
            entra: None,
            hosts,
            manner,
            clock: clock.clone(),
            rng,
        });
        let mut tasks = JoinSet::new();
        let hub = self.clone();
        tasks.spawn(watched(ledger.clone(), "the engine", async move {
            work.await;
            if hub.0.disk.has_failed() {
                hub.kill("the power failed in a commit");
            } else {
                hub.0.ledger.violate("the engine ended by itself".to_owned());
            }
        }));
        *self.life() = Some(Life { engine, router, edge, tasks, dead });
        ledger.note("hub: started");
        self.look();
        Ok(())
    }

    /// Ends everything at once; what was not synced is lost, as far as chance wants.
    pub(crate) fn kill(&self, why: &str) {
        let Some(life) = self.life().take() else { return };
        self.0.ledger.note(format!("hub: killed: {why}"));
        life.dead.cancel();
        self.0.disk.crash(&self.0.chance);
    }

    /// Starts however often the power fails meanwhile.
    pub(crate) async fn start_again(&self) {
        while let Err(error) = self.start() {
            if !self.0.disk.has_failed() {
                self.0.ledger.violate(format!("the store does not open after a crash: {error}"));
                return;
            }
            self.0.ledger.note("hub: the power failed while it started");
            self.0.disk.crash(&self.0.chance);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Looks at everything that is stored, if anybody lives.
    pub(crate) fn look(&self) {
        if let Some(snapshot) = self.snapshot() {
            self.0.ledger.look(&snapshot);
        }
    }

    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        let engine = self.life().as_ref()?.engine.clone();
        match engine.snapshot() {
            Ok(snapshot) => Some(snapshot),
            Err(_) if self.0.disk.has_failed() => None,
            Err(error) => {
                self.0.ledger.violate(format!("the store cannot be read: {}", error.chain()));
                None
            }
        }
    }

    /// Carries a request out after `delay`, whether or not anybody waits for the answer that long.
    pub(crate) async fn ask(&self, request: Request<Bytes>, delay: Duration) -> Result<WireAnswer, NoAnswer> {
        let refused = || NoAnswer::NotReached { cause: Unreached::Refused, detail: "nobody listens".to_owned() };
        let lost = || NoAnswer::Lost { detail: "the connection broke".to_owned() };
        let (answered, answer) = oneshot::channel();
        let dead = {
            let mut life = self.life();
            let life = life.as_mut().ok_or_else(refused)?;
            let (router, ledger) = (life.router.clone(), self.0.ledger.clone());
            life.tasks.spawn(watched(ledger.clone(), "a request", async move {
                tokio::time::sleep(delay).await;
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                let Ok(response) = router.oneshot(request.map(Body::from)).await;
                let (parts, body) = response.into_parts();
                let body = to_bytes(body, usize::MAX).await.expect("the hub's own body");
                ledger.answered(&method, &path, parts.status.as_u16(), &body);
                let answer = WireAnswer { status: parts.status.as_u16(), headers: parts.headers, body };
                // Who gave up waiting needs no answer.
                drop(answered.send(answer));
            }));
            life.dead.clone()
        };
        tokio::select! {
            biased;
            () = dead.cancelled() => Err(lost()),
            answer = answer => answer.map_err(|_| lost()),
        }
    }
}

/// A panic in a task would go unnoticed.
async fn watched(ledger: Ledger, who: &str, work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        ledger.violate(format!("{who} panicked"));
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hub")
    }
}

#[async_trait]
impl Dial for Hub {
    async fn dial(&self, _: &TwinId) -> io::Result<Box<dyn ByteStream>> {
        let faults = self.0.plan.line_now();
        if self.0.chance.hits(faults.refused) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut life = self.life();
        let life = life.as_mut().ok_or(io::ErrorKind::ConnectionRefused)?;
        while life.tasks.try_join_next().is_some() {}
        let (device, hub) = line::lay(&faults, &self.0.chance);
        let number = self.0.next_peer.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let peer = SocketAddr::from(([127, 0, 0, 1], u16::try_from(number % 60_000).expect("below 65,536")));
        // Nobody stops this hub with manners.
        let serving = mqtt::serve(hub, peer, Arc::clone(&life.edge), CancellationToken::new());
        life.tasks.spawn(watched(self.0.ledger.clone(), "a session", serving));
        Ok(Box::new(device))
    }
}
