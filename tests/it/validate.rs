//! `validate`, `schema` and `init` as a user meets them; one snapshot for each rule of a manifest.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::env::{TestEnv, checkout};

/// A method job, to which a case adds what is wrong.
const METHOD: &str = "type: scheduleDeviceMethod\nquery: tags.building = 43\nmethod: { name: lockDoor }\n";
/// A twin job.
const TWIN: &str = "type: scheduleUpdateTwin\nquery: tags.building = 43\npatch: { tags: { wave: 2 } }\n";

/// One broken manifest a rule: the rule's code, and the text.
fn broken() -> Vec<(&'static str, String)> {
    let mut cases = reading();
    cases.extend(shapes());
    cases.extend(names_and_times());
    cases.extend(queries_and_devices());
    cases.extend(variables_order_and_success());
    cases.extend(actions());
    cases
}

fn reading() -> Vec<(&'static str, String)> {
    let bomb = format!(
        "a: &a [{}]\nb: &b [{}]\nc: &c [{}]\nd: [{}]\n",
        "x, ".repeat(50),
        "*a, ".repeat(50),
        "*b, ".repeat(50),
        "*c, ".repeat(50)
    );
    let deep = format!("{METHOD}description:\n  {}x{}\n", "[".repeat(40), "]".repeat(40));
    vec![
        ("yaml::control_character", format!("{METHOD}description: a\u{1}b\n")),
        ("yaml::syntax", METHOD.replace("tags.building = 43", "*")),
        ("yaml::duplicate_key", format!("{METHOD}timeout: 60s\ntimeout: 90s\n")),
        ("yaml::merge_key", format!("{METHOD}<<: {{ timeout: 60s }}\n")),
        ("yaml::tag", METHOD.replace("lockDoor", "!lock door")),
        ("yaml::number_not_finite", METHOD.replace("lockDoor", "x, payload: { a: .inf }")),
        ("yaml::number_too_large", METHOD.replace("lockDoor", "x, payload: { a: 18446744073709551616 }")),
        ("yaml::too_deep", deep),
        ("yaml::aliases_too_large", bomb),
        ("manifest::no_job", "# nothing here\n".to_owned()),
    ]
}

fn shapes() -> Vec<(&'static str, String)> {
    vec![
        ("manifest::not_a_job", "- type: scheduleDeviceMethod\n".to_owned()),
        ("yaml::unknown_key", format!("{METHOD}start_time: now\nrollout: {{ waves: 3 }}\ntags: {{ wave: 2 }}\n")),
        ("yaml::wrong_type", METHOD.replace("query: tags.building = 43", "devices: door-01")),
        ("yaml::missing_key", METHOD.replace("type: scheduleDeviceMethod\n", "")),
        ("manifest::unknown_type", METHOD.replace("scheduleDeviceMethod", "deviceMethod")),
        ("yaml::empty", METHOD.replace("query: tags.building = 43", "devices: []")),
        ("manifest::patch_in_method_job", format!("{METHOD}patch: {{ tags: {{ wave: 2 }} }}\n")),
        ("manifest::method_in_twin_job", format!("{TWIN}method: {{ name: lockDoor }}\n")),
        ("manifest::method_missing", METHOD.replace("method: { name: lockDoor }\n", "")),
        ("manifest::patch_missing", TWIN.replace("patch: { tags: { wave: 2 } }\n", "")),
        ("manifest::target_twice", format!("{METHOD}devices: [door-01]\n")),
        ("manifest::target_missing", METHOD.replace("query: tags.building = 43\n", "")),
    ]
}

