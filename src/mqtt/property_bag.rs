//! Property bags: the `k=v&k=v` at the end of telemetry and cloud-to-device topics (DEVICE.md 2.4).

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a bag escapes. A space is `%20` and never `+`; `$` becomes `%24` as the SDKs write it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Properties of a message, in the order in which they were written. A key without `=` has no value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PropertyBag(Vec<(String, Option<String>)>);

impl PropertyBag {
    /// Reads a bag. A leading `?` is let pass; of a key that is there twice, the last counts.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut bag: Vec<(String, Option<String>)> = Vec::new();
        // A topic has room for 20,000 keys: looking each up among those before it would hold the hub's thread.
        let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let text = text.strip_prefix('?').unwrap_or(text);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value)));
            let (key, value) = (decoded(key), value.map(|value| decoded(value).into_owned()));
            match places.entry(key) {
                Entry::Occupied(place) => bag[*place.get()].1 = value,
                Entry::Vacant(place) => {
                    bag.push((place.key().clone().into_owned(), value));
                    place.insert(bag.len() - 1);
                }
            }
        }
        Self(bag)
    }

    // conformance-choice: DEVICE.md 2.4: of two properties of one name the last counts
    /// Sets a property, in place of an earlier one of that name.
    pub fn set(&mut self, key: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// The value of a property that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.as_deref())
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for PropertyBag {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut bag = Self::default();
        pairs.into_iter().for_each(|(key, value)| bag.set(key, Some(value)));
        bag
    }
}

impl fmt::Display for PropertyBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("&")?;
            }
            utf8_percent_encode(key, ESCAPED).fmt(f)?;
            if let Some(value) = value {
                write!(f, "={}", utf8_percent_encode(value, ESCAPED))?;
            }
        }
        Ok(())
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // conformance: DEVICE.md 2.4: property bags are percent-decoded, `$.ct` and its like are system properties
    #[test]
    fn reads_and_writes_what_the_python_sdk_sends() {
        let text = "%24.ct=application%2Fjson&%24.ce=utf-8&k%20%2F%26%3D%2B=v%20%C3%A9";
        let bag = PropertyBag::parse(text);
        assert_eq!(bag.get("$.ct"), Some("application/json"));
        assert_eq!(bag.get("k /&=+"), Some("v é"));
        assert_eq!(bag.to_string(), text);
    }

    // conformance: DEVICE.md 2.4: a plus is a plus; a key without `=` is null, with it an empty text
    #[test]
    fn plus_is_a_plus_and_nothing_is_not_empty() {
        let bag = PropertyBag::parse("?a=1+1&b&c=&a=2+2");
        assert_eq!(bag.iter().collect::<Vec<_>>(), [("a", Some("2+2")), ("b", None), ("c", Some(""))]);
    }

    #[test]
    fn a_topic_full_of_keys_is_read_at_once() {
        // With a search among all earlier keys for each, this takes minutes.
        let text = (0..20_000).map(|number| format!("{number:x}")).collect::<Vec<_>>().join("&") + "&0=last";
        let bag = PropertyBag::parse(&text);
        assert_eq!(bag.iter().count(), 20_000);
        assert_eq!((bag.iter().next(), bag.get("4e1f")), (Some(("0", Some("last"))), None));
    }

    proptest! {
        #[test]
        fn every_bag_survives_a_round_trip(pairs in prop::collection::vec((".{1,8}", prop::option::of(".{0,8}")), 0..5)) {
            let mut bag = PropertyBag::default();
            pairs.iter().for_each(|(key, value)| bag.set(key, value.as_deref()));
            let text = bag.to_string();
            prop_assert!(!text.contains(['/', '+', '#']));
            prop_assert_eq!(PropertyBag::parse(&text), bag);
        }
    }
}
