//! The whole way from text to manifest: identity, promises over any input, the shipped examples.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::source::TextProblem;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn only(text: &str) -> Manifest {
    let mut loaded = parse_text("job.yaml", text);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!((loaded.manifests.len(), problems), (1, vec![]), "{text}");
    loaded.manifests.remove(0)
}

const LOCK: &str = "\
name: lock-doors
description: Lock them.
type: scheduleDeviceMethod
query: tags.building = 43
method: { name: lockDoor, payload: { z: 1, a: [10m] } }
";

#[test]
fn canonical_is_sorted_and_filled_and_leaves_the_description_out() {
    let manifest = only(LOCK);
    assert_eq!(
        manifest.canonical().to_string(),
        r#"{"method":{"connectTimeout":0,"name":"lockDoor","payload":{"a":["10m"],"z":1},"responseTimeout":30},"name":"lock-doors","query":"tags.building = 43","startTime":"now","timeout":3600,"type":"scheduleDeviceMethod"}"#
    );
    assert_eq!(manifest.run_id().as_str(), format!("lock-doors-{}", manifest.run_hash()));
}

#[test]
fn the_same_job_written_differently_is_the_same_run() {
    let flow = r#"{"timeout": "60m", "startTime": "now", "method": {"payload": {"a": ["10m"], "z": 1},
        "name": "lockDoor", "responseTimeout": "PT30S"}, "type": "scheduleDeviceMethod",
        "query": " tags.building = 43 ", "name": "lock-doors", "description": "Other words."}"#;
    assert_eq!(only(flow).run_hash(), only(LOCK).run_hash());
    // Written down: a change of this value makes every run a new one.
    assert_eq!(only(LOCK).run_hash(), "e1576e2e9d7b");
}

