//! The whole way from text to devices: the same seed, the same fleet; promises over any input; the shipped example.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::device::{Apply, Payload, Transport};
use crate::model::Seed;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn only(text: &str) -> FleetSpec {
    let loaded = parse_text("fleet.yaml", text);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded.spec.unwrap_or_else(|| panic!("{problems:?}\n{text}"))
}

#[test]
fn the_published_schema_is_current() {
    let path = checkout().join("schema/fleet.schema.json");
    if std::env::var_os("IOTJOB_UPDATE").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(written == schema_text(), "schema/fleet.schema.json is stale: run the tests once with IOTJOB_UPDATE=1");
}

#[test]
fn the_shipped_example_means_what_its_page_says() {
    let loaded = load(&checkout().join("docs/examples/fleet/building-43.yaml")).unwrap();
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let fleet = loaded.spec.unwrap();
    assert_eq!((fleet.name().as_str(), fleet.seed(), fleet.len()), ("building-43", Seed::new(42), 1_000));
    let groups: Vec<(&str, u64, u64)> =
        fleet.groups().iter().map(|group| (group.name.as_str(), group.first, group.count)).collect();
    assert_eq!(groups, [("doors", 1, 800), ("thermostats", 801, 190), ("troubled", 991, 10)]);
    let door = fleet.device(42).unwrap();
    assert_eq!((door.id.as_str(), door.number_in_group), ("door-00042", 42));
    let thermostat = fleet.device(801).unwrap();
    assert_eq!((thermostat.id.as_str(), thermostat.number_in_group), ("thermostats-00001", 1));
    let modules: Vec<String> = thermostat.module_ids().map(|id| id.to_string()).collect();
    assert_eq!(modules, ["thermostats-00001/display"]);
    assert_eq!(thermostat.group.authentication, Authentication::SelfSigned);
    assert_eq!(thermostat.group.behaviour.desired.apply, Apply::Partial("90%".parse().unwrap()));
    assert_eq!(fleet.device(1_000).unwrap().group.transport, Transport::WebSocket);
    assert_eq!((fleet.device(0), fleet.device(1_001)), (None, None));
    let rules = &door.group.behaviour;
    assert_eq!(rules.other.status.get(), 501);
    assert_eq!(rules.other.payload, Payload::Fixed("null".into()));
    assert_eq!(rules.methods["reboot"].payload, Payload::Echo);
    let tags = fleet.tags(&door).unwrap();
    assert!(["43", "44"].contains(&tags["building"].to_string().as_str()), "{tags:?}");
    assert!((1..=5).contains(&tags["floor"].as_i64().unwrap()), "{tags:?}");
}

#[test]
fn every_problem_of_a_file_comes_at_once_and_in_order() {
    let text = "seed: -1\ngroups:\n- name: A\n  count: 1\n  methods: { m: { hangs: 5, status: 0 } }\n- name: b\n  \
                tags: { x: { $range: [5, 1] } }\n  desired: { apply: maybe }\n";
    let loaded = parse_text("fleet.yaml", text);
    let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "`seed` lies between 0 and 18446744073709551615, this is -1",
            "`A` is not allowed in a name; use lower-case letters, digits and dashes",
            "`hangs: 5` is not a share",
            "0 is no status of a method: SDKs refuse it",
            "the group does not say how many devices it has",
            "`$range` takes two numbers, the smaller first",
            "`maybe` is no value of `apply`",
        ]
    );
    assert_eq!(loaded.spec, None);
}

#[test]
fn a_group_that_is_no_map_does_not_hide_the_others() {
    let loaded = parse_text("fleet.yaml", "groups: [doors, { name: b, count: 1, mehtods: {} }]\n");
    let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["`groups[0]` is a map, this is a text", "`mehtods` is not a key of a group"]);
}

#[test]
fn ids_that_meet_are_found_wherever_the_templates_differ() {
    let collide = |one: &str, other: &str| {
        let text = format!(
            "groups: [{{ name: a, count: 200, idTemplate: '{one}' }}, {{ name: b, count: 20, idTemplate: '{other}' }}]"
        );
        let problems = parse_text("fleet.yaml", &text).problems;
        problems.iter().find_map(|problem| match &problem.kind {
            ProblemKind::IdsCollide { id, .. } => Some(id.clone()),
            _ => None,
        })
    };
    assert_eq!(collide("d-{n:03}", "d-{n:03}").as_deref(), Some("d-001"));
    assert_eq!(collide("d{n}", "d1{n}").as_deref(), Some("d11"));
    assert_eq!(collide("d{n}", "d{n}0").as_deref(), Some("d10"));
    assert_eq!(collide("d{n:03}", "d{n:02}"), None);
    assert_eq!(collide("d{n}", "d30{n}"), None);
    assert_eq!(collide("a{n}", "b{n}"), None);
}

