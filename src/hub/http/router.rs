//! The route table: the service's REST reference as far as this hub serves it.

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use serde_json::json;

use super::HttpState;
use super::answer::{self, finish};
use super::authorize::{Group, require};
use super::error::{Envelope, Refusal};
use super::leftover::read_out;
use super::measure::measure;
use super::shaping::shape;
use super::{bulk, devices, jobs, methods, modules, query, regenerate, statistics, twins, websocket};
use crate::hub::HubError;
use crate::model::ErrorCode;

/// One verb or several of a path that want the same rights.
struct Endpoint {
    path: &'static str,
    group: Group,
    verbs: MethodRouter<HttpState>,
}

fn at(path: &'static str, group: Group, verbs: MethodRouter<HttpState>) -> Endpoint {
    Endpoint { path, group, verbs }
}

/// Everything that is served to callers with credentials. A trailing slash means nothing (REST.md 1.1).
fn endpoints() -> Vec<Endpoint> {
    use Group::{Jobs, Methods, Query, RegistryRead, RegistryWrite, Statistics, Twins};
    use routing::{get, patch, post, put};
    let twin_verbs = || get(twins::get).merge(patch(twins::patch)).put(twins::put).post(twins::post);
    vec![
        // Registry (REST.md 8)
        at("/devices", RegistryRead, get(devices::list)),
        at("/devices", RegistryWrite, post(bulk::post)),
        at("/devices/keys/regenerate", RegistryWrite, post(regenerate::post)),
        at("/devices/{device}", RegistryRead, get(devices::get)),
        at("/devices/{device}", RegistryWrite, put(devices::put).delete(devices::delete)),
        // Queries (REST.md 9): POST /devices/query
        at("/devices/{device}", Query, post(query::post)),
        at("/devices/{device}/modules", RegistryRead, get(modules::list)),
        at("/devices/{device}/modules/{module}", RegistryRead, get(modules::get)),
        at("/devices/{device}/modules/{module}", RegistryWrite, put(modules::put).delete(modules::delete)),
        at("/statistics/devices", Statistics, get(statistics::devices)),
        at("/statistics/service", Statistics, get(statistics::service)),
        // Twins (REST.md 6) and direct methods (REST.md 7)
        at("/twins/{device}", Twins, twin_verbs()),
        at("/twins/{device}/modules/{module}", Twins, twin_verbs()),
        at("/twins/{device}/methods", Methods, post(methods::invoke)),
        at("/twins/{device}/modules/{module}/methods", Methods, post(methods::invoke)),
        // Jobs (REST.md 4)
        at("/jobs/v2/query", Jobs, get(jobs::list)),
        at("/jobs/v2/{id}", Jobs, get(jobs::get).put(jobs::put)),
        at("/jobs/v2/{id}/cancel", Jobs, post(jobs::cancel)),
        // Import and export (REST.md 8.6): there are none, since there is no storage to import from.
        at("/jobs", Jobs, get(jobs::list_transfers)),
        at("/jobs/{id}", Jobs, get(jobs::no_transfer).delete(jobs::no_transfer)),
    ]
}

/// The service API, and the door to the device side at `/$iothub/websocket`, which goes past the API's authorisation and
/// headers.
pub fn router(hub: HttpState) -> Router {
    let mut router = Router::new();
    for Endpoint { path, group, verbs } in endpoints() {
        let guarded = verbs
            .route_layer(from_fn_with_state((hub.clone(), group), shape))
            .route_layer(from_fn_with_state((hub.clone(), group), require))
            .route_layer(from_fn_with_state((hub.clone(), group), measure));
        router = router.route(path, guarded.clone()).route(&format!("{path}/"), guarded);
    }
    router
        .route("/healthz", routing::get(healthz))
        // A cancel with an empty id, which the service's own router answers (REST.md 3.1).
        .route("/jobs/v2//cancel", routing::any(|method: Method| async move { not_supported(&method) }))
        .route("/jobs/create", routing::any(not_found))
        .method_not_allowed_fallback(|method: Method| async move { not_supported(&method) })
        .fallback(not_found)
        .layer(from_fn_with_state(hub.clone(), finish))
        .layer(from_fn(read_out))
        .route(websocket::PATH, routing::get(websocket::upgrade))
        .route(websocket::ENCODED_PATH, routing::get(websocket::upgrade))
        .with_state(hub)
}

/// Says that the hub is up and its store can be read; for scripts and probes, without credentials.
async fn healthz(axum::extract::State(hub): axum::extract::State<HttpState>) -> Result<Response, Refusal> {
    hub.read(|_| Ok(())).await?;
    Ok(answer::ok(&json!({"status": "ok"})))
}

/// The answer of ASP.NET's router to a verb that a resource does not take (REST.md 3.1).
pub(super) fn not_supported(method: &Method) -> Refusal {
    let text = format!("The requested resource does not support http method '{method}'.");
    Refusal::new(ErrorCode::GenericMethodNotAllowed, text).said_by(Envelope::Routing)
}

async fn not_found(request: Request) -> Refusal {
    let (method, path) = (request.method(), request.uri().path());
    HubError::new(ErrorCode::GenericNotFound, format!("No resource matches {method} {path}."))
        .because("no such endpoint, or one of the service's that this hub does not have")
        .into()
}
