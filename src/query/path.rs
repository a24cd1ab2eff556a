//! Paths into a row: `tags.a-b`, `devices.deviceId`, `tags.[[group]].region` (GRAMMAR.md 2 and 3).
//!
//! A path is resolved once, when it is parsed: qualifiers go, the service's own names get their one spelling. A look-up
//! then only follows keys.

use std::ops::Range;

use serde_json::Value;

use super::collection::{Collection, Property};
use super::error::{QueryError, QueryErrorKind};
use super::row::follow;

/// A path as written and as resolved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) span: Range<usize>,
    pub(super) written: Vec<Segment>,
    /// The members to follow from the root of a row; never empty.
    pub(super) keys: Vec<Box<str>>,
    pub(super) origin: Origin,
}

/// How the first key came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A property of the collection's rows.
    Known,
    /// `id`, which a .NET sample uses and no page documents.
    IdAlias,
    /// Nothing that a row of the collection has.
    Unknown,
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) span: Range<usize>,
    pub(super) text: Box<str>,
    pub(super) form: SegmentForm,
}

/// Whether a segment stands plain or in `[[` `]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentForm {
    Plain,
    Escaped,
}

impl Segment {
    fn is_plain(&self, word: &str) -> bool {
        self.form == SegmentForm::Plain && self.text.eq_ignore_ascii_case(word)
    }
}

/// What names mean in a query: its collection and the alias that FROM gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scope {
    pub(super) collection: Collection,
    pub(super) alias: Option<Box<str>>,
}

impl Scope {
    pub(super) fn of(collection: Collection) -> Self {
        Self { collection, alias: None }
    }

    /// Resolves the segments of a path, of which there is at least one.
    pub(super) fn resolve(&self, written: Vec<Segment>) -> Result<Path, QueryError> {
        let span = match (written.first(), written.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => 0..0,
        };
        let own = &written[self.qualifier_len(&written)..];
        let Some(root) = own.first() else {
            return Err(self.names_no_property(span));
        };
        let origin = if Property::find(self.collection.properties(), &root.text).is_some() {
            Origin::Known
        } else if self.collection != Collection::Jobs && root.is_plain("id") && own.len() == 1 {
            Origin::IdAlias
        } else {
            Origin::Unknown
        };
        let keys = match origin {
            Origin::IdAlias => vec!["deviceId".into()],
            Origin::Known | Origin::Unknown => canonical(own, self.collection.properties()),
        };
        Ok(Path { span, written, keys, origin })
    }

    /// How many leading segments name the collection only.
    fn qualifier_len(&self, written: &[Segment]) -> usize {
        let Some(first) = written.first() else { return 0 };
        if self.alias.as_deref().is_some_and(|alias| first.is_plain(alias)) {
            return 1;
        }
        if !first.is_plain("devices") {
            return 0;
        }
        let second = self.collection.qualifier().zip(written.get(1));
        if second.is_some_and(|(word, segment)| segment.is_plain(word)) { 2 } else { 1 }
    }

    fn names_no_property(&self, span: Range<usize>) -> QueryError {
        QueryError::new(QueryErrorKind::Binding, span, format!("this names the collection `{}`", self.collection))
            .with_help("add a property, such as `.deviceId`")
    }
}

/// Gives the service's own names their one spelling, as far down as it names anything.
fn canonical(own: &[Segment], mut properties: &'static [Property]) -> Vec<Box<str>> {
    own.iter()
        .map(|segment| match Property::find(properties, &segment.text) {
            Some(property) => {
                properties = property.members;
                property.name.into()
            }
            None => {
                properties = &[];
                segment.text.clone()
            }
        })
        .collect()
}

impl Path {
    /// The value there, if every member on the way exists.
    pub(super) fn find<'a>(&self, row: &'a Value) -> Option<&'a Value> {
        follow(row, &self.keys)
    }

    /// Whether this is the root property of that canonical name.
    pub(super) fn is_property(&self, name: &str) -> bool {
        matches!(self.keys.as_slice(), [only] if only.as_ref() == name)
    }

    /// The last key, which names an unaliased column.
    pub(super) fn last_key(&self) -> &str {
        self.keys.last().map_or("", AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(scope: &Scope, text: &str) -> Result<Path, QueryError> {
        let segment = |text: &str| Segment { span: 0..0, text: text.into(), form: SegmentForm::Plain };
        scope.resolve(text.split('.').map(segment).collect())
    }

    fn keys(scope: &Scope, text: &str) -> String {
        path(scope, text).unwrap().keys.join(".")
    }

    #[test]
    fn qualifiers_go_and_system_names_fold() {
        for (collection, written, want) in [
            (Collection::Devices, "DEVICEID", "deviceId"),
            (Collection::Devices, "devices.Tags.Type", "tags.Type"),
            (Collection::Devices, "Properties.Desired.Version", "properties.desired.Version"),
            (Collection::Devices, "capabilities.IOTEDGE", "capabilities.iotEdge"),
            (Collection::Devices, "devices.modules.moduleId", "modules.moduleId"),
            (Collection::Modules, "devices.modules.ModuleID", "moduleId"),
            (Collection::Modules, "devices.deviceId", "deviceId"),
            (Collection::Jobs, "devices.jobs.jobid", "jobId"),
            (Collection::Jobs, "Outcome.deviceMethodResponse.Payload.X", "outcome.deviceMethodResponse.payload.X"),
            (Collection::Devices, "id", "deviceId"),
            (Collection::Jobs, "id", "id"),
        ] {
            assert_eq!(keys(&Scope::of(collection), written), want, "{collection} {written}");
        }
        let aliased = Scope { collection: Collection::Devices, alias: Some("c".into()) };
        assert_eq!(keys(&aliased, "c.deviceid"), "deviceId");
    }

    #[test]
    fn a_bare_collection_is_no_path() {
        assert!(path(&Scope::of(Collection::Devices), "devices").is_err());
        assert!(path(&Scope::of(Collection::Modules), "devices.modules").is_err());
    }

    #[test]
    fn nothing_lies_below_a_primitive_or_in_an_array() {
        let row = json!({"tags": {"a": 1, "b": [1], "n": null}});
        let find = |text: &str| path(&Scope::of(Collection::Devices), text).unwrap().find(&row).cloned();
        assert_eq!(find("tags.a"), Some(json!(1)));
        assert_eq!(find("tags.n"), Some(Value::Null));
        assert_eq!(find("tags.a.b"), None);
        assert_eq!(find("tags.b.0"), None);
        assert_eq!(find("tags.A"), None);
    }
}
