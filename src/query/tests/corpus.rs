//! The conformance corpus (GRAMMAR.md 9), and that each of its texts survives being written back.

use crate::query::{Collection, Doubt, ItemType, QueryErrorKind, Strictness};
use crate::query::{parse, parse_condition, parse_with};

/// Queries seen in the wild or documented, with what they are about.
const QUERIES: [(&str, Collection, ItemType); 19] = {
    use Collection::{Devices, Jobs, Modules};
    use ItemType::{DeviceJob, Raw, Twin};
    [
        ("SELECT * FROM devices", Devices, Twin),
        ("select * from devices", Devices, Twin),
        ("SELECT deviceId FROM devices", Devices, Raw),
        ("SELECT deviceId, deviceScope FROM devices", Devices, Raw),
        ("SELECT COUNT() AS n FROM devices WHERE capabilities.iotEdge = true", Devices, Raw),
        ("SELECT count() FROM devices", Devices, Raw),
        ("SELECT TOP 5 * FROM devices WHERE tags.site = 'oslo'", Devices, Twin),
        ("SELECT deviceId, tags.ring AS ring FROM devices WHERE tags.m = 'x'", Devices, Raw),
        ("SELECT * FROM devices WHERE DeviceId IN ['a','b'] AND NOT is_defined(tags.retired)", Devices, Twin),
        (
            "SELECT * FROM devices WHERE (NOT IS_DEFINED (tags.kind) OR tags.kind <> 'gw') AND (capabilities.iotEdge = false)",
            Devices,
            Twin,
        ),
        (
            "SELECT * FROM devices WHERE STARTSWITH(devices.deviceId, 'line1-') AND not startswith(deviceId, 'line1-x')",
            Devices,
            Twin,
        ),
        ("SELECT * FROM devices WHERE properties.reported.t >= 20.5 AND properties.reported.t < 0x20", Devices, Twin),
        ("SELECT * FROM devices WHERE tags.site NIN [\"oslo\", \"rome\"]", Devices, Twin),
        (
            "SELECT * FROM devices WHERE tags.[[group]].name = 'a' OR configurations.[[fw-1]].status != 'Applied'",
            Devices,
            Twin,
        ),
        (
            "SELECT * FROM devices WHERE properties.desired.$version = properties.reported.lastDesiredVersion",
            Devices,
            Twin,
        ),
        ("SELECT deviceId FROM devices WHERE array_contains(parentScopes, 'ms-azure-iot-edge://gw-1')", Devices, Raw),
        (
            "SELECT * FROM devices.modules WHERE devices.modules.moduleId = '$edgeAgent' AND deviceId in ['d1']",
            Modules,
            Twin,
        ),
        (
            "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j1' and devices.jobs.jobType = 'scheduleDeviceMethod'",
            Jobs,
            DeviceJob,
        ),
        (
            "SELECT properties.desired.k-1 AS k-1, COUNT() AS n FROM devices GROUP BY properties.desired.k-1",
            Devices,
            Raw,
        ),
    ]
};

// conformance: GRAMMAR.md 9: every query of the corpus parses
// conformance: GRAMMAR.md 1: SELECT, TOP, FROM, WHERE and GROUP BY, key words in any case
#[test]
fn every_query_parses_strictly() {
    for (text, collection, item_type) in QUERIES {
        let query = parse_with(text, Strictness::Strict).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!((query.collection(), query.item_type()), (collection, item_type), "{text}");
    }
}

#[test]
fn every_query_is_written_back_as_what_it_was() {
    for (text, ..) in QUERIES {
        let written = parse(text).unwrap().to_string();
        let again = parse(&written).unwrap_or_else(|error| panic!("{written}: {error:?}"));
        assert_eq!(again.to_string(), written, "{text}");
    }
}

#[test]
fn no_confirmed_query_has_a_warning_but_for_the_nameless_count() {
    for (text, ..) in QUERIES {
        let query = parse(text).unwrap();
        let want = usize::from(text.contains("count() FROM"));
        assert_eq!(query.warnings().len(), want, "{text}: {:?}", query.warnings());
    }
}

// conformance: GRAMMAR.md 1: a job condition is `*`, an expression, or FROM devices.modules with or without WHERE
#[test]
fn every_job_condition_parses() {
    for (text, collection, everything) in [
        ("*", Collection::Devices, true),
        (" * ", Collection::Devices, true),
        ("tags.site = 'oslo'", Collection::Devices, false),
        ("deviceId IN ['a']", Collection::Devices, false),
        ("FROM devices.modules WHERE tags.v = 1", Collection::Modules, false),
        ("from Devices.Modules", Collection::Modules, true),
        ("tags.a = 1 OR\n\ttags.b = 2", Collection::Devices, false),
    ] {
        let condition = parse_condition(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!((condition.collection(), condition.is_everything()), (collection, everything), "{text}");
        assert_eq!(condition.warnings(), [], "{text}");
        let written = condition.to_string();
        assert_eq!(parse_condition(&written).unwrap().to_string(), written, "{text}");
    }
}

// conformance: GRAMMAR.md 9: what the service refuses is refused: STARTS_WITH, columns of devices.jobs, unknown collections
// conformance: GRAMMAR.md 8: STARTS_WITH of routing queries is refused
#[test]
fn what_must_fail_fails() {
    for (text, kind) in [
        ("SELEC x", QueryErrorKind::Syntax),
        ("SELECT * FROM things", QueryErrorKind::Collection),
        ("SELECT * FROM devices WHERE STARTS_WITH(deviceId,'a')", QueryErrorKind::Function),
        ("SELECT deviceId FROM devices.jobs", QueryErrorKind::Binding),
    ] {
        assert_eq!(parse(text).unwrap_err().kind, kind, "{text}");
    }
    assert_eq!(parse_condition("SELECT * FROM devices").unwrap_err().kind, QueryErrorKind::ConditionIsQuery);
}

// conformance: GRAMMAR.md 2: a reserved word in a path is refused when strict, and `[[…]]` escapes it
#[test]
fn a_reserved_word_in_a_path_is_a_warning_or_when_strict_an_error() {
    let text = "SELECT * FROM devices WHERE tags.group = 'x'";
    let query = parse(text).unwrap();
    assert_eq!(query.warnings().len(), 1);
    assert_eq!((&text[query.warnings()[0].span.clone()], query.warnings()[0].doubt), ("group", Doubt::Unconfirmed));
    assert_eq!(query.warnings()[0].help.as_deref(), Some("write [[group]]"));
    let error = parse_with(text, Strictness::Strict).unwrap_err();
    assert_eq!((error.kind, &text[error.span]), (QueryErrorKind::Unconfirmed, "group"));
}

// conformance: GRAMMAR.md 2: a query has 8,192 characters at most, of a condition with its prefix
#[test]
fn length_is_counted_in_characters_and_with_the_prefix() {
    let query = |chars: usize| {
        let head = "SELECT * FROM devices WHERE tags.a = '";
        format!("{head}{}'", "ø".repeat(chars - head.len() - 1))
    };
    assert!(parse(&query(8_192)).is_ok());
    assert_eq!(parse(&query(8_193)).unwrap_err().kind, QueryErrorKind::TooLong);
    let condition = |chars: usize| format!("tags.a = '{}'", "x".repeat(chars - 11));
    assert!(parse_condition(&condition(8_164)).is_ok());
    let error = parse_condition(&condition(8_165)).unwrap_err();
    assert_eq!((error.kind, error.span), (QueryErrorKind::TooLong, 8_164..8_165));
}
