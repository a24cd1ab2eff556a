//! Reads the files of a command, one after the other, and looks across them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checked::Manifest;
use super::document;
use super::files::{Input, LoadError, Origin, expand};
use super::rule::ProblemKind;
use super::variables::Variables;
use super::{Problem, order};
use crate::source::schema::{FLEET_SCHEMA_FILE, JOB_SCHEMA_FILE, named_schema};
use crate::source::{NoText, Place, Severity, SourceFile, read_limited};

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
    /// Variables that the manifests name.
    pub variables_used: BTreeSet<String>,
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

    fn add(&mut self, file: &Arc<SourceFile>, stem: Option<&str>, variables: &Variables) {
        let (manifests, problems) = document::read(file, stem, variables, &mut self.variables_used);
        self.manifests.extend(manifests);
        self.problems.extend(problems);
        self.sources.push(Arc::clone(file));
    }

    fn add_problem(&mut self, file: SourceFile, span: std::ops::Range<usize>, kind: ProblemKind) {
        let file = Arc::new(file);
        self.problems.push(Problem::new(Place { file: Arc::clone(&file), span }, kind));
        self.sources.push(file);
    }

    /// Looks across the files, once all of them are there.
    fn in_order(mut self, applied_before: &BTreeSet<String>) -> Self {
        self.refuse_taken_names();
        self.refuse_impossible_order(applied_before);
        self
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
        self.add_in_order(refused);
    }

    /// Refuses every `after` that leads nowhere or in a circle, and forgets those that were applied before.
    fn refuse_impossible_order(&mut self, applied_before: &BTreeSet<String>) {
        // The name that is missing may be that of a manifest with problems of its own.
        if self.has_errors() {
            return;
        }
        let problems = order::problems(&self.manifests, applied_before);
        let here: HashSet<String> = self.manifests.iter().map(|manifest| manifest.name.to_string()).collect();
        for manifest in &mut self.manifests {
            manifest.after.retain(|name| here.contains(name.as_str()));
        }
        if !problems.is_empty() {
            self.manifests.clear();
        }
        self.add_in_order(problems);
    }

    /// Adds problems that others have found, each behind those of its file that come before it.
    pub fn add_in_order(&mut self, problems: Vec<Problem>) {
        if problems.is_empty() {
            return;
        }
        self.problems.extend(problems);
        let order: HashMap<*const SourceFile, usize> =
            self.sources.iter().enumerate().map(|(at, file)| (Arc::as_ptr(file), at)).collect();
        self.problems.sort_by_key(|problem| {
            let file = order.get(&Arc::as_ptr(&problem.place.file)).copied().unwrap_or(usize::MAX);
            (file, problem.place.span.start)
        });
    }
}

/// Reads and checks every manifest under `paths`: files, directories, globs, `-` for `stdin`. A file that is named
/// twice is read once. `variables` are filled in.
///
/// # Errors
///
/// When a path names nothing that can be read. What is wrong inside a file is a [`Problem`], not an error.
pub fn load(paths: &[PathBuf], stdin: impl Read, variables: &Variables) -> Result<Loaded, LoadError> {
    load_after(paths, stdin, variables, &BTreeSet::new())
}

/// The same, where `after` may also name manifests that were `applied_before`: nobody waits for those.
///
/// # Errors
/// As [`load`].
pub fn load_after(
    paths: &[PathBuf],
    stdin: impl Read,
    variables: &Variables,
    applied_before: &BTreeSet<String>,
) -> Result<Loaded, LoadError> {
    let mut reading = Reading { loaded: Loaded::default(), variables, fleets: None };
    reading.read_paths(paths, stdin)?;
    Ok(reading.loaded.in_order(applied_before))
}

