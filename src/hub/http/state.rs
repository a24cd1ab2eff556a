//! What every endpoint shares.

use std::sync::Arc;

use super::error::Refusal;
use crate::auth::AcceptedHosts;
use crate::hub::engine::EngineHandle;
use crate::hub::entra::EntraTrust;
use crate::hub::policies::Policies;
use crate::hub::store::{Snapshot, StoreError};
use crate::hub::{HubError, Manner};
use crate::model::{Clock, ErrorCode, Rng};

/// What every endpoint shares; cheap to clone.
#[derive(Clone)]
pub struct HttpState {
    /// Carries out what changes something.
    pub engine: EngineHandle,
    /// Who may ask.
    pub policies: Arc<Policies>,
    /// Whose Entra ID tokens are good, where anybody's are.
    pub entra: Option<Arc<EntraTrust>>,
    /// The names under which tokens may address this hub.
    pub hosts: Arc<AcceptedHosts>,
    /// How it treats whoever asks.
    pub manner: Manner,
    /// The one clock: token expiry and the times in errors.
    pub clock: Clock,
    /// The one source of chance: request and tracking ids.
    pub rng: Rng,
}

impl HttpState {
    /// Reads the store.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshot) -> Result<T, StoreError> + Send + 'static,
    {
        self.engine.read(read).await.map_err(|error| HubError::from(error).into())
    }
}

impl Refusal {
    /// A fault of the hub's own; the caller learns no more than that.
    pub(super) fn internal(reason: String) -> Self {
        HubError::new(ErrorCode::ServerError, "An internal error occurred.").because(reason).into()
    }
}
