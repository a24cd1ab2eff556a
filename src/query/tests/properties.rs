//! What holds of every text.

use proptest::prelude::*;
use serde_json::json;

use super::twin;
use crate::query::ast::{Expr, ExprKind};
use crate::query::{Condition, KeyRange, QueryError, Strictness, parse, parse_condition, parse_with};

/// The shape of a tree without its places: every node in brackets.
fn shape(expr: &Expr) -> String {
    let all = |operands: &[Expr]| operands.iter().map(shape).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        ExprKind::Literal(literal) => format!("{literal:?}"),
        ExprKind::Array(list) => format!("{list:?}"),
        ExprKind::Path(path) => format!("{path}:{:?}", path.keys),
        ExprKind::Not(operand) => format!("<not {}>", shape(operand)),
        ExprKind::And(terms) => format!("<and {}>", all(terms)),
        ExprKind::Or(terms) => format!("<or {}>", all(terms)),
        ExprKind::Compare { op, left, right } => format!("<{op:?} {} {}>", shape(left), shape(right)),
        ExprKind::In { membership, left, list } => format!("<{membership:?} {} {list:?}>", shape(left)),
        ExprKind::Arithmetic { first, rest } => {
            let rest: Vec<_> = rest.iter().map(|(op, operand)| format!("{op:?} {}", shape(operand))).collect();
            format!("<{} {}>", shape(first), rest.join(" "))
        }
        ExprKind::Sign { sign, operand } => format!("<{sign:?} {}>", shape(operand)),
        ExprKind::Call { function, args } => format!("<{function:?} {}>", all(args)),
    }
}

fn condition_shape(condition: &Condition) -> Option<String> {
    condition.filter.as_ref().map(shape)
}

fn points_into(text: &str, error: &QueryError) -> bool {
    text.get(error.span.clone()).is_some() && !error.message.is_empty() && error.service_text(text).contains("Line ")
}

/// Texts made of what the language is made of: most are wrong, and wrong in every way.
fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "SELECT",
        "TOP",
        "*",
        "FROM",
        "devices",
        ".",
        "modules",
        "jobs",
        "WHERE",
        "GROUP",
        "BY",
        "AS",
        "COUNT",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "IN",
        "NIN",
        "[",
        "]",
        ",",
        "tags.a",
        "deviceId",
        "tags.[[x y]]",
        "'a'",
        "\"b\\n\"",
        "5",
        "-",
        "+",
        "/",
        "%",
        "=",
        "!=",
        "<",
        ">=",
        "IS_DEFINED",
        "STARTSWITH",
        "true",
        "null",
        "undefined",
        ";",
        "0x1F",
        "1.5e3",
        "'",
        "[[",
        "]]",
        "ø",
        "\\",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

/// Conditions without superfluous parentheses, so that precedence decides.
fn flat_condition() -> impl Strategy<Value = String> {
    let operand = prop::sample::select(vec![
        "tags.a",
        "tags.[[a b]].c",
        "devices.deviceId",
        "1",
        "-2.5",
        "'it\\'s'",
        "\"\\u0001\"",
        "true",
        "null",
        "(1 + 2)",
        "(tags.a = 1 OR tags.b = 2)",
        "-tags.a",
        "-(1 + tags.n)",
        "+tags.a",
        "STARTSWITH(deviceId, 'x')",
        "(NOT tags.a)",
        "ARRAY_CONTAINS(['a', -1, null], tags.a)",
        "(tags.a AND tags.b)",
        "(tags.a * 2)",
        "(tags.a IN [1, 'x'])",
        "- -tags.a",
        "1e300",
        "18446744073709551615",
        "-9223372036854775808",
    ]);
    let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "AND", "OR", "AND NOT", "OR NOT NOT"]);
    let test = prop::sample::select(vec!["", "= 1", "!= tags.x", "<= 'x'", "IN ['a']", "NIN []", "NOT IN [2, 3.0]"]);
    (operand.clone(), prop::collection::vec((operator, operand, test), 0..8)).prop_map(|(first, rest)| {
        let mut text = first.to_owned();
        let mut tested = false;
        for (operator, operand, test) in rest {
            // A second comparison needs an AND or OR in between.
            let joins = operator.starts_with(|c: char| c.is_ascii_alphabetic());
            if tested && !joins {
                continue;
            }
            text += &format!(" {operator} {operand} {test}");
            tested = !test.is_empty();
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let outcomes = [parse(&text).err(), parse_with(&text, Strictness::Strict).err(), parse_condition(&text).err()];
        for error in outcomes.into_iter().flatten() {
            prop_assert!(points_into(&text, &error), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn no_soup_makes_the_parser_panic(words in soup()) {
        for text in [words.clone(), format!("SELECT * FROM devices WHERE {words}")] {
            match parse(&text) {
                Err(error) => prop_assert!(points_into(&text, &error), "{text:?}: {error:?}"),
                Ok(query) => {
                    let _ = (query.matches(&twin()), query.project(&twin()), query.key_range());
                    let written = query.to_string();
                    prop_assert_eq!(parse(&written).map(|again| again.to_string()).ok(), Some(written));
                }
            }
        }
        if let Err(error) = parse_condition(&words) {
            prop_assert!(points_into(&words, &error), "{words:?}: {error:?}");
        }
    }

    #[test]
    fn writing_and_parsing_again_gives_the_same_tree(text in flat_condition()) {
        let condition = parse_condition(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error:?}")))?;
        let written = condition.to_string();
        let again = parse_condition(&written).map_err(|error| TestCaseError::fail(format!("{written}: {error:?}")))?;
        prop_assert_eq!(condition_shape(&condition), condition_shape(&again), "{} -> {}", text, written);
    }

    #[test]
    fn a_key_range_holds_the_id_of_every_row_that_matches(
        terms in prop::collection::vec(prop::sample::select(vec![
            "deviceId = 'a'", "deviceId IN ['a', 'ab', 'b']", "STARTSWITH(deviceId, 'a')", "deviceId != 'a'",
            "STARTSWITH(deviceId, 'ab')", "(deviceId = 'ab' OR deviceId = 'b')", "true", "NOT deviceId = 'b'",
        ]), 1..4),
        joiner in prop::sample::select(vec![" AND ", " OR "]),
    ) {
        let text = terms.join(joiner);
        let condition = parse_condition(&text).unwrap();
        for id in ["a", "ab", "abc", "b", "c"] {
            if condition.matches(&json!({"deviceId": id})) {
                let range: KeyRange = condition.key_range();
                prop_assert!(range.contains(id), "{text}: {range:?} lacks {id}");
            }
        }
    }
}
