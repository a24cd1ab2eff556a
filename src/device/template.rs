//! JSON with places to fill: values that differ from device to device, and answers that know their request.
//!
//! A map with one key that begins with `$` is a generator (keys of twins hold no `$`, so nothing is lost):
//! `{$index: 1}`, `{$choice: [43, 44]}`, `{$range: [1, 5]}`, `{$pattern: "1.{0-9}.{0-9}"}`. In a text, `${device.id}`
//! and its like stand for a value; `$${` is the text `${`.

mod fill;
mod node;
mod parse;
mod pattern;
mod text;

use serde_json::Value;

use self::fill::Occasion;
use self::node::Node;
use crate::model::{IdentitySeed, JsonObject, TwinId};

pub use parse::{InvalidTemplate, TemplateFault};
pub use pattern::PatternFault;

/// One identity of a fleet, as far as templates care.
#[derive(Debug, Clone, Copy)]
pub struct Individual<'i> {
    /// What its decisions start from.
    pub seed: IdentitySeed,
    /// Its id.
    pub id: &'i TwinId,
    /// Its number in the fleet or group.
    pub number: u64,
}

/// What a text of a template may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A twin's values: the device.
    Twin,
    /// A message: the device and the message's number.
    Message,
    /// An answer: the device, the call's number and its payload.
    Answer,
}

/// A JSON object whose values may differ from device to device; tags and reported properties are made from it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueTemplate(Vec<(String, Node)>);

impl ValueTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`] with the place and what is wrong there.
    pub fn parse(object: &JsonObject) -> Result<Self, InvalidTemplate> {
        parse::members(object, Scope::Twin).map(Self)
    }

    /// The same object for every device, whatever is in it.
    #[must_use]
    pub fn fixed(object: JsonObject) -> Self {
        Self(object.into_iter().map(|(key, value)| (key, Node::Fixed(value))).collect())
    }

    /// The object of one device. `purpose` tells apart what the same generator at the same place is drawn for.
    #[must_use]
    pub fn fill(&self, individual: &Individual<'_>, purpose: &str) -> JsonObject {
        let occasion = Occasion { individual, purpose, count: 0, request: None };
        self.0.iter().map(|(key, node)| (key.clone(), node.fill(&occasion))).collect()
    }

    /// An object that is at least as large as any that [`ValueTemplate::fill`] makes, to be held against limits.
    #[must_use]
    pub fn largest(&self) -> JsonObject {
        self.0.iter().map(|(key, node)| (key.clone(), node.largest())).collect()
    }

    /// Whether every object that it makes is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Any JSON with places to fill: the payload of an answer, or the body of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct PayloadTemplate(Node);

impl PayloadTemplate {
    /// Reads the template of an answer: `${request}` and `${request.a.b}` are what the caller sent, `${count}` is the call's
    /// number, `${device.id}`, `${device.number}` and `${module.id}` are the device's.
    ///
    /// # Errors
    /// [`InvalidTemplate`] with the place and what is wrong there.
    pub fn of_answer(json: &Value) -> Result<Self, InvalidTemplate> {
        parse::node(json, Scope::Answer).map(Self)
    }

    /// Reads the template of a message, which has no request; `${count}` is the message's number.
    ///
    /// # Errors
    /// As [`PayloadTemplate::of_answer`].
    pub fn of_message(json: &Value) -> Result<Self, InvalidTemplate> {
        parse::node(json, Scope::Message).map(Self)
    }

    /// The same JSON each time, if nothing in it is to be filled.
    #[must_use]
    pub fn as_fixed(&self) -> Option<&Value> {
        match &self.0 {
            Node::Fixed(value) => Some(value),
            _ => None,
        }
    }

    /// The JSON of one occasion, the `count`th of its kind.
    #[must_use]
    pub fn fill(&self, individual: &Individual<'_>, purpose: &str, count: u64, request: Option<&Value>) -> Value {
        self.0.fill(&Occasion { individual, purpose, count, request })
    }

    /// JSON at least as large as any that is made without a request.
    #[must_use]
    pub fn largest(&self) -> Value {
        self.0.largest()
    }
}

#[cfg(test)]
mod tests;
