//! Reads templates, and says what is wrong with one and where.

use serde_json::Value;

use super::Scope;
use super::node::{Generator, Node, Steps};
use super::pattern::{Pattern, PatternFault};
use super::text::{Read, Text};
use crate::model::JsonObject;
use crate::model::limits::TEMPLATE_DEPTH_MAX;

const INDEX: &str = "$index";
const CHOICE: &str = "$choice";
const RANGE: &str = "$range";
const PATTERN: &str = "$pattern";
/// May stand beside [`RANGE`].
const STEP: &str = "step";

/// Says that JSON is no template.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {fault}", if pointer.is_empty() { "/" } else { pointer })]
pub struct InvalidTemplate {
    /// JSON pointer of the place.
    pub pointer: String,
    /// What is wrong there.
    pub fault: TemplateFault,
}

/// What is wrong at one place of a template.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateFault {
    /// A key with `$` that is no generator's.
    #[error("`{key}` is no generator; write {INDEX}, {CHOICE}, {RANGE} or {PATTERN}")]
    UnknownGenerator {
        /// The key.
        key: String,
    },
    /// A generator with more than it takes.
    #[error("`{key}` does not go together with {generator}")]
    NotAlone {
        /// The generator.
        generator: &'static str,
        /// What stands beside it.
        key: String,
    },
    /// No integer where counting starts.
    #[error("{INDEX} takes the number of the first device, an integer such as 1")]
    Index,
    /// Nothing to choose from.
    #[error("{CHOICE} takes a list with at least one value")]
    Choice,
    /// No two numbers, or the larger first.
    #[error("{RANGE} takes two numbers, the smaller first, such as [1, 5] or [0.0, 1.0]")]
    Range,
    /// No distance between two numbers of the range.
    #[error("`{STEP}` is a number above 0, no larger than the range, and whole where both ends of the range are")]
    Step,
    /// No text.
    #[error("{PATTERN} takes a text such as \"1.{{0-9}}.{{0-9}}\"")]
    NoPattern,
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternFault),
    /// `${` without its `}`.
    #[error("`{text}` has `${{` without `}}`; the text `${{` itself is written `$${{`")]
    Unclosed {
        /// The text.
        text: String,
    },
    /// `${...}` that stands for nothing here.
    #[error("`${{{name}}}` stands for nothing here; known are {known}; the text `${{` itself is written `$${{`")]
    Reference {
        /// What stands between the braces.
        name: String,
        /// What may stand there.
        known: &'static str,
    },
    /// Nested too deep.
    #[error("templates nest at most {TEMPLATE_DEPTH_MAX} levels deep")]
    Depth,
}

/// Reads a value.
pub(super) fn node(json: &Value, scope: Scope) -> Result<Node, InvalidTemplate> {
    Reader { scope, path: Vec::new() }.node(json)
}

/// Reads the members of an object that is no generator itself.
pub(super) fn members(object: &JsonObject, scope: Scope) -> Result<Vec<(String, Node)>, InvalidTemplate> {
    Reader { scope, path: Vec::new() }.members(object)
}

struct Reader {
    scope: Scope,
    /// Where the reader is, in the parts of a JSON pointer.
    path: Vec<String>,
}

impl Reader {
    fn pointer(&self) -> String {
        self.path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
    }

    fn wrong(&self, fault: TemplateFault) -> InvalidTemplate {
        InvalidTemplate { pointer: self.pointer(), fault }
    }

    /// Reads what lies one level deeper.
    fn within<T>(
        &mut self,
        part: String,
        read: impl FnOnce(&mut Self) -> Result<T, InvalidTemplate>,
    ) -> Result<T, InvalidTemplate> {
        self.path.push(part);
        if self.path.len() > TEMPLATE_DEPTH_MAX {
            return Err(self.wrong(TemplateFault::Depth));
        }
        let outcome = read(self);
        self.path.pop();
        outcome
    }

    fn node(&mut self, json: &Value) -> Result<Node, InvalidTemplate> {
        match json {
            Value::String(text) => match Text::parse(text, self.scope).map_err(|fault| self.wrong(fault))? {
                Read::Plain(text) => Ok(Node::Fixed(text.into())),
                Read::Filled(text) => Ok(Node::Text(text)),
            },
            Value::Array(items) => Ok(settled(Node::Array(self.items(items)?))),
            Value::Object(object) => match self.generator(object)? {
                Some(generator) => Ok(Node::Drawn { place: self.pointer().into(), generator }),
                None => Ok(settled(Node::Object(self.members(object)?))),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Node::Fixed(json.clone())),
        }
    }

