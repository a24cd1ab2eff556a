//! Merge patches of twins and the limits that a twin's sections keep (REST.md 6.4 and 6.5).

use serde_json::Value;

use super::JsonObject;
use super::limits::{
    DESIRED_BYTES_MAX, PATCH_VIOLATIONS_MAX, REPORTED_BYTES_MAX, TAGS_BYTES_MAX, TWIN_DEPTH_MAX, TWIN_INTEGER_MAX,
    TWIN_INTEGER_MIN, TWIN_KEY_BYTES_MAX, TWIN_STRING_BYTES_MAX,
};

/// Merges `patch` into `target` as RFC 7386 says: null deletes, objects merge, everything else replaces.
///
/// Deleting the last leaf of an object leaves `{}` behind.
pub fn merge(target: &mut JsonObject, patch: &JsonObject) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(JsonObject::new()));
                if !slot.is_object() {
                    *slot = Value::Object(JsonObject::new());
                }
                if let Value::Object(existing) = slot {
                    merge(existing, inner);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// A rule of REST.md 6.5 that a section or a patch breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchViolation {
    /// A key with a character that the service refuses.
    #[error("the key `{key}` contains `{}`, which twin keys may not", found.escape_debug())]
    KeyCharacter {
        /// JSON pointer of the member.
        pointer: String,
        /// The key.
        key: String,
        /// The character.
        found: char,
    },
    /// A key that is too long.
    #[error("a key has {bytes} bytes; twin keys have at most {TWIN_KEY_BYTES_MAX}")]
    KeyLength {
        /// JSON pointer of the member.
        pointer: String,
        /// Its length.
        bytes: usize,
    },
    /// Objects nested too deep.
    #[error("objects are nested more than {TWIN_DEPTH_MAX} levels deep")]
    Depth {
        /// JSON pointer of the first object that is too deep.
        pointer: String,
    },
    /// An integer that a twin cannot hold.
    #[error("{value} is outside a twin's integers, {TWIN_INTEGER_MIN} to {TWIN_INTEGER_MAX}")]
    Integer {
        /// JSON pointer of the value.
        pointer: String,
        /// The number as written.
        value: String,
    },
    /// A string that is too long.
    #[error("a string has {bytes} bytes; twin strings have at most {TWIN_STRING_BYTES_MAX}")]
    StringLength {
        /// JSON pointer of the value.
        pointer: String,
        /// Its length.
        bytes: usize,
    },
    /// A null inside an array.
    #[error("null is not allowed inside an array")]
    NullInArray {
        /// JSON pointer of the null.
        pointer: String,
    },
    /// The whole section is too large.
    #[error("{section} would have {bytes} bytes as the service counts them; at most {max} fit")]
    Size {
        /// `tags`, `desired` or `reported`.
        section: &'static str,
        /// Counted bytes.
        bytes: usize,
        /// Allowed bytes.
        max: usize,
    },
}

impl PatchViolation {
    /// JSON pointer, relative to the section, of the offending member; empty for the section itself.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::KeyCharacter { pointer, .. }
            | Self::KeyLength { pointer, .. }
            | Self::Depth { pointer }
            | Self::Integer { pointer, .. }
            | Self::StringLength { pointer, .. }
            | Self::NullInArray { pointer } => pointer,
            Self::Size { .. } => "",
        }
    }
}

/// What is wrong with tags, or a patch of them.
#[must_use]
pub fn tags_violations(section: &JsonObject) -> Vec<PatchViolation> {
    violations(section, "tags", TAGS_BYTES_MAX)
}

/// What is wrong with desired properties, or a patch of them.
#[must_use]
pub fn desired_violations(section: &JsonObject) -> Vec<PatchViolation> {
    violations(section, "desired", DESIRED_BYTES_MAX)
}

/// What is wrong with reported properties, or a patch of them.
#[must_use]
pub fn reported_violations(section: &JsonObject) -> Vec<PatchViolation> {
    violations(section, "reported", REPORTED_BYTES_MAX)
}

fn violations(section: &JsonObject, name: &'static str, max: usize) -> Vec<PatchViolation> {
    let mut found = Vec::new();
    check_object(section, &mut String::new(), 1, &mut found);
    let bytes = counted_bytes_of(section);
    if bytes > max {
        found.push(PatchViolation::Size { section: name, bytes, max });
    }
    found
}

fn check_object(object: &JsonObject, pointer: &mut String, depth: usize, found: &mut Vec<PatchViolation>) {
    if depth > TWIN_DEPTH_MAX {
        found.push(PatchViolation::Depth { pointer: pointer.clone() });
        return;
    }
    for (key, value) in object {
        if found.len() >= PATCH_VIOLATIONS_MAX {
            return;
        }
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        if let Some(bad) = key.chars().find(|&c| c.is_control() || ".$# ".contains(c)) {
            found.push(PatchViolation::KeyCharacter { pointer: pointer.clone(), key: key.clone(), found: bad });
        }
        if key.len() > TWIN_KEY_BYTES_MAX {
            found.push(PatchViolation::KeyLength { pointer: pointer.clone(), bytes: key.len() });
        }
        check_value(value, pointer, depth, found);
        pointer.truncate(length);
    }
}

