//! Templates of a fleet file: read into what devices fill, and held against the limits of twins.

use serde_json::Value;

use super::template_problem::TemplateProblem;
use super::{Finding, ProblemKind};
use crate::device::{InvalidTemplate, PayloadTemplate, ValueTemplate};
use crate::model::{JsonObject, PatchViolation, reported_violations, tags_violations};
use crate::source::{At, Pointer, Step, TwinProblem};

/// A section of a twin that templates are written for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Section {
    Tags,
    Reported,
}

impl Section {
    fn violations(self, largest: &JsonObject) -> Vec<PatchViolation> {
        match self {
            Self::Tags => tags_violations(largest),
            Self::Reported => reported_violations(largest),
        }
    }
}

/// The template of a section, which stands at `at`; every problem of it is added to `findings`.
pub(super) fn section(
    section: Section,
    object: &JsonObject,
    at: &Pointer,
    findings: &mut Vec<Finding>,
) -> Option<ValueTemplate> {
    let before = findings.len();
    match ValueTemplate::parse(object) {
        Ok(template) => {
            let largest = template.largest();
            for violation in section.violations(&largest) {
                let found = TwinProblem::finding::<ProblemKind>(at, &largest, violation);
                findings.push(Finding { at: within(found.at, at, object), kind: found.kind });
            }
            (findings.len() == before).then_some(template)
        }
        Err(_) => {
            // The reader stops at the first; each member by itself gives them all.
            for (key, value) in object {
                let alone = JsonObject::from_iter([(key.clone(), value.clone())]);
                if let Err(invalid) = ValueTemplate::parse(&alone) {
                    findings.push(refused(invalid, &Value::Object(alone), at));
                }
            }
            None
        }
    }
}

/// The template of a payload or message, which stands at `at`.
pub(super) fn payload(
    read: impl FnOnce(&Value) -> Result<PayloadTemplate, InvalidTemplate>,
    value: &Value,
    at: &Pointer,
    findings: &mut Vec<Finding>,
) -> Option<PayloadTemplate> {
    match read(value) {
        Ok(template) => Some(template),
        Err(invalid) => {
            findings.push(refused(invalid, value, at));
            None
        }
    }
}

fn refused(invalid: InvalidTemplate, value: &Value, at: &Pointer) -> Finding {
    let (at, problem) = TemplateProblem::of(invalid, value, at.to_vec());
    Finding { at, kind: problem.into() }
}

/// The place of what a generator makes is the generator's.
fn within(at: At, base: &Pointer, object: &JsonObject) -> At {
    let pointer = at.pointer();
    let mut known = base.to_vec();
    let mut node: Option<&Value> = None;
    for step in &pointer[base.len().min(pointer.len())..] {
        let next = match (node, step) {
            (None, Step::Key(key)) => object.get(key),
            (Some(node), Step::Key(key)) => node.get(key),
            (Some(node), Step::Index(index)) => node.get(index),
            (None, Step::Index(_)) => None,
        };
        let Some(next) = next else { return At::Key(known) };
        known.push(step.clone());
        node = Some(next);
    }
    at
}
