//! Creates what is missing, brings up to date what carries the mark, and leaves everything else alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Mark, RegistrationError};
use crate::client::{BulkFailure, ClientError, ErrorClass, HubClient, NewAuthentication, NewIdentity, RegistryEntry};
use crate::model::limits::BULK_ITEMS_MAX;
use crate::model::{DeviceId, ErrorCode};

/// What registering came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// Devices that are new.
    pub created: usize,
    /// Devices that the fleet made before.
    pub kept: usize,
    /// Devices that were there without the mark, and are left as they are.
    pub unmarked: Vec<DeviceId>,
    /// How many of those cannot connect, since the registry has the thumbprint of another certificate.
    pub locked_out: usize,
    /// Whether the marks could not be read, so that all that were there count as unmarked.
    pub marks_unreadable: bool,
}

/// Registers identities on a hub; those of devices get the mark. `on_batch` hears after each call how many of them were
/// looked at. Modules come after the devices that they belong to.
///
/// # Errors
/// [`RegistrationError`]; what was registered until then stays.
pub async fn register(
    client: &HubClient,
    mark: &Mark,
    identities: impl Iterator<Item = NewIdentity>,
    mut on_batch: impl FnMut(usize),
) -> Result<Registered, RegistrationError> {
    let (mut registered, mut seen) = (Registered::default(), 0);
    let (mut there, mut modules) = (Vec::new(), Vec::new());
    let mut identities = identities.peekable();
    let mut batch = Vec::with_capacity(BULK_ITEMS_MAX);
    while identities.peek().is_some() {
        while batch.len() < BULK_ITEMS_MAX
            && let Some(mut identity) = identities.next()
        {
            if identity.id.module.is_some() {
                modules.push(identity);
            } else {
                identity.status_reason = Some(mark.as_str().to_owned());
                batch.push(identity);
            }
        }
        let failures = client.create_identities(&batch).await?;
        let exist = already_there(failures, ErrorCode::DeviceAlreadyExists)?;
        seen += batch.len();
        registered.created += batch.len() - exist.len();
        there.extend(batch.drain(..).filter(|device| exist.contains(device.id.device.as_str())));
        on_batch(seen);
    }
    take_over(client, mark, there, &mut registered).await?;
    let unmarked: BTreeSet<&DeviceId> = registered.unmarked.iter().collect();
    modules.retain(|module| !unmarked.contains(&module.id.device));
    register_modules(client, modules).await?;
    Ok(registered)
}

/// The devices of failures that mean no more than that they exist; any other failure is one.
fn already_there(failures: Vec<BulkFailure>, exists: ErrorCode) -> Result<BTreeSet<String>, RegistrationError> {
    let mut there = BTreeSet::new();
    for failure in failures {
        if failure.code != Some(exists) {
            return Err(RegistrationError::Refused { verb: "register", failure });
        }
        there.insert(failure.device_id);
    }
    Ok(there)
}

/// Sorts devices that were there: those with the mark are brought up to date.
async fn take_over(
    client: &HubClient,
    mark: &Mark,
    there: Vec<NewIdentity>,
    registered: &mut Registered,
) -> Result<(), RegistrationError> {
    if there.is_empty() {
        return Ok(());
    }
    let known = match client.devices_with_status_reason(mark.as_str()).await {
        Ok(entries) => entries,
        // Whoever may not ask can still run what is there.
        Err(error) if error.class() == ErrorClass::NotPermitted => {
            registered.marks_unreadable = true;
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    let known: BTreeMap<DeviceId, RegistryEntry> = known.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
    let mut outdated = Vec::new();
    for device in there {
        let id = &device.id.device;
        let entry = match known.get(id) {
            // The index is behind by minutes, and such a device cannot connect before its thumbprint is replaced.
            None if has_thumbprint(&device) => marked(client, mark, id).await?,
            entry => entry.cloned(),
        };
        let Some(entry) = entry else {
            registered.locked_out += usize::from(has_thumbprint(&device));
            registered.unmarked.push(id.clone());
            continue;
        };
        registered.kept += 1;
        if has_thumbprint(&device) || entry.authentication_type != device.authentication.kind() {
            outdated.push((device, Some(entry.etag)));
        }
    }
    replace(client, &outdated).await
}

/// Whether a certificate that is made anew at each start speaks for it.
fn has_thumbprint(identity: &NewIdentity) -> bool {
    matches!(identity.authentication, NewAuthentication::SelfSigned(_))
}

async fn replace(client: &HubClient, outdated: &[(NewIdentity, Option<String>)]) -> Result<(), RegistrationError> {
    match client.replace_identities(outdated).await?.into_iter().next() {
        Some(failure) => Err(RegistrationError::Refused { verb: "change", failure }),
        None => Ok(()),
    }
}

/// The device as the registry itself holds it, if it carries the mark.
async fn marked(client: &HubClient, mark: &Mark, id: &DeviceId) -> Result<Option<RegistryEntry>, ClientError> {
    let identity = client.device(id).await?;
    let is_marked = identity.status_reason.as_deref() == Some(mark.as_str());
    let authentication_type = identity.authentication.kind;
    Ok(identity.etag.filter(|_| is_marked).map(|etag| RegistryEntry { id: id.clone(), etag, authentication_type }))
}

/// Creates modules on devices of the fleet; a module that is there is the fleet's as its device is.
async fn register_modules(client: &HubClient, mut modules: Vec<NewIdentity>) -> Result<(), RegistrationError> {
    let mut there = BTreeSet::new();
    for failure in client.create_identities(&modules).await? {
        if failure.code != Some(ErrorCode::ModuleAlreadyExistsOnDevice) {
            return Err(RegistrationError::Refused { verb: "register", failure });
        }
        there.insert((failure.device_id, failure.module_id.unwrap_or_default()));
    }
    modules.retain(|module| {
        let own = module.id.module.as_ref().map(ToString::to_string).unwrap_or_default();
        has_thumbprint(module) && there.contains(&(module.id.device.to_string(), own))
    });
    let outdated: Vec<_> = modules.into_iter().map(|module| (module, None)).collect();
    replace(client, &outdated).await
}
