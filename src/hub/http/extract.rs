//! Parts of a request that several endpoints read: ids in the path and preconditions.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Refusal;
use crate::hub::registry::IfMatch;
use crate::model::{DeviceId, InvalidId, ModuleId, TwinId};

/// The device or module that the path names.
#[derive(Debug)]
pub(super) struct Target(pub(super) TwinId);

#[derive(Deserialize)]
struct TargetPath {
    device: String,
    #[serde(default)]
    module: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(path) = Path::<TargetPath>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Refusal::argument(rejection.body_text()))?;
        let device: DeviceId = path.device.parse().map_err(bad_id)?;
        let module: Option<ModuleId> = path.module.map(|module| module.parse()).transpose().map_err(bad_id)?;
        Ok(Self(TwinId { device, module }))
    }
}

/// The one parameter of a path, decoded: a job's id.
#[derive(Debug)]
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(rejection) => Err(Refusal::argument(rejection.body_text())),
        }
    }
}

/// The query parameters that an endpoint knows; others are ignored.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Refusal::argument(rejection.body_text())),
        }
    }
}

/// A device or module id that the service would not take.
pub(super) fn bad_id(error: InvalidId) -> Refusal {
    Refusal::argument(error.to_string())
}

/// The `If-Match` header.
#[derive(Debug)]
pub(super) struct Precondition(pub(super) IfMatch);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(if_match(&parts.headers)))
    }
}

fn if_match(headers: &HeaderMap) -> IfMatch {
    let text = headers.get(IF_MATCH).map(|value| String::from_utf8_lossy(value.as_bytes()));
    text.map_or(IfMatch::Absent, |text| etag(&text))
}

/// Reads a precondition in all its spellings: `*` and `"*"`, `""` for none, etags with and without quotes (REST.md 1.4).
pub(super) fn etag(text: &str) -> IfMatch {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text) {
        "" => IfMatch::Absent,
        "*" => IfMatch::Any,
        etag => IfMatch::Etag(etag.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 1.4: every spelling of If-Match is read
    #[test]
    fn every_spelling_of_a_precondition_is_read() {
        for (text, want) in [
            ("*", IfMatch::Any),
            ("\"*\"", IfMatch::Any),
            ("\"\"", IfMatch::Absent),
            ("", IfMatch::Absent),
            ("\"AAAAAAAAAAQ=\"", IfMatch::Etag("AAAAAAAAAAQ=".to_owned())),
            ("AAAAAAAAAAQ=", IfMatch::Etag("AAAAAAAAAAQ=".to_owned())),
            ("W/\"MQ==\"", IfMatch::Etag("MQ==".to_owned())),
        ] {
            assert_eq!(etag(text), want, "{text}");
        }
        assert_eq!(if_match(&HeaderMap::new()), IfMatch::Absent);
    }
}
