//! Which rows pass (GRAMMAR.md 4), and what a condition implies.

use std::collections::BTreeSet;

use serde_json::json;

use super::twin;
use crate::query::{Equality, KeyRange, parse, parse_condition};

fn passes(condition: &str) -> bool {
    parse_condition(condition).unwrap_or_else(|error| panic!("{condition}: {error:?}")).matches(&twin())
}

/// The truth of a condition, told apart by asking for it and for its negation.
fn truth(condition: &str) -> char {
    match (passes(condition), passes(&format!("NOT ({condition})"))) {
        (true, false) => 'T',
        (false, true) => 'F',
        (false, false) => 'U',
        (true, true) => panic!("{condition} is true and false"),
    }
}

// conformance: GRAMMAR.md 4: true, false and undefined combine as tabled
#[test]
fn three_truths_combine_as_tabled() {
    const OF: [(&str, char); 3] = [("true", 'T'), ("false", 'F'), ("tags.missing", 'U')];
    for (a, x) in OF {
        for (b, y) in OF {
            let and = if x == 'F' || y == 'F' {
                'F'
            } else if x == 'T' && y == 'T' {
                'T'
            } else {
                'U'
            };
            let or = if x == 'T' || y == 'T' {
                'T'
            } else if x == 'F' && y == 'F' {
                'F'
            } else {
                'U'
            };
            assert_eq!(truth(&format!("{a} AND {b}")), and, "{a} AND {b}");
            assert_eq!(truth(&format!("{a} OR {b}")), or, "{a} OR {b}");
        }
    }
}

// conformance: GRAMMAR.md 4: only true passes; a missing path is undefined and so is every comparison with it
// conformance: GRAMMAR.md 4: strings compare ordinally and by case, numbers as doubles, null equals null
// conformance: GRAMMAR.md 4: IS_DEFINED, STARTSWITH and ARRAY_CONTAINS
// conformance: GRAMMAR.md 3: system properties are found in any case, keys of twins in theirs only
// conformance: GRAMMAR.md 2: hyphens and `$` belong to names, `[[name]]` is a segment
// conformance: GRAMMAR.md 1: precedence from OR to the signs
#[test]
fn conditions_are_true_false_or_undefined() {
    for (condition, want) in [
        // Equality and order.
        ("tags.site = 'oslo'", 'T'),
        ("'oslo' = tags.site", 'T'),
        ("tags.site = 'Oslo'", 'F'),
        ("tags.Site = 'oslo'", 'U'),
        ("DEVICEID = 'line1-door-7'", 'T'),
        ("tags.missing = 'x'", 'U'),
        ("tags.missing != 'x'", 'U'),
        ("NOT IS_DEFINED(tags.missing) OR tags.missing != 'x'", 'T'),
        ("tags.ring = 2.0", 'T'),
        ("tags.ring = '2'", 'F'),
        ("tags.ring != '2'", 'T'),
        ("tags.ring < '3'", 'U'),
        ("tags.site < 'p'", 'T'),
        ("tags.list = 1", 'U'),
        ("tags.list != 1", 'U'),
        ("tags = tags", 'U'),
        ("tags.live", 'T'),
        ("tags.site", 'U'),
        ("properties.reported.none = null", 'T'),
        ("properties.reported.none", 'U'),
        ("tags.missing = null", 'U'),
        ("tags.missing = undefined", 'U'),
        ("properties.desired.$version = properties.reported.lastDesiredVersion", 'T'),
        ("properties.desired.$metadata.$lastUpdated < '2026-02-01'", 'T'),
        ("tags.a-b = 1", 'T'),
        ("tags.[[group]].name = 'g'", 'T'),
        // Lists.
        ("tags.site IN ['rome', 'oslo']", 'T'),
        ("tags.site IN []", 'F'),
        ("tags.ring IN ['2', -2]", 'F'),
        ("tags.ring IN [1, 2.0]", 'T'),
        ("tags.missing IN ['a']", 'U'),
        ("tags.site NIN ['rome']", 'T'),
        ("tags.missing NIN ['rome']", 'U'),
        ("tags.site NOT IN ['oslo']", 'F'),
        ("properties.reported.none IN [null]", 'T'),
        // Arithmetic.
        ("tags.ring + 2 * 3 = 8", 'T'),
        ("(tags.ring + 2) * 3 = 12", 'T'),
        ("10 - 3 - 2 = 5", 'T'),
        ("7 % 4 = 3", 'T'),
        ("-tags.ring = -2", 'T'),
        ("tags.ring / 0 = 1", 'U'),
        ("tags.ring + tags.site = 1", 'U'),
        ("tags.site + '!' = 'oslo!'", 'T'),
        ("+tags.site = 'oslo'", 'U'),
        // Precedence.
        ("true OR true AND false", 'T'),
        ("NOT false AND false", 'F'),
        ("NOT tags.ring = 3", 'T'),
        // Functions.
        ("IS_DEFINED(properties.reported.none)", 'T'),
        ("IS_DEFINED(tags.missing.deep)", 'F'),
        ("startswith(deviceId, 'line1-')", 'T'),
        ("STARTSWITH(deviceId, 'LINE1-')", 'F'),
        ("STARTSWITH(tags.missing, 'x')", 'U'),
        ("STARTSWITH(tags.ring, '2')", 'U'),
        ("ENDSWITH(deviceId, '-7')", 'T'),
        ("CONTAINS(deviceId, 'door')", 'T'),
        ("ARRAY_CONTAINS(parentScopes, 'ms-azure-iot-edge://gw-1')", 'T'),
        ("ARRAY_CONTAINS(parentScopes, 7)", 'T'),
        ("ARRAY_CONTAINS(parentScopes, 'gw')", 'F'),
        ("ARRAY_CONTAINS(tags.site, 'oslo')", 'U'),
        ("ARRAY_CONTAINS(['oslo'], tags.site)", 'T'),
        ("ABS(-tags.ring) = 2 AND POWER(tags.ring, 3) = 8 AND SQRT(-1) = 1", 'U'),
        ("SQUARE(3) = 9 AND CEILING(1.2) = 2 AND FLOOR(1.8) = 1 AND SIGN(-3) = -1 AND EXP(0) = 1", 'T'),
        ("LENGTH(tags.site) = 4 AND UPPER(tags.site) = 'OSLO' AND LOWER('ABC') = 'abc'", 'T'),
        ("CONCAT(tags.site, '-', 'x') = 'oslo-x' AND INDEX_OF(tags.site, 'l') = 2 AND INDEX_OF('a', 'b') = -1", 'T'),
        ("IS_NUMBER(tags.ring) AND IS_STRING(tags.site) AND IS_BOOL(tags.live) AND IS_ARRAY(tags.list)", 'T'),
        ("IS_OBJECT(tags) AND IS_NULL(properties.reported.none) AND IS_PRIMITIVE(tags.site)", 'T'),
        ("IS_PRIMITIVE(tags.missing) OR IS_PRIMITIVE(tags)", 'F'),
    ] {
        assert_eq!(truth(condition), want, "{condition}");
    }
}