fn check_value(value: &Value, pointer: &mut String, depth: usize, found: &mut Vec<PatchViolation>) {
    match value {
        Value::Object(inner) => check_object(inner, pointer, depth + 1, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if found.len() >= PATCH_VIOLATIONS_MAX {
                    return;
                }
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&index.to_string());
                if item.is_null() {
                    found.push(PatchViolation::NullInArray { pointer: pointer.clone() });
                } else {
                    check_value(item, pointer, depth, found);
                }
                pointer.truncate(length);
            }
        }
        Value::String(text) if text.len() > TWIN_STRING_BYTES_MAX => {
            found.push(PatchViolation::StringLength { pointer: pointer.clone(), bytes: text.len() });
        }
        Value::Number(number) => {
            let legal = match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => (TWIN_INTEGER_MIN..=TWIN_INTEGER_MAX).contains(&integer),
                (None, Some(_)) => false,
                (None, None) => true,
            };
            if !legal {
                found.push(PatchViolation::Integer { pointer: pointer.clone(), value: number.to_string() });
            }
        }
        _ => {}
    }
}

/// Size as the service counts it: keys and values; strings without control characters, numbers 8, booleans 4,
/// structure and nulls free.
fn counted_bytes_of(object: &JsonObject) -> usize {
    object.iter().map(|(key, value)| text_bytes(key) + counted_bytes(value)).sum()
}

fn counted_bytes(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text_bytes(text),
        Value::Array(items) => items.iter().map(counted_bytes).sum(),
        Value::Object(inner) => counted_bytes_of(inner),
    }
}

fn text_bytes(text: &str) -> usize {
    text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonObject {
        value.as_object().cloned().expect("the test wrote an object")
    }

    // conformance: REST.md 6.4: null deletes, objects merge, everything else replaces
    #[test]
    fn null_deletes_objects_merge_the_rest_replaces() {
        let mut target = object(json!({"a": {"b": 1, "c": 2}, "d": [1], "e": 5}));
        merge(&mut target, &object(json!({"a": {"b": null, "x": {"y": null}}, "d": [2, 3], "e": {"f": 1}})));
        assert_eq!(Value::Object(target), json!({"a": {"c": 2, "x": {}}, "d": [2, 3], "e": {"f": 1}}));
    }

    // conformance: REST.md 6.5: keys, depth, integers, nulls in arrays and lengths are checked
    #[test]
    fn each_rule_is_found_with_its_place() {
        let bad = object(json!({
            "a.b": 1,
            "deep": {"2": {"3": {"4": {"5": {"6": {"7": {"8": {"9": {"10": {"11": {}}}}}}}}}}},
            "list": [1, null],
            "big": 4_503_599_627_370_496_i64,
            "long": "x".repeat(4_097),
        }));
        let pointers: Vec<String> = tags_violations(&bad).iter().map(|v| v.pointer().to_owned()).collect();
        assert_eq!(pointers, ["/a.b", "/deep/2/3/4/5/6/7/8/9/10", "/list/1", "/big", "/long"]);
    }

    #[test]
    fn the_list_ends_before_it_outgrows_the_section() {
        let bad: JsonObject = (0..10_000).map(|key| (format!("a.{key}"), json!([null, null]))).collect();
        // The last key's own nulls and the size come on top.
        assert!((PATCH_VIOLATIONS_MAX..PATCH_VIOLATIONS_MAX + 3).contains(&tags_violations(&bad).len()));
    }

    // conformance: REST.md 6.5: ten levels, and integers to the edges of 52 bits
    #[test]
    fn a_scalar_may_sit_in_the_tenth_level_and_the_integer_edges_are_legal() {
        let good = object(json!({
            "1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": {"9": {"10": 1}}}}}}}}},
            "low": TWIN_INTEGER_MIN, "high": TWIN_INTEGER_MAX, "": "empty key", "dör": 1.5,
        }));
        assert_eq!(desired_violations(&good), []);
    }

    // conformance: REST.md 6.5: sizes count keys and values
    #[test]
    fn size_counts_keys_and_values_only() {
        let parts: Vec<String> = (0..2).map(|_| "x".repeat(4_095)).collect();
        assert_eq!(tags_violations(&object(json!({"a": parts[0], "b": parts[1]}))), []);
        let over = tags_violations(&object(json!({"ab": parts[0], "b": parts[1]})));
        assert_eq!(over, [PatchViolation::Size { section: "tags", bytes: 8_193, max: 8_192 }]);
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn json_object() -> impl Strategy<Value = JsonObject> {
        prop::collection::btree_map("[ab]", json_value(), 0..3).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_patch_applied_twice_changes_nothing_more(mut target in json_object(), patch in json_object()) {
            merge(&mut target, &patch);
            let once = target.clone();
            merge(&mut target, &patch);
            prop_assert_eq!(once, target);
        }

        #[test]
        fn no_member_that_the_patch_names_null_survives(mut target in json_object(), patch in json_object()) {
            merge(&mut target, &patch);
            for (key, value) in &patch {
                prop_assert_eq!(value.is_null(), !target.contains_key(key));
            }
        }
    }
}
