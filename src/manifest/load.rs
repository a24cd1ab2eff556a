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
use super::files::{Input, LoadError, Origin, expand, names_another_schema};
use super::order;
use super::problem::{Place, Problem, Severity, SourceFile};
use super::rule::ProblemKind;
use super::variables::Variables;
use crate::model::limits::{MANIFEST_BYTES_MAX, MANIFESTS_OF_A_THREAD_MIN};

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
            match &text.trouble {
                None => {
                    let stem = text.stem.as_deref();
                    let (manifests, problems) = document::read(&text.file, stem, variables, &mut loaded.variables_used);
                    loaded.manifests.extend(manifests);
                    loaded.problems.extend(problems);
                }
                Some((span, kind)) => {
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
    if paths.is_empty() {
        return Err(LoadError::NoPath);
    }
    let mut texts = Vec::new();
    let mut stdin = Some(stdin);
    let mut seen = HashSet::new();
    for path in paths {
        let mut any = false;
        for input in expand(path)? {
            match input {
                Input::Stdin => {
                    any = true;
                    if let Some(stdin) = stdin.take() {
                        texts.push(read_stdin(stdin)?);
                    }
                }
                Input::File { path, origin } => {
                    let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
                    if seen.contains(&identity) {
                        any = true;
                    } else if let Some(text) = read_file(&path, origin)? {
                        texts.push(text);
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
    let mut loaded = Loaded::of(&texts, variables);
    loaded.refuse_taken_names();
    loaded.refuse_impossible_order(applied_before);
    Ok(loaded)
}

/// Checks one text as if it were the file `name`; never panics, whatever the text.
#[must_use]
pub fn parse_text(name: &str, text: &str) -> Loaded {
    parse_text_with(name, text, &Variables::default())
}

/// The same with variables.
#[must_use]
pub fn parse_text_with(name: &str, text: &str, variables: &Variables) -> Loaded {
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let text = Text::new(name, stem, text.as_bytes().to_vec());
    let mut loaded = Loaded::of(&[text], variables);
    loaded.refuse_taken_names();
    loaded.refuse_impossible_order(&BTreeSet::new());
    loaded
}

/// A text that was read and not looked into, or that cannot be.
struct Text {
    file: Arc<SourceFile>,
    /// Names the first document when it has no name of its own.
    stem: Option<String>,
    trouble: Option<(Range<usize>, ProblemKind)>,
}

fn read_stdin(stdin: impl Read) -> Result<Text, LoadError> {
    let bytes = read_limited(stdin).map_err(|source| LoadError::unreadable(Path::new("-"), source))?;
    Ok(Text::new(STDIN_NAME, None, bytes))
}

/// Gives nothing when the file is not ours to read.
fn read_file(path: &Path, origin: Origin) -> Result<Option<Text>, LoadError> {
    let unreadable = |source| LoadError::unreadable(path, source);
    let bytes = File::open(path).and_then(read_limited).map_err(unreadable)?;
    let foreign = || std::str::from_utf8(&bytes).is_ok_and(names_another_schema);
    if origin == Origin::Found && foreign() {
        tracing::debug!(path = %path.display(), "skipped: it names another schema");
        return Ok(None);
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(Some(Text::new(&path.display().to_string(), stem, bytes)))
}

/// Reads one byte more than a manifest may have, which is enough to know.
fn read_limited(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX);
    source.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Text {
    fn new(name: &str, stem: Option<String>, bytes: Vec<u8>) -> Self {
        let (text, trouble) = if bytes.len() > MANIFEST_BYTES_MAX {
            (String::new(), Some((0..0, ProblemKind::FileTooLarge)))
        } else {
            match String::from_utf8(bytes) {
                Ok(mut text) => {
                    // The parser miscounts columns after a byte order mark, and nobody sees it.
                    if text.starts_with('\u{feff}') {
                        text.remove(0);
                    }
                    (text, None)
                }
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    (text, Some((at..at + char::REPLACEMENT_CHARACTER.len_utf8(), ProblemKind::NotUtf8)))
                }
            }
        };
        Self { file: Arc::new(SourceFile::new(name, text)), stem, trouble }
    }
}
