//! Texts with references: `${request.lockTime}`, `door ${device.number}`.

use serde_json::Value;

use super::Scope;
use super::fill::Occasion;
use super::parse::TemplateFault;
use crate::model::limits::ID_CHARS_MAX;

/// A text in its pieces; at least one is a reference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Reference(Reference),
}

#[derive(Debug, Clone, PartialEq)]
enum Reference {
    /// What the caller sent, or a member of it.
    Request(Vec<String>),
    DeviceId,
    DeviceNumber,
    ModuleId,
    Count,
}

/// What becomes of a text: one without references is just that.
pub(super) enum Read {
    Plain(String),
    Filled(Text),
}

impl Text {
    pub(super) fn parse(text: &str, scope: Scope) -> Result<Read, TemplateFault> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let before = &rest[..at];
            if let Some(escaped) = before.strip_suffix('$') {
                literal.push_str(escaped);
                literal.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            literal.push_str(before);
            let unclosed = || TemplateFault::Unclosed { text: text.to_owned() };
            let (name, after) = rest[at + 2..].split_once('}').ok_or_else(unclosed)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Reference(Reference::parse(name, scope)?));
            rest = after;
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            return Ok(Read::Plain(literal));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Read::Filled(Self(pieces)))
    }

    /// A reference alone is replaced by the value as it is; among other text, a text is taken as it is, anything else as JSON.
    pub(super) fn fill(&self, occasion: &Occasion<'_>) -> Value {
        if let [Piece::Reference(reference)] = self.0.as_slice() {
            return reference.value(occasion);
        }
        let filled = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Reference(reference) => match reference.value(occasion) {
                Value::String(text) => text,
                other => other.to_string(),
            },
        });
        filled.collect::<String>().into()
    }

    pub(super) fn largest(&self) -> Value {
        if let [Piece::Reference(Reference::DeviceNumber | Reference::Count)] = self.0.as_slice() {
            return u64::MAX.into();
        }
        let largest = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Reference(Reference::DeviceId | Reference::ModuleId) => "x".repeat(ID_CHARS_MAX),
            Piece::Reference(Reference::DeviceNumber | Reference::Count) => u64::MAX.to_string(),
            Piece::Reference(Reference::Request(_)) => "null".to_owned(),
        };
        self.0.iter().map(largest).collect::<String>().into()
    }
}

impl Reference {
    fn parse(name: &str, scope: Scope) -> Result<Self, TemplateFault> {
        let mut path = name.split('.');
        match (name, scope) {
            ("device.id", _) => Ok(Self::DeviceId),
            ("device.number", _) => Ok(Self::DeviceNumber),
            ("module.id", _) => Ok(Self::ModuleId),
            ("count", Scope::Message | Scope::Answer) => Ok(Self::Count),
            (_, Scope::Answer) if path.next() == Some("request") && !path.clone().any(str::is_empty) => {
                Ok(Self::Request(path.map(str::to_owned).collect()))
            }
            _ => {
                let known = match scope {
                    Scope::Twin => "${device.id}, ${device.number} and ${module.id}",
                    Scope::Message => "${count}, ${device.id}, ${device.number} and ${module.id}",
                    Scope::Answer => {
                        "${request}, ${request.NAME}, ${count}, ${device.id}, ${device.number} and ${module.id}"
                    }
                };
                Err(TemplateFault::Reference { name: name.to_owned(), known })
            }
        }
    }

    /// What it stands for; `null` where nothing is.
    fn value(&self, occasion: &Occasion<'_>) -> Value {
        let individual = occasion.individual;
        match self {
            Self::Request(path) => {
                let member = |value: Option<&'_ Value>, name: &String| match value? {
                    Value::Array(items) => items.get(name.parse::<usize>().ok()?).cloned(),
                    other => other.get(name).cloned(),
                };
                let Some((first, others)) = path.split_first() else {
                    return occasion.request.cloned().unwrap_or_default();
                };
                let start = member(occasion.request, first);
                others.iter().fold(start, |value, name| member(value.as_ref(), name)).unwrap_or_default()
            }
            Self::DeviceId => individual.id.device.as_str().into(),
            Self::DeviceNumber => individual.number.into(),
            Self::ModuleId => individual.id.module.as_ref().map_or(Value::Null, |module| module.as_str().into()),
            Self::Count => occasion.count.into(),
        }
    }
}