#[test]
fn an_index_fits_a_twin_however_many_devices_there_are() {
    let text = |start: i64| format!("groups: [{{ name: a, count: 5, reported: {{ n: {{ $index: {start} }} }} }}]");
    assert!(parse_text("fleet.yaml", &text(1)).problems.is_empty());
    assert_eq!(parse_text("fleet.yaml", &text(4_503_599_627_370_495)).problems.len(), 1);
}

#[test]
fn a_million_devices_are_counted_and_not_held() {
    let fleet = only("groups: [{ name: a, count: 500000 }, { name: b, count: 500000 }]");
    let last = fleet.devices_of("9/10".parse().unwrap()).last().unwrap();
    assert_eq!((fleet.len(), last.number, last.id.as_str()), (1_000_000, 999_999, "b-499999"));
}

/// A fleet of random groups, and its text.
fn any_fleet() -> impl Strategy<Value = String> {
    let group = (1_u64..40, 0_usize..3, 0_u64..1_000);
    (proptest::collection::vec(group, 1..5), any::<u64>()).prop_map(|(groups, seed)| {
        let groups: Vec<_> = groups
            .iter()
            .enumerate()
            .map(|(index, (count, modules, start))| {
                let mut group = json!({
                    "name": format!("g{index}"), "count": count,
                    "tags": {"a": {"$choice": [1, "x", {"b": {"$range": [1, 9]}}]}, "n": {"$index": start}},
                });
                if *modules > 0 {
                    let modules = (0..*modules).map(|module| json!({"moduleId": format!("m{module}")}));
                    group["modules"] = modules.collect();
                }
                group
            })
            .collect();
        json!({"seed": seed, "groups": groups}).to_string()
    })
}

proptest! {
    #[test]
    fn the_same_text_is_the_same_fleet(text in any_fleet()) {
        let (one, other) = (only(&text), only(&text));
        prop_assert_eq!(&one, &other);
        for (device, again) in one.devices().zip(other.devices()) {
            prop_assert_eq!(one.tags(&device), other.tags(&again));
        }
    }

    #[test]
    fn shards_are_the_fleet_in_parts(text in any_fleet(), of in 1_u64..9) {
        let fleet = only(&text);
        let shards: Vec<Shard> = (1..=of).filter_map(|index| Shard::new(index, of)).collect();
        let mut parts = BTreeMap::new();
        for device in shards.iter().flat_map(|shard| fleet.devices_of(*shard)) {
            prop_assert!(parts.insert(device.number, device).is_none());
        }
        let whole: Vec<FleetDevice<'_>> = fleet.devices().collect();
        prop_assert_eq!(u64::try_from(whole.len()).unwrap(), fleet.len());
        prop_assert_eq!(shards.iter().map(|shard| fleet.len_of(*shard)).sum::<usize>(), whole.len());
        prop_assert_eq!(whole.iter().map(|device| &device.id).collect::<HashSet<_>>().len(), whole.len());
        prop_assert_eq!(parts.into_values().collect::<Vec<_>>(), whole);
    }

    #[test]
    fn no_text_panics_and_every_problem_lies_in_it(text in "(groups|name|count|share|devices|tags|\\$[a-z]{1,7}|[ -~]|\n  ?){0,60}") {
        let loaded = parse_text("fleet.yaml", &text);
        for problem in &loaded.problems {
            prop_assert!(problem.place.span.end <= text.len());
        }
    }

    #[test]
    fn what_is_nearly_a_fleet_is_a_fleet_or_says_why(at in 0_usize..2_000, with in "[ -~\n]{0,3}") {
        let mut text = include_str!("../../docs/examples/fleet/building-43.yaml").to_owned();
        let at = text.floor_char_boundary(at.min(text.len()));
        text.replace_range(at..text.len().min(at + 2), &with);
        let loaded = parse_text("fleet.yaml", &text);
        let errors = loaded.count(crate::source::Severity::Error);
        prop_assert_eq!(loaded.spec.is_some(), errors == 0, "{}", text);
    }
}
