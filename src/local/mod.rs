//! The embedded hub and its fleet behind `--local`: everything on loopback and in memory, nothing left behind.

mod awaited;
mod census;
mod population;
mod room;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::auth::{ConnectionStringError, parse_service};
use crate::client::{BulkFailure, ClientError, HubAccess, HubClient, HubClientConfig, Notify, Patience};
use crate::device::{DeviceConfig, DeviceEventKind, Fleet, FleetOptions, Hears, Listener, Ramp, UnfitForMqtt};
use crate::fleet::FleetSpec;
use crate::hub::{CaPlace, Fidelity, Hub, HubConfig, HubStartError, Listen, ReadyInfo};
use crate::manifest::Manifest;
use crate::model::{Clock, Rng, TwinId};
use crate::registration::{CrewError, InvalidMark, RegistrationError};
use crate::tls::{TlsError, TrustAnchors};

use awaited::Awaited;
pub use census::{CensusError, Resident, census};
use population::Population;
pub use room::{HubPlace, Room, make_room};

/// The policy that the command's own client uses.
const SERVICE_POLICY: &str = "iothubowner";
/// Events of the fleet that may wait to be looked at.
const EVENTS_MAX: usize = 1_024;
/// How long the whole fleet may take to come up before something is wrong.
const FLEET_START_MAX: Duration = Duration::from_secs(120);

