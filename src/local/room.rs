//! How many devices fit into one process: each costs two sockets here, its own and the hub's.

/// Files that the process needs besides its devices' sockets: standard streams, listeners, store, REST connections.
const FILES_BESIDE_DEVICES: u64 = 128;
/// Sockets of a device when the hub lives in the same process.
const SOCKETS_A_DEVICE: u64 = 2;

/// Raises the process's file limit as far as it goes and says how many local devices fit.
///
/// # Errors
/// The system's error when it does not say what the limit is.
pub fn devices_max() -> std::io::Result<usize> {
    let files = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(usize::try_from(files.saturating_sub(FILES_BESIDE_DEVICES) / SOCKETS_A_DEVICE).unwrap_or(usize::MAX))
}
