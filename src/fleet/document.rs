//! One text → its fleet and its problems, in the order of the text.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::check::check;
use super::{Finding, FleetSpec, Problem, ProblemKind, explain, schema, v1};
use crate::model::JsonObject;
use crate::source::{At, NoText, Place, Places, Pointer, Severity, SourceFile, Step, TextProblem, read_limited, yaml};

/// What a fleet file held.
#[derive(Debug)]
pub struct Loaded {
    /// The fleet; none when there are errors.
    pub spec: Option<FleetSpec>,
    /// Errors and warnings, in the order of the text.
    pub problems: Vec<Problem>,
    /// The file.
    pub source: Arc<SourceFile>,
}

impl Loaded {
    /// How many problems of a severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity() == severity).count()
    }
}

/// Reads and checks the fleet file at `path`.
///
/// # Errors
/// When it cannot be read. What is wrong inside it is a [`Problem`], not an error.
pub fn load(path: &Path) -> io::Result<Loaded> {
    let bytes = File::open(path).and_then(read_limited)?;
    Ok(match SourceFile::of_bytes(path.display().to_string(), bytes) {
        Ok(file) => parse(Arc::new(file)),
        Err(no_text) => {
            let NoText { file, span, problem } = *no_text;
            let source = Arc::new(file);
            let place = Place { file: Arc::clone(&source), span };
            Loaded { spec: None, problems: vec![Problem::new(place, problem.into())], source }
        }
    })
}

/// Checks one text as if it were the file `name`; never panics, whatever the text.
#[must_use]
pub fn parse_text(name: &str, text: &str) -> Loaded {
    parse(Arc::new(SourceFile::new(name, text.to_owned())))
}

/// Checks a file that was read already.
#[must_use]
pub fn parse(source: Arc<SourceFile>) -> Loaded {
    let stream = yaml::read(source.text());
    let problem = |span, kind| Problem::new(Place { file: Arc::clone(&source), span }, kind);
    let mut problems: Vec<Problem> =
        stream.faults.into_iter().map(|fault| problem(fault.span, fault.kind.into())).collect();
    let whole = problems.is_empty();
    let places = Places::new(source.text(), &stream.documents);
    if stream.documents.is_empty() && whole {
        problems.push(problem(0..0, ProblemKind::NoFleet));
    }
    for further in 1..stream.documents.len() {
        problems.push(problem(places.span(further, &At::Document), ProblemKind::SeveralDocuments));
    }
    let mut spec = None;
    if let Some(document) = stream.documents.first() {
        let stem = Path::new(source.name()).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (found, findings) = examine(&document.value, stem.as_deref());
        spec = found;
        problems.extend(findings.into_iter().map(|finding| problem(places.span(0, &finding.at), finding.kind)));
    }
    problems.sort_by_key(|problem| (problem.place.span.start, problem.place.span.end));
    if problems.iter().any(|problem| problem.severity() == Severity::Error) {
        spec = None;
    }
    Loaded { spec, problems, source }
}

/// Checks the document: by the schema, as types, and by what only code can say.
fn examine(document: &Value, stem: Option<&str>) -> (Option<FleetSpec>, Vec<Finding>) {
    let explain::Objections { mut findings, left } = explain::objections(document);
    if !document.is_object() {
        return (None, findings);
    }
    let beyond_words = |at: At, message: String| Finding {
        at,
        kind: TextProblem::Schema { message, subject: schema::SUBJECT }.into(),
    };
    let rest = without_refused(document, &findings);
    let fits_schema = findings.is_empty();
    let spec = match serde_path_to_error::deserialize::<_, v1::Fleet>(rest) {
        Ok(fleet) => check(fleet, document, stem, &mut findings),
        Err(error) => {
            if fits_schema {
                // The types and the schema come from one source; should they part, the user is told where.
                findings.push(beyond_words(At::Document, error.to_string()));
            }
            None
        }
    };
    for (pointer, message) in left {
        let is_said = |finding: &Finding| {
            let said = finding.at.pointer();
            !said.is_empty() && (said.starts_with(&pointer) || pointer.starts_with(said))
        };
        if !findings.iter().any(is_said) {
            findings.push(beyond_words(At::Value(pointer), message));
        }
    }
    (spec, findings)
}

/// `document` without the members that findings refuse, so that the rest can be read as types. A refused item of a list
/// leaves an empty map behind, so that its neighbours stay where they are.
fn without_refused(document: &Value, findings: &[Finding]) -> Value {
    let mut rest = document.clone();
    // What lacks a member is not wrong itself.
    let is_whole = |finding: &&Finding| matches!(finding.kind, ProblemKind::Text(TextProblem::MissingKey { .. }));
    for finding in findings.iter().filter(|finding| !is_whole(finding)) {
        if let Some((last, above)) = finding.at.pointer().split_last() {
            remove(&mut rest, above, last);
        }
    }
    rest
}

fn remove(value: &mut Value, above: &Pointer, last: &Step) {
    let parent = above.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    match (parent, last) {
        (Some(Value::Object(members)), Step::Key(key)) => drop(members.shift_remove(key)),
        (Some(Value::Array(items)), Step::Index(index)) => {
            if let Some(item) = items.get_mut(*index) {
                *item = Value::Object(JsonObject::new());
            }
        }
        _ => {}
    }
}
