//! Where a member of a document stands in its text: the same parser reads the text again, guided by what it read.
//!
//! A scalar that the parser hands out as a slice of the text tells its place by itself. Everything else is found by
//! walking to the node and failing there on purpose: the error carries the place. Through an alias one gets the
//! definition. Nothing of this runs for a file without problems.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::finding::{At, Pointer, Step};
use super::scalar::{Overlay, overlay};
use super::syntax;
use super::yaml::{Document, slice_span};

/// How often a file may be read again for a node whose place only a failure tells.
const FAILURES_MAX: usize = 64;

/// The places of one file, found when they are first asked for.
pub struct Places<'t> {
    text: &'t str,
    documents: &'t [Document],
    trees: OnceCell<Vec<Spot>>,
    failures: Cell<usize>,
}

/// What is known of one member's place, and of those below it.
#[derive(Debug, Default)]
struct Spot {
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    members: HashMap<String, Spot>,
    items: Vec<Spot>,
}

/// Which half of a member is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Key,
    Value,
}

impl<'t> Places<'t> {
    /// The places of the `documents` that `text` was read as.
    #[must_use]
    pub fn new(text: &'t str, documents: &'t [Document]) -> Self {
        Self { text, documents, trees: OnceCell::new(), failures: Cell::new(0) }
    }

    /// The bytes that a finding in the document at `index` is about; never empty while the file is not.
    pub fn span(&self, index: usize, at: &At) -> Range<usize> {
        let span = match at {
            At::Key(pointer) => self.key(index, pointer),
            At::Value(pointer) => self.value(index, pointer).or_else(|| self.key(index, pointer)),
            At::Inside(pointer, content) => self.inside(index, pointer, content.clone()),
            At::Document => None,
        };
        span.unwrap_or_else(|| self.start_of(index))
    }

    fn key(&self, index: usize, pointer: &Pointer) -> Option<Range<usize>> {
        // An item of a list has no key: the nearest one above it stands for it.
        let known = (1..=pointer.len()).rev().find(|&length| matches!(pointer[length - 1], Step::Key(_)))?;
        let pointer = &pointer[..known];
        match self.spot(index, pointer)?.key.clone() {
            Some(span) => Some(span),
            None => self.fail_at(index, pointer, Half::Key).map(|at| syntax::token_at(self.text, at)),
        }
    }

    fn value(&self, index: usize, pointer: &Pointer) -> Option<Range<usize>> {
        let spot = self.spot(index, pointer)?;
        let span = match (&spot.value, self.content(index, pointer)?) {
            (Some(span), _) => span.clone(),
            (None, Value::String(content)) => self.overlay(index, pointer, content)?.whole(),
            // A list or a map: its key says it better than its bracket.
            (None, _) if matches!(pointer.last(), Some(Step::Key(_))) => return None,
            (None, _) => syntax::token_at(self.text, self.fail_at(index, pointer, Half::Value)?),
        };
        (!span.is_empty()).then_some(span)
    }

    fn inside(&self, index: usize, pointer: &Pointer, content: Range<usize>) -> Option<Range<usize>> {
        let whole = || self.value(index, pointer).or_else(|| self.key(index, pointer));
        let Value::String(text) = self.content(index, pointer)? else { return whole() };
        let spot = self.spot(index, pointer)?;
        let span = match &spot.value {
            Some(value) => clip(value, content),
            None => self.overlay(index, pointer, text).map(|overlay| overlay.span(content))?,
        };
        if span.is_empty() { whole() } else { Some(span) }
    }

    fn overlay(&self, index: usize, pointer: &Pointer, content: &str) -> Option<Overlay> {
        overlay(self.text, self.fail_at(index, pointer, Half::Value)?, content)
    }

    /// The first key of the document, or the first line with anything on it.
    fn start_of(&self, index: usize) -> Range<usize> {
        let root = self.trees().get(index);
        let first = root
            .and_then(|root| root.members.values().filter_map(|spot| spot.key.clone()).min_by_key(|span| span.start));
        first.unwrap_or_else(|| {
            let at = self.fail_at(index, &[], Half::Value).unwrap_or(0);
            syntax::token_at(self.text, at)
        })
    }