    fn items(&mut self, items: &[Value]) -> Result<Vec<Node>, InvalidTemplate> {
        let read = items.iter().enumerate();
        read.map(|(index, item)| self.within(index.to_string(), |reader| reader.node(item))).collect()
    }

    fn members(&mut self, object: &JsonObject) -> Result<Vec<(String, Node)>, InvalidTemplate> {
        let members = object.iter();
        members.map(|(key, value)| self.within(key.clone(), |reader| Ok((key.clone(), reader.node(value)?)))).collect()
    }

    /// The generator that an object is; payloads may hold other keys with `$`, twins may not.
    fn generator(&mut self, object: &JsonObject) -> Result<Option<Generator>, InvalidTemplate> {
        let known = |key: &str| [INDEX, CHOICE, RANGE, PATTERN].into_iter().find(|known| *known == key);
        let mut keys = object.keys();
        let Some(key) = object.keys().find(|key| known(key).is_some()) else {
            return match keys.find(|key| key.starts_with('$')) {
                Some(key) if self.scope == Scope::Twin => {
                    Err(self.wrong(TemplateFault::UnknownGenerator { key: key.clone() }))
                }
                _ => Ok(None),
            };
        };
        let generator = known(key).unwrap_or(INDEX);
        let beside = |other: &&String| *other != key && !(generator == RANGE && *other == STEP);
        if let Some(other) = object.keys().find(beside) {
            return Err(self.wrong(TemplateFault::NotAlone { generator, key: other.clone() }));
        }
        let argument = &object[key];
        let read = match generator {
            CHOICE => {
                let Value::Array(items) = argument else { return Err(self.wrong(TemplateFault::Choice)) };
                if items.is_empty() {
                    return Err(self.wrong(TemplateFault::Choice));
                }
                Ok(Generator::Choice(self.within(CHOICE.to_owned(), |reader| reader.items(items))?))
            }
            RANGE => range(argument, object.get(STEP)),
            PATTERN => match argument.as_str() {
                Some(text) => Pattern::parse(text).map(Generator::Pattern).map_err(TemplateFault::from),
                None => Err(TemplateFault::NoPattern),
            },
            _ => argument.as_i64().map(|start| Generator::Index { start }).ok_or(TemplateFault::Index),
        };
        read.map(Some).map_err(|fault| self.wrong(fault))
    }
}

/// A node in which nothing is to be filled is its value.
fn settled(node: Node) -> Node {
    let is_fixed = |node: &Node| matches!(node, Node::Fixed(_));
    let fixed = match &node {
        Node::Array(items) => items.iter().all(is_fixed),
        Node::Object(members) => members.iter().all(|(_, member)| is_fixed(member)),
        _ => false,
    };
    if fixed { Node::Fixed(node.largest()) } else { node }
}

fn range(argument: &Value, step: Option<&Value>) -> Result<Generator, TemplateFault> {
    let bounds = argument.as_array().and_then(|bounds| <&[Value; 2]>::try_from(bounds.as_slice()).ok());
    let [min, max] = bounds.ok_or(TemplateFault::Range)?;
    if let (Some(min), Some(max)) = (min.as_i64(), max.as_i64())
        && step.is_none_or(Value::is_i64)
    {
        let span = if min <= max { max.abs_diff(min) } else { return Err(TemplateFault::Range) };
        let step = step.map_or(Some(1), Value::as_u64).filter(|step| (1..=span.max(1)).contains(step));
        let step = step.ok_or(TemplateFault::Step)?;
        return Ok(Generator::Integers { min, step, steps: span / step });
    }
    let (Some(low), Some(high)) = (min.as_f64(), max.as_f64()) else { return Err(TemplateFault::Range) };
    let span = high - low;
    if !(span.is_finite() && span >= 0.0) {
        return Err(TemplateFault::Range);
    }
    let steps = match step {
        None => Steps::Decimals(decimals(span)),
        // Whole ends and a step that is not would make an integer here and a fraction there.
        Some(_) if min.is_i64() && max.is_i64() => return Err(TemplateFault::Step),
        Some(step) => {
            let size = step.as_f64().filter(|size| *size > 0.0 && *size <= span).ok_or(TemplateFault::Step)?;
            // A little more, for ends that binary fractions miss by a hair.
            Steps::Of { size, count: (span / size + 1e-9) as u64 }
        }
    };
    Ok(Generator::Floats { min: low, max: high, steps })
}

/// Decimals that tell a thousand numbers of the range apart and hide the rest.
fn decimals(span: f64) -> i32 {
    if span > 0.0 { (3.0 - span.log10()).ceil().clamp(0.0, 15.0) as i32 } else { 15 }
}
