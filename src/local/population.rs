//! Who lives on a local hub: devices made up for manifests, or those of a fleet; registered and ready to be started.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::census::{Resident, census};
use super::{LocalError, Residents, policy};
use crate::auth::{HubHost, parse_service};
use crate::client::{HubClient, NewAuthentication, NewIdentity};
use crate::device::{
    Behaviour, Credentials, DeviceConfig, Endpoint, MethodRule, ReconnectSpans, Transport, ValueTemplate,
};
use crate::fleet::{Authentication, FleetSpec, Shard};
use crate::hub::ReadyInfo;
use crate::manifest::{Action, Manifest};
use crate::model::{Clock, Latency, MethodName, Rng, Seed, TwinId};
use crate::registration::{Crew, CrewAccess, Mark};
use crate::tls::{FleetCa, TrustAnchors, client_config};

/// The policy whose key the devices share; a fleet needs no keys of its own here.
const DEVICE_POLICY: &str = "device";
/// The quickest answer of a device to a method, and the slowest: real ones take their time, and else there is nothing to
/// watch.
const ANSWER_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1_500));

/// The devices of a local hub before they are started.
pub(super) enum Population<'p> {
    MadeUp { residents: Vec<Resident>, methods: Vec<MethodName> },
    Fleet { spec: &'p FleetSpec, size: usize, ca: Option<Box<FleetCa>> },
}

impl<'p> Population<'p> {
    /// Takes stock; there must be no more than `max` devices and modules.
    pub(super) fn of(residents: Residents<'p>, max: usize) -> Result<Self, LocalError> {
        let fits = |wanted| if wanted > max { Err(LocalError::NoRoom { wanted, max }) } else { Ok(()) };
        match residents {
            Residents::MadeUp { manifests, devices } => {
                fits(devices)?;
                let residents = census(manifests, devices)?;
                fits(residents.len())?;
                Ok(Self::MadeUp { residents, methods: methods(manifests) })
            }
            Residents::Fleet(spec) => {
                let size = Crew::size(spec, Shard::WHOLE);
                fits(size)?;
                let of_ca = |group: &crate::fleet::Group| group.authentication == Authentication::CertificateAuthority;
                let ca = spec.groups().iter().any(of_ca).then(FleetCa::in_memory).transpose()?.map(Box::new);
                Ok(Self::Fleet { spec, size, ca })
            }
        }
    }

    /// How many devices and modules there are.
    pub(super) fn devices(&self) -> usize {
        match self {
            Self::MadeUp { residents, .. } => residents.len(),
            Self::Fleet { size, .. } => *size,
        }
    }

    /// A file with the CA that the hub must trust, while the value lives.
    pub(super) fn ca_file(&self) -> Result<Option<NamedTempFile>, LocalError> {
        let Self::Fleet { ca: Some(ca), .. } = self else { return Ok(None) };
        let write = || {
            let mut file = NamedTempFile::new()?;
            file.write_all(ca.pem().as_bytes())?;
            Ok(file)
        };
        write().map(Some).map_err(LocalError::FleetCa)
    }

    /// Registers everybody and makes the devices ready.
    pub(super) async fn settle(
        &self,
        ready: &ReadyInfo,
        client: &HubClient,
        trust: &TrustAnchors,
        (clock, rng): (&Clock, &Rng),
    ) -> Result<(Vec<DeviceConfig>, Seed), LocalError> {
        match self {
            Self::MadeUp { residents, methods } => {
                register(client, residents).await?;
                Ok((device_configs(ready, residents, methods, trust)?, Seed::drawn(rng)))
            }
            Self::Fleet { spec, ca, .. } => {
                let string = parse_service(policy(ready, DEVICE_POLICY))?.value;
                let access = CrewAccess {
                    host: HubHost { name: ready.host_name.clone(), port: None },
                    mqtt_port: ready.mqtt_port,
                    https_port: ready.https_port,
                    tls: Arc::new(client_config(trust)?),
                    policy: string.policy.into(),
                    key: Arc::new(string.key),
                    ca: ca.as_deref(),
                    reconnect: ReconnectSpans::default(),
                };
                let crew = Crew::equip(spec, Shard::WHOLE, &access, clock.now())?;
                let mark = Mark::of_fleet(spec.name().as_str())?;
                crate::registration::register(client, &mark, crew.identities(), |_| ()).await?;
                Ok((crew.into_devices(), spec.seed()))
            }
        }
    }
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
