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
            manifests.push(manifest(parts, SourceRef { file: Arc::clone(file), document: document.number }));
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

fn manifest(parts: Parts, source: SourceRef) -> Manifest {
    let Parts { name, description, target, action, start, timeout_s, after, success, revision } = parts;
    Manifest { name, description, target, action, start, timeout_s, after, success, revision, source }
}

/// Finds a place of a manifest, in the text as it was read: few are ever asked for, and finding all of them takes as
/// long as reading does.
fn find(source: &SourceRef, at: impl FnOnce(&Value) -> At) -> Option<Range<usize>> {
    let stream = yaml::read(source.file.text());
    let index = stream.documents.iter().position(|document| document.number == source.document)?;
    let at = at(&stream.documents[index].value);
    Some(Places::new(source.file.text(), &stream.documents).span(index, &at))
}

/// The bytes of the name, or the document's start when the file's stem is the name.
pub(super) fn name_span(source: &SourceRef) -> Range<usize> {
    find(source, name_at).unwrap_or(0..0)
}

/// The bytes of the start time, or the name's when none is written.
pub(super) fn start_span(source: &SourceRef) -> Range<usize> {
    find(source, |document| member_at(document, "startTime").unwrap_or_else(|| name_at(document))).unwrap_or(0..0)
}

/// The bytes of a name in `after`, or the manifest's own name's when it is not there.
pub(super) fn after_span(source: &SourceRef, item: usize) -> Range<usize> {
    let at = |document: &Value| match document.get("after").and_then(|after| after.get(item)) {
        Some(_) => At::Value(vec![Step::from("after"), Step::from(item)]),
        None => name_at(document),
    };
    find(source, at).unwrap_or(0..0)
}

/// The bytes of a member of a manifest, or of the nearest one above it that the file has.
pub(super) fn span_of(source: &SourceRef, path: &[&str]) -> Range<usize> {
    let at = |document: &Value| {
        let mut node = document;
        let mut known = Vec::new();
        for key in path {
            let Some(member) = node.get(key) else { break };
            known.push(Step::from(*key));
            node = member;
        }
        if node.is_object() || node.is_array() { At::Key(known) } else { At::Value(known) }
    };
    find(source, at).unwrap_or(0..0)
}

fn name_at(document: &Value) -> At {
    member_at(document, "name").unwrap_or(At::Document)
}

fn member_at(document: &Value, key: &str) -> Option<At> {
    document.get(key).map(|_| At::Value(vec![Step::from(key)]))
}
