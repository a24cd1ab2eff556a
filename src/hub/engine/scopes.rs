//! Who is whose parent among devices: the scopes of edge devices and what lies behind them (REST.md 8.3).
//!
//! A leaf device names its parent in `deviceScope`, an edge device in `parentScopes`. Nobody checks that the parent
//! exists, and a parent that goes leaves its children as they are.

use jiff::Timestamp;

use super::registry::dotnet_ticks;
use crate::hub::HubError;
use crate::hub::registry::{Identity, IdentityDraft};
use crate::model::ErrorCode;

/// The scopes of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scopes {
    /// An edge device's own, or that of a leaf's parent.
    pub(super) device: Option<String>,
    /// Those of the parents.
    pub(super) parents: Vec<String>,
}

impl Scopes {
    /// Of a new identity: an edge device gets a scope whatever its draft says.
    pub(super) fn of_new(draft: &IdentityDraft, now: Timestamp) -> Self {
        if draft.id.module.is_some() {
            return Self::default();
        }
        if draft.iot_edge {
            let own = format!("{}{}", generated(draft), dotnet_ticks(now));
            return Self { device: Some(own), parents: draft.parent_scopes.clone() };
        }
        Self::of_leaf(draft)
    }

    /// A leaf has its parent's scope; the service mirrors it, and ignores parents named without it.
    fn of_leaf(draft: &IdentityDraft) -> Self {
        Self { device: draft.device_scope.clone(), parents: draft.device_scope.iter().cloned().collect() }
    }

    /// Of an identity that becomes what `draft` says.
    ///
    /// # Errors
    /// `InvalidDeviceScope` when an edge device's scope is not repeated, `ServiceUnavailable` for a leaf that becomes an
    /// edge device and still names its parent as its own scope.
    pub(super) fn of_replaced(before: &Identity, draft: &IdentityDraft) -> Result<Self, HubError> {
        if draft.id.module.is_some() {
            return Ok(Self::default());
        }
        match (before.iot_edge, draft.iot_edge) {
            (true, true) if draft.device_scope == before.device_scope => {
                Ok(Self { device: before.device_scope.clone(), parents: draft.parent_scopes.clone() })
            }
            // conformance-choice: REST.md 8.3: an edge device's PUT without its own deviceScope is 400 InvalidDeviceScope
            (true, true) => {
                Err(HubError::new(ErrorCode::InvalidDeviceScope, "Device scope is immutable").because(format!(
                    "an edge device repeats its deviceScope `{}`",
                    before.device_scope.as_deref().unwrap_or_default()
                )))
            }
            (false, true) if draft.device_scope.is_none() => {
                Ok(Self { device: Some(generated(draft)), parents: draft.parent_scopes.clone() })
            }
            (false, true) => Err(HubError::new(ErrorCode::ServiceUnavailable, "ServiceUnavailable").because(
                "a device that becomes an edge device leaves deviceScope empty and names its parent in parentScopes; \
                 the service answers 503 to this, and trying again will not help",
            )),
            // It loses its parent in the same write.
            (true, false) => Ok(Self::default()),
            (false, false) => Ok(Self::of_leaf(draft)),
        }
    }
}

/// The scope of an edge device up to its generation, which only those have that were born as edge devices.
fn generated(draft: &IdentityDraft) -> String {
    format!("ms-azure-iot-edge://{}-", draft.id.device)
}
