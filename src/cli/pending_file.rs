//! A file that is there whole or not at all: its place is tried first, and taken when its content is known.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that will be written. Dropped unwritten, it leaves nothing behind.
#[derive(Debug)]
pub struct PendingFile {
    target: PathBuf,
    /// Where the content goes first; none for pipes and devices, which are written as they are.
    beside: Option<PathBuf>,
    file: File,
}

impl PendingFile {
    /// Makes sure that `path` can be written, without touching what is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => {
                let file = File::options().write(true).open(path)?;
                Ok(Self { target: path.to_owned(), beside: None, file })
            }
            // What a link points to is replaced, not the link.
            Ok(_) => Self::beside(path.canonicalize()?),
            Err(_) => Self::beside(path.to_owned()),
        }
    }

    fn beside(target: PathBuf) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let beside = target.with_file_name(hidden);
        let file = File::options().write(true).create(true).truncate(true).open(&beside)?;
        Ok(Self { target, beside: Some(beside), file })
    }

    /// Where the content will be.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes the content and puts it in its place.
    ///
    /// # Errors
    /// What the file system says; what was there before is still there then.
    pub fn write(mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut buffered = BufWriter::new(&self.file);
        content(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.target)?;
            self.beside = None;
        }
        Ok(())
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Nobody can be told any more, and the next one of this name replaces it.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        fs::write(&path, "old").unwrap();
        drop(PendingFile::create(&path).unwrap());
        let failed = PendingFile::create(&path).unwrap().write(|out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), names(folder.path())),
            ("old".into(), vec!["report.xml".into()])
        );
        PendingFile::create(&path).unwrap().write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), names(folder.path())),
            ("new".into(), vec!["report.xml".into()])
        );
    }

    #[test]
    fn a_place_that_cannot_be_taken_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PendingFile::create(folder.path()).is_err());
        assert!(PendingFile::create(&folder.path().join("no-folder/report.xml")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_links_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        PendingFile::create(Path::new("/dev/null")).unwrap().write(|out| out.write_all(b"gone")).unwrap();
        let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        PendingFile::create(&link).unwrap().write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(link.is_symlink());
    }
}
