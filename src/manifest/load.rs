//! Reads the files of a command, one after the other, and looks across them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checked::Manifest;
use super::document;
use super::files::{Input, LoadError, Origin, expand};
use super::rule::ProblemKind;
use super::variables::Variables;
use super::{Problem, order};
use crate::model::limits::MANIFESTS_OF_A_THREAD_MIN;
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

    /// Looks into texts, on as many threads as the machine has when there are many: none knows of another.
    fn of(texts: &[Text], variables: &Variables) -> Self {
        let most = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = (texts.len() / MANIFESTS_OF_A_THREAD_MIN).clamp(1, most);
        let mut shares = texts.chunks(texts.len().div_ceil(threads).max(1));
        let first = shares.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let others: Vec<_> = shares.map(|share| scope.spawn(|| Self::of_share(share, variables))).collect();
            let mut loaded = Self::of_share(first, variables);
            for other in others {
                loaded.append(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            loaded
        })
    }

    fn of_share(texts: &[Text], variables: &Variables) -> Self {
        let mut loaded = Self::default();
        for text in texts {
            loaded.sources.push(Arc::clone(&text.file));
            match &text.content {
                Content::Jobs => {
                    let stem = text.stem.as_deref();
                    let (manifests, problems) = document::read(&text.file, stem, variables, &mut loaded.variables_used);
                    loaded.manifests.extend(manifests);
                    loaded.problems.extend(problems);
                }
                Content::Fleet => {}
                Content::Trouble(span, kind) => {
                    let place = Place { file: Arc::clone(&text.file), span: span.clone() };
                    loaded.problems.push(Problem::new(place, kind.clone()));
                }
            }
        }
        loaded
    }

    fn append(&mut self, other: Self) {
        self.manifests.extend(other.manifests);
        self.problems.extend(other.problems);
        self.sources.extend(other.sources);
        self.variables_used.extend(other.variables_used);
    }

    /// Looks across the files, once all of them are there.
    fn in_order(mut self, applied_before: &BTreeSet<String>) -> Self {
        self.refuse_taken_names();
        self.refuse_impossible_order(applied_before);
        self
    }

    /// Refuses every name that an earlier manifest has.
    fn refuse_taken_names(&mut self) {
        let mut taken: HashMap<String, usize> = HashMap::new();
        let (mut kept, mut refused) = (Vec::<Manifest>::with_capacity(self.manifests.len()), Vec::new());
        for manifest in std::mem::take(&mut self.manifests) {
            let name = manifest.name.to_string();
            match taken.get(&name).and_then(|&first| kept.get(first)).map(Manifest::name_place) {
                None => {
                    taken.insert(name, kept.len());
                    kept.push(manifest);
                }
                Some(first) => {
                    let (line, _) = first.file.line_column(first.span.start);
                    let first = format!("{}:{line}", first.file.name());
                    refused.push(Problem::new(manifest.name_place(), ProblemKind::NameTaken { name, first }));
                }
            }
        }
        self.manifests = kept;
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
    let mut reading = Reading { texts: Vec::new(), fleets: None };
    reading.read_paths(paths, stdin)?;
    Ok(Loaded::of(&reading.texts, variables).in_order(applied_before))
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
    let mut reading = Reading { texts: Vec::new(), fleets: Some(Vec::new()) };
    reading.read_paths(paths, stdin)?;
    let loaded = Loaded::of(&reading.texts, variables).in_order(&BTreeSet::new());
    Ok((loaded, reading.fleets.unwrap_or_default()))
}

/// Checks one text as if it were the file `name`; never panics, whatever the text.
#[must_use]
pub fn parse_text(name: &str, text: &str) -> Loaded {
    parse_text_with(name, text, &Variables::default())
}

/// The same with variables.
#[must_use]
pub fn parse_text_with(name: &str, text: &str, variables: &Variables) -> Loaded {
    let mut reading = Reading { texts: Vec::new(), fleets: None };
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    reading.add_bytes(name, stem, text.as_bytes().to_vec());
    Loaded::of(&reading.texts, variables).in_order(&BTreeSet::new())
}

/// A text that was read and not looked into.
struct Text {
    file: Arc<SourceFile>,
    /// Names the first document when it has no name of its own.
    stem: Option<String>,
    content: Content,
}

/// What a text holds, as far as its first look tells.
enum Content {
    /// Manifests.
    Jobs,
    /// A fleet, which is somebody else's business.
    Fleet,
    /// Nothing that can be looked into.
    Trouble(Range<usize>, ProblemKind),
}

/// The files of a command, as they are read.
struct Reading {
    texts: Vec<Text>,
    /// Where fleet files go; `None` refuses them.
    fleets: Option<Vec<Arc<SourceFile>>>,
}

impl Reading {
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
                    Input::File { path, identity, origin } => {
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
        self.add_bytes(&path.display().to_string(), stem, bytes);
        Ok(true)
    }

    fn add_bytes(&mut self, name: &str, stem: Option<String>, bytes: Vec<u8>) {
        let file = match SourceFile::of_bytes(name, bytes) {
            Ok(file) => Arc::new(file),
            Err(no_text) => {
                let NoText { file, span, problem } = *no_text;
                let content = Content::Trouble(span, problem.into());
                return self.texts.push(Text { file: Arc::new(file), stem, content });
            }
        };
        let fleet_line = named_schema(file.text()).filter(|(schema, _)| *schema == FLEET_SCHEMA_FILE);
        let content = match (fleet_line, &mut self.fleets) {
            (None, _) => Content::Jobs,
            (Some((_, span)), None) => Content::Trouble(span, ProblemKind::FleetFile { name: name.to_owned() }),
            (Some(_), Some(fleets)) => {
                fleets.push(Arc::clone(&file));
                Content::Fleet
            }
        };
        self.texts.push(Text { file, stem, content });
    }
}