fn names_and_times() -> Vec<(&'static str, String)> {
    let start = |time: &str| format!("{METHOD}startTime: {time}\n");
    let method = |more: &str| METHOD.replace("lockDoor", &format!("lockDoor, {more}"));
    vec![
        ("manifest::name_illegal", format!("name: Lock_Doors\n{METHOD}")),
        ("manifest::name_missing", format!("{METHOD}---\n{TWIN}")),
        ("manifest::name_taken", format!("name: lock\n{METHOD}---\nname: lock\n{TWIN}")),
        ("yaml::duration_without_unit", format!("{METHOD}timeout: 60\n")),
        ("yaml::duration_unreadable", format!("{METHOD}timeout: soon\n")),
        ("yaml::duration_not_whole", format!("{METHOD}timeout: 1500ms\n")),
        ("manifest::timeout_too_short", format!("{METHOD}timeout: 4s\n")),
        ("manifest::response_timeout_range", method("responseTimeout: 6m")),
        ("manifest::connect_timeout_range", method("connectTimeout: 301s, responseTimeout: 300s")),
        ("manifest::connect_above_response", method("connectTimeout: 60s")),
        ("manifest::start_unreadable", start("tomorrow")),
        ("manifest::start_without_zone", start("2027-03-01T02:00")),
        ("manifest::start_unknown_zone", start("2027-03-01T02:00[Europe/Olso]")),
        ("manifest::start_skipped", start("2027-03-28T02:30[Europe/Oslo]")),
        ("manifest::start_repeated", start("2027-10-31T02:30[Europe/Oslo]")),
        ("manifest::start_offset_conflict", start("2027-03-01T02:00+05:00[Europe/Oslo]")),
    ]
}

fn queries_and_devices() -> Vec<(&'static str, String)> {
    let query = |condition: &str| METHOD.replace("tags.building = 43", condition);
    let devices = |ids: &str| METHOD.replace("query: tags.building = 43", &format!("devices: [{ids}]"));
    vec![
        ("manifest::query_syntax", query("'tags.site = ''oslo'' AND (tags.floor = 3'")),
        ("manifest::query_function", query("\"LENGTHY(deviceId) = 3\"")),
        ("manifest::query_starts_with", query(">-\n  tags.floor = 3\n  AND STARTS_WITH(deviceId, 'door-')")),
        ("manifest::query_is_select", query("SELECT * FROM devices WHERE tags.building = 43")),
        ("manifest::query_empty", query("''")),
        ("manifest::query_too_long", query(&format!("tags.a = '{}'", "x".repeat(8_200)))),
        ("manifest::query_doubtful", query("tags.group = 'a'")),
        ("manifest::device_id_illegal", devices("door-01, door 02")),
        ("manifest::device_twice", devices("door-01, door-02, door-01")),
        ("manifest::device_not_on_mqtt", devices("door-01, 'door#02'")),
    ]
}

fn variables_order_and_success() -> Vec<(&'static str, String)> {
    vec![
        ("manifest::variable_unknown", METHOD.replace("43", "${BUILDING}")),
        ("manifest::variable_malformed", METHOD.replace("lockDoor", "lockDoor, payload: 'a ${b c'")),
        ("manifest::variable_in_key", TWIN.replace("wave", "'${TAG}'")),
        ("manifest::success_share", format!("{METHOD}success: {{ devices: 0% }}\n")),
        ("manifest::success_status", format!("{METHOD}success: {{ statuses: [2xx, fine] }}\n")),
        ("manifest::success_offline", format!("{METHOD}success: {{ offline: skip }}\n")),
        ("manifest::success_statuses_in_twin_job", format!("{TWIN}success: {{ statuses: [2xx] }}\n")),
        ("manifest::after_unknown", format!("{METHOD}after: [open-doors]\n")),
        ("manifest::after_circle", format!("{METHOD}after: [job]\n")),
    ]
}

