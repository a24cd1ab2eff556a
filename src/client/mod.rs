//! The hub's service API over HTTPS.
//!
//! [`HubClient`] asks; [`ClientError`] says what went wrong and what to do about it. It knows which calls may be
//! repeated and how long to be patient, and nothing of runs, manifests or terminals: a lost answer to a job's PUT,
//! for instance, is told and never guessed at.

mod bulk;
mod devices;
mod envelope;
mod error;
mod hub_client;
mod jobs;
mod methods;
mod pages;
mod query;
mod retry;
mod token;
mod transport;
mod twins;

#[cfg(test)]
pub(crate) mod tests;

pub use bulk::{BulkFailure, NewAuthentication, NewIdentity, RegistryEntry};
pub use devices::{DeviceAuthentication, DeviceIdentity};
pub use error::{BadAnswer, ClientError, ErrorClass, ErrorKind, Operation, ServiceError, SetupError, Unreached};
pub use hub_client::{HubClient, HubClientConfig};
pub use query::{QueryPage, QueryPages, device_jobs_query};
pub use retry::{Notify, Pace, Patience, Waiting};
pub use twins::IfMatch;