    fn content(&self, index: usize, pointer: &Pointer) -> Option<&'t Value> {
        pointer.iter().try_fold(&self.documents.get(index)?.value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(at) => value.get(at),
        })
    }

    fn spot(&self, index: usize, pointer: &Pointer) -> Option<&Spot> {
        pointer.iter().try_fold(self.trees().get(index)?, |spot, step| match step {
            Step::Key(key) => spot.members.get(key),
            Step::Index(at) => spot.items.get(*at),
        })
    }

    /// One tree of spots for each document that was read.
    fn trees(&self) -> &[Spot] {
        self.trees.get_or_init(|| {
            let mut wanted = self.documents.iter().peekable();
            let mut trees = Vec::with_capacity(self.documents.len());
            for (number, yaml) in serde_yaml::Deserializer::from_str(self.text).enumerate() {
                let Some(document) = wanted.peek() else { break };
                if document.number == number {
                    // The text was read once already; should it fail now, the spots found so far are lost and
                    // places fall back to the document's start.
                    trees
                        .push(Survey { text: self.text, value: &document.value }.deserialize(yaml).unwrap_or_default());
                    wanted.next();
                }
            }
            trees
        })
    }

    /// The byte at which the half of a member starts, from an error raised there.
    fn fail_at(&self, index: usize, pointer: &Pointer, half: Half) -> Option<usize> {
        if self.failures.replace(self.failures.get() + 1) >= FAILURES_MAX {
            return None;
        }
        let number = self.documents.get(index)?.number;
        let yaml = serde_yaml::Deserializer::from_str(self.text).nth(number)?;
        let error = Walk { steps: pointer, half }.deserialize(yaml).err()?;
        error.location().map(|location| location.index())
    }
}

/// `content` counted from the start of `value`, kept inside it; past the end is the last byte.
fn clip(value: &Range<usize>, content: Range<usize>) -> Range<usize> {
    let end = (value.start + content.end).min(value.end);
    let start = (value.start + content.start).min(value.end.saturating_sub(1)).max(value.start);
    start..end.max(start)
}

/// Reads a node that is known to hold `value` and notes where its parts stand.
#[derive(Clone, Copy)]
struct Survey<'t, 'v> {
    text: &'t str,
    value: &'v Value,
}

impl<'de> DeserializeSeed<'de> for Survey<'_, '_> {
    type Value = Spot;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Spot, D::Error> {
        match self.value {
            Value::Object(_) => deserializer.deserialize_map(self),
            Value::Array(_) => deserializer.deserialize_seq(self),
            // Any scalar gives its text, whatever it means.
            _ => deserializer.deserialize_str(self),
        }
    }
}

impl<'de> Visitor<'de> for Survey<'_, '_> {
    type Value = Spot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there before")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Spot, E> {
        Ok(Spot { value: slice_span(self.text, text), ..Spot::default() })
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Spot, E> {
        Ok(Spot::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spot, A::Error> {
        let mut spot = Spot::default();
        for value in self.value.as_array().into_iter().flatten() {
            spot.items.extend(items.next_element_seed(Self { value, ..self })?);
        }
        Ok(spot)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Spot, A::Error> {
        let mut spot = Spot::default();
        while let Some((key, span)) = members.next_key_seed(KeySpan { text: self.text })? {
            match self.value.get(&key) {
                Some(value) if !spot.members.contains_key(&key) => {
                    let member = members.next_value_seed(Self { value, ..self })?;
                    spot.members.insert(key, Spot { key: span, ..member });
                }
                // Refused when it was read: a second of its name, or `<<`.
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(spot)
    }
}

/// Reads a key and notes where it stands.
struct KeySpan<'t> {
    text: &'t str,
}

impl<'de> DeserializeSeed<'de> for KeySpan<'_> {
    type Value = (String, Option<Range<usize>>);

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySpan<'_> {
    type Value = (String, Option<Range<usize>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok((key.to_owned(), slice_span(self.text, key)))
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok((key.to_owned(), None))
    }
}

/// Walks along `steps` and fails at the end of them.
#[derive(Clone, Copy)]
struct Walk<'s> {
    steps: &'s [Step],
    half: Half,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps {
            [] => deserializer.deserialize_any(Fail),
            [Step::Key(_), ..] => deserializer.deserialize_map(self),
            [Step::Index(_), ..] => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there before")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let [Step::Index(wanted), steps @ ..] = self.steps else { return Ok(()) };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Self { steps, ..self })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let [Step::Key(wanted), steps @ ..] = self.steps else { return Ok(()) };
        let fatal = steps.is_empty() && self.half == Half::Key;
        while let Some(found) = members.next_key_seed(WantedKey { wanted, fatal })? {
            if found {
                return members.next_value_seed(Self { steps, ..self });
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Fails at whatever comes.
struct Fail;

impl<'de> Visitor<'de> for Fail {
    type Value = ();

    /// Every visit that is not overridden is an error with the node's place, which is all that is asked for.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

/// Says whether a key is the one looked for, or fails at it.
struct WantedKey<'s> {
    wanted: &'s str,
    fatal: bool,
}

impl<'de> DeserializeSeed<'de> for WantedKey<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for WantedKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        if self.fatal && key == self.wanted {
            return Err(E::custom("found"));
        }
        Ok(key == self.wanted)
    }
}
