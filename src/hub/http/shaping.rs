//! The tier's rates, between authorisation and endpoint: who may not ask uses up nobody's budget.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::HttpState;
use super::authorize::Group;
use super::error::Refusal;
use crate::hub::throttle::Operation;

/// Lets a request wait for its turn, or refuses it.
pub(super) async fn shape(State((hub, group)): State<(HttpState, Group)>, request: Request, next: Next) -> Response {
    if let Some(operation) = operation(group, request.method())
        && let Err(error) = hub.manner.throttle.admit(operation, 0).await
    {
        return Refusal::from(error).into_response();
    }
    next.run(request).await
}

/// What a request counts as; methods are counted by their size once it is known.
// conformance-choice: REST.md 10: a bulk call counts as one registry operation, and so do the statistics
fn operation(group: Group, verb: &Method) -> Option<Operation> {
    match group {
        Group::RegistryRead | Group::RegistryWrite | Group::Statistics => Some(Operation::Registry),
        Group::Twins if verb == Method::GET => Some(Operation::TwinRead),
        Group::Twins => Some(Operation::TwinUpdate),
        Group::Methods => None,
        Group::Jobs => Some(Operation::Job),
        Group::Query => Some(Operation::Query),
    }
}
