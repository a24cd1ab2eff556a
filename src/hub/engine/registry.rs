//! Identities: who may exist, and what goes when they go (REST.md 8).

use jiff::Timestamp;

use super::command::{Fault, NewKeys, Reply};
use super::scopes::Scopes;
use super::{Engine, Turn};
use crate::hub::HubError;
use crate::hub::registry::{Authentication, Identity, IdentityDraft, IfMatch};
use crate::hub::store::StoreError;
use crate::model::limits::MODULES_PER_DEVICE_MAX;
use crate::model::{ErrorCode, IdentityStatus, Twin, TwinId, WireTime};

/// The modules that the service makes on every edge device (REST.md 8.2).
const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];

impl Engine {
    /// Registers an identity that must not exist.
    pub(super) fn create_identity(&mut self, draft: IdentityDraft, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        match &draft.id.module {
            None => {
                if turn.tables.identity(&draft.id)?.is_some() {
                    let text = format!("A device with ID '{}' is already registered.", draft.id.device);
                    return Err(HubError::new(ErrorCode::DeviceAlreadyExists, text).into());
                }
            }
            Some(module) => {
                if module.as_str().starts_with('$') {
                    let text =
                        format!("The module ID '{module}' is reserved: IDs that begin with '$' are the service's.");
                    return Err(HubError::new(ErrorCode::ArgumentInvalid, text).into());
                }
                check_new_module(&draft.id, turn)?;
            }
        }
        let identity = self.register(draft, turn)?;
        Ok(Reply::Identity(Box::new(identity)))
    }

    fn register(&mut self, draft: IdentityDraft, turn: &mut Turn<'_, '_>) -> Result<Identity, StoreError> {
        let scopes = Scopes::of_new(&draft, turn.now);
        let standing = Standing {
            generation_id: dotnet_ticks(turn.now),
            // Eight or nine digits, as recorded (REST.md 1.4).
            etag: 10_000_000 + self.rng.next_u64() % 900_000_000,
            status_updated: WireTime::Never,
        };
        let identity = standing.identity(draft, scopes);
        turn.tables.put_identity(&identity)?;
        turn.tables.put_twin(&identity.id, &Twin::new(turn.now))?;
        count(None, Some(&identity), turn)?;
        if identity.iot_edge {
            self.register_edge_modules(&identity.id, turn)?;
        }
        Ok(identity)
    }

    fn register_edge_modules(&mut self, device: &TwinId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for name in EDGE_MODULES {
            let module = name.parse().expect("the service's own names are legal ids");
            let id = TwinId::module(device.device.clone(), module);
            if turn.tables.identity(&id)?.is_some() {
                continue;
            }
            let draft = IdentityDraft {
                managed_by: Some("iotEdge".to_owned()),
                ..IdentityDraft::enabled(id, Authentication::None)
            };
            self.register(draft, turn)?;
        }
        Ok(())
    }

    /// Replaces an identity that must exist. Without a precondition there is nothing to replace: that PUT creates.
    pub(super) fn replace_identity(
        &mut self,
        draft: IdentityDraft,
        if_match: &IfMatch,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        let before = existing(&draft.id, turn)?;
        check_etag(&before, if_match)?;
        let changed = before.status != draft.status;
        let scopes = Scopes::of_replaced(&before, &draft)?;
        let standing = Standing {
            generation_id: before.generation_id,
            etag: before.etag + 1,
            status_updated: if changed { turn.now.into() } else { before.status_updated },
        };
        let identity = standing.identity(draft, scopes);
        turn.tables.put_identity(&identity)?;
        count(Some(&before), Some(&identity), turn)?;
        if identity.iot_edge {
            self.register_edge_modules(&identity.id, turn)?;
        }
        if identity.status == IdentityStatus::Disabled {
            self.close_all(&identity.id, "the device was disabled", turn)?;
        }
        Ok(Reply::Identity(Box::new(identity)))
    }

    /// Gives an identity new keys and leaves the rest of it alone, its connections too.
    pub(super) fn regenerate_keys(id: &TwinId, new: NewKeys, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        let mut identity = existing(id, turn)?;
        let Authentication::Sas(keys) = &mut identity.authentication else {
            let text = format!("The authentication of '{id}' has no keys that could be regenerated.");
            return Err(HubError::new(ErrorCode::InvalidOperation, text).into());
        };
        if let Some(primary) = new.primary {
            keys.primary_key = primary;
        }
        if let Some(secondary) = new.secondary {
            keys.secondary_key = secondary;
        }
        identity.etag += 1;
        turn.tables.put_identity(&identity)?;
        Ok(Reply::Identity(Box::new(identity)))
    }

