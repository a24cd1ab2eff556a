//! A slow evaluator, written from GRAMMAR.md 4 without a look at ours, and conditions made up at random for both.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::query::parse_condition;

/// A condition; values are `Option<Value>`, where `None` is undefined.
#[derive(Debug, Clone)]
enum Model {
    Constant(Option<Value>),
    Path(Vec<&'static str>),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
    Compare(&'static str, Box<Model>, Box<Model>),
    In(&'static str, Box<Model>, Vec<Value>),
    Arithmetic(char, Box<Model>, Box<Model>),
    IsDefined(Vec<&'static str>),
    StartsWith(Box<Model>, &'static str),
    ArrayContains(Vec<&'static str>, Value),
}

impl Model {
    /// The condition with parentheses round everything, so that no precedence matters.
    fn text(&self) -> String {
        match self {
            Self::Constant(None) => "undefined".to_owned(),
            Self::Constant(Some(value)) => value.to_string(),
            Self::Path(keys) => keys.join("."),
            Self::Not(operand) => format!("(NOT {})", operand.text()),
            Self::And(a, b) => format!("({} AND {})", a.text(), b.text()),
            Self::Or(a, b) => format!("({} OR {})", a.text(), b.text()),
            Self::Compare(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Self::In(op, operand, list) => format!("({} {op} {})", operand.text(), json!(list)),
            Self::Arithmetic(op, a, b) => format!("({} {op} {})", a.text(), b.text()),
            Self::IsDefined(keys) => format!("IS_DEFINED({})", keys.join(".")),
            Self::StartsWith(operand, prefix) => format!("STARTSWITH({}, '{prefix}')", operand.text()),
            Self::ArrayContains(keys, value) => format!("ARRAY_CONTAINS({}, {value})", keys.join(".")),
        }
    }

    fn value(&self, row: &Value) -> Option<Value> {
        let bools = |a: &Self, b: &Self| {
            (a.value(row).and_then(|value| value.as_bool()), b.value(row).and_then(|value| value.as_bool()))
        };
        match self {
            Self::Constant(value) => value.clone(),
            Self::Path(keys) => lookup(row, keys),
            Self::Not(operand) => operand.value(row)?.as_bool().map(|value| json!(!value)),
            Self::And(a, b) => match bools(a, b) {
                (Some(false), _) | (_, Some(false)) => Some(json!(false)),
                (Some(true), Some(true)) => Some(json!(true)),
                _ => None,
            },
            Self::Or(a, b) => match bools(a, b) {
                (Some(true), _) | (_, Some(true)) => Some(json!(true)),
                (Some(false), Some(false)) => Some(json!(false)),
                _ => None,
            },
            Self::Compare(op, a, b) => compare(op, &a.value(row)?, &b.value(row)?),
            Self::In(op, operand, list) => {
                let value = operand.value(row)?;
                if value.is_object() || value.is_array() {
                    return None;
                }
                let found = list.iter().any(|item| same(&value, item));
                Some(json!(found == (*op == "IN")))
            }
            Self::Arithmetic(op, a, b) => arithmetic(*op, &a.value(row)?, &b.value(row)?),
            Self::IsDefined(keys) => Some(json!(lookup(row, keys).is_some())),
            Self::StartsWith(operand, prefix) => Some(json!(operand.value(row)?.as_str()?.starts_with(prefix))),
            Self::ArrayContains(keys, value) => {
                Some(json!(lookup(row, keys)?.as_array()?.iter().any(|item| same(item, value))))
            }
        }
    }
}

fn lookup(row: &Value, keys: &[&str]) -> Option<Value> {
    let mut value = row;
    for key in keys {
        let Value::Object(members) = value else { return None };
        value = members.get(*key)?;
    }
    Some(value.clone())
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.to_string() == b.to_string(),
        _ => !a.is_object() && !a.is_array() && a == b,
    }
}

fn compare(op: &str, a: &Value, b: &Value) -> Option<Value> {
    if [a, b].into_iter().any(|value| value.is_object() || value.is_array()) {
        return None;
    }
    match op {
        "=" => return Some(json!(same(a, b))),
        "!=" | "<>" => return Some(json!(!same(a, b))),
        _ => {}
    }
    let (less, greater) = match (a, b) {
        (Value::Null, Value::Null) => (false, false),
        (Value::Bool(a), Value::Bool(b)) => (!a && *b, *a && !b),
        (Value::Number(a), Value::Number(b)) => (a.as_f64() < b.as_f64(), a.as_f64() > b.as_f64()),
        (Value::String(a), Value::String(b)) => (a.as_bytes() < b.as_bytes(), a.as_bytes() > b.as_bytes()),
        _ => return None,
    };
    Some(json!(match op {
        "<" => less,
        "<=" => !greater,
        ">" => greater,
        ">=" => !less,
        other => panic!("{other}"),
    }))
}

fn arithmetic(op: char, a: &Value, b: &Value) -> Option<Value> {
    if let (Some(a), Some(b), '+') = (a.as_str(), b.as_str(), op) {
        return Some(json!(format!("{a}{b}")));
    }
    let (a, b) = (a.as_f64()?, b.as_f64()?);
    let result = match op {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        '/' if b != 0.0 => a / b,
        '%' if b != 0.0 => a % b,
        _ => return None,
    };
    // Both zeros are one number.
    Some(json!(result + 0.0))
}

fn keys() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "A", "c-d", "$v"]), 1..4).prop_map(|own| {
        let mut keys = vec!["tags"];
        keys.extend(own);
        keys
    })
}

fn primitive() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i32).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, -1.0]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "ab", "B", "it's \"ø\"\n"]).prop_map(Value::from),
    ]
}

