//! What a patch would do to a twin, and equal changes of many twins counted together.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::manifest::Action;
use crate::model::limits::{PLAN_GROUPS_MAX, PLAN_NAMED_MAX};
use crate::model::{JsonObject, PatchViolation, desired_violations, merge, tags_violations};

/// The two sections of a twin that a back end writes, without the service's own members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sections {
    /// Tags.
    pub tags: JsonObject,
    /// Desired properties.
    pub desired: JsonObject,
}

/// What happens to one member of a twin.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The way to it, such as `["tags", "wave"]`.
    pub path: Vec<String>,
    /// Its value now; absent when it is not there, or when the twins of a group differ in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value afterwards; absent when it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Which of the three it is.
    pub kind: DifferenceKind,
}

/// Whether a member comes, goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DifferenceKind {
    /// It is not there yet.
    Add,
    /// It has another value.
    Replace,
    /// It is there and goes.
    Remove,
}

/// What a patch would do to one twin.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing: it is as wanted.
    None,
    /// These members change.
    Some(Vec<Difference>),
    /// The twin would break a limit, so that the hub refuses it.
    Refused(Box<PatchViolation>),
}

/// Compares a twin with what a patch would make of it. A method changes nothing.
#[must_use]
pub fn compare(action: &Action, now: &Sections) -> Change {
    let Action::Twin { tags, desired } = action else { return Change::None };
    let mut differences = Vec::new();
    if let Some(patch) = tags {
        let mut then = now.tags.clone();
        merge(&mut then, patch);
        if let Some(violation) = tags_violations(&then).into_iter().next() {
            return Change::Refused(Box::new(violation));
        }
        members(&mut vec!["tags".to_owned()], &now.tags, &then, &mut differences);
    }
    if let Some(patch) = desired {
        let mut then = now.desired.clone();
        merge(&mut then, patch);
        if let Some(violation) = desired_violations(&then).into_iter().next() {
            return Change::Refused(Box::new(violation));
        }
        members(&mut vec!["desired".to_owned()], &now.desired, &then, &mut differences);
    }
    if differences.is_empty() { Change::None } else { Change::Some(differences) }
}

/// The values that a patch would touch, as they are now: what a saved plan remembers of a twin.
#[must_use]
pub fn touched(action: &Action, now: &Sections) -> Value {
    let Action::Twin { tags, desired } = action else { return Value::Null };
    let of = |patch: &Option<JsonObject>, section: &JsonObject| {
        patch.as_ref().map_or(Value::Null, |patch| under(patch, section))
    };
    Value::Array(vec![of(tags, &now.tags), of(desired, &now.desired)])
}

fn under(patch: &JsonObject, now: &JsonObject) -> Value {
    let mut members: Vec<(&String, &Value)> = patch.iter().collect();
    members.sort_by_key(|(key, _)| *key);
    let values = members.into_iter().map(|(key, inner)| match (inner, now.get(key)) {
        (Value::Object(inner), Some(Value::Object(now))) => under(inner, now),
        (_, now) => now.cloned().unwrap_or(Value::Null),
    });
    Value::Array(values.collect())
}

fn members(path: &mut Vec<String>, now: &JsonObject, then: &JsonObject, differences: &mut Vec<Difference>) {
    for (key, before) in now {
        path.push(key.clone());
        match (before, then.get(key)) {
            (_, None) => {
                let kind = DifferenceKind::Remove;
                differences.push(Difference { path: path.clone(), before: Some(before.clone()), after: None, kind });
            }
            (Value::Object(before), Some(Value::Object(after))) => members(path, before, after, differences),
            (before, Some(after)) if before != after => {
                let (before, after, kind) = (Some(before.clone()), Some(after.clone()), DifferenceKind::Replace);
                differences.push(Difference { path: path.clone(), before, after, kind });
            }
            _ => {}
        }
        path.pop();
    }
    for (key, after) in then.iter().filter(|(key, _)| !now.contains_key(*key)) {
        path.push(key.clone());
        let (after, kind) = (Some(after.clone()), DifferenceKind::Add);
        differences.push(Difference { path: path.clone(), before: None, after, kind });
        path.pop();
    }
}

