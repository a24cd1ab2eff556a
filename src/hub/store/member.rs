//! Finds one member of a section by its path; what lies beside the path is passed over and not decoded.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::query::Member;

/// The member at a path of a JSON text.
///
/// # Errors
/// When the text is no JSON.
pub(super) fn find<'b>(json: &'b [u8], path: &[Box<str>]) -> serde_json::Result<Member<'b>> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let member = Wanted { path }.deserialize(&mut json)?;
    json.end()?;
    Ok(member)
}

/// Follows a path into whatever comes.
#[derive(Clone, Copy)]
struct Wanted<'p> {
    path: &'p [Box<str>],
}

impl Wanted<'_> {
    /// A primitive is found, or has nothing below it.
    fn primitive<'de>(self, member: Member<'de>) -> Member<'de> {
        if self.path.is_empty() { member } else { Member::Missing }
    }
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Member<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Bool(value)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Number(number as f64)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Number(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Number(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.primitive(Member::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if self.path.is_empty() {
            return Ok(Member::Compound(Cow::Owned(Value::deserialize(SeqAccessDeserializer::new(items))?)));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Missing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Some((wanted, path)) = self.path.split_first() else {
            return Ok(Member::Compound(Cow::Owned(Value::deserialize(MapAccessDeserializer::new(members))?)));
        };
        let mut found = Member::Missing;
        while let Some(is_wanted) = members.next_key_seed(IsCalled { wanted })? {
            if is_wanted {
                found = members.next_value_seed(Wanted { path })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Tells whether a name is the wanted one.
#[derive(Clone, Copy)]
struct IsCalled<'p> {
    wanted: &'p str,
}

impl<'de> DeserializeSeed<'de> for IsCalled<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for IsCalled<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::query::Row;

    fn path(text: &str) -> Vec<Box<str>> {
        text.split('.').filter(|key| !key.is_empty()).map(Into::into).collect()
    }

    #[test]
    fn a_member_is_what_a_document_has_at_its_path() {
        let document = json!({
            "a": {"b": {"c": 1, "d": [1, {"e": 2}]}, "ü": "\"quoted\" \u{1}"}, "n": null, "t": true,
            "big": u64::MAX, "low": -3, "half": 0.5, "empty": {}, "text": "plain"
        });
        let bytes = serde_json::to_vec(&document).unwrap();
        for text in [
            "a.b.c", "a.b.d", "a.b", "a.ü", "a.b.d.e", "a.b.c.x", "n", "n.x", "t", "big", "low", "half", "empty",
            "empty.x", "text", "none", "none.x", "",
        ] {
            let path = path(text);
            assert_eq!(find(&bytes, &path).unwrap(), document.member(&path), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error_wherever_it_breaks() {
        for broken in ["", "{", r#"{"a":1"#, r#"{"a":1}}"#, r#"{"b":[,"a":1}"#] {
            assert!(find(broken.as_bytes(), &path("a")).is_err(), "{broken}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[abc]", inner, 0..4).prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        #[test]
        fn bytes_and_documents_give_the_same(document in any_json(), keys in prop::collection::vec("[abc]", 0..4)) {
            let bytes = serde_json::to_vec(&document).unwrap();
            let path: Vec<Box<str>> = keys.into_iter().map(Into::into).collect();
            prop_assert_eq!(find(&bytes, &path).unwrap(), document.member(&path));
        }
    }
}
