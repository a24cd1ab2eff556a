//! Which files a PATH means: a file, a directory, a glob, or `-` for standard input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::limits::MANIFEST_DIRECTORY_DEPTH_MAX;

/// Says why there was nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No path at all.
    #[error("no PATH was given")]
    NoPath,
    /// No file, directory or match has this name.
    #[error("`{path}` does not exist")]
    NotFound {
        /// The path as given.
        path: String,
    },
    /// A directory or a glob without manifests.
    #[error("`{path}` holds no manifest: no file that ends in .yaml or .yml")]
    NoFiles {
        /// The path as given.
        path: String,
    },
    /// A pattern that is no glob.
    #[error("`{path}` is not a pattern: {reason}")]
    Pattern {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that the system refuses to read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl LoadError {
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), source }
    }
}

/// One text to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File {
        /// Where it is.
        path: PathBuf,
        /// The same for each way to it.
        identity: PathBuf,
        /// Whether it was named or found in a directory.
        origin: Origin,
    },
}

/// How a file came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The user named it, so it is a manifest.
    Named,
    /// It lies in a directory, and may belong to another tool.
    Found,
}

impl Input {
    /// A file that somebody named, by itself or by a pattern.
    fn named(path: PathBuf) -> Self {
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        Self::File { path, identity, origin: Origin::Named }
    }
}

/// The texts that one PATH means; at least one.
pub(super) fn expand(path: &Path) -> Result<Vec<Input>, LoadError> {
    if path == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    let shown = || path.display().to_string();
    if path.is_dir() {
        let mut found = Vec::new();
        search(path, 0, &mut found)?;
        return if found.is_empty() { Err(LoadError::NoFiles { path: shown() }) } else { Ok(found) };
    }
    if path.exists() {
        return Ok(vec![Input::named(path.to_owned())]);
    }
    if !shown().contains(['*', '?', '[']) {
        return Err(LoadError::NotFound { path: shown() });
    }
    matches(&shown())
}

fn matches(pattern: &str) -> Result<Vec<Input>, LoadError> {
    let bad = |reason: String| LoadError::Pattern { path: pattern.to_owned(), reason };
    let mut found = Vec::new();
    for entry in glob::glob(pattern).map_err(|error| bad(error.to_string()))? {
        let path = entry.map_err(|error| {
            let path = error.path().to_owned();
            LoadError::unreadable(&path, error.into())
        })?;
        if path.is_file() {
            found.push(Input::named(path));
        }
    }
    if found.is_empty() { Err(LoadError::NoFiles { path: pattern.to_owned() }) } else { Ok(found) }
}

/// Collects the YAML files below `directory`, in the order of their names; hidden ones are somebody else's.
fn search(directory: &Path, depth: usize, found: &mut Vec<Input>) -> Result<(), LoadError> {
    let unreadable = |error| LoadError::unreadable(directory, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?);
    }
    paths.sort_by_key(fs::DirEntry::file_name);
    let real_directory = directory.canonicalize();
    for entry in paths {
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(unreadable)?;
        // A link to a directory is not followed: it could lead back up.
        if kind.is_dir() {
            if depth < MANIFEST_DIRECTORY_DEPTH_MAX {
                search(&path, depth + 1, found)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
            && (kind.is_file() || path.is_file())
        {
            // Asking the system for each file's real path would take longer than reading it.
            let identity = match &real_directory {
                Ok(directory) if kind.is_file() => directory.join(entry.file_name()),
                _ => path.canonicalize().unwrap_or_else(|_| path.clone()),
            };
            found.push(Input::File { path, identity, origin: Origin::Found });
        }
    }
    Ok(())
}
