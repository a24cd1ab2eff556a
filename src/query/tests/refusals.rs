//! What a user reads when a text is refused or doubtful.

use crate::query::{Doubt, QueryError, Strictness, Warning, parse, parse_condition, parse_condition_with, parse_with};

/// The quoted place, the message and the help of an error.
fn shown(text: &str, error: &QueryError) -> String {
    let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{:?}: {}{help}", text.get(error.span.clone()).expect("a span lies in its text"), error.message)
}

// conformance: GRAMMAR.md 8: a condition that begins with SELECT is refused
#[test]
fn a_condition_says_what_was_expected_and_after_what() {
    for (text, want) in [
        ("", "\"\": the condition is empty (write `*` for every device)"),
        ("tags.site 'oslo'", "\"'oslo'\": expected an operator after `tags.site`"),
        ("tags.site =", "\"\": expected a value after `=`"),
        ("tags.site = 'a' AND", "\"\": expected a value after `AND`"),
        ("tags. = 1", "\"=\": expected a name after `.`"),
        ("tags.1 = 1", "\"1\": expected a name after `.` (a name that is no plain word is written in [[ ]])"),
        ("(tags.a = 1", "\"(\": this `(` is not closed"),
        ("STARTSWITH(deviceId, 'a'", "\"(\": this `(` is not closed"),
        ("(tags.a = 1 'x')", "\"'x'\": expected an operator or `)` after `1`"),
        ("tags.a = 1)", "\")\": this `)` closes nothing"),
        ("tags.a = 1 = 1", "\"=\": comparisons can't be chained (join them with AND)"),
        ("tags.a IN ('x')", "\"(\": expected `[` after `IN` (a list stands in square brackets: IN ['a', 'b'])"),
        (
            "tags.a IN [x]",
            "\"x\": expected a constant after `[` (a list holds constants only; strings stand in quotes)",
        ),
        ("tags.a IN ['x' 'y']", "\"'y'\": expected `,` or `]` after `'x'`"),
        (
            "tags.a LIKE 'x%'",
            "\"LIKE\": expected an operator after `tags.a` (there is no LIKE; STARTSWITH(path, 'text') tests a beginning)",
        ),
        (
            "tags.a IS NULL",
            "\"IS\": expected an operator after `tags.a` (there is no IS; use IS_DEFINED(path) or NOT IS_DEFINED(path))",
        ),
        ("tags.a = NOT true", "\"NOT\": expected a value after `=` (put NOT … in parentheses)"),
        ("tags.a NOT 1", "\"1\": expected `IN` after `NOT` (NOT stands before a whole comparison: NOT a = 1)"),
        (
            "tags.list[0] = 1",
            "\"[\": `tags.list` can't be followed by `[` (there is no indexing; ARRAY_CONTAINS looks into an array, \
             [[name]] escapes a name)",
        ),
        ("tags[[a]] = 1", "\"[[a]]\": expected an operator after `tags` (a path continues with a dot: .[[a]])"),
        (
            "SELECT * FROM devices WHERE tags.a = 1",
            "\"SELECT\": a condition does not begin with SELECT (write only what follows WHERE; the service puts \
             `SELECT * FROM devices WHERE ` before it)",
        ),
        ("WHERE tags.a = 1", "\"WHERE\": a condition does not begin with WHERE (write only what follows WHERE)"),
        (
            "FROM devices WHERE tags.a = 1",
            "\"devices\": a condition can't be over `devices` by FROM, only over `devices.modules` (leave out FROM and \
             WHERE: a condition is over `devices` anyway)",
        ),
        ("* AND tags.a = 1", "\"AND\": `AND` can't stand after `*`"),
        ("tags.a = 1;", "\";\": `;` can't stand after `1`"),
        (
            "tags.a = 1 ORDER BY tags.a",
            "\"ORDER\": ORDER BY does not exist in this language (rows come in no promised order; sort what you get)",
        ),
        ("tags.a = (SELECT 1)", "\"SELECT\": sub-queries do not exist in this language"),
        ("STARTS_WITH(deviceId, 'a')", "\"STARTS_WITH\": the service refuses `STARTS_WITH` here (use STARTSWITH)"),
        ("STARTWITH(deviceId, 'a')", "\"STARTWITH\": there is no function `STARTWITH` (did you mean STARTSWITH?)"),
        ("SUBSTRING(deviceId, 1) = 'a'", "\"SUBSTRING\": `SUBSTRING` is for routing queries only"),
        ("COUNT() > 3", "\"COUNT\": `COUNT` can only be selected, it is no part of a condition"),
        ("STARTSWITH(deviceId)", "\"STARTSWITH(deviceId)\": `STARTSWITH` takes 2 arguments, this has 1"),
        (
            "IS_DEFINED('tags.a')",
            "\"'tags.a'\": `IS_DEFINED` takes a path (write the path without quotes, such as tags.site)",
        ),
        ("devices = 1", "\"devices\": this names the collection `devices` (add a property, such as `.deviceId`)"),
    ] {
        assert_eq!(shown(text, &parse_condition(text).expect_err(text)), want, "{text}");
    }
}

