//! One text → its manifests and its problems, in the order of the text.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::check::{Naming, Parts, check, without_refused};
use super::checked::{Manifest, SourceRef};
use super::rule::ProblemKind;
use super::variables::{self, Variables};
use super::{Finding, Problem, explain, schema, v1};
use crate::source::{At, Place, Places, Severity, SourceFile, Step, TextProblem, yaml};

/// Reads every document of `file`, its variables filled in; notes which it names. `stem` names the first document
/// when it has no name of its own.
pub(super) fn read(
    file: &Arc<SourceFile>,
    stem: Option<&str>,
    variables: &Variables,
    used: &mut BTreeSet<String>,
) -> (Vec<Manifest>, Vec<Problem>) {
    let stream = yaml::read(file.text());
    let problem = |span: Range<usize>, kind| Problem::new(Place { file: Arc::clone(file), span }, kind);
    let mut problems: Vec<Problem> =
        stream.faults.into_iter().map(|fault| problem(fault.span, fault.kind.into())).collect();
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
        let filled = variables::fill(&document.value, variables);
        used.extend(filled.used.iter().cloned());
        let (parts, mut findings) = examine(&filled.value, naming);
        findings.retain(|finding| !filled.makes_up_for(finding));
        for finding in &mut findings {
            finding.at = filled.as_written(finding.at.clone());
        }
        findings.extend(filled.findings.iter().cloned());
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
            let kind = TextProblem::Schema { message, subject: schema::SUBJECT }.into();
            findings.push(Finding { at: At::Document, kind });
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
    let after = document.get("after").and_then(Value::as_array).map_or(0, Vec::len);
    let after_at = |item| At::Value(vec![Step::from("after"), Step::from(item)]);
    let after_spans = (0..after).map(|item| places.span(index, &after_at(item))).collect();
    SourceRef { file: Arc::clone(file), document: index, name_span, start_span, after_spans }
}

fn manifest(parts: Parts, source: SourceRef) -> Manifest {
    let Parts { name, description, target, action, start, timeout_s, after, success, revision } = parts;
    Manifest { name, description, target, action, start, timeout_s, after, success, revision, source }
}

/// The bytes of a member of a manifest, or of the nearest one above it that the file has.
pub(super) fn span_of(source: &SourceRef, path: &[&str]) -> Option<Range<usize>> {
    let stream = yaml::read(source.file.text());
    let index = stream.documents.iter().position(|document| document.number == source.document)?;
    let document = &stream.documents[index].value;
    let mut node = document;
    let mut known = Vec::new();
    for key in path {
        let Some(member) = node.get(key) else { break };
        known.push(Step::from(*key));
        node = member;
    }
    let at = if node.is_object() || node.is_array() { At::Key(known) } else { At::Value(known) };
    Some(Places::new(source.file.text(), &stream.documents).span(index, &at))
}
