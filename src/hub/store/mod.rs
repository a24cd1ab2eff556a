//! The embedded, crash-safe database: identities, twins, jobs, rows and sessions.
//!
//! One writer (the engine's thread) with one transaction a batch; any number of readers, each with a
//! [`Snapshot`] that never waits for the writer. What a commit has returned for is on the disk.

mod document;
mod error;
mod judged_row;
mod member;
mod parts;
mod past;
mod presence;
mod read;
mod record;
mod rows;
mod schema;
mod snapshot;
mod stored_twin;
mod tables;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use parts::Portion;
pub use past::Past;
pub use presence::{Presence, PresenceBoard};
pub use read::{TwinCollection, TwinFilter, TwinScan, TwinVisitor};
pub use record::{DeviceCounts, JobRecord, RowRecord, SessionRecord};
pub use rows::JobRow;
pub use snapshot::{Counts, IdentityScope, RowKey, Snapshot};
pub use tables::{PatchedTwin, Touched, WriteTables};

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, Durability, ReadableDatabase, StorageBackend};

use self::schema::{FORMAT, META, META_FORMAT, META_POLICY_KEYS};
use super::private_file::create_private_folder;
use crate::model::limits::{STORE_CACHE_BYTES_MAX, STORE_MEMORY_CACHE_BYTES_MAX};
use crate::model::{Clock, SymmetricKeyPair};

/// The file in the data folder.
const FILE_NAME: &str = "hub.redb";

/// Whether a crash may happen to the database: memory is gone with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    File,
    Memory,
}

impl Medium {
    /// A database that sets its cache up for this medium. The library's own choice is a gigabyte.
    fn builder(self) -> redb::Builder {
        let mut builder = Database::builder();
        builder.set_cache_size(match self {
            Self::File => STORE_CACHE_BYTES_MAX,
            // What is in memory already gains nothing from a second copy but the pages that everybody passes through.
            Self::Memory => STORE_MEMORY_CACHE_BYTES_MAX,
        });
        builder
    }
}

/// The database file, or memory; cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    presence: Arc<PresenceBoard>,
    past: Option<Arc<Past>>,
    medium: Medium,
}

impl Store {
    /// Opens or creates the database of a folder, which is made when missing.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used, belongs to another process, or has another format.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Folder { path: dir.to_owned(), source };
        create_private_folder(dir).map_err(unusable)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(dir.join(FILE_NAME)).map_err(unusable)?;
        let in_use = |error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: dir.to_owned() },
            other => other.into(),
        };
        let backend = FileBackend::new(file).map_err(in_use)?;
        let database = Medium::File.builder().create_with_backend(backend).map_err(in_use)?;
        Self::new(database, Medium::File)
    }

    /// A database that ends with the process.
    ///
    /// # Errors
    /// [`StoreError`] when memory runs out.
    pub fn in_memory() -> Result<Self, StoreError> {
        let database = Medium::Memory.builder().create_with_backend(InMemoryBackend::new())?;
        Self::new(database, Medium::Memory)
    }

    /// A database on a storage of one's own, which is used as a file is and may fail on purpose.
    ///
    /// # Errors
    /// [`StoreError`] when the storage fails.
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::new(Medium::File.builder().create_with_backend(backend)?, Medium::File)
    }

    fn new(database: Database, medium: Medium) -> Result<Self, StoreError> {
        let store = Self { database: Arc::new(database), presence: Arc::default(), past: None, medium };
        let txn = store.begin()?;
        {
            // Opening a table creates it: a reader may then rely on all of them.
            drop(WriteTables::open(&txn.0, &store.presence)?);
            let mut meta = txn.0.open_table(META)?;
            let found: Option<u32> = read::record(&meta, "meta", META_FORMAT)?;
            match found {
                Some(FORMAT) => return Ok(store),
                Some(found) => return Err(StoreError::Format { found, known: FORMAT }),
                None => meta.insert(META_FORMAT, read::encode("meta", META_FORMAT, &FORMAT)?.as_slice())?,
            };
        }
        txn.commit()?;
        Ok(store)
    }

    /// The same with queries and connection states that come late. Call it before anybody reads or writes.
    #[must_use]
    pub fn with_lags(mut self, clock: &Clock, query: Duration, state: Duration) -> Self {
        if !query.is_zero() {
            self.past = Some(Arc::new(Past::new(clock.clone(), query)));
        }
        if !state.is_zero() {
            self.presence = Arc::new(PresenceBoard::lagging(clock.clone(), state));
        }
        self
    }

    /// A consistent view of now.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(&self.database, Arc::clone(&self.presence))?.with_past(self.past.clone()))
    }

    /// Starts a write transaction; waits for the one under way.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn begin(&self) -> Result<WriteBatch, StoreError> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        // Twice the cost of a commit, and a crash costs a millisecond at the next start instead of seconds.
        txn.set_quick_repair(self.medium == Medium::File);
        Ok(WriteBatch(txn))
    }

    /// The live connections, shared with every snapshot.
    #[must_use]
    pub fn presence(&self) -> &Arc<PresenceBoard> {
        &self.presence
    }

    /// The keys of the policies by name, as [`Self::put_policy_keys`] left them: empty at the first start.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub fn policy_keys(&self) -> Result<Vec<(String, SymmetricKeyPair)>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(read::record(&meta, "meta", META_POLICY_KEYS)?.unwrap_or_default())
    }

    /// Keeps the policies' keys, so that connection strings survive a restart. Call it before the engine starts.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub fn put_policy_keys(&self, keys: &[(String, SymmetricKeyPair)]) -> Result<(), StoreError> {
        let batch = self.begin()?;
        let bytes = read::encode("meta", META_POLICY_KEYS, &keys)?;
        batch.0.open_table(META)?.insert(META_POLICY_KEYS, bytes.as_slice())?;
        batch.commit()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.medium)
    }
}

/// One write transaction; dropped without a commit, it never happened.
pub struct WriteBatch(redb::WriteTransaction);

impl WriteBatch {
    /// The tables, to read and write.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub fn tables<'t>(&'t self, store: &'t Store) -> Result<WriteTables<'t>, StoreError> {
        Ok(WriteTables::open(&self.0, &store.presence)?.with_past(store.past.as_deref()))
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails; nothing of the batch may be promised then.
    pub fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit()?)
    }
}
