//! Columns, aggregates and groups (GRAMMAR.md 5 and 6).

use serde_json::{Value, json};

use super::twin;
use crate::query::{TooManyGroups, parse};

fn projected(text: &str) -> Value {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).project(&twin())
}

// conformance: GRAMMAR.md 6: a column is named by its alias or its last segment, system names in camelCase, undefined ones are left out
#[test]
fn columns_are_named_and_left_out_as_the_service_does() {
    for (text, want) in [
        ("SELECT DeviceID FROM devices", json!({"deviceId": "line1-door-7"})),
        ("SELECT deviceId AS DeviceId FROM devices", json!({"DeviceId": "line1-door-7"})),
        ("SELECT tags.site, tags.missing FROM devices", json!({"site": "oslo"})),
        ("SELECT capabilities FROM devices", json!({"capabilities": {"iotEdge": false}})),
        ("SELECT properties.desired.k-1 AS k-1 FROM devices", json!({"k-1": "on"})),
        ("SELECT properties.reported.none FROM devices", json!({"none": null})),
        ("SELECT c.tags.ring FROM devices AS c", json!({"ring": 2})),
        ("SELECT tags.site AS x, tags.ring AS x FROM devices", json!({"x": 2})),
        ("SELECT * FROM devices", twin()),
    ] {
        assert_eq!(projected(text), want, "{text}");
    }
    let desired = projected("SELECT properties.desired FROM devices");
    assert_eq!(desired["desired"]["$version"], 3);
}

fn rows() -> Vec<Value> {
    [
        json!({"s": "ok", "n": 1}),
        json!({"s": "bad", "n": 2.5}),
        json!({"s": "ok", "n": "x"}),
        json!({"n": 4}),
        json!({"s": null}),
    ]
    .into_iter()
    .map(|tags| json!({"tags": tags}))
    .collect()
}

fn answer(text: &str) -> Value {
    let rows = rows();
    let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert!(query.is_aggregate());
    json!(query.aggregate(rows.iter().filter(|row| query.matches(row))).unwrap())
}

// conformance: GRAMMAR.md 5: COUNT, SUM, AVG, MIN and MAX
#[test]
fn aggregates_count_rows_and_take_numbers_only() {
    for (text, want) in [
        ("SELECT COUNT() AS n FROM devices", json!([{"n": 5}])),
        ("SELECT count(*) FROM devices", json!([{"$1": 5}])),
        ("SELECT COUNT(tags.s) AS s, COUNT() FROM devices", json!([{"s": 4, "$1": 5}])),
        ("SELECT COUNT() AS n FROM devices WHERE tags.s = 'none'", json!([{"n": 0}])),
        (
            "SELECT SUM(tags.n) AS s, AVG(tags.n) AS a, MIN(tags.n) AS l, MAX(tags.n) AS h FROM devices",
            json!([{"s": 7.5, "a": 2.5, "l": 1, "h": 4}]),
        ),
        ("SELECT MAX(tags.none) AS m FROM devices", json!([{}])),
    ] {
        assert_eq!(answer(text), want, "{text}");
    }
}

// conformance: GRAMMAR.md 5: GROUP BY gives one row for each value
#[test]
fn groups_come_in_the_order_in_which_they_began() {
    assert_eq!(
        answer("SELECT tags.s AS status, COUNT() AS n FROM devices GROUP BY tags.s"),
        json!([{"status": "ok", "n": 2}, {"status": "bad", "n": 1}, {"n": 1}, {"status": null, "n": 1}])
    );
    assert_eq!(answer("SELECT TOP 1 tags.s FROM devices GROUP BY tags.s"), json!([{"s": "ok"}]));
    assert_eq!(answer("SELECT tags.s FROM devices WHERE tags.s = 'none' GROUP BY tags.s"), json!([]));
}

#[test]
fn equal_numbers_are_one_group() {
    let rows = [json!({"tags": {"a": 1}}), json!({"tags": {"a": 1.0}}), json!({"tags": {"a": "1"}})];
    let query = parse("SELECT COUNT() AS n FROM devices GROUP BY tags.a").unwrap();
    assert_eq!(query.aggregate(&rows).unwrap(), [json!({"n": 2}), json!({"n": 1})]);
}

#[test]
fn groups_have_a_bound() {
    let query = parse("SELECT COUNT() AS n FROM devices GROUP BY tags.a").unwrap();
    let rows = (0..100).map(|index| json!({"tags": {"a": index.to_string() + &"x".repeat(1 << 20)}}));
    let mut aggregator = crate::query::Aggregator::new(&query);
    let refused = rows.map(|row| aggregator.add(&row)).find_map(Result::err);
    assert_eq!(refused, Some(TooManyGroups { groups: 31 }));
}
