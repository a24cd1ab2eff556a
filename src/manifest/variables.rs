//! `${NAME}` in a manifest's scalars: filled after parsing, so that no value can change what the YAML means.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use miette::Diagnostic;
use serde_json::Value;

use super::rule::ProblemKind;
use super::{Finding, Problem};
use crate::model::JsonObject;
use crate::model::limits::SOURCE_BYTES_MAX;
use crate::source::suggest::nearest;
use crate::source::{At, Place, SourceFile, Step, TextProblem, yaml};

/// What can be wrong with variables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum VariableProblem {
    /// Nobody gives it a value.
    #[error("the variable `{name}` has no value")]
    #[diagnostic(code(iotjob::manifest::variable_unknown))]
    Unknown {
        /// The variable.
        name: String,
        /// Where to give it one, or the name that was probably meant.
        #[help]
        help: String,
    },
    /// `${` and then no name, or no `}`.
    #[error("`{written}` is not a variable")]
    #[diagnostic(
        code(iotjob::manifest::variable_malformed),
        help(
            "write `${{NAME}}` or `${{NAME:-default}}` with a name of letters, digits and `_`; `$${{` is a literal `${{`"
        )
    )]
    Malformed {
        /// What stands there.
        written: String,
    },
    /// A variable in a key.
    #[error("variables are filled in values, not in keys")]
    #[diagnostic(code(iotjob::manifest::variable_in_key), help("write the key out"))]
    InKey,
    /// A file of variables that is no map.
    #[error("a file of variables is one map from names to values")]
    #[diagnostic(code(iotjob::manifest::variable_file), help("write for instance `BUILDING: 43`"))]
    NotAMap,
    /// A name that no manifest could use.
    #[error("`{name}` is not the name of a variable")]
    #[diagnostic(
        code(iotjob::manifest::variable_name),
        help("use letters, digits and `_`, and do not start with a digit")
    )]
    IllegalName {
        /// The name.
        name: String,
    },
}

/// The values of variables, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables {
    values: BTreeMap<String, Value>,
}