// conformance: GRAMMAR.md 7: ORDER BY, DISTINCT, JOIN, HAVING and LIMIT are refused
#[test]
fn a_query_says_which_clause_is_wrong() {
    for (text, want) in [
        ("tags.a = 1", "\"tags\": expected `SELECT` (a query reads `SELECT * FROM devices WHERE …`)"),
        ("SELECT", "\"\": expected `*`, a path or an aggregate after `SELECT`"),
        ("SELECT FROM devices", "\"FROM\": expected `*`, a path or an aggregate after `SELECT`"),
        ("SELECT *, deviceId FROM devices", "\",\": nothing can be selected beside `*`"),
        ("SELECT TOP x * FROM devices", "\"x\": expected a whole number after `TOP`"),
        ("SELECT deviceId AS FROM devices", "\"FROM\": expected a name after `AS`"),
        ("SELECT deviceId", "\"\": expected `FROM` after `deviceId`"),
        (
            "SELECT * FROM devices.things",
            "\"devices.things\": `devices.things` is no collection (query `devices`, `devices.modules` or `devices.jobs`)",
        ),
        (
            "SELECT DISTINCT tags.a FROM devices",
            "\"DISTINCT\": DISTINCT does not exist in this language (GROUP BY gives each value once)",
        ),
        (
            "SELECT * FROM devices JOIN x",
            "\"JOIN\": JOIN does not exist in this language (query one collection at a time)",
        ),
        (
            "SELECT COUNT() AS n FROM devices GROUP BY tags.a HAVING n > 1",
            "\"HAVING\": HAVING does not exist in this language (filter the groups that you get)",
        ),
        ("SELECT * FROM devices LIMIT 5", "\"LIMIT\": LIMIT does not exist in this language (write SELECT TOP n)"),
        (
            "SELECT UPPER(deviceId) FROM devices",
            "\"UPPER\": `UPPER` is no aggregate, and no other function can be selected (the aggregates are COUNT, AVG, \
             SUM, MIN and MAX)",
        ),
        (
            "SELECT COUNT() AS n FROM devices.jobs",
            "\"COUNT() AS n\": `devices.jobs` takes neither columns nor aggregates (write SELECT *)",
        ),
        (
            "SELECT * FROM devices GROUP BY tags.a",
            "\"tags.a\": GROUP BY needs columns instead of `*` (select the grouped paths and aggregates)",
        ),
        (
            "SELECT deviceId, COUNT() AS n FROM devices",
            "\"deviceId\": `deviceId` is selected beside an aggregate or GROUP BY and not grouped by (add it to GROUP BY)",
        ),
        ("SELECT * FROM devices GROUP tags.a", "\"tags\": expected `BY` after `GROUP`"),
        (
            "SELECT COUNT() AS n FROM devices GROUP BY tags.a WHERE tags.b = 1",
            "\"WHERE\": `WHERE` can't stand after `tags.a`",
        ),
    ] {
        assert_eq!(shown(text, &parse(text).expect_err(text)), want, "{text}");
    }
}

