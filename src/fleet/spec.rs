//! What a fleet file says once it has passed every check: groups, and devices that follow from them one at a time.

use std::sync::Arc;

use super::name::Name;
use super::shard::Shard;
use crate::device::{Behaviour, IdTemplate, Individual, Transport, ValueTemplate};
use crate::model::{AuthenticationType, DeviceId, InvalidId, JsonObject, ModuleId, Seed, TwinId};

/// A fleet: its groups, and the seed that decides everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSpec {
    pub(super) name: Name,
    pub(super) seed: Seed,
    pub(super) groups: Vec<Group>,
}

/// Devices that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// How many devices it has.
    pub count: u64,
    /// The number in the fleet of its first device, from 1.
    pub first: u64,
    /// What its devices do; shared by all of them.
    pub behaviour: Arc<Behaviour>,
    /// How its devices prove who they are.
    pub authentication: Authentication,
    /// What carries MQTT.
    pub transport: Transport,
    /// The modules that each of its devices has.
    pub modules: Vec<Module>,
    pub(super) ids: IdTemplate,
    pub(super) tags: Option<ValueTemplate>,
}

/// A module that each device of a group has.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// Its id.
    pub id: ModuleId,
    /// What it does; shared by all devices.
    pub behaviour: Arc<Behaviour>,
}

/// How the devices of a group prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// With a token, signed with a key of the device's own.
    #[default]
    Sas,
    /// With a certificate that the registry knows by its thumbprint.
    SelfSigned,
    /// With a certificate that the fleet's own CA issues.
    CertificateAuthority,
}

impl From<Authentication> for AuthenticationType {
    fn from(authentication: Authentication) -> Self {
        match authentication {
            Authentication::Sas => Self::Sas,
            Authentication::SelfSigned => Self::SelfSigned,
            Authentication::CertificateAuthority => Self::CertificateAuthority,
        }
    }
}

/// One device of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetDevice<'f> {
    /// Its number in the fleet, from 1; shards go by it.
    pub number: u64,
    /// Its number in its group, from 1; ids and templates count with it.
    pub number_in_group: u64,
    /// Its group.
    pub group: &'f Group,
    /// Its id.
    pub id: DeviceId,
}

impl FleetDevice<'_> {
    /// The ids of its modules.
    pub fn module_ids(&self) -> impl Iterator<Item = TwinId> + '_ {
        self.group.modules.iter().map(|module| TwinId::module(self.id.clone(), module.id.clone()))
    }
}

impl FleetSpec {
    /// A fleet that no file describes: so many devices that are all alike, in one group `devices`.
    ///
    /// # Errors
    /// [`InvalidId`] when the last number makes the id too long.
    pub fn uniform(
        ids: IdTemplate,
        count: u64,
        behaviour: Arc<Behaviour>,
        transport: Transport,
    ) -> Result<Self, InvalidId> {
        ids.id(count.max(1))?;
        let name: Name = "devices".parse().expect("these are lower-case letters");
        let group = Group {
            name: name.clone(),
            count,
            first: 1,
            behaviour,
            authentication: Authentication::Sas,
            transport,
            modules: Vec::new(),
            ids,
            tags: None,
        };
        Ok(Self { name, seed: Seed::default(), groups: vec![group] })
    }

    /// The fleet's name: what the file says, or its stem.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The seed of every decision.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The same fleet under another seed.
    #[must_use]
    pub fn with_seed(self, seed: Seed) -> Self {
        Self { seed, ..self }
    }

    /// The groups, in the order of the file.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many devices the fleet has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The device with that number, from 1.
    #[must_use]
    pub fn device(&self, number: u64) -> Option<FleetDevice<'_>> {
        let after = self.groups.partition_point(|group| group.first <= number);
        // Groups without devices have the number of those behind them.
        let group = self.groups[..after].iter().rfind(|group| group.count > 0)?;
        let number_in_group = number - group.first + 1;
        // The checks made the id of the last number, which is the longest.
        let id = group.ids.id(number_in_group).ok().filter(|_| number_in_group <= group.count)?;
        Some(FleetDevice { number, number_in_group, group, id })
    }

    /// Every device, one after the other.
    pub fn devices(&self) -> impl Iterator<Item = FleetDevice<'_>> {
        self.devices_of(Shard::WHOLE)
    }

    /// The devices of one shard.
    pub fn devices_of(&self, shard: Shard) -> impl Iterator<Item = FleetDevice<'_>> {
        shard.numbers(self.len()).filter_map(|number| self.device(number))
    }

    /// How many devices a shard has.
    #[must_use]
    pub fn len_of(&self, shard: Shard) -> usize {
        shard.numbers(self.len()).len()
    }

    /// The tags that a device is registered with; none when its group has none.
    #[must_use]
    pub fn tags(&self, device: &FleetDevice<'_>) -> Option<JsonObject> {
        let tags = device.group.tags.as_ref()?;
        let id = TwinId::device(device.id.clone());
        let seed = self.seed.of(device.id.as_str());
        Some(tags.fill(&Individual { seed, id: &id, number: device.number_in_group }, "tags"))
    }
}
