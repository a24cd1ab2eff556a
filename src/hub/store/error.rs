//! Why the database could not do as asked.

use crate::hub::HubError;
use crate::model::ErrorCode;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A record that this version does not read.
    #[error("the record `{key}` of table `{table}` cannot be read")]
    Record {
        /// The table.
        table: &'static str,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorCode::ServerError, "An internal error occurred.").because(error.to_string())
    }
}
