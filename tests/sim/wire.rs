//! The way of a client's requests to the hub and of the answers back, and what happens on it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use iotjob::client::{NoAnswer, Unreached, Wire, WireAnswer};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::faults::Plan;
use crate::hub::Hub;
use crate::ledger::Ledger;

/// One client's way to the hub.
pub(crate) struct Way {
    pub(crate) who: String,
    pub(crate) hub: Hub,
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) ledger: Ledger,
}

#[async_trait]
impl Wire for Way {
    async fn carry(&self, request: reqwest::Request) -> Result<WireAnswer, NoAnswer> {
        let patience = request.timeout().copied().unwrap_or(Duration::MAX);
        let what = format!("{}: {} {}", self.who, request.method(), request.url().path());
        let outcome = match timeout(patience, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(NoAnswer::Lost { detail: "no answer in time".to_owned() }),
        };
        self.ledger.note(match &outcome {
            Ok(answer) => format!("{what}: {}", answer.status),
            Err(NoAnswer::NotReached { .. }) => format!("{what}: not reached"),
            Err(_) => format!("{what}: lost"),
        });
        outcome
    }
}

impl Way {
    async fn exchange(&self, request: reqwest::Request) -> Result<WireAnswer, NoAnswer> {
        let (faults, chance) = (self.plan.wire_now(), &self.chance);
        let lost = || NoAnswer::Lost { detail: "the connection broke".to_owned() };
        let late = || if chance.hits(faults.late) { chance.ms(0, faults.late_ms_max) } else { Duration::ZERO };
        if chance.hits(faults.refused) {
            return Err(NoAnswer::NotReached { cause: Unreached::Refused, detail: "refused".to_owned() });
        }
        if chance.hits(faults.lost_request) {
            sleep(late()).await;
            return Err(lost());
        }
        if chance.hits(faults.throttled) {
            return Ok(throttled());
        }
        let loses_answer = chance.hits(faults.lost_answer);
        let answer = self.hub.ask(for_router(request), late()).await?;
        sleep(late()).await;
        if loses_answer { Err(lost()) } else { Ok(answer) }
    }
}

fn throttled() -> WireAnswer {
    let code = (HeaderName::from_static("iothub-errorcode"), HeaderValue::from_static("ThrottlingException"));
    let body = br#"{"Message":"ErrorCode:ThrottlingException; slow down","ExceptionMessage":""}"#;
    WireAnswer { status: 429, headers: HeaderMap::from_iter([code]), body: Bytes::from_static(body) }
}

/// The same request as the hub's router takes it: path and query, headers, body.
fn for_router(request: reqwest::Request) -> axum::http::Request<Bytes> {
    let url = request.url();
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let body = request.body().and_then(reqwest::Body::as_bytes).map(Bytes::copy_from_slice).unwrap_or_default();
    let mut built = axum::http::Request::new(body);
    *built.method_mut() = request.method().clone();
    *built.uri_mut() = target.parse().expect("a URL's path and query");
    *built.headers_mut() = request.headers().clone();
    built
}