/// Why the local hub or its fleet did not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A manifest for which no device can be made up.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// More devices than the process may open files for.
    #[error("{wanted} devices do not fit into one process here: its file limit allows {max}")]
    NoRoom {
        /// Devices that the manifests need.
        wanted: usize,
        /// Devices that fit.
        max: usize,
    },
    /// The system does not say how many files the process may open.
    #[error("the file limit of this process is unknown")]
    FileLimit(#[source] std::io::Error),
    /// The hub did not start.
    #[error("the local hub did not start")]
    Hub(#[from] HubStartError),
    /// The hub's own connection string makes no sense.
    #[error("the local hub's connection string cannot be read")]
    ConnectionString(#[from] ConnectionStringError),
    /// TLS towards the local hub could not be set up.
    #[error("TLS towards the local hub could not be set up")]
    Tls(#[from] TlsError),
    /// The local hub did not take a call.
    #[error("the local hub refused")]
    Client(#[from] ClientError),
    /// The local hub did not register a device.
    #[error("the local hub did not register `{}`: {}", .0.device_id, .0.message)]
    NotRegistered(BulkFailure),
    /// The local hub did not register the fleet.
    #[error("the local hub did not register the fleet")]
    Registration(#[from] RegistrationError),
    /// A device that MQTT cannot carry.
    #[error(transparent)]
    Unfit(#[from] UnfitForMqtt),
    /// A fleet that cannot be equipped.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// A fleet whose name marks no devices.
    #[error(transparent)]
    Mark(#[from] InvalidMark),
    /// The CA of the fleet's certificates could not be handed to the hub.
    #[error("the CA of the fleet could not be handed to the local hub")]
    FleetCa(#[source] std::io::Error),
    /// A device gave up.
    #[error("the local device `{id}` did not come up: {reason}")]
    GaveUp {
        /// The device.
        id: TwinId,
        /// Its reason.
        reason: String,
    },
    /// Some device is not ready in time.
    #[error("{missing} local devices were not up after {} s", FLEET_START_MAX.as_secs())]
    Slow {
        /// Devices that are not ready.
        missing: usize,
    },
}

/// A hub and its devices inside this process, up and ready.
pub struct Local {
    hub: Hub,
    fleet: Fleet,
    client: HubClient,
    devices: usize,
}

/// Who lives on the local hub.
#[derive(Debug, Clone, Copy)]
pub enum Residents<'r> {
    /// Devices made up so that each manifest finds so many targets.
    MadeUp {
        /// The manifests.
        manifests: &'r [Manifest],
        /// Targets of each.
        devices: usize,
    },
    /// The devices of a fleet, and nobody else.
    Fleet(&'r FleetSpec),
}

impl Local {
    /// Starts a hub in memory and its devices.
    ///
    /// # Errors
    /// [`LocalError`]; nothing is left running then.
    pub async fn start(residents: Residents<'_>, clock: Clock, rng: Rng, notify: Notify) -> Result<Self, LocalError> {
        let max = make_room(HubPlace::Here).map_err(LocalError::FileLimit)?.devices;
        let population = Population::of(residents, max)?;
        let ca = population.ca_file()?;
        let trust_cas = ca.iter().map(|file| file.path().to_owned()).collect();
        let hub = Hub::start(hub_config(trust_cas, clock.clone(), rng.clone())).await?;
        match Self::populate(&hub, &population, clock, rng, notify).await {
            Ok((fleet, client)) => Ok(Self { hub, fleet, client, devices: population.devices() }),
            Err(error) => {
                hub.stop().await;
                Err(error)
            }
        }
    }

    async fn populate(
        hub: &Hub,
        population: &Population<'_>,
        clock: Clock,
        rng: Rng,
        notify: Notify,
    ) -> Result<(Fleet, HubClient), LocalError> {
        let trust = TrustAnchors::Pem(hub.ca_pem().as_bytes().to_vec());
        let client = HubClient::new(HubClientConfig {
            access: HubAccess::Policy(parse_service(policy(hub.ready(), SERVICE_POLICY))?.value),
            trust: trust.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            patience: Patience::standard(),
            notify: Some(notify),
        })?;
        let (configs, seed) = population.settle(hub.ready(), &client, &trust, (&clock, &rng)).await?;
        let fleet = start_fleet(configs, FleetOptions { clock, seed, ramp: Ramp::AtOnce }).await?;
        Ok((fleet, client))
    }

    /// A client of the hub, with every right.
    #[must_use]
    pub fn client(&self) -> HubClient {
        self.client.clone()
    }

    /// How many devices live here.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.devices
    }

    /// Stops the devices, then the hub.
    pub async fn stop(self) {
        self.fleet.stop().await;
        self.hub.stop().await;
    }
}

fn hub_config(trust_cas: Vec<PathBuf>, clock: Clock, rng: Rng) -> HubConfig {
    HubConfig {
        host_name: "localhost".to_owned(),
        https_port: 0,
        mqtt_port: 0,
        listen: Listen::Loopback,
        data: None,
        ca: CaPlace::Memory,
        trust_cas,
        telemetry_tap: None,
        entra: None,
        policies: Vec::new(),
        devices: Vec::new(),
        fidelity: Fidelity::INSTANT,
        metrics: None,
        clock,
        rng,
    }
}

fn policy<'r>(ready: &'r ReadyInfo, name: &str) -> &'r str {
    ready.connection_strings.get(name).expect("every hub has the service's five policies")
}

/// Starts the fleet and waits until each device that is to connect is subscribed and, where it has something to report,
/// has reported it.
async fn start_fleet(configs: Vec<DeviceConfig>, options: FleetOptions) -> Result<Fleet, LocalError> {
    let (send, mut events) = mpsc::channel(EVENTS_MAX);
    let mut awaited = Awaited::of(&configs);
    let fleet = Fleet::start(configs, options, Some(Listener { sender: send, hears: Hears::Everything }));
    let come_up = async {
        while awaited.devices() > 0 {
            let Some(event) = events.recv().await else { break };
            if let DeviceEventKind::GaveUp { reason } = &event.kind {
                return Err(LocalError::GaveUp { id: TwinId::clone(&event.id), reason: reason.to_string() });
            }
            awaited.hear(&event);
        }
        Ok(())
    };
    let outcome = tokio::time::timeout(FLEET_START_MAX, come_up).await;
    let failure = match outcome {
        Ok(Ok(())) => {
            // What the devices say from now on is nobody's business, but they must not wait for a listener.
            tokio::spawn(async move { while events.recv().await.is_some() {} });
            return Ok(fleet);
        }
        Ok(Err(error)) => error,
        Err(_) => LocalError::Slow { missing: awaited.devices() },
    };
    fleet.stop().await;
    Err(failure)
}
