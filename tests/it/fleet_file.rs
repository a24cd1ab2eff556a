//! Fleet files as `validate` shows them: one snapshot for each rule, and how they lie among manifests.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::env::{TestEnv, checkout};

/// What makes a file a fleet file.
const EDITOR_LINE: &str = "# yaml-language-server: $schema=../schema/fleet.schema.json\n";

/// A fleet of one group of eight doors, to which a case adds what is wrong.
fn doors(more: &str) -> String {
    format!("groups:\n  - name: doors\n    count: 8\n    {more}\n")
}

/// One broken fleet a rule: the rule's code, and the text.
fn broken() -> Vec<(&'static str, String)> {
    let mut cases = shapes();
    cases.extend(names_and_ids());
    cases.extend(counts());
    cases.extend(shares_and_times());
    cases.extend(behaviours());
    cases.extend(templates());
    cases
}

fn shapes() -> Vec<(&'static str, String)> {
    vec![
        ("fleet::no_fleet", "# nothing here\n".to_owned()),
        ("fleet::several_documents", format!("{}---\n{}", doors("transport: mqtt"), doors("transport: mqtt"))),
        ("fleet::not_a_fleet", "- name: doors\n".to_owned()),
        ("fleet::number", format!("devices: 0\nseed: -1\n{}", doors("transport: mqtt"))),
        ("yaml::unknown_key", format!("fleet: x\n{}", doors("modules: [{ name: display }]\n    method: {}"))),
        ("yaml::wrong_type", doors("tags: [building]\n    methods: { m: { latency: [1s] } }\n    desired: echo")),
        (
            "yaml::missing_key",
            "groups:\n  - count: 8\n    telemetry: { body: 1 }\n    connectivity: { slow: {} }\n".to_owned(),
        ),
        ("yaml::empty", "groups: []\n".to_owned()),
        ("yaml::duplicate_key", doors("count: 9")),
        (
            "fleet::unknown_value",
            doors("authentication: x509SelfSigned\n    transport: amqp\n    desired: { apply: ecco }"),
        ),
    ]
}

fn names_and_ids() -> Vec<(&'static str, String)> {
    let modules = |ids: &str| doors(&format!("modules: [{ids}]"));
    let fifty_one: String = (0..51).map(|number| format!("{{ moduleId: m{number} }}, ")).collect();
    vec![
        ("fleet::name_illegal", doors("").replace("doors", "North Doors")),
        ("fleet::group_twice", format!("{}  - name: doors\n    count: 2\n", doors(""))),
        ("fleet::id_template", doors("idTemplate: door-{m}")),
        ("fleet::id_illegal", doors(&format!("idTemplate: {}{{n}}", "d".repeat(127))).replace("count: 8", "count: 10")),
        ("fleet::id_not_on_mqtt", doors("idTemplate: 'door#{n}'")),
        (
            "fleet::ids_collide",
            format!("{}  - name: gates\n    count: 2\n    idTemplate: doors-0000{{n}}\n", doors("")),
        ),
        ("fleet::module_id_illegal", modules("{ moduleId: 'a b' }")),
        ("fleet::module_twice", modules("{ moduleId: display }, { moduleId: display }")),
        ("fleet::too_many_modules", modules(&fifty_one)),
    ]
}

fn counts() -> Vec<(&'static str, String)> {
    let group = |how: &str| format!("groups: [{{ name: a, {how} }}, {{ name: b, share: 60% }}]\n");
    let groups: String = (0..101).map(|number| format!("{{ name: g{number}, count: 1 }}, ")).collect();
    vec![
        ("fleet::count_missing", doors("").replace("count: 8", "transport: mqtt")),
        ("fleet::count_twice", format!("devices: 10\n{}", doors("share: 80%"))),
        ("fleet::share_without_devices", doors("").replace("count: 8", "share: 80%")),
        ("fleet::shares_too_large", format!("devices: 10\n{}", group("share: 50%"))),
        ("fleet::too_many_devices", doors("").replace("count: 8", "count: 1000000") + "  - { name: b, count: 1 }\n"),
        ("fleet::devices_exceeded", format!("devices: 10\n{}", group("count: 8"))),
        ("fleet::devices_left", format!("devices: 10\n{}", group("count: 3"))),
        ("fleet::group_empty", doors("").replace("count: 8", "count: 0")),
        ("fleet::too_many_groups", format!("groups: [{groups}]\n")),
    ]
}