/// Values shaped like tags, and deeper.
fn row() -> impl Strategy<Value = Value> {
    let value = primitive().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(vec!["a", "b", "A", "c-d", "$v"]), inner), 0..5)
                .prop_map(|members| members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<Map<_, _>>())
                .prop_map(Value::Object),
        ]
    });
    value.prop_map(|tags| json!({"tags": tags}))
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        1 => Just(Model::Constant(None)),
        3 => primitive().prop_map(|value| Model::Constant(Some(value))),
        4 => keys().prop_map(Model::Path),
        1 => keys().prop_map(Model::IsDefined),
        1 => (keys(), primitive()).prop_map(|(keys, value)| Model::ArrayContains(keys, value)),
    ];
    leaf.prop_recursive(6, 48, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        let one = inner.clone().prop_map(Box::new);
        prop_oneof![
            one.clone().prop_map(Model::Not),
            two().prop_map(|(a, b)| Model::And(a, b)),
            two().prop_map(|(a, b)| Model::Or(a, b)),
            (prop::sample::select(vec!["=", "!=", "<>", "<", "<=", ">", ">="]), two())
                .prop_map(|(op, (a, b))| Model::Compare(op, a, b)),
            (prop::sample::select(vec!["IN", "NIN", "NOT IN"]), one.clone(), prop::collection::vec(primitive(), 0..4))
                .prop_map(|(op, operand, list)| Model::In(op, operand, list)),
            (prop::sample::select(vec!['+', '-', '*', '/', '%']), two())
                .prop_map(|(op, (a, b))| Model::Arithmetic(op, a, b)),
            (one, prop::sample::select(vec!["", "a", "ab"]))
                .prop_map(|(operand, prefix)| Model::StartsWith(operand, prefix)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_evaluator_agrees_with_the_slow_one(model in model(), row in row()) {
        let text = model.text();
        prop_assume!(text.len() < 8_000);
        let condition = parse_condition(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error:?}")))?;
        prop_assert_eq!(condition.matches(&row), model.value(&row) == Some(json!(true)), "{}", text);
        // What is not true may be false or undefined: only its negation tells them apart.
        let negated = parse_condition(&format!("NOT {text}")).unwrap();
        prop_assert_eq!(negated.matches(&row), model.value(&row) == Some(json!(false)), "NOT {}", text);
    }
}
