//! The hub's service API over HTTPS.
//!
//! [`HubClient`] asks; [`ClientError`] says what went wrong and what to do about it. It knows which calls may be
//! repeated and how long to be patient, and nothing of runs, manifests or terminals: a lost answer to a job's PUT,
//! for instance, is told and never guessed at.

mod asker;
mod bulk;
mod devices;
mod entra;
mod envelope;
mod error;
mod hub_client;
mod jobs;
mod methods;
mod operation;
mod pages;
mod query;
mod retry;
mod token;
mod transport;
mod twins;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

pub use asker::Asker;
pub use bulk::{BulkFailure, NewAuthentication, NewIdentity, RegistryEntry};
pub use devices::{DeviceAuthentication, DeviceIdentity};
pub use entra::{EntraSignIn, ReadVariable, SignIn, SignInError, UnknownSignIn};
pub use error::{BadAnswer, ClientError, ErrorClass, ErrorKind, ServiceError, SetupError, Unreached};
pub use hub_client::{HubAccess, HubClient, HubClientConfig};
pub use operation::Operation;
pub use query::{FetchedQueryPage, QueryPage, QueryPages, device_jobs_query};
pub use retry::{Notify, Pace, Patience, Waiting};
pub use twins::IfMatch;
pub use wire::{NoAnswer, Wire, WireAnswer};
