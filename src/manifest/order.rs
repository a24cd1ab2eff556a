//! `after` across the manifests of one command: every name is there, and nobody waits in a circle.

use std::collections::{BTreeSet, HashMap, HashSet};

use miette::Diagnostic;

use super::Problem;
use super::checked::{Manifest, RunName};
use super::rule::ProblemKind;
use crate::source::suggest::nearest;

/// What can be wrong with `after`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum OrderProblem {
    /// No manifest has the name.
    #[error("no manifest of this command is called `{name}`")]
    #[diagnostic(code(iotjob::manifest::after_unknown))]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant, or what to do.
        #[help]
        help: String,
    },
    /// Manifests that wait for each other.
    #[error("`{name}` comes after itself: {circle}")]
    #[diagnostic(code(iotjob::manifest::after_circle), help("remove one of these names from its `after`"))]
    Circle {
        /// The manifest.
        name: String,
        /// The way round, `a after b after a`.
        circle: String,
    },
}

impl From<OrderProblem> for ProblemKind {
    fn from(problem: OrderProblem) -> Self {
        Self::Order(problem)
    }
}

/// Names in `after` that neither are there nor were applied before, and circles: one problem for each.
pub(super) fn problems(manifests: &[Manifest], applied_before: &BTreeSet<String>) -> Vec<Problem> {
    let by_name: HashMap<&RunName, &Manifest> = manifests.iter().map(|manifest| (&manifest.name, manifest)).collect();
    let mut problems = Vec::new();
    for manifest in manifests {
        for (index, name) in manifest.after.iter().enumerate() {
            if !by_name.contains_key(name) && !applied_before.contains(name.as_str()) {
                let problem = OrderProblem::Unknown { name: name.to_string(), help: help_for(name, manifests) };
                problems.push(Problem::new(manifest.after_place(index), problem.into()));
            }
        }
    }
    let mut seen = HashSet::new();
    for manifest in manifests {
        walk(manifest, &by_name, &mut Vec::new(), &mut seen, &mut problems);
    }
    problems
}

fn help_for(name: &RunName, manifests: &[Manifest]) -> String {
    match nearest(name.as_str(), manifests.iter().map(|manifest| manifest.name.as_str())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "name a manifest that the same command reads, or one under --applied-before".to_owned(),
    }
}

/// Follows `after` depth first. Every manifest is left once, so each circle is met once.
fn walk<'m>(
    manifest: &'m Manifest,
    by_name: &HashMap<&RunName, &'m Manifest>,
    path: &mut Vec<&'m RunName>,
    seen: &mut HashSet<&'m RunName>,
    problems: &mut Vec<Problem>,
) {
    if !seen.insert(&manifest.name) {
        return;
    }
    path.push(&manifest.name);
    for (index, name) in manifest.after.iter().enumerate() {
        if let Some(start) = path.iter().position(|on_path| *on_path == name) {
            let round: Vec<String> = path[start..].iter().map(ToString::to_string).collect();
            let circle = format!("{} after {name}", round.join(" after "));
            let problem = OrderProblem::Circle { name: name.to_string(), circle };
            problems.push(Problem::new(manifest.after_place(index), problem.into()));
        } else if let Some(next) = by_name.get(name) {
            walk(next, by_name, path, seen, problems);
        }
    }
    path.pop();
}

#[cfg(test)]
mod tests {
    use crate::manifest::parse_text;

    fn problems(jobs: &[(&str, &str)]) -> Vec<String> {
        let documents: Vec<String> = jobs
            .iter()
            .map(|(name, after)| {
                format!("name: {name}\nafter: {after}\ntype: scheduleDeviceMethod\nquery: '*'\nmethod: {{ name: m }}\n")
            })
            .collect();
        let loaded = parse_text("jobs.yaml", &documents.join("---\n").replace("after: []\n", ""));
        let said = loaded.problems.iter().map(|problem| {
            let place = &problem.place;
            format!("{}: {problem}", place.file.line_column(place.span.start).0)
        });
        said.collect()
    }

    #[test]
    fn every_name_is_there_and_nobody_waits_in_a_circle() {
        assert_eq!(problems(&[("a", "[]"), ("b", "[a]"), ("c", "[a, b]")]), Vec::<String>::new());
        assert_eq!(problems(&[("door", "[dor]")]), ["2: no manifest of this command is called `dor`"]);
        assert_eq!(problems(&[("a", "[a]")]), ["2: `a` comes after itself: a after a"]);
        assert_eq!(
            problems(&[("a", "[c]"), ("b", "[a]"), ("c", "[b]"), ("d", "[a]")]),
            ["8: `a` comes after itself: a after c after b after a"]
        );
    }
}
