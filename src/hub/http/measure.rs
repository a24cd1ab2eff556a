//! Counts requests, the times they took and what was refused.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::HttpState;
use super::authorize::Group;
use super::error::Refusal;

/// Counts a request of a group of endpoints, with all that happens to it.
pub(super) async fn measure(State((hub, group)): State<(HttpState, Group)>, request: Request, next: Next) -> Response {
    let began = hub.clock.monotonic();
    let response = next.run(request).await;
    let metrics = &hub.manner.metrics;
    metrics.answered(name(group), response.status().as_u16(), hub.clock.monotonic().saturating_sub(began));
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        metrics.refused(refusal.error.code.name());
    }
    response
}

fn name(group: Group) -> &'static str {
    match group {
        Group::RegistryRead | Group::RegistryWrite => "registry",
        Group::Twins => "twins",
        Group::Methods => "methods",
        Group::Jobs => "jobs",
        Group::Query => "query",
        Group::Statistics => "statistics",
    }
}