/// Changes of many twins, those that are equal counted together. Its size has a bound, whatever the fleet.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Twins that are as wanted.
    pub unchanged: u64,
    /// Twins that would change.
    pub changed: u64,
    /// Twins that the hub would refuse to change, since they would break a limit.
    pub refused: u64,
    /// The changes, the most frequent first once [`Changes::sorted`].
    pub groups: Vec<ChangeGroup>,
    /// Why twins would be refused, with how many and some of them.
    pub refusals: Vec<Refusals>,
    /// Whether the groups tell the values before: they do not when there are too many different ones.
    pub tells_before: bool,
    /// Twins whose change fits no group, since there are too many different ones.
    pub ungrouped: u64,
    #[serde(skip)]
    index: BTreeMap<String, usize>,
}

/// Twins with the same change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeGroup {
    /// What changes.
    pub differences: Vec<Difference>,
    /// How many twins.
    pub count: u64,
    /// Some of them.
    pub named: Vec<String>,
}

/// Twins that break the same limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusals {
    /// The limit, in words, as the first of them breaks it.
    pub reason: String,
    /// How many twins.
    pub count: u64,
    /// Some of them.
    pub named: Vec<String>,
    #[serde(skip)]
    rule: std::mem::Discriminant<PatchViolation>,
}

impl Changes {
    /// No twins yet.
    #[must_use]
    pub fn new() -> Self {
        Self { tells_before: true, ..Self::default() }
    }

    /// Counts one twin.
    pub fn add(&mut self, name: &str, change: Change) {
        match change {
            Change::None => self.unchanged += 1,
            Change::Refused(violation) => self.add_refusal(name, &violation),
            Change::Some(mut differences) => {
                self.changed += 1;
                if !self.tells_before {
                    forget_before(&mut differences);
                }
                self.add_to_group(differences, 1, &[name.to_owned()]);
            }
        }
    }

    /// The same with the most frequent groups first.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.named.cmp(&b.named)));
        self.index.clear();
        self
    }

    fn add_refusal(&mut self, name: &str, violation: &PatchViolation) {
        self.refused += 1;
        let rule = std::mem::discriminant(violation);
        match self.refusals.iter_mut().find(|refusals| refusals.rule == rule) {
            Some(refusals) => {
                refusals.count += 1;
                if refusals.named.len() < PLAN_NAMED_MAX {
                    refusals.named.push(name.to_owned());
                }
            }
            None => {
                let (reason, named) = (violation.to_string(), vec![name.to_owned()]);
                self.refusals.push(Refusals { reason, count: 1, named, rule });
            }
        }
    }

    fn add_to_group(&mut self, differences: Vec<Difference>, count: u64, names: &[String]) {
        let key = key_of(&differences);
        if let Some(group) = self.index.get(&key).and_then(|&at| self.groups.get_mut(at)) {
            group.count += count;
            let room = PLAN_NAMED_MAX.saturating_sub(group.named.len());
            group.named.extend(names.iter().take(room).cloned());
        } else if self.groups.len() < PLAN_GROUPS_MAX {
            self.index.insert(key, self.groups.len());
            let named = names.iter().take(PLAN_NAMED_MAX).cloned().collect();
            self.groups.push(ChangeGroup { differences, count, named });
        } else if self.tells_before {
            self.forget_before();
            let mut differences = differences;
            forget_before(&mut differences);
            self.add_to_group(differences, count, names);
        } else {
            self.ungrouped += count;
        }
    }

    /// Puts groups together that differ only in what was there before.
    fn forget_before(&mut self) {
        self.tells_before = false;
        self.index.clear();
        for mut group in std::mem::take(&mut self.groups) {
            forget_before(&mut group.differences);
            self.add_to_group(group.differences, group.count, &group.named);
        }
    }
}

fn forget_before(differences: &mut [Difference]) {
    differences.iter_mut().for_each(|difference| difference.before = None);
}

