//! What can be wrong with generators and references, and where in the document that is.

use std::ops::Range;

use miette::Diagnostic;
use serde_json::Value;

use crate::device::{InvalidTemplate, PatternFault, TemplateFault};
use crate::model::limits::{PATTERN_CHARS_MAX, TEMPLATE_DEPTH_MAX};
use crate::source::suggest::nearest;
use crate::source::{At, Step};

/// The generators.
const GENERATORS: [&str; 4] = ["$index", "$choice", "$range", "$pattern"];

/// The rules of generators and references.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum TemplateProblem {
    /// A key with `$` that is no generator's.
    #[error("`{key}` is no generator")]
    #[diagnostic(code(iotjob::fleet::generator_unknown))]
    GeneratorUnknown {
        /// The key.
        key: String,
        /// The one that was probably meant, or all.
        #[help]
        help: String,
    },
    /// A generator among other keys.
    #[error("`{key}` does not go together with `{generator}`")]
    #[diagnostic(
        code(iotjob::fleet::generator_not_alone),
        help("a generator is a map with one key; put it into a member of its own, or remove `{key}`")
    )]
    GeneratorNotAlone {
        /// The generator.
        generator: &'static str,
        /// What stands beside it.
        key: String,
    },
    /// No integer where counting starts.
    #[error("`$index` takes the number of the first device")]
    #[diagnostic(code(iotjob::fleet::index), help("write an integer, such as `{{ $index: 1 }}`"))]
    Index,
    /// Nothing to choose from.
    #[error("`$choice` takes a list with at least one value")]
    #[diagnostic(code(iotjob::fleet::choice), help("write for instance `{{ $choice: [43, 44] }}`"))]
    Choice,
    /// No two numbers, or the larger first.
    #[error("`$range` takes two numbers, the smaller first")]
    #[diagnostic(
        code(iotjob::fleet::range),
        help(
            "write for instance `{{ $range: [1, 5] }}` for whole numbers, or `{{ $range: [15.0, 25.0] }}` for others"
        )
    )]
    Range,
    /// No distance between two numbers of the range.
    #[error("`step` does not divide the range")]
    #[diagnostic(
        code(iotjob::fleet::step),
        help("write a number above 0, no larger than the range, and whole where both ends of the range are")
    )]
    Step,
    /// No text.
    #[error("`$pattern` takes a text")]
    #[diagnostic(code(iotjob::fleet::pattern), help("write for instance `{{ $pattern: \"1.{{0-9}}.{{0-9}}\" }}`"))]
    Pattern,
    /// A brace without its partner.
    #[error("the pattern has a brace without its partner")]
    #[diagnostic(code(iotjob::fleet::pattern_brace), help("a brace itself is written `{{{{` or `}}}}`"))]
    PatternBrace,
    /// Braces round nothing that is a class.
    #[error("`{{{class}}}` names no characters")]
    #[diagnostic(
        code(iotjob::fleet::pattern_class),
        help("write a class such as `{{0-9}}` or `{{a-f0-9}}`, or `{{id}}`, `{{n}}` or `{{n:05}}`")
    )]
    PatternClass {
        /// What stands between the braces.
        class: String,
    },
    /// A pattern of long texts.
    #[error("the pattern makes texts of up to {chars} characters; at most {PATTERN_CHARS_MAX} are allowed")]
    #[diagnostic(code(iotjob::fleet::pattern_length), help("shorten it"))]
    PatternLength {
        /// How long.
        chars: usize,
    },
    /// `${` without its `}`.
    #[error("`${{` has no `}}`")]
    #[diagnostic(code(iotjob::fleet::reference_unclosed), help("the text `${{` itself is written `$${{`"))]
    ReferenceUnclosed,
    /// `${...}` that stands for nothing here.
    #[error("`${{{name}}}` stands for nothing here")]
    #[diagnostic(
        code(iotjob::fleet::reference_unknown),
        help("there are {known}; the text `${{` itself is written `$${{`")
    )]
    ReferenceUnknown {
        /// What stands between the braces.
        name: String,
        /// What may stand there.
        known: &'static str,
    },
    /// Nested too deep.
    #[error("values nest more than {TEMPLATE_DEPTH_MAX} levels deep")]
    #[diagnostic(code(iotjob::fleet::template_depth), help("flatten the value"))]
    Depth,
}

