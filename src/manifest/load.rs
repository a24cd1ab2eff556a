//! Reads the files of a command, one after the other, and looks across them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checked::Manifest;
use super::document;
use super::files::{Input, LoadError, Origin, expand, names_another_schema};
use super::problem::{Place, Problem, Severity, SourceFile};
use super::rule::ProblemKind;
use crate::model::limits::MANIFEST_BYTES_MAX;

/// What standard input is called in messages.
const STDIN_NAME: &str = "<stdin>";

/// What a set of paths held: the manifests that are right, and everything that is not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The manifests without an error, in file order.
    pub manifests: Vec<Manifest>,
    /// Errors and warnings, in file order.
    pub problems: Vec<Problem>,
    /// The files that were read.
    pub sources: Vec<Arc<SourceFile>>,
}

impl Loaded {
    /// How many problems of a severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity() == severity).count()
    }

    /// Whether any manifest is invalid, so that nothing may be sent.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    fn add(&mut self, file: &Arc<SourceFile>, stem: Option<&str>) {
        let (manifests, problems) = document::read(file, stem);
        self.manifests.extend(manifests);
        self.problems.extend(problems);
        self.sources.push(Arc::clone(file));
    }

    fn add_problem(&mut self, file: SourceFile, span: std::ops::Range<usize>, kind: ProblemKind) {
        let file = Arc::new(file);
        self.problems.push(Problem::new(Place { file: Arc::clone(&file), span }, kind));
        self.sources.push(file);
    }

    /// Refuses every name that an earlier manifest has.
    fn refuse_taken_names(&mut self) {
        let mut taken: HashMap<String, Place> = HashMap::new();
        let mut refused = Vec::new();
        self.manifests.retain(|manifest| {
            let place = Place { file: Arc::clone(&manifest.source.file), span: manifest.source.name_span.clone() };
            let name = manifest.name.as_str().to_owned();
            let Some(first) = taken.get(&name) else {
                taken.insert(name, place);
                return true;
            };
            let (line, _) = first.file.line_column(first.span.start);
            let first = format!("{}:{line}", first.file.name());
            refused.push(Problem::new(place, ProblemKind::NameTaken { name, first }));
            false
        });
        if refused.is_empty() {
            return;
        }
        self.problems.extend(refused);
        let order: HashMap<*const SourceFile, usize> =
            self.sources.iter().enumerate().map(|(at, file)| (Arc::as_ptr(file), at)).collect();
        self.problems.sort_by_key(|problem| {
            let file = order.get(&Arc::as_ptr(&problem.place.file)).copied().unwrap_or(usize::MAX);
            (file, problem.place.span.start)
        });
    }
}

/// Reads and checks every manifest under `paths`: files, directories, globs, `-` for `stdin`. A file that is named
/// twice is read once.
///
/// # Errors
///
/// When a path names nothing that can be read. What is wrong inside a file is a [`Problem`], not an error.
pub fn load(paths: &[PathBuf], stdin: impl Read) -> Result<Loaded, LoadError> {
    if paths.is_empty() {
        return Err(LoadError::NoPath);
    }
    let mut loaded = Loaded::default();
    let mut stdin = Some(stdin);
    let mut seen = HashSet::new();
    for path in paths {
        let mut any = false;
        for input in expand(path)? {
            match input {
                Input::Stdin => {
                    any = true;
                    if let Some(stdin) = stdin.take() {
                        read_stdin(&mut loaded, stdin)?;
                    }
                }
                Input::File { path, origin } => {
                    let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
                    if seen.contains(&identity) {
                        any = true;
                    } else if read_file(&mut loaded, &path, origin)? {
                        any = true;
                        seen.insert(identity);
                    }
                }
            }
        }
        if !any {
            return Err(LoadError::NoFiles { path: path.display().to_string() });
        }
    }
    loaded.refuse_taken_names();
    Ok(loaded)
}

/// Checks one text as if it were the file `name`; never panics, whatever the text.
#[must_use]
pub fn parse_text(name: &str, text: &str) -> Loaded {
    let mut loaded = Loaded::default();
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    add_bytes(&mut loaded, name, stem.as_deref(), text.as_bytes().to_vec());
    loaded.refuse_taken_names();
    loaded
}

fn read_stdin(loaded: &mut Loaded, stdin: impl Read) -> Result<(), LoadError> {
    let bytes = read_limited(stdin).map_err(|source| LoadError::unreadable(Path::new("-"), source))?;
    add_bytes(loaded, STDIN_NAME, None, bytes);
    Ok(())
}

/// Gives whether the file is ours to read.
fn read_file(loaded: &mut Loaded, path: &Path, origin: Origin) -> Result<bool, LoadError> {
    let unreadable = |source| LoadError::unreadable(path, source);
    let bytes = File::open(path).and_then(read_limited).map_err(unreadable)?;
    let foreign = || std::str::from_utf8(&bytes).is_ok_and(names_another_schema);
    if origin == Origin::Found && foreign() {
        tracing::debug!(path = %path.display(), "skipped: it names another schema");
        return Ok(false);
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    add_bytes(loaded, &path.display().to_string(), stem.as_deref(), bytes);
    Ok(true)
}

/// Reads one byte more than a manifest may have, which is enough to know.
fn read_limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX);
    source.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn add_bytes(loaded: &mut Loaded, name: &str, stem: Option<&str>, bytes: Vec<u8>) {
    if bytes.len() > MANIFEST_BYTES_MAX {
        loaded.add_problem(SourceFile::new(name, String::new()), 0..0, ProblemKind::FileTooLarge);
        return;
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            // The parser miscounts columns after a byte order mark, and nobody sees it.
            if text.starts_with('\u{feff}') {
                text.remove(0);
            }
            loaded.add(&Arc::new(SourceFile::new(name, text)), stem);
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            loaded.add_problem(SourceFile::new(name, text), span, ProblemKind::NotUtf8);
        }
    }
}