    /// Deletes an identity and all that belongs to it.
    pub(super) fn delete_identity(
        &mut self,
        id: &TwinId,
        if_match: &IfMatch,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        let identity = existing(id, turn)?;
        check_etag(&identity, if_match)?;
        self.close_all(id, "the identity was deleted", turn)?;
        for gone in with_modules(id, turn)? {
            turn.tables.remove_identity(&gone)?;
            self.abandon_waiting(&gone, turn)?;
            turn.tables.presence().forget(&gone);
        }
        count(Some(&identity), None, turn)?;
        Ok(Reply::Done)
    }

    /// Closes the connections of a device and its modules, or of one module.
    fn close_all(&mut self, id: &TwinId, reason: &str, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        for each in with_modules(id, turn)? {
            self.close(&each, reason, turn)?;
        }
        Ok(())
    }
}

/// An identity, and its modules when it is a device.
fn with_modules(id: &TwinId, turn: &Turn<'_, '_>) -> Result<Vec<TwinId>, StoreError> {
    let mut all = match &id.module {
        None => turn.tables.modules_of(&id.device)?,
        Some(_) => Vec::new(),
    };
    all.push(id.clone());
    Ok(all)
}

fn check_new_module(id: &TwinId, turn: &Turn<'_, '_>) -> Result<(), Fault> {
    if turn.tables.identity(&TwinId::device(id.device.clone()))?.is_none() {
        return Err(HubError::new(ErrorCode::DeviceNotFound, id.device.as_str()).into());
    }
    let modules = turn.tables.modules_of(&id.device)?;
    if modules.contains(id) {
        let module = id.module.as_ref().map_or("", |module| module.as_str());
        let text = format!("A module with ID '{module}' is already registered on device '{}'.", id.device);
        return Err(HubError::new(ErrorCode::ModuleAlreadyExistsOnDevice, text).into());
    }
    if modules.len() >= MODULES_PER_DEVICE_MAX {
        let text = format!("Device '{}' has {MODULES_PER_DEVICE_MAX} modules, the most that it may have.", id.device);
        return Err(HubError::new(ErrorCode::TooManyModulesOnDevice, text).into());
    }
    Ok(())
}

/// What the registry adds to a draft.
struct Standing {
    generation_id: u64,
    etag: u64,
    status_updated: WireTime,
}

impl Standing {
    fn identity(self, draft: IdentityDraft, scopes: Scopes) -> Identity {
        Identity {
            generation_id: self.generation_id,
            etag: self.etag,
            status_updated: self.status_updated,
            id: draft.id,
            status: draft.status,
            status_reason: draft.status_reason,
            authentication: draft.authentication,
            iot_edge: draft.iot_edge,
            device_scope: scopes.device,
            parent_scopes: scopes.parents,
            managed_by: draft.managed_by,
        }
    }
}

fn existing(id: &TwinId, turn: &Turn<'_, '_>) -> Result<Identity, Fault> {
    if let Some(identity) = turn.tables.identity(id)? {
        return Ok(identity);
    }
    let error = match &id.module {
        Some(module) if turn.tables.identity(&TwinId::device(id.device.clone()))?.is_some() => HubError::new(
            ErrorCode::ModuleNotFound,
            format!("Module '{module}' on device '{}' is not registered.", id.device),
        ),
        _ => HubError::new(ErrorCode::DeviceNotFound, id.device.as_str()),
    };
    Err(error.into())
}

fn check_etag(identity: &Identity, if_match: &IfMatch) -> Result<(), Fault> {
    let stale = match if_match {
        IfMatch::Any => return Ok(()),
        IfMatch::Etag(etag) if *etag == identity.etag_text() => return Ok(()),
        IfMatch::Etag(etag) => HubError::new(ErrorCode::PreconditionFailed, "PreconditionFailed")
            .because(format!("the caller's etag `{etag}` is not `{}`", identity.etag_text())),
        IfMatch::Absent => {
            HubError::new(ErrorCode::PreconditionFailed, "The If-Match header with the ETag is missing.")
        }
    };
    Err(stale.into())
}

/// 100 ns steps since the year 1, as .NET counts (REST.md 1.5).
pub(super) fn dotnet_ticks(now: Timestamp) -> u64 {
    const TICKS_TO_1970: i128 = 621_355_968_000_000_000;
    u64::try_from(now.as_nanosecond() / 100 + TICKS_TO_1970).unwrap_or_default()
}

/// Keeps the counts of devices; modules are not counted.
fn count(before: Option<&Identity>, after: Option<&Identity>, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
    let status = |identity: Option<&Identity>| {
        identity.filter(|identity| identity.id.module.is_none()).map(|identity| identity.status)
    };
    let (before, after) = (status(before), status(after));
    if before == after {
        return Ok(());
    }
    let mut counts = turn.tables.counts()?;
    match before {
        Some(IdentityStatus::Enabled) => counts.enabled -= 1,
        Some(IdentityStatus::Disabled) => counts.disabled -= 1,
        None => {}
    }
    match after {
        Some(IdentityStatus::Enabled) => counts.enabled += 1,
        Some(IdentityStatus::Disabled) => counts.disabled += 1,
        None => {}
    }
    turn.tables.put_counts(counts)
}
