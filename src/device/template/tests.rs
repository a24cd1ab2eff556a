use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::Seed;

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

/// Fills a template for the device of that number.
fn filled(template: Value, number: u64) -> JsonObject {
    let id = TwinId::device(format!("door-{number:05}").parse().unwrap());
    let individual = Individual { seed: Seed::new(42).of(&id.to_string()), id: &id, number };
    ValueTemplate::parse(&object(template)).unwrap().fill(&individual, "tags")
}

fn fault(template: Value) -> (String, TemplateFault) {
    let InvalidTemplate { pointer, fault } = ValueTemplate::parse(&object(template)).unwrap_err();
    (pointer, fault)
}

#[test]
fn values_differ_from_device_to_device_and_stay_the_same() {
    let template = json!({
        "number": {"$index": 100},
        "building": {"$choice": [43, "annex"]},
        "floor": {"$range": [1, 5]},
        "place": {"x": {"$range": [0.0, 10.0]}},
        "firmware": {"$pattern": "1.{0-9}.{a-c}-{n:03}"},
        "name": "door ${device.number} of ${device.id}",
        "fixed": [1, {"a": null}],
    });
    let third = filled(template.clone(), 3);
    assert_eq!(third, filled(template.clone(), 3));
    assert_eq!(third["number"], 102);
    assert_eq!(third["name"], "door 3 of door-00003");
    assert_eq!(third["fixed"], json!([1, {"a": null}]));
    let firmware = third["firmware"].as_str().unwrap();
    assert!(firmware.starts_with("1.") && firmware.ends_with("-003") && firmware.len() == 9, "{firmware}");
    let floors: std::collections::BTreeSet<_> =
        (1..200).map(|n| filled(template.clone(), n)["floor"].as_i64()).collect();
    assert_eq!(floors.len(), 5, "{floors:?}");
    let x = third["place"]["x"].as_f64().unwrap();
    assert!((0.0..=10.0).contains(&x) && (x * 100.0).fract().abs() < 1e-6, "{x} has two decimals");
}

#[test]
fn a_generator_does_not_move_when_another_comes() {
    let alone = filled(json!({"floor": {"$range": [1, 1_000_000]}}), 7);
    let beside = filled(json!({"a": {"$range": [1, 9]}, "floor": {"$range": [1, 1_000_000]}}), 7);
    assert_eq!(alone["floor"], beside["floor"]);
}

#[test]
fn steps_are_kept() {
    for number in 1..100 {
        let made =
            filled(json!({"a": {"$range": [10, 21], "step": 5}, "b": {"$range": [0.0, 0.3], "step": 0.1}}), number);
        assert!([10, 15, 20].map(Value::from).contains(&made["a"]), "{}", made["a"]);
        assert!([0.0, 0.1, 0.2, 0.3].map(Value::from).contains(&made["b"]), "{}", made["b"]);
    }
}

#[test]
fn braces_and_dollars_can_be_written() {
    assert_eq!(filled(json!({"a": {"$pattern": "{{x}}"}}), 1)["a"], "{x}");
    assert_eq!(filled(json!({"a": "$${device.id} $5 $$"}), 1)["a"], "${device.id} $5 $$");
}

