//! What a hub is told before it starts. The command line decides every default; the library has none.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::Fidelity;
use super::entra::EntraTrust;
use super::policies::PolicyDraft;
use crate::model::{Clock, DeviceId, Rng};

/// Where a hub listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On 127.0.0.1, and on `::1` where the machine has it: clients differ in which of the two `localhost` is.
    Loopback,
    /// On these addresses, all of them.
    Addresses(Vec<IpAddr>),
}

impl Listen {
    /// The addresses that were named.
    #[must_use]
    pub fn named(&self) -> &[IpAddr] {
        match self {
            Self::Loopback => &[],
            Self::Addresses(addresses) => addresses,
        }
    }
}

/// Where a hub keeps its certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaPlace {
    /// In memory: a new one for each start, for hubs inside another process.
    Memory,
    /// In a folder: made once, then the same for ever, so that clients trust it once.
    Folder(PathBuf),
}

/// Everything a hub is told.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The name that clients dial; the certificate and the connection strings carry it.
    pub host_name: String,
    /// Port of the service API; 0 takes a free one.
    pub https_port: u16,
    /// Port of MQTT; 0 takes a free one.
    pub mqtt_port: u16,
    /// Where to listen.
    pub listen: Listen,
    /// Folder of the durable store; without it the hub lives in memory.
    pub data: Option<PathBuf>,
    /// Where the certificate authority lies.
    pub ca: CaPlace,
    /// Files of CAs that may vouch for devices.
    pub trust_cas: Vec<PathBuf>,
    /// File to which every device-to-cloud message is appended as a line of JSON.
    pub telemetry_tap: Option<PathBuf>,
    /// Policies besides the service's own five.
    pub policies: Vec<PolicyDraft>,
    /// Whose Entra ID tokens to take; none refuses them all.
    pub entra: Option<EntraTrust>,
    /// Devices to register when they are missing.
    pub devices: Vec<DeviceId>,
    /// How much of the service's slowness and narrowness it shows.
    pub fidelity: Fidelity,
    /// Where to serve metrics, in plain HTTP; port 0 takes a free one.
    pub metrics: Option<SocketAddr>,
    /// The one clock.
    pub clock: Clock,
    /// The one source of chance besides keys.
    pub rng: Rng,
}