#[test]
fn each_thing_that_matters_changes_the_run() {
    let hashes: std::collections::HashSet<String> = [
        ("", ""),
        ("lock-doors", "unlock-doors"),
        ("43", "44"),
        ("10m", "11m"),
        ("type:", "timeout: 61s\ntype:"),
        ("type:", "startTime: 2027-03-01T02:00:00Z\ntype:"),
    ]
    .iter()
    .map(|(from, to)| only(&LOCK.replacen(from, to, 1)).run_hash())
    .collect();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn a_revision_makes_another_run_and_order_and_success_do_not() {
    let hash = |more: &str| {
        let loaded = parse_text("job.yaml", &format!("{LOCK}{more}"));
        loaded.manifests.first().map(Manifest::run_hash).unwrap_or_else(|| panic!("{:?}", loaded.problems))
    };
    assert_eq!(hash("success: { devices: 95%, statuses: [2xx, 404], offline: ignore }\n"), hash(""));
    assert_ne!(hash("revision: 2\n"), hash(""));
    assert_ne!(hash("revision: '2'\n"), hash("revision: 2\n"));
}

#[test]
fn a_manifest_written_out_is_the_same_manifest() {
    for text in [
        format!("{LOCK}success: {{ devices: 95%, statuses: [2xx, 404], offline: ignore }}\nrevision: 2\n"),
        "type: scheduleUpdateTwin\ndevices: [a, b]\nstartTime: 2027-03-01T02:00[Europe/Oslo]\n\
         patch: { desired: { gone: null, text: '$${X}' } }\n"
            .to_owned(),
    ] {
        let manifest = only(&text);
        let again = only(&manifest.document().to_string());
        assert_eq!(
            (again.run_id(), &again.success, &again.description),
            (manifest.run_id(), &manifest.success, &manifest.description)
        );
        assert_eq!(again.document(), manifest.document());
    }
}

#[test]
fn variables_are_filled_before_anything_else_looks() {
    let text = "\
name: lock-${SITE}
type: scheduleDeviceMethod
query: tags.building = ${BUILDING} AND tags.site = '${SITE}'
method: { name: lockDoor, payload: { floors: '${FLOORS}', literal: '$${X}' }, responseTimeout: '${WAIT:-10s}' }
startTime: ${START:-now}
";
    let mut variables = Variables::default();
    variables.set("SITE", json!("oslo"));
    variables.set("BUILDING", json!(43));
    variables.set("FLOORS", json!([1, 2]));
    let loaded = parse_text_with("job.yaml", text, &variables);
    assert_eq!(loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(
        loaded.manifests[0].canonical().to_string(),
        r#"{"method":{"connectTimeout":0,"name":"lockDoor","payload":{"floors":[1,2],"literal":"${X}"},"responseTimeout":10},"name":"lock-oslo","query":"tags.building = 43 AND tags.site = 'oslo'","startTime":"now","timeout":3600,"type":"scheduleDeviceMethod"}"#
    );
    variables.set("WAIT", json!("10"));
    variables.set("BUILDING", json!("4 3"));
    let said: Vec<String> = parse_text_with("job.yaml", &text.replace("START:-now", "STRAT"), &variables)
        .problems
        .iter()
        .map(|problem| format!("{} | {problem}", &problem.place.file.text()[problem.place.span.clone()]))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    ${BUILDING} | the query does not parse: expected an operator after `4`
    ${WAIT:-10s} | `responseTimeout: 10` has no unit
    ${STRAT} | the variable `STRAT` has no value
    ");
}

#[test]
fn a_long_list_is_no_problem() {
    let ids: Vec<String> = (0..5_000).map(|number| format!("door-{number:05}")).collect();
    let text = format!("type: scheduleUpdateTwin\ndevices: [{}]\npatch: {{ tags: {{ x: 1 }} }}\n", ids.join(", "));
    assert!(matches!(only(&text).target, Target::Devices(ids) if ids.len() == 5_000));
}

#[test]
fn editors_let_every_member_be_a_variable_and_the_rest_is_as_strict() {
    let editor = jsonschema::draft202012::new(&schema()).unwrap();
    let written = json!({
        "name": "a-${X}", "type": "${TYPE}", "devices": "${DEVICES}", "method": {"name": "${M}", "responseTimeout": "${T}"},
        "startTime": "${START:-now}", "timeout": "${T}s", "after": "${AFTER}", "success": {"devices": "${SHARE}"},
        "revision": "${R}",
    });
    assert!(editor.is_valid(&written), "{:?}", editor.iter_errors(&written).map(|e| e.to_string()).collect::<Vec<_>>());
    let good = json!({"type": "scheduleUpdateTwin", "query": "*", "patch": {"tags": {"a": 1}}});
    assert!(editor.is_valid(&good));
    for (key, value) in [
        ("timeout", json!("soon")),
        ("type", json!("reboot")),
        ("devices", json!([])),
        ("timeout", json!(60)),
        ("startTime", json!("$START")),
        ("after", json!("a")),
        ("success", json!({})),
        ("method", json!({"name": "m"})),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!editor.is_valid(&bad), "{bad}");
    }
}

#[test]
fn a_listed_id_with_an_apostrophe_is_put_in_double_quotes() {
    let manifest = only("type: scheduleUpdateTwin\ndevices: [a, \"b'c\"]\npatch: { tags: { x: 1 } }\n");
    let Target::Devices(ids) = &manifest.target else { panic!("{:?}", manifest.target) };
    assert_eq!(devices_condition(ids), "deviceId IN ['a',\"b'c\"]");
    crate::query::parse_condition(&devices_condition(ids)).unwrap();
    assert_eq!(manifest.name.as_str(), "job");
    assert_eq!(manifest.canonical()["devices"], json!(["a", "b'c"]));
}

#[test]
fn a_start_in_a_zone_is_kept_in_utc() {
    let manifest = only(&format!("{LOCK}startTime: 2027-03-01T02:00[Europe/Oslo]\n"));
    assert_eq!(manifest.canonical()["startTime"], "2027-03-01T01:00:00Z");
    let place = manifest.start_place();
    assert_eq!(&place.file.text()[place.span], "2027-03-01T02:00[Europe/Oslo]");
}

#[test]
fn documents_of_one_file_are_jobs_of_their_own() {
    let second = LOCK.replace("lock-doors", "second");
    let loaded = parse_text("x.yaml", &format!("---\n# nothing\n---\n{LOCK}---\n{second}"));
    let names: Vec<(usize, &str)> =
        loaded.manifests.iter().map(|manifest| (manifest.source.document, manifest.name.as_str())).collect();
    assert_eq!(names, [(1, "lock-doors"), (2, "second")]);
}

#[test]
fn the_examples_are_right() {
    let loaded = load(&[checkout().join("jobs")], std::io::empty(), &Variables::default()).unwrap();
    let problems: Vec<String> = loaded.problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(loaded.manifests.len(), loaded.sources.len());
    for source in &loaded.sources {
        assert!(source.text().starts_with("# yaml-language-server: $schema=../schema/job.schema.json\n"));
    }
}

#[test]
fn the_schema_file_is_current() {
    let path = checkout().join("schema/job.schema.json");
    if std::env::var_os("IOTJOB_UPDATE").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(written == schema_text(), "schema/job.schema.json is stale: run the tests once with IOTJOB_UPDATE=1");
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    let loaded = parse_text("bomb.yaml", &text);
    assert!(loaded.problems.iter().any(|problem| problem.kind == TextProblem::AliasesTooLarge.into()));
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 10_000].join(","));
    assert!(
        parse_text("wide.yaml", &wide)
            .problems
            .iter()
            .any(|problem| problem.kind == TextProblem::AliasesTooLarge.into())
    );
}

