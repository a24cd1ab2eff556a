//! Words with a meaning of their own (GRAMMAR.md 2.5).

use crate::query::path::Segment;
use crate::query::warning::Warning;

/// Words that clauses and operators are made of; a strict server refuses them after a dot.
const KEYWORDS: [&str; 12] = ["SELECT", "TOP", "FROM", "WHERE", "GROUP", "BY", "ORDER", "AND", "OR", "NOT", "IN", "AS"];

/// Further words that the sister product reserves, so that they may be reserved here.
const CANDIDATES: [&str; 24] = [
    "ALL",
    "ASC",
    "AVG",
    "COUNT",
    "DESC",
    "DEVICES",
    "DEVICES_JOBS",
    "DEVICES_MODULES",
    "ENDS_WITH",
    "FALSE",
    "IS_BOOL",
    "IS_DEFINED",
    "IS_NULL",
    "IS_NUMBER",
    "IS_OBJECT",
    "IS_PRIMITIVE",
    "IS_STRING",
    "MAX",
    "MIN",
    "NOT_IN",
    "NULL",
    "STARTS_WITH",
    "SUM",
    "TRUE",
];

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

pub(super) fn is_keyword(word: &str) -> bool {
    is_one_of(&KEYWORDS, word)
}

/// The warning that a plain segment after a dot deserves, if any.
pub(super) fn reserved_in_path(segment: &Segment) -> Option<Warning> {
    let name = &segment.text;
    let warning = if is_keyword(name) {
        // conformance-choice: GRAMMAR.md 2: reserved words are let pass in paths unless strict
        Warning::unconfirmed(segment.span.clone(), format!("`{name}` is a reserved word, the service refuses it here"))
    } else if is_one_of(&CANDIDATES, name) {
        Warning::suspicious(
            segment.span.clone(),
            format!("`{name}` may be a reserved word that the service refuses here"),
        )
    } else {
        return None;
    };
    Some(warning.with_help(format!("write [[{name}]]")))
}

/// What to say of a clause of other dialects that begins with `word`.
pub(super) fn foreign_clause(word: &str) -> Option<(&'static str, &'static str)> {
    const CLAUSES: [(&str, &str, &str); 9] = [
        ("ORDER", "ORDER BY does not exist in this language", "rows come in no promised order; sort what you get"),
        ("HAVING", "HAVING does not exist in this language", "filter the groups that you get"),
        ("DISTINCT", "DISTINCT does not exist in this language", "GROUP BY gives each value once"),
        ("JOIN", "JOIN does not exist in this language", "query one collection at a time"),
        ("INNER", "JOIN does not exist in this language", "query one collection at a time"),
        ("LEFT", "JOIN does not exist in this language", "query one collection at a time"),
        ("UNION", "UNION does not exist in this language", "ask several queries"),
        ("LIMIT", "LIMIT does not exist in this language", "write SELECT TOP n"),
        ("OFFSET", "OFFSET does not exist in this language", "page through the answer"),
    ];
    CLAUSES.iter().find(|(keyword, ..)| keyword.eq_ignore_ascii_case(word)).map(|(_, message, help)| (*message, *help))
}

/// What to write instead of an operator of other dialects.
pub(super) fn foreign_operator(word: &str) -> Option<&'static str> {
    const OPERATORS: [(&str, &str); 6] = [
        ("LIKE", "there is no LIKE; STARTSWITH(path, 'text') tests a beginning"),
        ("BETWEEN", "there is no BETWEEN; compare twice: x >= 1 AND x <= 9"),
        ("IS", "there is no IS; use IS_DEFINED(path) or NOT IS_DEFINED(path)"),
        ("CONTAINS", "ARRAY_CONTAINS(path, value) looks into an array"),
        ("STARTSWITH", "write STARTSWITH(path, 'text')"),
        ("EQUALS", "write ="),
    ];
    OPERATORS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word)).map(|(_, help)| *help)
}
