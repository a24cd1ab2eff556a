//! Targets that ended the same way for the same reason, counted together.

use std::collections::BTreeMap;

use super::words::{clean, shortened};
use crate::run::{DeviceResult, OutcomeClass};

/// Targets of a group that are named; a report names all.
const NAMED_MAX: usize = 20;
/// Characters shown of an answer or of the hub's words.
const DETAIL_CHARS_MAX: usize = 120;

/// Groups that grow with every result.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_cause: BTreeMap<(OutcomeClass, String), Group>,
}

/// Targets with one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The class that they share.
    pub outcome: OutcomeClass,
    /// Why; empty for those that succeeded.
    pub reason: String,
    /// How many they are.
    pub count: u64,
    /// The first of them.
    pub named: Vec<String>,
    /// What one of them said, where that is worth a look.
    pub example: Option<String>,
}

impl Groups {
    /// Counts a target.
    pub(super) fn take_in(&mut self, result: &DeviceResult) {
        let is_success = result.outcome == OutcomeClass::Succeeded;
        let reason = result.reason.as_deref().map(clean).unwrap_or_default();
        let group = self
            .by_cause
            .entry((result.outcome, reason))
            .or_insert_with_key(|(outcome, reason)| Group::empty(*outcome, reason));
        group.count += 1;
        if group.named.len() < NAMED_MAX {
            group.named.push(clean(&result.target().to_string()));
        }
        if !is_success && group.example.is_none() {
            group.example = example(result);
        }
    }

    /// Targets of a class that are named by a result.
    pub(super) fn count(&self, class: OutcomeClass) -> u64 {
        self.by_cause.values().filter(|group| group.outcome == class).map(|group| group.count).sum()
    }

    /// Every group: what did not succeed by class, the largest first, then what did.
    ///
    /// `nameless` unknown targets are those that nothing but the hub's count tells of, and what to say of them.
    pub(super) fn failures_first(&self, nameless: (u64, &str)) -> Vec<Group> {
        let mut groups: Vec<Group> = self.by_cause.values().cloned().collect();
        if let (count @ 1.., reason) = nameless {
            groups.push(Group { count, ..Group::empty(OutcomeClass::Unknown, reason) });
        }
        groups.sort_by_key(|group| {
            (group.outcome == OutcomeClass::Succeeded, group.outcome, std::cmp::Reverse(group.count))
        });
        groups
    }
}

impl Group {
    fn empty(outcome: OutcomeClass, reason: &str) -> Self {
        Self { outcome, reason: reason.to_owned(), count: 0, named: Vec::new(), example: None }
    }

    /// Whether its targets did what was asked.
    pub(super) fn is_success(&self) -> bool {
        self.outcome == OutcomeClass::Succeeded
    }

    /// Targets that are not named.
    pub(super) fn unnamed(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.named.len()).unwrap_or(u64::MAX))
    }

    /// Why, with what one of them said.
    pub(super) fn why(&self) -> String {
        match &self.example {
            Some(example) if self.reason.is_empty() => example.clone(),
            Some(example) => format!("{}: {example}", self.reason),
            None => self.reason.clone(),
        }
    }

    /// As many names as `chars` hold, at least one, and how many more there are.
    pub(super) fn which_within(&self, chars: usize) -> String {
        let mut used = 0;
        let fitting = self.named.iter().take_while(|name| {
            used += name.chars().count() + 2;
            used <= chars
        });
        let fitting = fitting.count();
        self.which(fitting.max(1))
    }

    /// The first `most` names, and how many more there are.
    pub(super) fn which(&self, most: usize) -> String {
        let named = &self.named[..self.named.len().min(most)];
        let more = self.count.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
        match (named.is_empty(), more) {
            (true, _) => String::new(),
            (false, 0) => named.join(", "),
            (false, more) => format!("{} and {more} more", named.join(", ")),
        }
    }
}

/// What one target of a group said: the device's answer, or the hub's words.
fn example(result: &DeviceResult) -> Option<String> {
    let payload = result.payload.as_ref().map(ToString::to_string);
    let words =
        result.error.as_ref().map(|error| error.description.clone()).filter(|_| result.outcome == OutcomeClass::Failed);
    let text = clean(&payload.or(words).filter(|text| !text.is_empty())?);
    Some(shortened(&text, DETAIL_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::result;

    #[test]
    fn failures_come_first_by_class_and_the_largest_of_a_class_before_the_others() {
        let mut groups = Groups::default();
        for (id, class, reason) in [
            ("a", OutcomeClass::Succeeded, None),
            ("b", OutcomeClass::Offline, Some("away")),
            ("c", OutcomeClass::Failed, Some("a rare one")),
            ("d", OutcomeClass::Failed, Some("the usual")),
            ("e", OutcomeClass::Failed, Some("the usual")),
        ] {
            groups.take_in(&result(id, class, None, reason));
        }
        let sorted = groups.failures_first((7, "not read"));
        let told: Vec<(u64, &str)> = sorted.iter().map(|group| (group.count, group.reason.as_str())).collect();
        assert_eq!(told, [(1, "away"), (2, "the usual"), (1, "a rare one"), (7, "not read"), (1, "")]);
        assert_eq!(sorted[1].which(1), "d and 1 more");
        assert_eq!((sorted[1].which(9), sorted[3].which(9)), ("d, e".to_owned(), String::new()));
        assert_eq!((sorted[1].which_within(0), sorted[1].which_within(6)), (sorted[1].which(1), sorted[1].which(2)));
    }
}
