//! How many devices fit into one process: each costs a socket, and another when its hub lives there, too.

use std::io;

/// Files that the process needs besides its devices' sockets: standard streams, listeners, store, REST connections.
const FILES_BESIDE_DEVICES: u64 = 128;

/// Where the hub of a process's devices lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubPlace {
    /// In the same process.
    Here,
    /// Somewhere else.
    Elsewhere,
}

/// What a process may open, and what that means for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Files, sockets included, that the process may have open.
    pub files: u64,
    /// Devices that fit.
    pub devices: usize,
}

/// Raises the process's file limit as far as it goes and says what fits then.
///
/// # Errors
/// The system's error when it does not say what the limit is.
pub fn make_room(hub: HubPlace) -> io::Result<Room> {
    let files = rlimit::increase_nofile_limit(rlimit::INFINITY)?;
    tracing::debug!(files, "the file limit of this process");
    Ok(Room { files, devices: devices_within(files, hub) })
}

fn devices_within(files: u64, hub: HubPlace) -> usize {
    let sockets_a_device = match hub {
        HubPlace::Here => 2,
        HubPlace::Elsewhere => 1,
    };
    usize::try_from(files.saturating_sub(FILES_BESIDE_DEVICES) / sockets_a_device).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_in_the_same_process_halves_the_devices() {
        assert_eq!(devices_within(1_024, HubPlace::Elsewhere), 896);
        assert_eq!(devices_within(1_024, HubPlace::Here), 448);
        assert_eq!(devices_within(64, HubPlace::Elsewhere), 0);
    }
}