#[test]
fn depth_has_a_limit_and_length_of_a_chain_has_none() {
    let deep = |levels: usize| format!("{}tags.a = 1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse_condition(&deep(64)).is_ok());
    for text in [deep(65), deep(4_000), "NOT ".repeat(65) + "true", "-".repeat(65) + "1", "ABS(".repeat(70)] {
        assert!(parse_condition(&text).unwrap_err().message.contains("more than 64 levels"), "{text}");
    }
    let chain = vec!["tags.a = 1"; 550].join(" OR ");
    assert!(parse_condition(&chain).is_ok());
    assert!(parse_condition(&(vec!["1"; 2_000].join("+") + " = 2000")).is_ok());
}

fn listed(text: &str, warnings: &[Warning]) -> Vec<(String, Doubt)> {
    warnings.iter().map(|warning| (text[warning.span.clone()].to_owned(), warning.doubt)).collect()
}

#[test]
fn the_unconfirmed_passes_with_a_warning_and_fails_when_strict() {
    for (text, place) in [
        ("tags.a NOT IN [1]", "NOT IN"),
        ("ENDSWITH(deviceId, 'a')", "ENDSWITH"),
        ("CONTAINS(deviceId, 'a')", "CONTAINS"),
        ("LENGTH(deviceId) > 3", "LENGTH"),
        ("id = 'a'", "id"),
        ("tags.a = 'it''s'", "''"),
        ("tags.a + 'x' = 'ax'", "'x'"),
        ("tags.order = 1", "order"),
    ] {
        let condition = parse_condition(text).expect(text);
        assert_eq!(listed(text, condition.warnings()), [(place.to_owned(), Doubt::Unconfirmed)], "{text}");
        let error = parse_condition_with(text, Strictness::Strict).expect_err(text);
        assert_eq!(&text[error.span], place);
    }
    for (text, place) in [
        ("SELECT deviceId d FROM devices", "d"),
        ("SELECT * FROM devices c", "c"),
        ("SELECT * FROM devices;", ";"),
        ("SELECT deviceId, tags.deviceId FROM devices", "tags.deviceId"),
        ("SELECT tags.a, COUNT() AS n FROM devices.modules GROUP BY tags.a", "tags.a"),
    ] {
        let query = parse(text).expect(text);
        assert_eq!(listed(text, query.warnings()), [(place.to_owned(), Doubt::Unconfirmed)], "{text}");
        assert_eq!(&text[parse_with(text, Strictness::Strict).expect_err(text).span], place);
    }
}

#[test]
fn the_suspicious_passes_with_a_warning_also_when_strict() {
    for (text, place, help) in [
        ("building = 43", "building", Some("a string stands in quotes: 'building'; a tag is tags.building")),
        ("deviceid = oslo", "oslo", Some("a string stands in quotes: 'oslo'; a tag is tags.oslo")),
        ("deviceIds = 'a'", "deviceIds", Some("did you mean `deviceId`?")),
        ("properties.t = 1", "properties.t", Some("it has desired and reported")),
        ("tags.a = undefined", "undefined", Some("use NOT IS_DEFINED(path)")),
        ("tags.a != null", "null", Some("use NOT IS_DEFINED(path)")),
        ("connectionState = 'connected'", "'connected'", Some("it is 'Connected', 'Disconnected'")),
        ("status IN ['enabled', 'off']", "status IN ['enabled', 'off']", Some("it is 'enabled', 'disabled'")),
        ("tags.count > 1", "count", Some("write [[count]]")),
        ("tags.list = ['a']", "['a']", Some("use IN for one of several values, ARRAY_CONTAINS to look into an array")),
    ] {
        let condition = parse_condition_with(text, Strictness::Strict).expect(text);
        assert_eq!(listed(text, condition.warnings()), [(place.to_owned(), Doubt::Suspicious)], "{text}");
        assert_eq!(condition.warnings()[0].help.as_deref(), help, "{text}");
    }
    let rows = "SELECT * FROM devices.jobs WHERE status = 'cancelled' OR createdTimeUtc > 'x'";
    let places: Vec<_> = listed(rows, parse(rows).unwrap().warnings()).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["'cancelled'", "createdTimeUtc"]);
}