fn shares_and_times() -> Vec<(&'static str, String)> {
    let method = |rule: &str| doors(&format!("methods:\n      lockDoor: {{ {rule} }}"));
    vec![
        ("fleet::share", method("hangs: 101%")),
        ("fleet::share_without_unit", method("hangs: 5")),
        ("yaml::duration_without_unit", method("latency: 2")),
        ("yaml::duration_unreadable", doors("telemetry: { every: soon, body: 1 }")),
        ("fleet::latency", method("latency: 1s...2s")),
        ("fleet::latency_order", method("latency: 3s..1s")),
        ("fleet::latency_median", method("latency: { median: 0s, p99: 4s }")),
        ("fleet::latency_too_long", doors("desired: { apply: echo, delay: 48h }")),
        ("fleet::latency_beyond_response", method("latency: 1m..6m")),
    ]
}

fn behaviours() -> Vec<(&'static str, String)> {
    let payload = "y".repeat(131_071);
    let message = "y".repeat(262_145);
    vec![
        ("fleet::method_name_illegal", doors("methods: { 'lock door': {} }")),
        ("fleet::status_zero", doors("methods: { lockDoor: { status: 0 } }")),
        ("fleet::payload_too_large", doors(&format!("methods: {{ lockDoor: {{ payload: {payload} }} }}"))),
        ("fleet::telemetry_too_often", doors("telemetry: { every: 1ms, body: 1 }")),
        ("fleet::telemetry_too_large", doors(&format!("telemetry: {{ every: 1s, body: {message} }}"))),
        ("fleet::faults_overlap", doors("connectivity: { offline: 60%, slow: { share: 60%, delay: 1s } }")),
        ("twin::key_character", doors("reported: { a.b: 1 }")),
        ("twin::string", doors(&format!("tags: {{ a: {{ $choice: [x, {}] }} }}", "x".repeat(4_097)))),
        ("twin::integer", doors("tags: { n: { $index: 4503599627370490 } }")),
    ]
}

fn templates() -> Vec<(&'static str, String)> {
    let tag = |value: &str| doors(&format!("tags: {{ building: {value} }}"));
    let payload = |value: &str| doors(&format!("methods: {{ lockDoor: {{ payload: {{ asked: {value} }} }} }}"));
    vec![
        ("fleet::generator_unknown", tag("{ $chioce: [43, 44] }")),
        ("fleet::generator_not_alone", tag("{ $choice: [43, 44], floor: 1 }")),
        ("fleet::index", tag("{ $index: one }")),
        ("fleet::choice", tag("{ $choice: [] }")),
        ("fleet::range", tag("{ $range: [5, 1] }")),
        ("fleet::step", tag("{ $range: [1, 5], step: 0 }")),
        ("fleet::pattern", tag("{ $pattern: 1 }")),
        ("fleet::pattern_brace", tag("{ $pattern: '1.{0-9' }")),
        ("fleet::pattern_class", tag("{ $pattern: '1.{9-0}' }")),
        ("fleet::pattern_length", tag(&format!("{{ $pattern: '{}' }}", "{0-9}".repeat(1_025)))),
        ("fleet::reference_unclosed", payload("'until ${request.lockTime'")),
        ("fleet::reference_unknown", payload("'until ${requst.lockTime}'")),
    ]
}

