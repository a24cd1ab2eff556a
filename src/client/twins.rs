//! Twins: reading and patching (REST.md 6).

use reqwest::Method;
use reqwest::header::{HeaderValue, IF_MATCH};
use serde_json::{Map, Value, json};

use super::error::{ClientError, ErrorKind};
use super::hub_client::HubClient;
use super::operation::Operation;
use super::retry::Repeat;
use super::transport::Call;
use crate::model::{TwinId, TwinPatch};

/// What a twin must be for a patch to apply. Always sent in quotes: the service has ignored unquoted ones (REST.md 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Anything.
    Any,
    /// Unchanged since it had this etag; otherwise 412.
    Etag(String),
}

impl IfMatch {
    fn header(&self, operation: Operation) -> Result<HeaderValue, ClientError> {
        let etag = match self {
            Self::Any => "*",
            Self::Etag(etag) => etag.trim_matches('"'),
        };
        HeaderValue::from_str(&format!("\"{etag}\""))
            .map_err(|_| ClientError::new(operation, ErrorKind::Unaddressable { id: etag.to_owned() }))
    }
}

pub(super) fn twin_path(id: &TwinId) -> Vec<&str> {
    let mut path = vec!["twins", id.device.as_str()];
    if let Some(module) = &id.module {
        path.extend(["modules", module.as_str()]);
    }
    path
}

impl HubClient {
    /// Reads a twin, whole and as the service writes it.
    ///
    /// # Errors
    /// [`ClientError`]; `is_not_found` for an unknown device or module.
    pub async fn twin(&self, id: &TwinId) -> Result<Value, ClientError> {
        let call = Call::new(Operation::ReadTwin, Repeat::Freely, Method::GET, &twin_path(id))?;
        self.send(&call).await?.json("a twin")
    }

    /// Merges a patch into tags and desired properties and gives the whole twin. Never sent again once it may have
    /// arrived: each patch makes a new version, which the device hears of.
    ///
    /// # Errors
    /// [`ClientError`]; 412 when `if_match` does not hold.
    pub async fn patch_twin(&self, id: &TwinId, patch: &TwinPatch, if_match: &IfMatch) -> Result<Value, ClientError> {
        let mut body = Map::new();
        if let Some(tags) = &patch.tags {
            body.insert("tags".to_owned(), json!(tags));
        }
        if let Some(desired) = &patch.desired {
            body.insert("properties".to_owned(), json!({ "desired": desired }));
        }
        let operation = Operation::PatchTwin;
        let call = Call::new(operation, Repeat::IfNotCarriedOut, Method::PATCH, &twin_path(id))?
            .header(IF_MATCH, if_match.header(operation)?)
            .json(&body);
        self.send(&call).await?.json("a twin")
    }
}
