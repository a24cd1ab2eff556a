//! The strict YAML reader: the only place that names `serde_yaml`.
//!
//! It reads into [`serde_json::Value`] and refuses what YAML would let pass in silence: a key that is there twice,
//! `<<`, tags, numbers that JSON cannot hold, deep nesting and aliases that multiply. It does not know what the text
//! is about.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;

use serde::Deserialize as _;
use serde::de::{self, DeserializeSeed, Deserializer as _, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::syntax;
use super::text_problem::TextProblem;
use crate::model::JsonObject;
use crate::model::limits::{SOURCE_DEPTH_MAX, SOURCE_EXPANDED_BYTES_MAX};

/// What a text held.
#[derive(Debug, Default)]
pub struct Stream {
    /// The documents that could be read, each with its number in the file; empty ones are left out.
    pub documents: Vec<Document>,
    /// What was refused, with the bytes it is about, and those of an earlier place that explains it.
    pub faults: Vec<Fault>,
}

/// One document of a stream.
#[derive(Debug)]
pub struct Document {
    /// Its number in the file, from 0, empty documents counted.
    pub number: usize,
    /// Its content.
    pub value: Value,
}

/// One thing that the reader refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which rule.
    pub kind: TextProblem,
    /// The bytes it is about.
    pub span: Range<usize>,
}

/// Reads every document of `text`, which is at most [`crate::model::limits::SOURCE_BYTES_MAX`] long.
pub fn read(text: &str) -> Stream {
    let mut stream = Stream::default();
    if let Some(at) = syntax::runaway_bracket(text) {
        stream.faults.push(Fault { kind: TextProblem::TooDeep, span: at..at + 1 });
        return stream;
    }
    let reader = Reader {
        text,
        budget: Cell::new(SOURCE_EXPANDED_BYTES_MAX),
        refusal: RefCell::new(None),
        faults: RefCell::new(Vec::new()),
        member: Cell::new(0),
    };
    let mut unbroken = None;
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        match document.deserialize_any(Node { reader: &reader, depth: 0 }) {
            Ok(Value::Null) => {}
            Ok(value) => stream.documents.push(Document { number, value }),
            Err(error) => {
                let refusal = reader.refusal.take();
                let ours = refusal.is_some();
                let at = error.location().map_or(reader.member.get(), |location| location.index());
                reader.faults.borrow_mut().push(match refusal {
                    Some(kind) => Fault { kind, span: syntax::token_at(text, at) },
                    None => syntax::fault(text, at, &error.to_string()),
                });
                // Behind a document that is broken as YAML the reader has no footing; what we refused may be so, too.
                if !ours || number >= *unbroken.get_or_insert_with(|| unbroken_documents(text)) {
                    break;
                }
            }
        }
    }
    stream.faults = reader.faults.into_inner();
    stream
}

/// How many documents come before the first that is broken as YAML.
fn unbroken_documents(text: &str) -> usize {
    serde_yaml::Deserializer::from_str(text).map_while(|document| IgnoredAny::deserialize(document).ok()).count()
}

/// What all nodes of one text share.
struct Reader<'t> {
    text: &'t str,
    /// Bytes that following aliases may still make.
    budget: Cell<usize>,
    /// Why the document is being given up; the YAML error carries only the place.
    refusal: RefCell<Option<TextProblem>>,
    /// What was refused without giving the document up.
    faults: RefCell<Vec<Fault>>,
    /// Where the document's member that is being read starts, for an error without a place of its own.
    member: Cell<usize>,
}

impl Reader<'_> {
    /// Gives the document up at the node being read.
    fn refuse<E: de::Error>(&self, kind: TextProblem) -> E {
        *self.refusal.borrow_mut() = Some(kind);
        E::custom("refused")
    }

    /// Counts a node of `bytes` bytes of text; aliases count each time they are followed.
    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        const NODE_BYTES: usize = 8;
        match self.budget.get().checked_sub(bytes + NODE_BYTES) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(self.refuse(TextProblem::AliasesTooLarge)),
        }
    }
}

/// Where `part` lies in `whole`, when it is a slice of it.
pub(super) fn slice_span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// A value to be read.
#[derive(Clone, Copy)]
struct Node<'r, 't> {
    reader: &'r Reader<'t>,
    depth: usize,
}

impl Node<'_, '_> {
    fn below<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= SOURCE_DEPTH_MAX {
            return Err(self.reader.refuse(TextProblem::TooDeep));
        }
        self.reader.spend(0)?;
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn number<E: de::Error>(self, number: impl Into<Number>) -> Result<Value, E> {
        self.reader.spend(0)?;
        Ok(Value::Number(number.into()))
    }

    fn text<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.reader.spend(text.len())?;
        Ok(Value::String(text.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.reader.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.reader.spend(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Value, E> {
        Err(self.reader.refuse(TextProblem::NumberTooLarge))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Value, E> {
        Err(self.reader.refuse(TextProblem::NumberTooLarge))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // Digits past 128 bits arrive here, already rounded: no float that means itself is as large.
        const ROUNDED_INTEGER: f64 = u128::MAX as f64;
        match Number::from_f64(value) {
            Some(_) if value.abs() >= ROUNDED_INTEGER => Err(self.reader.refuse(TextProblem::NumberTooLarge)),
            Some(number) => self.number(number),
            None => Err(self.reader.refuse(TextProblem::NumberNotFinite)),
        }
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Value, E> {
        let quoted = slice_span(self.reader.text, text)
            .is_some_and(|span| self.reader.text[..span.start].ends_with(['"', '\'']));
        if !quoted && syntax::is_overflowing_number(text) {
            return Err(self.reader.refuse(TextProblem::NumberTooLarge));
        }
        self.text(text)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(text)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let (tag, _) = access.variant::<String>()?;
        Err(self.reader.refuse(TextProblem::Tag { tag }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = JsonObject::new();
        while let Some(key) =
            members.next_key_seed(Key { reader: self.reader, depth: self.depth, siblings: &object })?
        {
            match key {
                Some(key) => {
                    let value = members.next_value_seed(below)?;
                    object.insert(key, value);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(object))
    }
}

/// A key to be read: `None` when it was refused and its value is to be passed over.
struct Key<'r, 't> {
    reader: &'r Reader<'t>,
    depth: usize,
    siblings: &'r JsonObject,
}

impl Key<'_, '_> {
    fn refusal(&self, key: &str) -> Option<TextProblem> {
        if key == "<<" {
            Some(TextProblem::MergeKey)
        } else if self.siblings.contains_key(key) {
            Some(TextProblem::DuplicateKey { key: key.to_owned() })
        } else {
            None
        }
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text as key")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
        self.reader.spend(key.len())?;
        let span = slice_span(self.reader.text, key);
        if let (0, Some(span)) = (self.depth, &span) {
            self.reader.member.set(span.start);
        }
        match (self.refusal(key), span) {
            (None, _) => Ok(Some(key.to_owned())),
            (Some(kind), Some(span)) => {
                self.reader.faults.borrow_mut().push(Fault { kind, span });
                Ok(None)
            }
            (Some(kind), None) => Err(self.reader.refuse(kind)),
        }
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        self.reader.spend(key.len())?;
        match self.refusal(key) {
            None => Ok(Some(key.to_owned())),
            Some(kind) => Err(self.reader.refuse(kind)),
        }
    }
}