#[test]
fn every_rule_has_its_text() {
    for (code, text) in broken() {
        let env = TestEnv::new();
        env.write("fleet.yaml", &format!("{EDITOR_LINE}{text}"));
        let run = env.run(["validate", "--deny-warnings", "fleet.yaml"]);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{code}: {}", run.stderr);
        let first = run.stderr.lines().next().unwrap_or_default();
        assert_eq!(first, format!("iotjob::{code}"), "{}", run.stderr);
        insta::assert_snapshot!(code.replace("::", "_"), run.stderr);
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let files = ["rule.rs", "template_problem.rs"];
    let sources = files.map(|file| std::fs::read_to_string(checkout().join("src/fleet").join(file)).expect("rules"));
    let source = sources.concat();
    let rules: Vec<&str> = source.split("code(iotjob::").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let cases: BTreeSet<&str> = broken().into_iter().map(|(code, _)| code).collect();
    // The first needs the name of a file; what would nest too deep for the second, the reader of YAML refuses.
    let elsewhere = ["fleet::name_from_file", "fleet::template_depth"];
    let missing: Vec<&&str> =
        rules.iter().filter(|rule| !cases.contains(**rule) && !elsewhere.contains(*rule)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
    assert!(rules.len() > 40);
}

#[test]
fn a_fleet_file_that_is_named_is_checked_as_one_and_one_that_is_found_is_not_ours() {
    let env = TestEnv::new();
    let fleet = format!("{EDITOR_LINE}{}", doors(""));
    env.write("jobs/fleet.yaml", &fleet);
    env.write("jobs/lock.yaml", "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: lockDoor }\n");
    let said = |paths: &[&str]| {
        let run = env.run(["validate"].iter().chain(paths));
        (run.code, run.stderr)
    };
    assert_eq!(said(&["jobs/fleet.yaml"]), (0, "1 fleet in 1 file: no problems\n".into()));
    assert_eq!(said(&["jobs"]), (0, "1 manifest in 1 file: no problems\n".into()));
    assert_eq!(said(&["jobs", "jobs/fleet.yaml"]), (0, "1 manifest and 1 fleet in 2 files: no problems\n".into()));
    env.write("1.yaml", &fleet);
    let (code, text) = said(&["1.yaml"]);
    assert!(code == 3 && text.contains("iotjob::fleet::name_from_file"), "{text}");
}

#[test]
fn standard_input_may_be_a_fleet_file() {
    let env = TestEnv::new();
    let mut child = env.iotjob().args(["validate", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{EDITOR_LINE}{}", doors("")).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (Some(0), "1 fleet in 1 file: no problems\n")
    );
}

#[test]
fn json_and_sarif_have_the_problems_of_fleets_between_those_of_manifests() {
    let env = TestEnv::new();
    let job = "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: lockDoor }\nextra: 1\n";
    env.write("a.yaml", job);
    env.write("b.yaml", &format!("{EDITOR_LINE}{}", doors("extra: 1")));
    env.write("c.yaml", job);
    let json = env.run(["validate", "--output", "json", "a.yaml", "b.yaml", "c.yaml"]);
    let problems: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let places: Vec<(&str, u64)> = problems
        .iter()
        .map(|problem| (problem["file"].as_str().unwrap_or_default(), problem["line"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!((json.code, places), (3, vec![("a.yaml", 4), ("b.yaml", 5), ("c.yaml", 4)]));
    let sarif = env.run(["validate", "--output", "sarif", "a.yaml", "b.yaml", "c.yaml"]);
    let log: Value = serde_json::from_str(&sarif.stdout).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 3);
    assert_eq!(results[1]["ruleId"], "iotjob::yaml::unknown_key");
    let message = results[1]["message"]["text"].as_str().unwrap_or_default();
    assert!(message.starts_with("`extra` is not a key of a group"), "{message}");
}

#[test]
fn a_fleet_file_is_no_job() {
    let env = TestEnv::new();
    env.write("fleet.yaml", &format!("{EDITOR_LINE}{}", doors("")));
    let run = env.run(["apply", "fleet.yaml", "--local"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    insta::assert_snapshot!("applied", run.stderr);
}