/// The same as [`load`], but fleet files that are named are set aside and not refused.
///
/// # Errors
/// As [`load`].
pub fn load_beside_fleets(
    paths: &[PathBuf],
    stdin: impl Read,
    variables: &Variables,
) -> Result<(Loaded, Vec<Arc<SourceFile>>), LoadError> {
    let mut reading = Reading { loaded: Loaded::default(), variables, fleets: Some(Vec::new()) };
    reading.read_paths(paths, stdin)?;
    Ok((reading.loaded.in_order(&BTreeSet::new()), reading.fleets.unwrap_or_default()))
}

/// Checks one text as if it were the file `name`; never panics, whatever the text.
#[must_use]
pub fn parse_text(name: &str, text: &str) -> Loaded {
    parse_text_with(name, text, &Variables::default())
}

/// The same with variables.
#[must_use]
pub fn parse_text_with(name: &str, text: &str, variables: &Variables) -> Loaded {
    let mut reading = Reading { loaded: Loaded::default(), variables, fleets: None };
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    reading.add_bytes(name, stem.as_deref(), text.as_bytes().to_vec());
    reading.loaded.in_order(&BTreeSet::new())
}

/// The files of a command, as they are read.
struct Reading<'v> {
    loaded: Loaded,
    variables: &'v Variables,
    /// Where fleet files go; `None` refuses them.
    fleets: Option<Vec<Arc<SourceFile>>>,
}

impl Reading<'_> {
    fn read_paths(&mut self, paths: &[PathBuf], stdin: impl Read) -> Result<(), LoadError> {
        if paths.is_empty() {
            return Err(LoadError::NoPath);
        }
        let mut stdin = Some(stdin);
        let mut seen = HashSet::new();
        for path in paths {
            let mut any = false;
            for input in expand(path)? {
                match input {
                    Input::Stdin => {
                        any = true;
                        if let Some(stdin) = stdin.take() {
                            self.read_stdin(stdin)?;
                        }
                    }
                    Input::File { path, origin } => {
                        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
                        if seen.contains(&identity) {
                            any = true;
                        } else if self.read_file(&path, origin)? {
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
        Ok(())
    }

    fn read_stdin(&mut self, stdin: impl Read) -> Result<(), LoadError> {
        let bytes = read_limited(stdin).map_err(|source| LoadError::unreadable(Path::new("-"), source))?;
        self.add_bytes(STDIN_NAME, None, bytes);
        Ok(())
    }

    /// Gives whether the file is ours to read.
    fn read_file(&mut self, path: &Path, origin: Origin) -> Result<bool, LoadError> {
        let unreadable = |source| LoadError::unreadable(path, source);
        let bytes = File::open(path).and_then(read_limited).map_err(unreadable)?;
        let is_foreign = |text: &str| named_schema(text).is_some_and(|(file, _)| file != JOB_SCHEMA_FILE);
        if origin == Origin::Found && std::str::from_utf8(&bytes).is_ok_and(is_foreign) {
            tracing::debug!(path = %path.display(), "skipped: it names another schema");
            return Ok(false);
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.add_bytes(&path.display().to_string(), stem.as_deref(), bytes);
        Ok(true)
    }

    fn add_bytes(&mut self, name: &str, stem: Option<&str>, bytes: Vec<u8>) {
        let file = match SourceFile::of_bytes(name, bytes) {
            Ok(file) => file,
            Err(no_text) => {
                let NoText { file, span, problem } = *no_text;
                return self.loaded.add_problem(file, span, problem.into());
            }
        };
        let fleet_line = named_schema(file.text()).filter(|(schema, _)| *schema == FLEET_SCHEMA_FILE);
        match (fleet_line.map(|(_, span)| span), &mut self.fleets) {
            (None, _) => self.loaded.add(&Arc::new(file), stem, self.variables),
            (Some(span), None) => {
                let name = name.to_owned();
                self.loaded.add_problem(file, span, ProblemKind::FleetFile { name });
            }
            (Some(_), Some(fleets)) => {
                let file = Arc::new(file);
                self.loaded.sources.push(Arc::clone(&file));
                fleets.push(file);
            }
        }
    }
}
