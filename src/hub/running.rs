//! Which hubs of this user are running, so that `iotjob hub env` finds the newest without being told.
//!
//! A running hub holds the lock of `NAME.lock` and describes itself in `NAME.json`. The lock, unlike a process id, cannot
//! outlive its hub or be taken for another's; what a crashed hub left is removed by whoever looks next.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};

use super::private_file::{create_private_file, create_private_folder, remove_if_there, replace_private_file};
use super::ready_file::{ReadyFile, ReadyInfo};
use crate::model::{Clock, Rng};

/// Says why the running hubs cannot be listed or joined.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// The user has no home.
    #[error("this user has no home folder to note running hubs in")]
    NoHome,
    /// The file system refuses.
    #[error("cannot use `{}`, where running hubs are noted", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The description cannot be written as JSON: the CA's path is not Unicode.
    #[error("cannot describe the hub")]
    Content(#[from] serde_json::Error),
}

/// Where iotjob keeps what outlives a run: the hub's CA.
///
/// # Errors
/// [`RunningError::NoHome`] when the user has none.
pub fn user_data_folder() -> Result<PathBuf, RunningError> {
    Ok(choose_base_strategy().map_err(|_| RunningError::NoHome)?.data_dir().join("iotjob"))
}

/// The folder in which this user's running hubs are noted.
#[derive(Debug, Clone)]
pub struct RunningHubs {
    folder: PathBuf,
}

/// A hub's place among the running ones; given up when dropped, also by a crash.
#[derive(Debug)]
pub struct Announcement {
    description: PathBuf,
    lock_path: PathBuf,
    /// Held for as long as the hub runs.
    lock: Option<File>,
}

impl RunningHubs {
    /// Those of this user.
    ///
    /// # Errors
    /// [`RunningError::NoHome`] when the user has no home.
    pub fn of_this_user() -> Result<Self, RunningError> {
        let strategy = choose_base_strategy().map_err(|_| RunningError::NoHome)?;
        let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
        Ok(Self::in_folder(state.join("iotjob").join("hubs")))
    }

    /// Those noted in a folder.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Notes a hub as running until the announcement is dropped.
    ///
    /// # Errors
    /// [`RunningError`] when the folder cannot be written.
    pub fn announce(&self, info: &ReadyInfo, clock: &Clock, rng: &Rng) -> Result<Announcement, RunningError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| RunningError::Io { path, source }
        };
        create_private_folder(&self.folder).map_err(io(&self.folder))?;
        // Names sort by time; the random part parts hubs that start at once.
        let name = format!("{:020}-{:016x}", clock.now().as_millisecond().max(0), rng.next_u64());
        let lock_path = self.folder.join(format!("{name}.lock"));
        let lock = create_private_file(&lock_path).map_err(io(&lock_path))?;
        lock.lock().map_err(io(&lock_path))?;
        // The description comes last: without it nobody looks at the lock.
        let description = self.folder.join(format!("{name}.json"));
        replace_private_file(&description, &serde_json::to_vec(info)?).map_err(io(&description))?;
        Ok(Announcement { description, lock_path, lock: Some(lock) })
    }

    /// The hub that started last and still runs. Removes what crashed hubs left.
    ///
    /// # Errors
    /// [`RunningError::Io`] when the folder cannot be read.
    pub fn newest(&self) -> Result<Option<ReadyInfo>, RunningError> {
        let io = |source| RunningError::Io { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(io)?,
        };
        let mut descriptions = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                descriptions.push(path);
            }
        }
        descriptions.sort_unstable();
        for description in descriptions.into_iter().rev() {
            let lock_path = description.with_extension("lock");
            if !is_held(&lock_path) {
                forget(&description, &lock_path);
                continue;
            }
            // A hub that ends right now takes its description along: then the next one is the newest.
            if let Ok(info) = ReadyFile::at(description).read() {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }
}

fn is_held(lock_path: &Path) -> bool {
    File::open(lock_path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Removes a hub's files. What cannot be removed is seen again, and found stale again, by the next look.
fn forget(description: &Path, lock_path: &Path) {
    for path in [description, lock_path] {
        if let Err(error) = remove_if_there(path) {
            tracing::debug!(target: "iotjob::hub", path = %path.display(), %error, "a left-over of an ended hub stays");
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Windows does not remove an open file.
        self.lock.take();
        forget(&self.description, &self.lock_path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::hub::ready_file::tests::info;

    fn at(second: u64) -> Clock {
        Clock::driven(Timestamp::UNIX_EPOCH, move || Duration::from_secs(second))
    }

    #[test]
    fn the_newest_hub_that_still_runs_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let hubs = RunningHubs::in_folder(folder.path().join("hubs"));
        let rng = Rng::seeded(1);
        assert_eq!(hubs.newest().unwrap(), None);
        let second = hubs.announce(&info(2), &at(20), &rng).unwrap();
        let first = hubs.announce(&info(1), &at(10), &rng).unwrap();
        assert_eq!(hubs.newest().unwrap().unwrap().https_port, 2);
        drop(second);
        assert_eq!(hubs.newest().unwrap().unwrap().https_port, 1);
        drop(first);
        assert_eq!(hubs.newest().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path().join("hubs")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_crashed_hub_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let hubs = RunningHubs::in_folder(folder.path());
        let mut crashed = hubs.announce(&info(1), &at(10), &Rng::seeded(1)).unwrap();
        // A crash frees the lock and removes nothing.
        crashed.lock.take();
        assert_eq!(hubs.newest().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
