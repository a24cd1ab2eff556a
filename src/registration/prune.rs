//! Deletes what carries the mark of a fleet.

use super::{Mark, RegistrationError};
use crate::client::HubClient;
use crate::model::ErrorCode;
use crate::model::limits::BULK_ITEMS_MAX;

/// What deleting a fleet came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Devices that are gone, modules and all.
    pub deleted: usize,
    /// Devices that were changed after the hub's index saw them, and are left as they are.
    pub changed: usize,
}

/// Deletes the devices that the hub's index shows with the mark, each only if its identity is as the index saw it: who
/// took the mark away in the meantime keeps the device. `on_batch` hears after each call of devices deleted and found.
///
/// # Errors
/// [`RegistrationError`]; what was deleted until then is gone.
pub async fn prune(
    client: &HubClient,
    mark: &Mark,
    mut on_batch: impl FnMut(usize, usize),
) -> Result<Pruned, RegistrationError> {
    let entries = client.devices_with_status_reason(mark.as_str()).await?;
    let mut pruned = Pruned::default();
    for batch in entries.chunks(BULK_ITEMS_MAX) {
        pruned.deleted += batch.len();
        for failure in client.delete_devices(batch).await? {
            pruned.deleted -= 1;
            match failure.code {
                // The index is behind: somebody has deleted it.
                Some(ErrorCode::DeviceNotFound) => {}
                Some(ErrorCode::EtagDoesNotMatch | ErrorCode::PreconditionFailed) => pruned.changed += 1,
                _ => return Err(RegistrationError::Refused { verb: "delete", failure }),
            }
        }
        on_batch(pruned.deleted, entries.len());
    }
    Ok(pruned)
}
