//! One text → its manifests and its problems, in the order of the text.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::check::{Naming, Parts, check, without_refused};
use super::checked::{Manifest, SourceRef};
use super::explain;
use super::finding::{At, Finding, Step};
use super::locate::Places;
use super::problem::{Place, Problem, Severity, SourceFile};
use super::rule::ProblemKind;
use super::{v1, yaml};

/// Reads every document of `file`. `stem` names the first one when it has no name of its own.
pub(super) fn read(file: &Arc<SourceFile>, stem: Option<&str>) -> (Vec<Manifest>, Vec<Problem>) {
    let stream = yaml::read(file.text());
    let problem = |span: Range<usize>, kind| Problem::new(Place { file: Arc::clone(file), span }, kind);
    let mut problems: Vec<Problem> = stream.faults.into_iter().map(|fault| problem(fault.span, fault.kind)).collect();
    let whole = problems.is_empty();
    if stream.documents.is_empty() && whole {
        problems.push(problem(0..0, ProblemKind::NoJob));
    }
    let places = Places::new(file.text(), &stream.documents);
    let mut manifests = Vec::new();
    for (index, document) in stream.documents.iter().enumerate() {
        let naming = match (index, stem) {
            (0, Some(stem)) => Naming::Stem(stem),
            (0, None) => Naming::None("standard input"),
            _ => Naming::None("a further document"),
        };
        let (parts, findings) = examine(&document.value, naming);
        let found = findings.into_iter().map(|finding| problem(places.span(index, &finding.at), finding.kind));
        let found: Vec<Problem> = found.collect();
        let right = found.iter().all(|problem| problem.severity() == Severity::Warning);
        if let Some(parts) = parts.filter(|_| right && whole) {
            let source = source_of(file, &places, index, &document.value);
            manifests.push(manifest(parts, SourceRef { document: document.number, ..source }));
        }
        problems.extend(found);
    }
    problems.sort_by_key(|problem| (problem.place.span.start, problem.place.span.end));
    (manifests, problems)
}

/// Checks one document: by the schema, as types, and by what only code can say.
fn examine(document: &Value, naming: Naming<'_>) -> (Option<Parts>, Vec<Finding>) {
    let mut findings = explain::findings(document);
    if !document.is_object() {
        return (None, findings);
    }
    let fits_schema = findings.is_empty();
    let rest = without_refused(document, &findings);
    let parts = match serde_path_to_error::deserialize::<_, v1::Job>(rest) {
        Ok(job) => check(job, document, naming, &mut findings),
        Err(error) if fits_schema => {
            // The types and the schema come from one source; should they part, the user is told where.
            let message = error.to_string();
            findings.push(Finding { at: At::Document, kind: ProblemKind::Schema { message } });
            None
        }
        Err(_) => None,
    };
    (parts, findings)
}

/// Where the name and the start are written.
fn source_of(file: &Arc<SourceFile>, places: &Places<'_>, index: usize, document: &Value) -> SourceRef {
    let of = |key: &str| document.get(key).map(|_| places.span(index, &At::Value(vec![Step::from(key)])));
    let name_span = of("name").unwrap_or_else(|| places.span(index, &At::Document));
    let start_span = of("startTime").unwrap_or_else(|| name_span.clone());
    SourceRef { file: Arc::clone(file), document: index, name_span, start_span }
}

fn manifest(parts: Parts, source: SourceRef) -> Manifest {
    let Parts { name, description, target, action, start, timeout_s } = parts;
    Manifest { name, description, target, action, start, timeout_s, source }
}
