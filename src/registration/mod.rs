//! Equips the devices of a fleet for a hub, registers them there, and deletes them again: those, and no others, that
//! carry its mark.

mod crew;
mod mark;
mod prune;
mod register;

use crate::client::{BulkFailure, ClientError};

pub use crew::{Crew, CrewAccess, CrewError, CrewGroup};
pub use mark::{InvalidMark, Mark};
pub use prune::{Pruned, prune};
pub use register::{Registered, register};

/// Why a fleet could not be registered or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The hub refused one identity.
    #[error("the hub did not {verb} `{}`: {}", name(.failure), reason(.failure))]
    Refused {
        /// What was to be done.
        verb: &'static str,
        /// What the hub said.
        failure: BulkFailure,
    },
}

fn name(failure: &BulkFailure) -> String {
    match &failure.module_id {
        Some(module) => format!("{}/{module}", failure.device_id),
        None => failure.device_id.clone(),
    }
}

fn reason(failure: &BulkFailure) -> &str {
    if failure.message.is_empty() { &failure.code_text } else { &failure.message }
}

#[cfg(test)]
mod tests;