/// Whether `name` can be written between `${` and `}`.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Variables {
    /// Gives a variable its value, in place of the one it had.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.values.insert(name.into(), value);
    }

    /// Reads a file of variables, YAML or JSON; values keep their types.
    ///
    /// # Errors
    /// Every problem of the file, with its place.
    pub fn set_from_file(&mut self, name: &str, text: String) -> Result<(), Vec<Problem>> {
        let is_too_large = text.len() > SOURCE_BYTES_MAX;
        let file = Arc::new(SourceFile::new(name, if is_too_large { String::new() } else { text }));
        let problem = |span: Range<usize>, kind| Problem::new(Place { file: Arc::clone(&file), span }, kind);
        if is_too_large {
            return Err(vec![problem(0..0, TextProblem::FileTooLarge.into())]);
        }
        let stream = yaml::read(file.text());
        let mut problems: Vec<Problem> =
            stream.faults.into_iter().map(|fault| problem(fault.span, fault.kind.into())).collect();
        let start = 0..file.text().len().min(1);
        match stream.documents.as_slice() {
            [yaml::Document { value: Value::Object(members), .. }] => {
                for (name, value) in members {
                    if is_variable_name(name) {
                        self.set(name, value.clone());
                    } else {
                        let at = file.text().find(name.as_str()).map_or(start.clone(), |at| at..at + name.len());
                        problems.push(problem(at, VariableProblem::IllegalName { name: name.clone() }.into()));
                    }
                }
            }
            _ if problems.is_empty() => problems.push(problem(start, VariableProblem::NotAMap.into())),
            _ => {}
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn known(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn unknown(&self, name: &str) -> VariableProblem {
        let help = match nearest(name, self.values.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `${{{meant}}}`?"),
            None => {
                format!("give it with `--var {name}=VALUE`, set IOTJOB_VAR_{name}, or write `${{{name}:-default}}`")
            }
        };
        VariableProblem::Unknown { name: name.to_owned(), help }
    }
}

/// A document with its variables filled in.
pub(super) struct Filled {
    /// The document as the checks see it.
    pub value: Value,
    /// What could not be filled, at its place in the document as written.
    pub findings: Vec<Finding>,
    /// The variables that it names.
    pub used: BTreeSet<String>,
    substitutions: Vec<Substitution>,
}

/// One scalar that variables were filled into.
struct Substitution {
    pointer: Vec<Step>,
    /// Bytes of the filled text and the bytes as written that made them; empty when the whole value was replaced.
    pieces: Vec<Piece>,
}

struct Piece {
    filled: Range<usize>,
    written: Range<usize>,
    is_variable: bool,
}

impl Filled {
    /// Whether a finding is only there because a variable could not be filled: that is said already.
    pub(super) fn makes_up_for(&self, finding: &Finding) -> bool {
        let about = finding.at.pointer();
        !about.is_empty() && self.findings.iter().any(|own| about.starts_with(own.at.pointer()))
    }

    /// The place in the document as written of a place in the filled one.
    pub(super) fn as_written(&self, at: At) -> At {
        let pointer = at.pointer();
        let Some(substitution) =
            self.substitutions.iter().find(|substitution| pointer.starts_with(&substitution.pointer))
        else {
            return at;
        };
        let scalar = substitution.pointer.clone();
        if pointer.len() > scalar.len() {
            // Inside a list or map that a variable is: it has no place of its own.
            return At::Value(scalar);
        }
        match at {
            At::Inside(..) if substitution.pieces.is_empty() => At::Value(scalar),
            At::Inside(_, span) => At::Inside(scalar, substitution.written(&span)),
            other => other,
        }
    }
}

impl Substitution {
    fn written(&self, filled: &Range<usize>) -> Range<usize> {
        let start = self.at(filled.start, |piece| piece.written.start);
        let end = self.at(filled.end.saturating_sub(1).max(filled.start), |piece| piece.written.end);
        start..end.max(start)
    }

    /// The written byte for a filled one; within a variable, the edge of it that `edge` names.
    fn at(&self, filled: usize, edge: impl Fn(&Piece) -> usize) -> usize {
        let last = self.pieces.last().map_or(0, |piece| piece.written.end);
        let Some(piece) = self.pieces.iter().find(|piece| piece.filled.contains(&filled)) else { return last };
        if piece.is_variable {
            return edge(piece);
        }
        let inside = piece.written.start + (filled - piece.filled.start);
        // An end is one past its last byte.
        if edge(piece) == piece.written.end && piece.written.start != piece.written.end { inside + 1 } else { inside }
    }
}

/// Fills `document`.
pub(super) fn fill(document: &Value, variables: &Variables) -> Filled {
    let mut filling = Filling { variables, findings: Vec::new(), used: BTreeSet::new(), substitutions: Vec::new() };
    let value = filling.value(document, &mut Vec::new());
    let Filling { findings, used, substitutions, .. } = filling;
    Filled { value, findings, used, substitutions }
}

struct Filling<'v> {
    variables: &'v Variables,
    findings: Vec<Finding>,
    used: BTreeSet<String>,
    substitutions: Vec<Substitution>,
}

impl Filling<'_> {
    fn value(&mut self, value: &Value, pointer: &mut Vec<Step>) -> Value {
        match value {
            Value::String(text) if text.contains("${") => self.text(text, pointer),
            Value::Array(items) => {
                let filled = items.iter().enumerate().map(|(index, item)| {
                    pointer.push(Step::from(index));
                    let item = self.value(item, pointer);
                    pointer.pop();
                    item
                });
                Value::Array(filled.collect())
            }
            Value::Object(members) => {
                let mut filled = JsonObject::new();
                for (key, member) in members {
                    pointer.push(Step::from(key.as_str()));
                    if key.contains("${") {
                        let kind = VariableProblem::InKey.into();
                        self.findings.push(Finding { at: At::Key(pointer.clone()), kind });
                    }
                    let member = self.value(member, pointer);
                    filled.insert(key.clone(), member);
                    pointer.pop();
                }
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str, pointer: &[Step]) -> Value {
        let mut filled = String::with_capacity(text.len());
        let mut pieces = Vec::new();
        for token in tokens(text) {
            let start = filled.len();
            let (written, is_variable) = match token {
                Token::Literal { shown, span } => {
                    filled.push_str(shown);
                    (span, false)
                }
                Token::Variable { name, default, span } => {
                    match self.variable(name, default, (pointer, &span)) {
                        Some(value) if span == (0..text.len()) => {
                            self.substitutions.push(Substitution { pointer: pointer.to_vec(), pieces: Vec::new() });
                            return value;
                        }
                        Some(Value::String(value)) => filled.push_str(&value),
                        Some(value) => filled.push_str(&value.to_string()),
                        None => {}
                    }
                    (span, true)
                }
                Token::Malformed { span } => {
                    let written = text[span.clone()].to_owned();
                    let kind = VariableProblem::Malformed { written }.into();
                    self.findings.push(Finding { at: At::Inside(pointer.to_vec(), span.clone()), kind });
                    (span, true)
                }
            };
            pieces.push(Piece { filled: start..filled.len(), written, is_variable });
        }
        self.substitutions.push(Substitution { pointer: pointer.to_vec(), pieces });
        Value::String(filled)
    }

    /// A variable's value; as in a shell, `:-` takes the place of nothing and of an empty text.
    fn variable(&mut self, name: &str, default: Option<&str>, place: (&[Step], &Range<usize>)) -> Option<Value> {
        self.used.insert(name.to_owned());
        let is_empty = |value: &Value| value.as_str() == Some("");
        match (self.variables.known(name), default) {
            (Some(value), Some(default)) if is_empty(value) => Some(Value::from(default)),
            (Some(value), _) => Some(value.clone()),
            (None, Some(default)) => Some(Value::from(default)),
            (None, None) => {
                let kind = self.variables.unknown(name).into();
                self.findings.push(Finding { at: At::Inside(place.0.to_vec(), place.1.clone()), kind });
                None
            }
        }
    }
}

impl From<VariableProblem> for ProblemKind {
    fn from(problem: VariableProblem) -> Self {
        Self::Variable(problem)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Literal { shown: &'t str, span: Range<usize> },
    Variable { name: &'t str, default: Option<&'t str>, span: Range<usize> },
    Malformed { span: Range<usize> },
}

/// Splits a text at its variables.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|found| at + found) {
        // Of `$${` the first dollar is the one that is dropped.
        let is_escaped = found > at && text.as_bytes()[found - 1] == b'$';
        let literal_end = if is_escaped { found - 1 } else { found };
        if literal_end > at {
            tokens.push(Token::Literal { shown: &text[at..literal_end], span: at..literal_end });
        }
        if is_escaped {
            tokens.push(Token::Literal { shown: "${", span: literal_end..found + 2 });
            at = found + 2;
            continue;
        }
        let inside = found + 2;
        let end = text[inside..].find('}').map(|close| inside + close);
        at = end.map_or(text.len(), |end| end + 1);
        let span = found..at;
        let content = end.map(|end| &text[inside..end]);
        let (name, default) = match content.map(|content| (content, content.split_once(":-"))) {
            Some((_, Some((name, default)))) => (name, Some(default)),
            Some((name, None)) => (name, None),
            None => ("", None),
        };
        tokens.push(if is_variable_name(name) {
            Token::Variable { name, default, span }
        } else {
            Token::Malformed { span }
        });
    }
    if at < text.len() {
        tokens.push(Token::Literal { shown: &text[at..], span: at..text.len() });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("SITE", json!("oslo"));
        variables.set("FLOOR", json!(3));
        variables.set("EMPTY", json!(""));
        variables.set("LIST", json!(["a", "b"]));
        variables
    }

    #[test]
    fn a_scalar_that_is_one_variable_keeps_its_type_and_others_are_texts() {
        for (written, want) in [
            ("plain", json!("plain")),
            ("${FLOOR}", json!(3)),
            ("${LIST}", json!(["a", "b"])),
            ("floor ${FLOOR}", json!("floor 3")),
            ("${SITE}-${FLOOR}", json!("oslo-3")),
            ("tags.site = '${SITE}'", json!("tags.site = 'oslo'")),
            ("${GONE:-east}", json!("east")),
            ("${GONE:-}", json!("")),
            ("${EMPTY:-east}", json!("east")),
            ("${EMPTY}", json!("")),
            ("${SITE:-east}", json!("oslo")),
            ("$${SITE}", json!("${SITE}")),
            ("a$${SITE} $5 $$ {x}", json!("a${SITE} $5 $$ {x}")),
            ("$${SITE}${SITE}", json!("${SITE}oslo")),
        ] {
            let filled = fill(&json!({ "q": [written] }), &variables());
            assert_eq!((filled.value, filled.findings), (json!({ "q": [want] }), vec![]), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_found_where_it_stands() {
        let found = |written: &str| {
            let filled = fill(&json!({ "q": written }), &variables());
            let [Finding { at: At::Inside(_, span), kind }] = filled.findings.as_slice() else {
                panic!("{:?}", filled.findings)
            };
            format!("{} | {kind}", &written[span.clone()])
        };
        assert_eq!(found("a ${GONE} b"), "${GONE} | the variable `GONE` has no value");
        assert_eq!(found("a ${SIT"), "${SIT | `${SIT` is not a variable");
        assert_eq!(found("${1} b"), "${1} | `${1}` is not a variable");
        let in_key = fill(&json!({"a": {"${SITE}": 1}}), &variables()).findings;
        assert_eq!(in_key[0].at, At::Key(vec![Step::from("a"), Step::from("${SITE}")]));
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let written = "tags.a = '${SITE}' AN tags.b = $${x}";
        let filled = fill(&json!({ "q": written }), &variables());
        let text = filled.value["q"].as_str().unwrap();
        assert_eq!(text, "tags.a = 'oslo' AN tags.b = ${x}");
        let pointer = vec![Step::from("q")];
        for (word, want) in [("tags.a", "tags.a"), ("slo", "${SITE}"), ("AN", "AN"), ("tags.b", "tags.b")] {
            let at = text.find(word).unwrap();
            let At::Inside(_, span) = filled.as_written(At::Inside(pointer.clone(), at..at + word.len())) else {
                panic!("{word}")
            };
            assert_eq!(&written[span], want, "{word}");
        }
        let list = fill(&json!({ "devices": "${LIST}" }), &variables());
        let below = At::Value(vec![Step::from("devices"), Step::from(1)]);
        assert_eq!(list.as_written(below), At::Value(vec![Step::from("devices")]));
    }

    #[test]
    fn a_file_of_variables_keeps_types_and_says_what_is_wrong() {
        let mut variables = Variables::default();
        variables.set_from_file("v.yaml", "A: 1\nB: [x]\nC: '1'\n".to_owned()).unwrap();
        assert_eq!((variables.known("A"), variables.known("C")), (Some(&json!(1)), Some(&json!("1"))));
        for (text, want) in [("- a\n", "one map"), ("a-b: 1\n", "`a-b` is not the name"), ("a: [\n", "YAML")] {
            let problems = variables.set_from_file("v.yaml", text.to_owned()).unwrap_err();
            assert!(problems[0].to_string().contains(want), "{}", problems[0]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_filled_and_every_place_lies_inside_it(
            text in "[a$\\{\\}SITE:é-]{0,24}", start in 0_usize..40, length in 0_usize..40,
        ) {
            let filled = fill(&json!({ "q": text }), &variables());
            let at = filled.as_written(At::Inside(vec![Step::from("q")], start..start + length));
            if let At::Inside(_, span) = at && text.contains("${") {
                prop_assert!(span.start <= span.end && span.end <= text.len() + 1, "{span:?} in {text:?}");
            }
            if !text.contains("${") {
                prop_assert_eq!(filled.value, json!({ "q": text }));
            }
        }
    }
}