fn actions() -> Vec<(&'static str, String)> {
    let patch = |tags: &str| TWIN.replace("wave: 2", tags);
    let deep = format!("{}1{}", "{ a: ".repeat(11), " }".repeat(11));
    let text = "x".repeat(4_090);
    vec![
        ("manifest::method_name_illegal", METHOD.replace("lockDoor", "lock door")),
        ("manifest::payload_too_large", METHOD.replace("lockDoor", &format!("x, payload: {}", "y".repeat(131_071)))),
        ("twin::key_character", patch("a.b: 1, nested: { $c: 2 }")),
        ("twin::key_length", patch(&format!("? {} : 1", "k".repeat(1_025)))),
        ("twin::depth", patch(&format!("deep: {deep}"))),
        ("twin::integer", patch("serial: 4503599627370496")),
        ("twin::string", patch(&format!("text: {}", "x".repeat(4_097)))),
        ("twin::null", patch("list: [1, null]")),
        ("twin::size", patch(&format!("a: {text}, b: {text}, c: {text}"))),
    ]
}

#[test]
fn every_rule_has_its_text() {
    for (code, text) in broken() {
        let env = TestEnv::new();
        env.write("job.yaml", &text);
        let run = env.run(["validate", "--deny-warnings", "job.yaml"]);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{code}: {}", run.stderr);
        let first = run.stderr.lines().next().unwrap_or_default();
        assert_eq!(first, format!("iotjob::{code}"), "{}", run.stderr);
        insta::assert_snapshot!(code.trim_start_matches("manifest::").replace("::", "_"), run.stderr);
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let files = [
        "manifest/rule.rs",
        "manifest/variables.rs",
        "manifest/success.rs",
        "manifest/order.rs",
        "source/text_problem.rs",
        "source/twin_problem.rs",
    ];
    let sources = files.map(|file| std::fs::read_to_string(checkout().join("src").join(file)).expect("rules"));
    let source = sources.concat();
    let rules = source.split("code(iotjob::").skip(1).filter_map(|rest| rest.split(')').next());
    // These need bytes, a name of a file or a clock, and have tests of their own; `schema` is for the unforeseen.
    let elsewhere = [
        "yaml::file_too_large",
        "yaml::not_utf8",
        "manifest::name_from_file",
        "manifest::fleet_file",
        "manifest::start_too_far",
        "manifest::start_past",
        "yaml::schema",
        "manifest::forbidden",
        "manifest::variable_file",
        "manifest::variable_name",
    ];
    let cases: BTreeSet<&str> = broken().into_iter().map(|(code, _)| code).collect();
    let missing: Vec<&str> = rules.filter(|rule| !cases.contains(rule) && !elsewhere.contains(rule)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn bytes_and_names_of_files_are_checked_too() {
    let env = TestEnv::new();
    std::fs::write(env.path().join("latin.yaml"), b"description: caf\xe9\n").expect("the file");
    env.write("01 lock.yaml", METHOD);
    env.write("large.yaml", &"#\n".repeat(600_000));
    let run = env.run(["validate", "latin.yaml", "01 lock.yaml", "large.yaml"]);
    assert_eq!(run.code, 3);
    insta::assert_snapshot!("bytes_and_names", run.stderr);
}

#[test]
fn all_problems_of_all_files_come_in_file_order() {
    let env = TestEnv::new();
    env.write("jobs/b.yaml", &format!("name: lock\n{METHOD}timeout: 1s\n"));
    env.write("jobs/a.yaml", &format!("name: lock\ntyp: x\n{METHOD}"));
    env.write("jobs/deep/c.yml", &format!("name: twice\n{TWIN}"));
    env.write("jobs/deep/d.yml", &format!("name: twice\n{TWIN}"));
    env.write("jobs/fleet.yaml", "# yaml-language-server: $schema=../schema/fleet.schema.json\ndevices: 3\n");
    env.write("jobs/.hidden/e.yaml", "nonsense");
    let run = env.run(["validate", "--output", "json", "jobs", "jobs/*.yaml"]);
    let found: Vec<(String, u64, String)> = run.stdout.lines().map(place).collect();
    let file = |name: &str| std::path::Path::new("jobs").join(name).display().to_string();
    assert_eq!(
        found,
        [
            (file("a.yaml"), 2, "unknown_key".into()),
            (file("b.yaml"), 5, "timeout_too_short".into()),
            (std::path::Path::new("jobs").join("deep").join("d.yml").display().to_string(), 1, "name_taken".into()),
            // Named by the glob, so it is ours to read.
            (file("fleet.yaml"), 2, "missing_key".into()),
        ],
        "{}",
        run.stderr
    );
    assert_eq!((run.code, run.stderr.as_str()), (3, "4 errors in 5 files\n"));
}

fn place(line: &str) -> (String, u64, String) {
    let problem: Value = serde_json::from_str(line).expect("a line of JSON");
    let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let code = text("code").rsplit("::").next().unwrap_or_default().to_owned();
    (text("file"), problem["line"].as_u64().unwrap_or_default(), code)
}

#[test]
fn text_stops_at_fifty_problems_a_file_and_counts_the_rest() {
    let env = TestEnv::new();
    let keys: String = (0..60).map(|number| format!("extra{number}: 1\n")).collect();
    env.write("job.yaml", &format!("{METHOD}{keys}"));
    let text = env.run(["validate", "job.yaml"]);
    assert_eq!(text.stderr.matches("iotjob::yaml::unknown_key").count(), 50);
    assert!(text.stderr.ends_with("job.yaml: 10 more problems not shown\n\n60 errors in 1 file\n"), "{}", text.stderr);
    let json = env.run(["validate", "--output", "json", "job.yaml"]);
    assert_eq!(json.stdout.lines().count(), 60);
}

#[test]
fn warnings_pass_unless_they_are_denied() {
    let env = TestEnv::new();
    env.write("job.yaml", &METHOD.replace("query: tags.building = 43", "devices: [a, a]"));
    assert_eq!(env.run(["validate", "job.yaml"]).code, 0);
    assert_eq!(env.run(["validate", "--deny-warnings", "job.yaml"]).code, 3);
}

#[test]
fn a_path_without_manifests_is_wrong_usage() {
    let env = TestEnv::new();
    env.write("empty/readme.md", "");
    env.write("foreign/x.yaml", "# yaml-language-server: $schema=other.json\n");
    for path in ["missing.yaml", "empty", "foreign", "*.yaml", "[", "job.yaml[a-"] {
        let run = env.run(["validate", path]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{path}: {}", run.stderr);
    }
}

#[test]
fn standard_input_needs_a_name() {
    let env = TestEnv::new();
    let validate = |text: &str| {
        let mut child =
            env.iotjob().args(["validate", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(validate(&format!("name: lock\n{METHOD}")), (Some(0), "1 manifest in 1 file: no problems\n".into()));
    let (code, text) = validate(METHOD);
    assert_eq!(code, Some(3));
    assert!(text.contains("`name` is missing, and standard input has no file name to take it from"), "{text}");
}

#[test]
fn init_writes_a_manifest_that_validates_and_overwrites_nothing() {
    let env = TestEnv::new();
    assert_eq!(env.run(["init", "lock-doors"]).code, 0);
    assert_eq!(env.run(["validate", "lock-doors.yaml"]).code, 0);
    assert_eq!(env.run(["init", "lock-doors"]).code, 2);
    assert_eq!(env.run(["init", "Lock"]).code, 2);
    assert!(env.run(["init", "-"]).stdout.contains("\nname: my-job\n"));
    assert!(!env.path().join("my-job.yaml").exists());
}

#[test]
fn schema_prints_the_file_of_the_repository() {
    let env = TestEnv::new();
    for (subject, file) in [("manifest", "job"), ("fleet", "fleet"), ("events", "events")] {
        let path = checkout().join(format!("schema/{file}.schema.json"));
        let written = std::fs::read_to_string(path).expect("the schema");
        assert_eq!(env.run(["schema", subject]).stdout, written.replace("\r\n", "\n"), "{subject}");
    }
    assert_eq!(env.run(["schema"]).stdout, env.run(["schema", "manifest"]).stdout);
}
