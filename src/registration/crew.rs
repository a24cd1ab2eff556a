//! The devices of a fleet, equipped for one hub: identities to be registered, devices to be run.

use std::sync::Arc;

use jiff::Timestamp;

use crate::auth::HubHost;
use crate::client::{NewAuthentication, NewIdentity};
use crate::device::{
    Behaviour, Credentials, DeviceConfig, Endpoint, FleetStats, ReconnectSpans, Transport, UnfitForMqtt,
};
use crate::fleet::{Authentication, FleetSpec, Group, Shard};
use crate::model::{JsonObject, SymmetricKey, TwinId, X509Thumbprints};
use crate::tls::{ClientConfig, ClientIdentity, FleetCa, OfferedIdentity, TlsError};

/// How the devices of a fleet reach a hub, and what they prove themselves with.
pub struct CrewAccess<'a> {
    /// The hub's name.
    pub host: HubHost,
    /// Its port of MQTT.
    pub mqtt_port: u16,
    /// Its port of HTTPS, on which WebSockets are.
    pub https_port: u16,
    /// TLS settings; what devices with certificates add to them is their own.
    pub tls: Arc<ClientConfig>,
    /// The policy that signs for devices with tokens; it needs DeviceConnect.
    pub policy: Arc<str>,
    /// Its key.
    pub key: Arc<SymmetricKey>,
    /// What issues the certificates of groups that want a CA.
    pub ca: Option<&'a FleetCa>,
    /// How long devices wait before they dial again.
    pub reconnect: ReconnectSpans,
}

/// Why a fleet cannot be equipped.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// A certificate cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A device that MQTT cannot carry.
    #[error(transparent)]
    Unfit(#[from] UnfitForMqtt),
    /// A group wants certificates of a CA, and there is none.
    #[error("the group `{group}` wants certificates of the fleet's own CA, and none is named")]
    NoCa {
        /// The group.
        group: String,
    },
}

/// A group of a crew, and where it is counted.
#[derive(Debug, Clone)]
pub struct CrewGroup {
    /// Its name.
    pub name: String,
    /// Devices and modules of it.
    pub devices: u64,
    /// Where they are counted.
    pub stats: Arc<FleetStats>,
}

/// The devices and modules of a fleet, or of a shard of it.
pub struct Crew<'f> {
    spec: &'f FleetSpec,
    groups: Vec<CrewGroup>,
    members: Vec<Member>,
}

struct Member {
    /// The number of its device in the fleet.
    number: u64,
    config: DeviceConfig,
    authentication: NewAuthentication,
}

impl<'f> Crew<'f> {
    /// How many devices and modules there will be: each has a connection of its own.
    #[must_use]
    pub fn size(spec: &FleetSpec, shard: Shard) -> usize {
        let modules = spec.groups().iter().any(|group| !group.modules.is_empty());
        match modules {
            false => spec.len_of(shard),
            true => spec.devices_of(shard).map(|device| 1 + device.group.modules.len()).sum(),
        }
    }

    /// Equips a shard of a fleet.
    ///
    /// # Errors
    /// [`CrewError`].
    pub fn equip(
        spec: &'f FleetSpec,
        shard: Shard,
        access: &CrewAccess<'_>,
        now: Timestamp,
    ) -> Result<Self, CrewError> {
        let mut outfits = spec.groups().iter().map(|group| Outfit::of(group, access)).collect::<Vec<_>>();
        let mut members = Vec::with_capacity(spec.len_of(shard));
        for device in spec.devices_of(shard) {
            let own = |outfit: &&mut Outfit<'_>| std::ptr::eq(outfit.group, device.group);
            let outfit = outfits.iter_mut().find(own).expect("there is an outfit for each group of the fleet");
            let modules = &device.group.modules;
            let ids = std::iter::once((TwinId::device(device.id.clone()), &device.group.behaviour))
                .chain(device.module_ids().zip(modules.iter().map(|module| &module.behaviour)));
            for (id, behaviour) in ids {
                let (config, authentication) = outfit.device(id, behaviour, access, now)?;
                let config = config.numbered(device.number_in_group);
                members.push(Member { number: device.number, config, authentication });
                outfit.counted.devices += 1;
            }
        }
        let groups = outfits.into_iter().map(|outfit| outfit.counted).collect();
        Ok(Self { spec, groups, members })
    }

    /// How many devices and modules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What the hub's registry must hold, tags and all; made one at a time.
    pub fn identities(&self) -> impl Iterator<Item = NewIdentity> + '_ {
        self.members.iter().map(|member| {
            let id = TwinId::clone(member.config.id());
            let device = id.module.is_none().then(|| self.spec.device(member.number)).flatten();
            let tags = device.and_then(|device| self.spec.tags(&device)).unwrap_or_else(JsonObject::new);
            NewIdentity { id, authentication: member.authentication.clone(), status_reason: None, tags }
        })
    }

    /// The groups, in the order of the fleet.
    #[must_use]
    pub fn groups(&self) -> &[CrewGroup] {
        &self.groups
    }

    /// The devices and modules, ready to be started.
    #[must_use]
    pub fn into_devices(self) -> Vec<DeviceConfig> {
        self.members.into_iter().map(|member| member.config).collect()
    }
}

/// What the devices of a group have in common.
struct Outfit<'f> {
    group: &'f Group,
    endpoint: Arc<Endpoint>,
    counted: CrewGroup,
}

impl<'f> Outfit<'f> {
    fn of(group: &'f Group, access: &CrewAccess<'_>) -> Self {
        let port = match group.transport {
            Transport::Mqtt => access.mqtt_port,
            Transport::WebSocket => access.https_port,
        };
        let mut endpoint = Endpoint::of_hub(&access.host, group.transport, port, Arc::clone(&access.tls));
        endpoint.reconnect = access.reconnect;
        let counted = CrewGroup { name: group.name.to_string(), devices: 0, stats: Arc::default() };
        Self { group, endpoint: Arc::new(endpoint), counted }
    }

    fn device(
        &self,
        id: TwinId,
        behaviour: &Arc<Behaviour>,
        access: &CrewAccess<'_>,
        now: Timestamp,
    ) -> Result<(DeviceConfig, NewAuthentication), CrewError> {
        let own = |identity| OfferedIdentity::new(identity).map(Credentials::OwnCertificate);
        let (credentials, authentication) = match self.group.authentication {
            Authentication::Sas => {
                let (policy, key) = (Arc::clone(&access.policy), Arc::clone(&access.key));
                (Credentials::PolicyKey { policy, key }, NewAuthentication::Sas)
            }
            Authentication::SelfSigned => {
                let identity = ClientIdentity::self_signed(&id.to_string(), now)?;
                let [_, sha256] = identity.thumbprints();
                let thumbprints = X509Thumbprints { primary_thumbprint: Some(sha256), secondary_thumbprint: None };
                (own(identity)?, NewAuthentication::SelfSigned(thumbprints))
            }
            Authentication::CertificateAuthority => {
                let no_ca = || CrewError::NoCa { group: self.counted.name.clone() };
                let identity = access.ca.ok_or_else(no_ca)?.issue(&id.to_string(), now)?;
                (own(identity)?, NewAuthentication::CertificateAuthority)
            }
        };
        let config = DeviceConfig::new(Arc::clone(&self.endpoint), id, credentials, Arc::clone(behaviour))?;
        Ok((config.counted_in(Arc::clone(&self.counted.stats)), authentication))
    }
}