impl TemplateProblem {
    /// What a template's reader refused, and where in the value that stands at `base`.
    pub(super) fn of(invalid: InvalidTemplate, value: &Value, base: Vec<Step>) -> (At, Self) {
        let (mut pointer, node) = follow(base, value, &invalid.pointer);
        let argument = |mut pointer: Vec<Step>, key: &str| {
            pointer.push(Step::from(key));
            pointer
        };
        match invalid.fault {
            TemplateFault::UnknownGenerator { key } => {
                let help = match nearest(&key, GENERATORS) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => {
                        "keys of twins hold no `$`; the generators are `$index`, `$choice`, `$range` and `$pattern`"
                            .to_owned()
                    }
                };
                (At::Key(argument(pointer, &key)), Self::GeneratorUnknown { key, help })
            }
            TemplateFault::NotAlone { generator, key } => {
                (At::Key(argument(pointer, &key)), Self::GeneratorNotAlone { generator, key })
            }
            TemplateFault::Index => (At::Value(argument(pointer, "$index")), Self::Index),
            TemplateFault::Choice => (At::Value(argument(pointer, "$choice")), Self::Choice),
            TemplateFault::Range => (At::Value(argument(pointer, "$range")), Self::Range),
            TemplateFault::Step => (At::Value(argument(pointer, "step")), Self::Step),
            TemplateFault::NoPattern => (At::Value(argument(pointer, "$pattern")), Self::Pattern),
            TemplateFault::Pattern(fault) => {
                let text = node.and_then(|node| node.get("$pattern")).and_then(Value::as_str).unwrap_or_default();
                pointer = argument(pointer, "$pattern");
                match fault {
                    PatternFault::Brace { .. } => (At::Value(pointer), Self::PatternBrace),
                    PatternFault::Length { chars } => (At::Value(pointer), Self::PatternLength { chars }),
                    PatternFault::Class { class } => {
                        (inside(pointer, text, &format!("{{{class}}}")), Self::PatternClass { class })
                    }
                }
            }
            TemplateFault::Unclosed { text } => {
                let open = text.rfind("${").unwrap_or_default();
                (At::Inside(pointer, open..text.len()), Self::ReferenceUnclosed)
            }
            TemplateFault::Reference { name, known } => {
                let text = node.and_then(Value::as_str).unwrap_or_default();
                (inside(pointer, text, &format!("${{{name}}}")), Self::ReferenceUnknown { name, known })
            }
            TemplateFault::Depth => (At::Key(pointer), Self::Depth),
        }
    }
}

/// The first `part` of the text at `pointer`.
fn inside(pointer: Vec<Step>, text: &str, part: &str) -> At {
    let found: Option<Range<usize>> = text.find(part).map(|start| start..start + part.len());
    match found {
        Some(span) => At::Inside(pointer, span),
        None => At::Value(pointer),
    }
}

/// Goes down a JSON pointer from `value`, which stands at `base`; what is not there ends the way.
fn follow<'v>(base: Vec<Step>, value: &'v Value, pointer: &str) -> (Vec<Step>, Option<&'v Value>) {
    let mut steps = base;
    let mut node = value;
    for part in pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        let next = match node {
            Value::Array(items) => part.parse::<usize>().ok().and_then(|at| Some((Step::from(at), items.get(at)?))),
            other => other.get(&key).map(|member| (Step::Key(key), member)),
        };
        let Some((step, member)) = next else { return (steps, None) };
        steps.push(step);
        node = member;
    }
    (steps, Some(node))
}
