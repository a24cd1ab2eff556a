//! Files that hold secrets: readable by their owner only, and never seen half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes a folder, and those above it, for the owner alone.
///
/// # Errors
/// What the file system says.
pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a new or existing file for the owner alone, empty.
///
/// # Errors
/// What the file system says.
pub(super) fn create_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens a new or existing file for the owner alone, to write behind what is there.
///
/// # Errors
/// What the file system says.
pub(super) fn append_to_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // The mode above is for new files only; a terminal or a pipe keeps its own.
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

/// Puts `content` at `path` whole: written beside it under the name `path` + `.new`, then renamed.
///
/// # Errors
/// What the file system says; nothing is left behind then.
pub(super) fn replace_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // A left-over of a crash may have other rights; a fresh file has ours.
    remove_if_there(beside)?;
    let written = create_private_file(beside)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        // The first error is the one to tell; a file that cannot be removed either is in the same trouble.
        let _ = fs::remove_file(beside);
    }
    written
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// What the file system says.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/secret.json");
        create_private_folder(path.parent().unwrap()).unwrap();
        fs::write(path.with_file_name("secret.json.new"), "left by a crash").unwrap();
        replace_private_file(&path, b"one, which is long").unwrap();
        replace_private_file(&path, b"two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        }
        remove_if_there(&path).unwrap();
        remove_if_there(&path).unwrap();
    }
}