fn ids(ids: &[&str]) -> KeyRange {
    KeyRange::Ids(ids.iter().map(ToString::to_string).collect())
}

#[test]
fn a_key_range_is_what_the_condition_implies() {
    for (condition, want) in [
        ("*", KeyRange::All),
        ("tags.site = 'a'", KeyRange::All),
        ("deviceId = 'a'", ids(&["a"])),
        ("'a' = devices.DeviceID", ids(&["a"])),
        ("deviceId IN ['b', 'a', 7] AND tags.x = 1", ids(&["a", "b"])),
        ("deviceId IN ['b', 'a'] AND (deviceId = 'a' AND tags.x = 1)", ids(&["a"])),
        ("deviceId = 'a' AND deviceId = 'b'", KeyRange::Ids(BTreeSet::new())),
        ("STARTSWITH(deviceId, 'l-') AND STARTSWITH(deviceId, 'l-1')", KeyRange::Prefix("l-1".into())),
        ("STARTSWITH(deviceId, 'a') AND STARTSWITH(deviceId, 'b')", KeyRange::Ids(BTreeSet::new())),
        ("STARTSWITH(deviceId, 'a') AND deviceId IN ['ab', 'ba']", ids(&["ab"])),
        ("deviceId = 'a' OR deviceId = 'b'", ids(&["a", "b"])),
        ("deviceId = 'a' OR tags.x = 1", KeyRange::All),
        ("NOT deviceId = 'a'", KeyRange::All),
        ("deviceId != 'a'", KeyRange::All),
        ("deviceId NIN ['a']", KeyRange::All),
        ("STARTSWITH(deviceId, tags.x)", KeyRange::All),
    ] {
        assert_eq!(parse_condition(condition).unwrap().key_range(), want, "{condition}");
    }
    let rows = parse("SELECT * FROM devices.jobs WHERE jobId = 'j' AND deviceId = 'd'").unwrap();
    assert_eq!((rows.job_range(), rows.key_range()), (ids(&["j"]), ids(&["d"])));
}

#[test]
fn a_conjunction_of_equalities_is_listed() {
    let condition =
        parse_condition("deviceId IN ['a', 'b'] AND (tags.site = 'oslo' AND -5 = properties.reported.t.x)").unwrap();
    let want = [
        (vec!["deviceId"], vec![json!("a"), json!("b")], 0..22),
        (vec!["tags", "site"], vec![json!("oslo")], 28..46),
        (vec!["properties", "reported", "t", "x"], vec![json!(-5)], 51..79),
    ]
    .map(|(path, values, span)| Equality { path: path.into_iter().map(str::to_owned).collect(), values, span });
    assert_eq!(condition.conjunction().unwrap(), want);
    assert_eq!(parse_condition("*").unwrap().conjunction().unwrap(), []);
}

#[test]
fn the_first_clause_that_is_no_equality_is_quoted() {
    for (condition, clause) in [
        ("tags.a = 1 AND tags.b > 2 AND tags.c > 3", "tags.b > 2"),
        ("tags.a = 1 AND (tags.b = 1 OR tags.c = 1)", "(tags.b = 1 OR tags.c = 1)"),
        ("NOT tags.a = 1", "NOT tags.a = 1"),
        ("properties.desired.a = 1", "properties.desired.a = 1"),
        ("properties.reported.$version = 1", "properties.reported.$version = 1"),
        ("tags = 1", "tags = 1"),
        ("tags.a = tags.b", "tags.a = tags.b"),
        ("tags.a = null", "tags.a = null"),
        ("tags.a IN []", "tags.a IN []"),
        ("deviceId = 7", "deviceId = 7"),
        ("tags.a", "tags.a"),
        ("connectionState = 'Connected'", "connectionState = 'Connected'"),
    ] {
        let found = parse_condition(condition).unwrap().conjunction().unwrap_err();
        assert_eq!((found.text.as_str(), &condition[found.span]), (clause, clause), "{condition}");
    }
}
