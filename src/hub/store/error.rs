//! Why the database could not do as asked.

use std::path::PathBuf;

use crate::hub::HubError;
use crate::model::ErrorCode;

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or the file cannot be made or opened.
    #[error("the hub's data folder `{}` cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the database open.
    #[error("the hub's data folder `{}` is in use by another hub", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a version that this one does not understand.
    #[error("the database has format {found}; this version reads format {known}")]
    Format {
        /// The format of the file.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A record that this version does not read.
    #[error("the record `{key}` of table `{table}` cannot be read")]
    Record {
        /// The table.
        table: &'static str,
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Records that belong together are not together.
    #[error("the record `{key}` of table `{table}` has no counterpart")]
    Torn {
        /// The table.
        table: &'static str,
        /// Its key.
        key: String,
    },
    /// The database itself: a full disk, an input or output error, a damaged file.
    #[error("the database cannot be read or written")]
    Database(#[source] Box<redb::Error>),
    /// A reading ended early.
    #[error("a read of the store ended early")]
    Abandoned(#[source] tokio::task::JoinError),
    /// The operating system gives no thread to write with.
    #[error("the engine's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}

from_redb!(CommitError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError);

impl StoreError {
    /// The error and what caused it, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorCode::ServerError, "An internal error occurred.").because(error.chain())
    }
}
