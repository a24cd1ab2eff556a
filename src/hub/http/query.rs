//! `POST /devices/query`: the twin query language over HTTP (REST.md 9).

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;

use super::HttpState;
use super::error::Refusal;
use super::extract::Segment;
use super::json::JsonBody;
use super::paging::{PageRequest, bad_continuation, page};
use super::router::not_supported;
use crate::hub::HubError;
use crate::hub::search::{self, SearchError};
use crate::hub::store::Snapshot;
use crate::model::ErrorCode;
use crate::query::{Query, QueryError, Strictness};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct QueryBody {
    query: Option<String>,
}

// conformance-deviation: REST.md 9: without --query-lag queries see every write at once; on the service the index lags, and deleted devices stay for a while
/// Answers one page of a query. The word `query` is a device's id for every other verb, hence the parameter.
pub(super) async fn post(
    State(hub): State<HttpState>,
    Segment(word): Segment,
    request: PageRequest,
    body: JsonBody,
) -> Result<Response, Refusal> {
    if word != "query" {
        return Err(not_supported(&Method::POST));
    }
    let text = body.read::<QueryBody>()?.query.unwrap_or_default();
    let strictness = hub.manner.strictness;
    let query = crate::query::parse_with(&text, strictness).map_err(|error| bad_query(&text, &error, strictness))?;
    let request = search::PageRequest { max_items: Some(request.items), continuation: request.continuation };
    let found = hub.read(move |snapshot| Ok(answer(snapshot, &query, &request))).await??;
    Ok(page(&found.rows, found.item_type.name(), found.continuation.as_deref()))
}

fn answer(snapshot: &Snapshot, query: &Query, request: &search::PageRequest) -> Result<search::Page, Refusal> {
    search::run(snapshot, query, request).map_err(|error| match error {
        SearchError::Continuation(why) => {
            let mut refusal = bad_continuation();
            refusal.error.reason = Some(why.to_string().into());
            refusal
        }
        SearchError::Groups(why) => Refusal::argument(why.to_string()),
        SearchError::Store(error) => HubError::from(error).into(),
    })
}

// conformance-deviation: GRAMMAR.md 7: unless the hub is strict, the text behind BadRequest says where a query is wrong, and why
/// The service tells nothing of where a query is wrong (REST.md 9). The log does, and unless the hub is strict, so does the
/// text behind the service's own word (GRAMMAR.md 7).
fn bad_query(text: &str, error: &QueryError, strictness: Strictness) -> Refusal {
    let column = text.get(..error.span.start).map_or(0, |before| before.chars().count()) + 1;
    let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
    let place = format!("column {column} of the query: {error}{help}");
    match strictness {
        Strictness::Lenient => Refusal::argument(format!("BadRequest: {place}")),
        Strictness::Strict => Refusal::unreadable(ErrorCode::ArgumentInvalid, place),
    }
}
