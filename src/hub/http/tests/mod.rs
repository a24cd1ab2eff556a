//! The router as a whole, without sockets: a hub in memory, and requests as the wire would bring them.

mod authorization;
mod bearer;
mod golden;
mod leftover;
mod odd_bodies;
mod online;
mod shapes;
mod slow;
mod strict;
mod tier;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{HttpState, router};
use crate::auth::{AcceptedHosts, HubHost, Resource, SasToken, generate_key_pair};
use crate::hub::engine::{EngineHandle, EngineOptions};
use crate::hub::entra::EntraTrust;
use crate::hub::policies::{Policies, Policy};
use crate::hub::store::Store;
use crate::hub::{Fidelity, Manner};
use crate::model::{Clock, Rng, SymmetricKey};

/// A hub without sockets, at a time that the test drives.
struct TestHub {
    router: Router,
    engine: EngineHandle,
    policies: Arc<Policies>,
    seconds: Arc<AtomicU64>,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl TestHub {
    fn start() -> Self {
        Self::with(Fidelity::INSTANT)
    }

    fn with(fidelity: Fidelity) -> Self {
        Self::of(fidelity, None)
    }

    fn trusting(entra: Option<EntraTrust>) -> Self {
        Self::of(Fidelity::INSTANT, entra)
    }

    fn of(fidelity: Fidelity, entra: Option<EntraTrust>) -> Self {
        let seconds = Arc::new(AtomicU64::new(0));
        let driver = Arc::clone(&seconds);
        let start: Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
        let clock = Clock::driven(start, move || Duration::from_secs(driver.load(Ordering::SeqCst)));
        let rng = Rng::seeded(1);
        let drafts = Policies::drafts(&[]).unwrap();
        let policy = |draft: crate::hub::policies::PolicyDraft| Policy {
            name: draft.name,
            rights: draft.rights,
            keys: generate_key_pair().unwrap(),
        };
        let policies = Arc::new(Policies::new(drafts.into_iter().map(policy).collect()));
        let manner = Manner::of(&fidelity, &clock, &CancellationToken::new());
        let options = EngineOptions { fidelity, ..EngineOptions::instant(clock.clone(), rng.clone()) };
        let engine = EngineHandle::start(Store::in_memory().unwrap(), options).unwrap();
        let hosts = Arc::new(AcceptedHosts::of(["localhost", "127.0.0.1", "::1", "my-hub.local"]));
        let state = HttpState {
            engine: engine.clone(),
            policies: Arc::clone(&policies),
            entra: entra.map(Arc::new),
            hosts,
            manner,
            clock,
            rng,
        };
        Self { router: router(state), engine, policies, seconds }
    }

    fn key(&self, policy: &str) -> SymmetricKey {
        self.policies.get(policy).unwrap().keys.primary_key.clone()
    }

    /// A token for the hub's own name, good for an hour.
    fn token(&self, policy: &str) -> String {
        let expiry: Timestamp = "2026-02-03T05:05:06Z".parse().unwrap();
        sign("localhost", &self.key(policy), Some(policy), expiry)
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request of `iothubowner`, as clients send it.
    async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request(method, path, body)).await
    }

    fn request(&self, method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
        let separator = if path.contains('?') { '&' } else { '?' };
        Request::builder()
            .method(method)
            .uri(format!("{path}{separator}api-version=2021-04-12"))
            .header("Authorization", self.token("iothubowner"))
            .body(body.into())
            .unwrap()
    }
}

fn sign(host: &str, key: &SymmetricKey, policy: Option<&str>, expiry: Timestamp) -> String {
    let host: HubHost = host.parse().unwrap();
    SasToken::sign(&Resource::hub(&host), key, policy, expiry).expose().to_owned()
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `status iothub-errorcode`.
    fn verdict(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.header("iothub-errorcode").unwrap_or("-"))
    }
}
