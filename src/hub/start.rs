//! Putting a hub together: sockets, store, CA, keys, engine, devices, edges; and taking it apart again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::{CaPlace, HubConfig};
use super::engine::{EngineHandle, EngineOptions};
use super::hosts::{self, HubAddress};
use super::http::{self, HttpState};
use super::listen::{ListenError, Port, listen};
use super::metrics::HubSource;
use super::mqtt::{self, DeviceEdge, Tap, TapError, Telemetry};
use super::policies::{Policies, Policy, PolicyDraft, TooManyPolicies};
use super::ready_file::ReadyInfo;
use super::registry::{Authentication, Identity, IdentityDraft};
use super::store::{Store, StoreError};
use super::{HubError, Manner, accept};
use crate::auth::{InvalidHost, NoRandomness, generate_key_pair};
use crate::metrics::{MetricsPort, MetricsPortError};
use crate::model::{Clock, DeviceId, SymmetricKeyPair, TwinId};
use crate::mqtt::WebSocketBytes;
use crate::tls::{ClientCas, DevCa, TlsError, server_config};

/// Says why a hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum HubStartError {
    /// The host name is none.
    #[error("--host-name: {0}")]
    HostName(#[from] InvalidHost),
    /// A port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address of the metrics cannot be had.
    #[error(transparent)]
    Metrics(#[from] MetricsPortError),
    /// Too many policies were asked for.
    #[error(transparent)]
    Policies(#[from] TooManyPolicies),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No certificate can be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A CA of devices cannot be used.
    #[error("--trust-ca: {0}")]
    TrustCa(#[source] TlsError),
    /// The telemetry tap cannot be opened.
    #[error("--telemetry-tap: {0}")]
    Tap(#[from] TapError),
    /// No key can be made.
    #[error(transparent)]
    Keys(#[from] NoRandomness),
    /// A device cannot be registered.
    #[error("the device `{id}` cannot be registered: {source}")]
    Register {
        /// The device.
        id: DeviceId,
        /// Why.
        source: Box<HubError>,
    },
}

/// A running hub. Dropping it stops it without manners; [`Hub::stop`] has them.
pub struct Hub {
    ready: ReadyInfo,
    ca_pem: String,
    metrics_address: Option<SocketAddr>,
    engine: EngineHandle,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    edges: JoinSet<()>,
}

impl Hub {
    /// Starts a hub; when this returns, everything listens.
    ///
    /// # Errors
    /// [`HubStartError`]; nothing is left running then.
    pub async fn start(config: HubConfig) -> Result<Self, HubStartError> {
        // The cheap questions first: a wrong flag should not leave a folder behind.
        let address = |https_port, mqtt_port| HubAddress { host_name: config.host_name.clone(), https_port, mqtt_port };
        address(config.https_port, config.mqtt_port).service_host()?;
        let drafts = Policies::drafts(&config.policies)?;
        let client_cas = ClientCas::from_pem_files(&config.trust_cas).map_err(HubStartError::TrustCa)?;
        let tap = config.telemetry_tap.clone().map(Tap::open).transpose()?;
        let https = listen(&config.listen, Port::Https, config.https_port)?;
        let mqtt = listen(&config.listen, Port::Mqtt, config.mqtt_port)?;
        let address = address(https.port, mqtt.port);
        let hosts = Arc::new(hosts::accepted(&config.host_name, config.listen.named()));
        let ca = certificate_authority(&config)?;
        let tls = server_config(&ca)?;

        let metrics_port = match config.metrics {
            Some(address) => Some(MetricsPort::bind(address).await?),
            None => None,
        };
        let stop = CancellationToken::new();
        let manner = Manner::of(&config.fidelity, &config.clock, &stop);
        let store = match &config.data {
            Some(folder) => Store::open(folder)?,
            None => Store::in_memory()?,
        }
        .with_lags(&config.clock, config.fidelity.query_lag, config.fidelity.state_lag);
        let policies = Arc::new(with_keys(&store, drafts)?);
        let options = EngineOptions {
            clock: config.clock.clone(),
            rng: config.rng.clone(),
            fidelity: config.fidelity,
            metrics: manner.metrics.clone(),
        };
        let engine = EngineHandle::start(store, options)?;
        let devices = match register(&engine, &config.devices).await {
            Ok(devices) => devices,
            Err(error) => {
                engine.stop().await;
                return Err(error);
            }
        };
        let ready = ready_info(&address, &ca, &policies, &devices)?;

        let mut edges = JoinSet::new();
        let telemetry = Arc::new(Telemetry::with_tap(tap));
        let edge = DeviceEdge::new(
            engine.clone(),
            Arc::clone(&policies),
            Arc::clone(&hosts),
            Arc::new(client_cas),
            config.clock.clone(),
            config.rng.clone(),
            Arc::clone(&telemetry),
        );
        let edge = Arc::new(edge.with_manner(manner.clone()));
        let (device_stop, device_tls) = (stop.clone(), Arc::clone(&tls));
        let device_edge = Arc::clone(&edge);
        edges.spawn(accept::serve_tls(mqtt.sockets, device_tls, stop.clone(), move |stream, peer| {
            mqtt::serve(stream, peer, Arc::clone(&device_edge), device_stop.clone())
        }));
        let metrics_address = metrics_port.as_ref().map(MetricsPort::address);
        if let Some(port) = metrics_port {
            let source = HubSource { metrics: manner.metrics.clone(), engine: engine.clone() };
            edges.spawn(port.serve(source, stop.clone()));
        }
        let state = HttpState {
            engine: engine.clone(),
            policies,
            entra: config.entra.map(Arc::new),
            hosts,
            manner,
            clock: config.clock,
            rng: config.rng,
        };
        let websocket_stop = stop.clone();
        let websocket = move |stream, read_ahead, peer| {
            let (edge, stop) = (Arc::clone(&edge), websocket_stop.clone());
            async move {
                let stream = WebSocketBytes::of_server(stream, read_ahead).await;
                mqtt::serve(stream, peer, edge, stop).await;
            }
        };
        edges.spawn(http::serve(https.sockets, tls, http::router(state), websocket, stop.clone()));
        Ok(Self { ready, ca_pem: ca.ca_pem().to_owned(), metrics_address, engine, telemetry, stop, edges })
    }

    /// What clients need to know.
    #[must_use]
    pub fn ready(&self) -> &ReadyInfo {
        &self.ready
    }

    /// The certificate authority that clients are to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Where the metrics are served, if they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The engine, for those who live in the same process.
    #[must_use]
    pub fn engine(&self) -> &EngineHandle {
        &self.engine
    }

    /// What devices sent.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Stops: no new connections, time for those under way, then the engine. Returns when all of it is done.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.edges.join_next().await {
            if let Err(error) = ended {
                tracing::error!(target: "iotjob::hub", %error, "an edge ended badly");
            }
        }
        self.telemetry.finish().await;
        self.engine.stop().await;
    }
}

fn certificate_authority(config: &HubConfig) -> Result<DevCa, TlsError> {
    let names = hosts::names(&config.host_name, config.listen.named());
    // Clients compare certificates with the machine's time, whatever clock the hub runs by.
    let now = Clock::system().now();
    match &config.ca {
        CaPlace::Memory => DevCa::in_memory(&names, now),
        CaPlace::Folder(folder) => DevCa::load_or_create(folder, &names, now),
    }
}

/// Gives each policy the keys it had before, or new ones that are stored.
fn with_keys(store: &Store, drafts: Vec<PolicyDraft>) -> Result<Policies, HubStartError> {
    // Keys of policies that are not asked for this time stay: they may come back.
    let mut known: BTreeMap<String, SymmetricKeyPair> = store.policy_keys()?.into_iter().collect();
    let known_before = known.len();
    let mut policies = Vec::with_capacity(drafts.len());
    for PolicyDraft { name, rights } in drafts {
        let keys = match known.get(&name) {
            Some(keys) => keys.clone(),
            None => generate_key_pair()?,
        };
        known.insert(name.clone(), keys.clone());
        policies.push(Policy { name, rights, keys });
    }
    if known.len() > known_before {
        store.put_policy_keys(&known.into_iter().collect::<Vec<_>>())?;
    }
    Ok(Policies::new(policies))
}

/// Registers the devices that are missing and gives all of them as they stand.
async fn register(engine: &EngineHandle, ids: &[DeviceId]) -> Result<Vec<Identity>, HubStartError> {
    let mut devices = Vec::with_capacity(ids.len());
    for id in ids {
        let twin_id = TwinId::device(id.clone());
        let identity = match engine.snapshot()?.identity(&twin_id)? {
            Some(identity) => identity,
            None => {
                let draft = IdentityDraft::enabled(twin_id, Authentication::Sas(generate_key_pair()?));
                let refused = |source| HubStartError::Register { id: id.clone(), source: Box::new(source) };
                engine.create_identity(draft).await.map_err(refused)?
            }
        };
        devices.push(identity);
    }
    Ok(devices)
}

fn ready_info(
    address: &HubAddress,
    ca: &DevCa,
    policies: &Policies,
    devices: &[Identity],
) -> Result<ReadyInfo, InvalidHost> {
    let mut connection_strings = BTreeMap::new();
    for policy in policies.iter() {
        connection_strings.insert(policy.name.clone(), address.service_string(policy)?.expose());
    }
    let mut by_id = BTreeMap::new();
    for device in devices {
        if let Some(string) = address.device_string(device)? {
            by_id.insert(device.id.to_string(), string.expose());
        }
    }
    Ok(ReadyInfo {
        host_name: address.host_name.clone(),
        https_port: address.https_port,
        mqtt_port: address.mqtt_port,
        ca_file: ca.ca_file().map(ToOwned::to_owned),
        connection_strings,
        devices: by_id,
    })
}
