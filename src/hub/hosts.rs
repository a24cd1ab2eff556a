//! The names of a hub: what it answers to, what its certificate says, and what its connection strings carry.

use std::net::IpAddr;

use super::policies::Policy;
use super::registry::{Authentication, Identity};
use crate::auth::{AcceptedHosts, DeviceConnectionString, DeviceProof, HubHost, InvalidHost, ServiceConnectionString};

/// The port that service connection strings leave out.
const HTTPS_PORT: u16 = 443;
/// The port that device connection strings leave out.
const MQTT_PORT: u16 = 8883;

/// A running hub's name and ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    /// The name that clients dial, without a port.
    pub host_name: String,
    /// Where the service API listens.
    pub https_port: u16,
    /// Where devices connect.
    pub mqtt_port: u16,
}

impl HubAddress {
    /// The host of service connection strings: with its port unless that is 443.
    ///
    /// # Errors
    /// [`InvalidHost`] when the host name is none.
    pub fn service_host(&self) -> Result<HubHost, InvalidHost> {
        HubHost::new(&self.host_name, (self.https_port != HTTPS_PORT).then_some(self.https_port))
    }

    /// The host of device connection strings: with its port unless that is 8883.
    ///
    /// # Errors
    /// [`InvalidHost`] when the host name is none.
    pub fn device_host(&self) -> Result<HubHost, InvalidHost> {
        HubHost::new(&self.host_name, (self.mqtt_port != MQTT_PORT).then_some(self.mqtt_port))
    }

    /// What a service with this policy's primary key uses.
    ///
    /// # Errors
    /// [`InvalidHost`] when the host name is none.
    pub fn service_string(&self, policy: &Policy) -> Result<ServiceConnectionString, InvalidHost> {
        Ok(ServiceConnectionString {
            host: self.service_host()?,
            policy: policy.name.clone(),
            key: policy.keys.primary_key.clone(),
        })
    }

    /// What this device uses; nothing for one that cannot connect.
    ///
    /// # Errors
    /// [`InvalidHost`] when the host name is none.
    pub fn device_string(&self, identity: &Identity) -> Result<Option<DeviceConnectionString>, InvalidHost> {
        let proof = match &identity.authentication {
            Authentication::Sas(keys) => DeviceProof::Key(keys.primary_key.clone()),
            Authentication::SelfSigned(_) | Authentication::CertificateAuthority => DeviceProof::Certificate,
            Authentication::None => return Ok(None),
        };
        Ok(Some(DeviceConnectionString {
            host: self.device_host()?,
            device: identity.id.device.clone(),
            module: identity.id.module.clone(),
            proof,
            gateway: None,
        }))
    }
}

/// Every name under which a hub may be dialled: its own, the loopback names and the addresses it listens on.
///
/// The certificate carries all of them, and tokens and MQTT user names may use any.
#[must_use]
pub fn names(host_name: &str, listen: &[IpAddr]) -> Vec<String> {
    let mut names = vec![host_name.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(listen.iter().filter(|address| !address.is_unspecified()).map(ToString::to_string));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));
    names
}

/// The names as the check of tokens and user names wants them.
#[must_use]
pub fn accepted(host_name: &str, listen: &[IpAddr]) -> AcceptedHosts {
    AcceptedHosts::of(names(host_name, listen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rights;
    use crate::model::{IdentityStatus, SymmetricKey, SymmetricKeyPair, TwinId, WireTime};

    fn keys() -> SymmetricKeyPair {
        let key = |byte| SymmetricKey::from_bytes(vec![byte; 16]).unwrap();
        SymmetricKeyPair { primary_key: key(1), secondary_key: key(2) }
    }

    fn strings(https_port: u16, mqtt_port: u16) -> (String, String) {
        let address = HubAddress { host_name: "localhost".to_owned(), https_port, mqtt_port };
        let policy = Policy { name: "service".to_owned(), rights: Rights::default(), keys: keys() };
        let device = Identity {
            id: TwinId::device("d1".parse().unwrap()),
            generation_id: 1,
            etag: 1,
            status: IdentityStatus::Enabled,
            status_reason: None,
            status_updated: WireTime::Never,
            authentication: Authentication::Sas(keys()),
            iot_edge: false,
            device_scope: None,
            parent_scopes: Vec::new(),
            managed_by: None,
        };
        let device = address.device_string(&device).unwrap().unwrap().expose();
        (address.service_string(&policy).unwrap().expose(), device)
    }

    // conformance: REST.md 2.1: the hub prints connection strings of policies and devices
    #[test]
    fn strings_carry_a_port_unless_it_is_the_usual_one() {
        let key = "AQEBAQEBAQEBAQEBAQEBAQ==";
        let (service, device) = strings(443, 8883);
        assert_eq!(service, format!("HostName=localhost;SharedAccessKeyName=service;SharedAccessKey={key}"));
        assert_eq!(device, format!("HostName=localhost;DeviceId=d1;SharedAccessKey={key}"));
        let (service, device) = strings(8443, 18_883);
        assert_eq!(service, format!("HostName=localhost:8443;SharedAccessKeyName=service;SharedAccessKey={key}"));
        assert_eq!(device, format!("HostName=localhost:18883;DeviceId=d1;SharedAccessKey={key}"));
    }

    #[test]
    fn a_hub_answers_to_its_name_and_its_addresses_once_each() {
        let listen: Vec<IpAddr> = ["127.0.0.1", "0.0.0.0", "192.0.2.7"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(names("LOCALHOST", &listen), ["LOCALHOST", "127.0.0.1", "::1", "192.0.2.7"]);
        assert!(accepted("hub.test", &listen).accepts("192.0.2.7:8883"));
        assert!(!accepted("hub.test", &listen).accepts("0.0.0.0"));
    }
}
