//! Pages by header: how many items, where to go on, and what kind of items they are (REST.md 4.8 and 9).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use super::answer;
use super::error::Refusal;
use crate::model::limits::{CONTINUATION_CHARS_MAX, PAGE_ITEMS_MAX};

const MAX_ITEM_COUNT: HeaderName = HeaderName::from_static("x-ms-max-item-count");
const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

/// Which page a caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageRequest {
    /// Most items: 1 to [`PAGE_ITEMS_MAX`].
    pub(super) items: usize,
    /// The previous page's token, as given.
    pub(super) continuation: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::of(&parts.headers)
    }
}

impl PageRequest {
    /// Reads the headers. Sizes past the maximum are cut to it, zero and less mean the service's own choice.
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let items = match text(headers, &MAX_ITEM_COUNT)? {
            None => PAGE_ITEMS_MAX,
            Some(size) => match size.parse::<i64>() {
                Ok(size) if size > 0 => usize::try_from(size).map_or(PAGE_ITEMS_MAX, |size| size.min(PAGE_ITEMS_MAX)),
                // conformance-choice: REST.md 9: page sizes above 100 are cut to it, and zero or less mean 100
                Ok(_) => PAGE_ITEMS_MAX,
                Err(_) => return Err(Refusal::argument(format!("{MAX_ITEM_COUNT} must be a number, not '{size}'."))),
            },
        };
        let continuation = text(headers, &CONTINUATION)?.map(str::to_owned);
        if continuation.as_ref().is_some_and(|token| token.len() > CONTINUATION_CHARS_MAX) {
            return Err(bad_continuation());
        }
        Ok(Self { items, continuation })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Refusal::argument(format!("{name} is not readable text.")))?.trim();
    Ok((!text.is_empty()).then_some(text))
}

// conformance-choice: REST.md 9: a token that the hub did not hand out is 400 ArgumentInvalid
/// A token that this hub did not hand out, or that belongs to another request.
pub(super) fn bad_continuation() -> Refusal {
    Refusal::argument("The continuation token is not valid for this request.")
}

/// A page as a bare array with its headers. `item_type` is compared with case by C#.
pub(super) fn page(items: &[serde_json::Value], item_type: &'static str, continuation: Option<&str>) -> Response {
    let mut response = answer::ok(&items);
    response.headers_mut().insert(ITEM_TYPE, HeaderValue::from_static(item_type));
    if let Some(token) = continuation.and_then(|token| HeaderValue::from_str(token).ok()) {
        response.headers_mut().insert(CONTINUATION, token);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: &str) -> Result<PageRequest, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(MAX_ITEM_COUNT, HeaderValue::from_str(size).unwrap());
        PageRequest::of(&headers)
    }

    // conformance: REST.md 9: a page has 100 items at most and by default
    #[test]
    fn sizes_are_cut_to_what_the_service_gives() {
        for (size, want) in
            [("1", 1), ("100", 100), ("101", 100), ("99999999999999", 100), ("0", 100), ("-1", 100), ("", 100)]
        {
            assert_eq!(of(size).unwrap().items, want, "{size}");
        }
        assert!(of("many").is_err());
    }
}