#[test]
fn each_mistake_has_its_place_and_its_words() {
    use TemplateFault as F;
    let at = |pointer: &str, fault| (pointer.to_owned(), fault);
    let cases = [
        (json!({"a": {"$rnage": [1, 2]}}), at("/a", F::UnknownGenerator { key: "$rnage".to_owned() })),
        (json!({"a": {"$index": 1, "b": 2}}), at("/a", F::NotAlone { generator: "$index", key: "b".to_owned() })),
        (json!({"a": {"$index": "1"}}), at("/a", F::Index)),
        (json!({"a": {"b~/": {"$choice": []}}}), at("/a/b~0~1", F::Choice)),
        (json!({"a": [{"$range": [5, 1]}]}), at("/a/0", F::Range)),
        (json!({"a": {"$range": [5.0, 1.0]}}), at("/a", F::Range)),
        (json!({"a": {"$range": [1]}}), at("/a", F::Range)),
        (json!({"a": {"$range": [1, 5], "step": 0.5}}), at("/a", F::Step)),
        (json!({"a": {"$range": [1, 5], "step": 0}}), at("/a", F::Step)),
        (json!({"a": {"$range": [1.0, 5.0], "step": -1.0}}), at("/a", F::Step)),
        (json!({"a": {"$pattern": 1}}), at("/a", F::NoPattern)),
        (json!({"a": {"$pattern": "{0-9"}}), at("/a", F::Pattern(PatternFault::Brace { text: "{0-9".to_owned() }))),
        (json!({"a": {"$pattern": "{9-0}"}}), at("/a", F::Pattern(PatternFault::Class { class: "9-0".to_owned() }))),
        (json!({"a": {"$pattern": "{}"}}), at("/a", F::Pattern(PatternFault::Class { class: String::new() }))),
        (json!({"a": "${device.id"}), at("/a", F::Unclosed { text: "${device.id".to_owned() })),
    ];
    for (template, expected) in cases {
        assert_eq!(fault(template.clone()), expected, "{template}");
    }
    let (_, F::Reference { name, known }) = fault(json!({"a": "${request}"})) else { panic!() };
    assert_eq!((name.as_str(), known.contains("device.id")), ("request", true));
    let long = fault(json!({"a": {"$pattern": "{id}".repeat(10)}})).1;
    assert!(matches!(long, F::Pattern(PatternFault::Length { .. })), "{long}");
    let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
    assert_eq!(fault(deep).1, F::Depth);
}

#[test]
fn an_answer_knows_its_request() {
    let id = TwinId::module("door".parse().unwrap(), "cam".parse().unwrap());
    let individual = Individual { seed: Seed::new(1).of("door/cam"), id: &id, number: 9 };
    let request = json!({"lockTime": "10m", "list": [{"n": 7}], "deep": {"a": true}});
    let answer =
        |template: Value| PayloadTemplate::of_answer(&template).unwrap().fill(&individual, "answer", 4, Some(&request));
    assert_eq!(answer(json!("${request}")), request);
    assert_eq!(answer(json!({"asked": "${request.lockTime}"})), json!({"asked": "10m"}));
    assert_eq!(answer(json!("${request.list.0.n}")), json!(7), "a value alone keeps its type");
    assert_eq!(answer(json!("${request.list.0.n}!")), json!("7!"));
    assert_eq!(answer(json!("${request.no.such}")), Value::Null);
    assert_eq!(answer(json!("${request.deep} ${request.lockTime}")), json!(r#"{"a":true} 10m"#));
    assert_eq!(
        answer(json!(["${device.id}", "${module.id}", "${device.number}", "${count}"])),
        json!(["door", "cam", 9, 4])
    );
    assert_eq!(answer(json!({"$ref": 1})), json!({"$ref": 1}), "payloads may hold what twins may not");
    assert!(PayloadTemplate::of_answer(&json!("${request.}")).is_err());
    assert!(PayloadTemplate::of_message(&json!("${request}")).is_err());
    assert_eq!(PayloadTemplate::of_answer(&json!({"a": 1})).unwrap().as_fixed(), Some(&json!({"a": 1})));
}

#[test]
fn what_counts_is_drawn_anew() {
    let id = TwinId::device("d".parse().unwrap());
    let individual = Individual { seed: Seed::new(1).of("d"), id: &id, number: 1 };
    let template = PayloadTemplate::of_message(&json!({"$range": [0, 1_000_000]})).unwrap();
    let drawn: Vec<_> = (1..4).map(|count| template.fill(&individual, "telemetry", count, None)).collect();
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2], "{drawn:?}");
}

/// JSON that may or may not be a template.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<String>(), "[${}a-z.0-9-]{0,20}"].boxed();
    let key = prop_oneof![Just("$index"), Just("$choice"), Just("$range"), Just("$pattern"), Just("step"), Just("a")];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let key = key.clone().prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_read_is_filled_within_its_largest(json in any_json(), number in 1..=1_000_000_u64) {
        let id = TwinId::device("d".parse().unwrap());
        let individual = Individual { seed: Seed::new(number).of("d"), id: &id, number };
        if let Ok(template) = PayloadTemplate::of_answer(&json) {
            let made = template.fill(&individual, "answer", number, None);
            prop_assert_eq!(&made, &template.fill(&individual, "answer", number, None));
        }
        if let Value::Object(object) = &json && let Ok(template) = ValueTemplate::parse(object) {
            prop_assert_eq!(template.fill(&individual, "tags").len(), template.largest().len());
        }
    }
}
