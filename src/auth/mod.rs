//! Connection strings and shared access signatures, for client, device and hub alike; signed web tokens for the hub.
//!
//! Pure: no I/O and no clock of its own. It does not decide who may do what; it says what a token proves.

mod connection_string;
mod host;
mod jwt;
mod keys;
mod rights;
mod sas;
mod scope;

pub use connection_string::{
    ConnectionString, ConnectionStringError, DeviceConnectionString, DeviceProof, Parsed, ServiceConnectionString,
    parse, parse_device, parse_service,
};
pub use host::{HubHost, InvalidHost};
pub use jwt::{JwtError, KeySet, KeySetError};
pub use keys::{NoRandomness, generate_key, generate_key_pair};
pub use rights::{DefaultPolicy, Right, Rights, UnknownRight};
pub use sas::{ParsedSas, SasError, SasToken};
pub use scope::{AcceptedHosts, Resource};