fn key_of(differences: &[Difference]) -> String {
    let mut keys: Vec<String> = differences
        .iter()
        .map(|difference| {
            serde_json::json!([difference.path, difference.before, difference.after, difference.kind]).to_string()
        })
        .collect();
    keys.sort();
    keys.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonObject {
        value.as_object().unwrap().clone()
    }

    fn patch(tags: Value, desired: Value) -> Action {
        Action::Twin { tags: tags.as_object().cloned(), desired: desired.as_object().cloned() }
    }

    fn twin(tags: Value, desired: Value) -> Sections {
        Sections { tags: object(tags), desired: object(desired) }
    }

    fn said(change: &Change) -> Vec<String> {
        let Change::Some(differences) = change else { return vec![format!("{change:?}")] };
        let sign = |kind| match kind {
            DifferenceKind::Add => '+',
            DifferenceKind::Replace => '~',
            DifferenceKind::Remove => '-',
        };
        let one = |value: &Option<Value>| value.as_ref().map_or_else(|| "·".to_owned(), Value::to_string);
        differences
            .iter()
            .map(|d| format!("{} {} {} {}", sign(d.kind), d.path.join("."), one(&d.before), one(&d.after)))
            .collect()
    }

    #[test]
    fn each_member_comes_goes_changes_or_stays() {
        let action =
            patch(json!({"wave": 2, "site": {"floor": 3}}), json!({"legacy": null, "gone": null, "new": {"a": 1}}));
        let now = twin(json!({"wave": 1, "site": {"floor": 3, "room": 1}}), json!({"legacy": "x", "other": 1}));
        assert_eq!(
            said(&compare(&action, &now)),
            ["~ tags.wave 1 2", "- desired.legacy \"x\" ·", "+ desired.new · {\"a\":1}"]
        );
        let then = twin(json!({"wave": 2, "site": {"floor": 3}}), json!({"new": {"a": 1}}));
        assert_eq!(compare(&action, &then), Change::None);
        let method =
            crate::manifest::parse_text("m.yaml", "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: m }\n");
        assert_eq!(compare(&method.manifests[0].action, &now), Change::None);
    }

    #[test]
    fn a_twin_that_would_grow_too_large_is_refused() {
        let action = patch(json!({"more": "y".repeat(200)}), Value::Null);
        let now = twin(json!({"a": "x".repeat(4_000), "b": "x".repeat(4_000)}), json!({}));
        assert!(matches!(compare(&action, &now), Change::Refused(_)));
    }

    #[test]
    fn equal_changes_are_one_group_and_too_many_lose_what_was_before() {
        let action = patch(json!({"wave": 2}), Value::Null);
        let mut changes = Changes::new();
        for number in 0..10 {
            changes.add(&format!("d{number}"), compare(&action, &twin(json!({"wave": number % 3}), json!({}))));
        }
        let counts: Vec<(u64, usize)> =
            changes.clone().sorted().groups.iter().map(|group| (group.count, group.named.len())).collect();
        assert_eq!((changes.changed, changes.unchanged, counts), (7, 3, vec![(4, 4), (3, 3)]));
        for number in 0..2_000 {
            changes.add("many", compare(&action, &twin(json!({"wave": 10 + number}), json!({}))));
        }
        let changes = changes.sorted();
        assert_eq!((changes.groups.len(), changes.groups[0].count, changes.tells_before), (1, 2_007, false));
        assert_eq!(changes.groups[0].differences[0].kind, DifferenceKind::Replace);
    }

    proptest! {
        #[test]
        fn nothing_changes_a_second_time(
            wave in 0..3_i64, floor in prop::option::of(0..3_i64), before in 0..3_i64, room in prop::option::of(0..3_i64),
        ) {
            let action = patch(json!({"wave": wave, "site": {"floor": floor}}), Value::Null);
            let mut now = twin(json!({"wave": before, "site": {"floor": before, "room": room}}), json!({}));
            let Action::Twin { tags: Some(tags), .. } = &action else { unreachable!() };
            merge(&mut now.tags, tags);
            prop_assert_eq!(compare(&action, &now), Change::None);
            prop_assert_eq!(touched(&action, &now), touched(&action, &now.clone()));
        }
    }
}
