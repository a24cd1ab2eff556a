//! The embedded hub and its fleet behind `--local`: everything on loopback and in memory, nothing left behind.

mod awaited;
mod census;
mod room;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::auth::{ConnectionStringError, HubHost, parse_service};
use crate::client::{
    BulkFailure, ClientError, HubClient, HubClientConfig, NewAuthentication, NewIdentity, Notify, Patience,
};
use crate::device::{
    Behaviour, Credentials, DeviceConfig, DeviceEventKind, Endpoint, Fleet, FleetOptions, MethodRule, Ramp, Transport,
    UnfitForMqtt, ValueTemplate,
};
use crate::hub::{CaPlace, Fidelity, Hub, HubConfig, HubStartError, Listen, ReadyInfo};
use crate::manifest::{Action, Manifest};
use crate::model::{Clock, Latency, MethodName, Rng, Seed, TwinId};
use crate::tls::{TlsError, TrustAnchors, client_config};

use awaited::Awaited;
pub use census::{CensusError, Resident, census};
pub use room::{HubPlace, Room, make_room};

/// The policy that the command's own client uses.
const SERVICE_POLICY: &str = "iothubowner";
/// The policy whose key the devices share; a fleet needs no keys of its own here.
const DEVICE_POLICY: &str = "device";
/// Events of the fleet that may wait to be looked at.
const EVENTS_MAX: usize = 1_024;
/// The quickest answer of a device to a method, and the slowest: real ones take their time, and else there is nothing to
/// watch.
const ANSWER_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1_500));
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
    /// A device that MQTT cannot carry.
    #[error(transparent)]
    Unfit(#[from] UnfitForMqtt),
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

impl Local {
    /// Starts a hub in memory and makes up devices, so that each manifest finds `devices` targets.
    ///
    /// # Errors
    /// [`LocalError`]; nothing is left running then.
    pub async fn start(
        manifests: &[Manifest],
        devices: usize,
        clock: Clock,
        rng: Rng,
        notify: Notify,
    ) -> Result<Self, LocalError> {
        let max = make_room(HubPlace::Here).map_err(LocalError::FileLimit)?.devices;
        if devices > max {
            return Err(LocalError::NoRoom { wanted: devices, max });
        }
        let residents = census(manifests, devices)?;
        if residents.len() > max {
            return Err(LocalError::NoRoom { wanted: residents.len(), max });
        }
        let hub = Hub::start(hub_config(clock.clone(), rng.clone())).await?;
        match Self::populate(&hub, &residents, &methods(manifests), clock, rng, notify).await {
            Ok((fleet, client)) => Ok(Self { hub, fleet, client, devices: residents.len() }),
            Err(error) => {
                hub.stop().await;
                Err(error)
            }
        }
    }

    async fn populate(
        hub: &Hub,
        residents: &[Resident],
        methods: &[MethodName],
        clock: Clock,
        rng: Rng,
        notify: Notify,
    ) -> Result<(Fleet, HubClient), LocalError> {
        let trust = TrustAnchors::Pem(hub.ca_pem().as_bytes().to_vec());
        let client = HubClient::new(HubClientConfig {
            connection: parse_service(policy(hub.ready(), SERVICE_POLICY))?.value,
            trust: trust.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            patience: Patience::standard(),
            notify: Some(notify),
        })?;
        register(&client, residents).await?;
        let configs = device_configs(hub.ready(), residents, methods, &trust)?;
        let seed = Seed::drawn(&rng);
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

fn hub_config(clock: Clock, rng: Rng) -> HubConfig {
    HubConfig {
        host_name: "localhost".to_owned(),
        https_port: 0,
        mqtt_port: 0,
        listen: Listen::Loopback,
        data: None,
        ca: CaPlace::Memory,
        trust_cas: Vec::new(),
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

async fn register(client: &HubClient, residents: &[Resident]) -> Result<(), LocalError> {
    let new: Vec<NewIdentity> = residents
        .iter()
        .map(|resident| NewIdentity {
            id: TwinId::device(resident.id.clone()),
            authentication: NewAuthentication::Sas,
            status_reason: None,
            tags: resident.tags.clone(),
        })
        .collect();
    match client.create_identities(&new).await?.into_iter().next() {
        Some(failure) => Err(LocalError::NotRegistered(failure)),
        None => Ok(()),
    }
}

/// The methods that the manifests call.
fn methods(manifests: &[Manifest]) -> Vec<MethodName> {
    let called = manifests.iter().filter_map(|manifest| match &manifest.action {
        Action::Method { name, .. } => Some(name.clone()),
        Action::Twin { .. } => None,
    });
    called.collect()
}

/// Answers each method with 200 and what was called, after a while; reports what the census wants.
fn behaviour(resident: &Resident, methods: &[MethodName]) -> Behaviour {
    let latency = Latency::uniform(ANSWER_DELAY.0, ANSWER_DELAY.1).expect("in order, and within the limit");
    let rule = MethodRule { latency, ..MethodRule::default() };
    let reported = Some(resident.reported.clone()).filter(|reported| !reported.is_empty());
    Behaviour {
        methods: methods.iter().map(|name| (name.to_string(), rule.clone())).collect(),
        reported: reported.map(ValueTemplate::fixed),
        ..Behaviour::default()
    }
}

fn device_configs(
    ready: &ReadyInfo,
    residents: &[Resident],
    methods: &[MethodName],
    trust: &TrustAnchors,
) -> Result<Vec<DeviceConfig>, LocalError> {
    let string = parse_service(policy(ready, DEVICE_POLICY))?.value;
    let host = HubHost { name: ready.host_name.clone(), port: None };
    let endpoint = Arc::new(Endpoint::of_hub(&host, Transport::Mqtt, ready.mqtt_port, Arc::new(client_config(trust)?)));
    let credentials = Credentials::PolicyKey { policy: string.policy.into(), key: Arc::new(string.key) };
    residents
        .iter()
        .map(|resident| {
            let behaviour = Arc::new(behaviour(resident, methods));
            let id = TwinId::device(resident.id.clone());
            Ok(DeviceConfig::new(Arc::clone(&endpoint), id, credentials.clone(), behaviour)?)
        })
        .collect()
}

/// Starts the fleet and waits until each device is subscribed and, where it has something to report, has reported it.
async fn start_fleet(configs: Vec<DeviceConfig>, options: FleetOptions) -> Result<Fleet, LocalError> {
    let (send, mut events) = mpsc::channel(EVENTS_MAX);
    let mut awaited = Awaited::of(&configs);
    let fleet = Fleet::start(configs, options, send);
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