/// A tag is refused before the reader gets to what breaks the document; there is nothing to go on with behind it.
#[test]
fn a_document_with_a_tag_may_be_broken_further_down() {
    let text = "type: !lock a\nmethod: &a { name: m, payload: *ao}  ei\ntm&a { name: n }\n";
    let loaded = parse_text("strange.yaml", text);
    assert_showable(&loaded);
    assert!(loaded.problems.iter().any(|problem| matches!(problem.kind, ProblemKind::Text(TextProblem::Tag { .. }))));
    let loaded = parse_text("fine.yaml", "--- !lock a\n---\nname: second\ntype: !x y\n");
    assert_eq!(loaded.problems.len(), 2, "both documents are read");
}

#[test]
fn what_is_refused_by_the_schema_alone_is_refused() {
    for text in ["timeout: 1.5m", "startTime: 2027-03-01T02Z", "method: { name: x, responseTimeout: 0.5m }"] {
        let loaded = parse_text("x.yaml", &format!("type: scheduleDeviceMethod\nquery: '*'\n{text}\n"));
        assert!(loaded.has_errors(), "{text}");
    }
}

/// Pieces that YAML and manifests are made of, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "name: ",
        "type: ",
        "scheduleDeviceMethod",
        "scheduleUpdateTwin",
        "query: ",
        "'*'",
        "devices: ",
        "[a, 'b', a]",
        "method: ",
        "patch: ",
        "desired: ",
        "tags: ",
        "{ name: x }",
        "\n",
        "\n  ",
        "\n- ",
        "---\n",
        "&a ",
        "*a",
        "!t ",
        "<<: ",
        "|\n  ",
        ">-\n ",
        "\"",
        "'",
        "timeout: ",
        "5s",
        "startTime: ",
        "2027-03-28T02:30[Europe/Oslo]",
        "null",
        "ö",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\r\n",
        "\t",
        "# c",
        "? ",
        ": ",
        ", ",
        "}",
        "]",
        "1e400",
        ".inf",
        "0x1F",
        "99999999999999999999999999999999999999999",
        "tags.a = ",
        "\\",
        "\\u0041",
        "%YAML 1.2\n",
        "''",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Every place lies in its text, on whole characters, and can be shown.
fn assert_showable(loaded: &Loaded) {
    for problem in &loaded.problems {
        let text = problem.place.file.text();
        assert!(text.get(problem.place.span.clone()).is_some(), "{:?} of {text:?}", problem.place.span);
        let mut shown = String::new();
        miette::NarratableReportHandler::new().render_report(&mut shown, problem).unwrap();
        assert!(miette::Diagnostic::code(problem).is_some_and(|code| code.to_string().starts_with("iotjob::")));
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in fragments()) {
        assert_showable(&parse_text("x.yaml", &text));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_showable(&load(&["-".into()], bytes.as_slice(), &Variables::default()).unwrap());
    }

    #[test]
    fn no_member_is_too_strange(key in "[a-zA-Z]{1,12}", value in "\\PC{0,40}") {
        assert_showable(&parse_text("x.yaml", &format!("{LOCK}{key}: {value}\n")));
    }

    #[test]
    fn a_manifest_or_an_error_never_neither(text in fragments()) {
        let loaded = parse_text("x.yaml", &text);
        prop_assert!(loaded.has_errors() || !loaded.manifests.is_empty());
    }
}
