//! What is left when runs are over: report files, the event stream read again, what CI systems read, SARIF.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::env::{Finished, TestEnv, checkout, finish};
use crate::support::filters::VOLATILE;
use crate::support::process::{HubProcess, Process};

/// One that succeeds, one that answers 500, one that is not there.
const JOB: &str = "type: scheduleDeviceMethod\ndevices: [good, broken, away]\nmethod: { name: lock }\ntimeout: 5s\n";
const FILES: [&str; 4] = ["junit=r.xml", "csv=r.csv", "json=r.json", "markdown=r.md"];

/// A hub with three devices, of which two are up.
struct Fleet {
    env: TestEnv,
    hub: HubProcess,
    _devices: Vec<Process>,
}

impl Fleet {
    /// `answer` is what the broken one says.
    fn start(answer: &str) -> Self {
        let env = TestEnv::new();
        let hub = HubProcess::start(&env, &["--device", "good", "--device", "broken", "--device", "away"]);
        let good = hub.device(&env, "good", &[]);
        let broken = hub.device(&env, "broken", &["--method", &format!("lock=500:{answer}")]);
        env.write("lock.yaml", JOB);
        Self { env, hub, _devices: vec![good, broken] }
    }

    fn apply(&self, args: &[&str]) -> Command {
        let mut command = self.hub.client(&self.env, "iothubowner");
        command.args(["apply", "lock.yaml"]).args(args);
        command
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.env.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn reports(files: &[&str]) -> Vec<String> {
    files.iter().flat_map(|file| ["--report".to_owned(), (*file).to_owned()]).collect()
}

/// Compares a file with the one that was reviewed.
fn assert_file(name: &str, text: &str) {
    let mut filters = VOLATILE.to_vec();
    filters.extend([(r#"timestamp="[^"]+""#, r#"timestamp="[time]""#), (r#" time="[0-9.]+""#, r#" time="[seconds]""#)]);
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, text) });
}

fn failed_as_expected(apply: &Finished) {
    assert_eq!(apply.code, 6, "{}\n{}", apply.stdout, apply.stderr);
}

#[test]
fn one_apply_writes_every_report_and_its_events_make_the_same_again() {
    let fleet = Fleet::start("{\"error\":\"jammed, \\\"again\\\"\"}");
    let apply = finish(fleet.apply(&["--output", "json"]).args(reports(&FILES)));
    failed_as_expected(&apply);
    let written: Vec<String> = ["r.xml", "r.csv", "r.json", "r.md"].iter().map(|name| fleet.read(name)).collect();
    assert_file("report_junit", &written[0]);
    assert_file("report_csv", &written[1].replace("\r\n", "\n"));
    assert_file("report_markdown", &written[3]);
    let document: Value = serde_json::from_str(&written[2]).unwrap();
    let run = &document["runs"][0];
    assert_eq!((&document["v"], &run["name"], &run["exitCode"]), (&json!(1), &json!("lock"), &json!(6)));
    assert_eq!(run["devices"].as_array().unwrap().len(), 3);
    let sum: u64 = run["outcomes"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(json!(sum), run["targets"]);

    // Every event of this apply is as the schema says.
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(checkout().join("schema/events.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for line in apply.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{line}");
    }

    // The same files come from the events.
    fleet.env.write("events.jsonl", &apply.stdout);
    let again = ["junit=2.xml", "csv=2.csv", "json=2.json", "markdown=2.md"];
    let report = finish(fleet.env.iotjob().args(["report", "events.jsonl"]).args(reports(&again)));
    failed_as_expected(&report);
    for (name, before) in ["2.xml", "2.csv", "2.json", "2.md"].iter().zip(&written) {
        assert_eq!(&fleet.read(name), before, "{name}");
    }
    let text = finish(fleet.apply(&[]).arg("--quiet"));
    assert_eq!((report.stdout, report.code), (text.stdout, text.code), "{}", report.stderr);

    // `watch` writes the same devices.
    let run_id = run["runId"].as_str().unwrap();
    let mut watch = fleet.hub.client(&fleet.env, "iothubowner");
    failed_as_expected(&finish(watch.args(["watch", run_id, "--report", "json=w.json"])));
    let watched: Value = serde_json::from_str(&fleet.read("w.json")).unwrap();
    assert_eq!(watched["runs"][0]["devices"], run["devices"]);
}

#[test]
fn a_report_that_cannot_be_written_stops_everything_before_anything_is_sent() {
    let fleet = Fleet::start("1");
    for files in [&["junit=no/such/folder.xml"][..], &["csv=."], &["csv=a", "json=a"], &["xml=a"], &["junit"]] {
        let apply = finish(fleet.apply(&[]).args(reports(files)));
        assert_eq!((apply.code, apply.stdout.as_str()), (2, ""), "{files:?}: {}", apply.stderr);
        assert!(apply.stderr.contains("report"), "{}", apply.stderr);
    }
    let list = finish(fleet.hub.client(&fleet.env, "iothubowner").args(["list", "--output", "json"]));
    assert_eq!(list.stdout, "", "nothing was sent");
    let left: Vec<_> = fs::read_dir(fleet.env.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
}

#[test]
fn an_interrupted_apply_leaves_its_reports() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "hangs"]);
    let mut device = hub.device(&env, "hangs", &["--method", "lock=200@1h"]);
    env.write("lock.yaml", "type: scheduleDeviceMethod\ndevices: [hangs]\nmethod: { name: lock }\n");
    let mut command = hub.client(&env, "iothubowner");
    command.args(["apply", "lock.yaml", "--report", "json=r.json", "--report", "junit=r.xml"]);
    let apply = Process::start(&mut command);
    device.wait_for("method lock");
    let (code, _, stderr) = apply.interrupt();
    assert_eq!(code, Some(130), "{stderr}");
    let document: Value = serde_json::from_str(&fs::read_to_string(env.path().join("r.json")).unwrap()).unwrap();
    let run = &document["runs"][0];
    assert_eq!((&run["end"], &run["exitCode"]), (&json!("detached"), &json!(130)), "{run}");
    assert!(run["reattach"].as_str().unwrap().contains("iotjob watch"), "{run}");
    let junit = fs::read_to_string(env.path().join("r.xml")).unwrap();
    assert!(!junit.contains(r#"errors="0""#), "{junit}");
}

#[test]
fn each_ci_system_gets_what_it_reads_and_no_device_can_command_it() {
    let fleet = Fleet::start("\"##vso[task.setvariable variable=a]b ##[error]c\"");
    let summary = fleet.env.write("summary.md", "# Before\n");
    let github =
        finish(fleet.apply(&[]).arg("--quiet").env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary));
    failed_as_expected(&github);
    assert_file("ci_github", &github.stderr);
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("# Before\n## lock: 1 of 3 devices succeeded"), "{text}");

    let temp = fleet.env.path().join("temp");
    fs::create_dir(&temp).unwrap();
    for output in ["text", "json"] {
        let azure = finish(
            fleet.apply(&["--quiet", "--output", output]).env("TF_BUILD", "True").env("AGENT_TEMPDIRECTORY", &temp),
        );
        failed_as_expected(&azure);
        let uploaded = azure.stderr.lines().find_map(|line| line.strip_prefix("##vso[task.uploadsummary]"));
        let uploaded = fs::read_to_string(uploaded.expect("a summary is uploaded")).unwrap();
        assert!(uploaded.starts_with("## lock: 1 of 3"), "{uploaded}");
        assert_eq!(azure.stderr.matches("##vso[task.logissue type=error]").count(), 2, "{}", azure.stderr);
        assert_eq!(azure.stderr.matches("##").count(), 3, "{}", azure.stderr);
        assert!(!azure.stdout.contains("##"), "{}", azure.stdout);
    }

    let gitlab = finish(fleet.apply(&["--quiet"]).env("GITLAB_CI", "true"));
    failed_as_expected(&gitlab);
    assert_eq!(gitlab.stderr.matches("\u{1b}[0Ksection_").count(), 2, "{}", gitlab.stderr);
    for device in ["broken  rejected", "away  offline"] {
        assert!(gitlab.stderr.contains(device), "{}", gitlab.stderr);
    }
    // Without any of them nothing is added.
    assert_eq!(finish(&mut fleet.apply(&["--quiet"])).stderr, "");
}

#[test]
fn events_that_cannot_be_read_are_refused_with_their_place() {
    let env = TestEnv::new();
    let first = r#"{"v":1,"event":"submitted","time":"2026-05-01T02:00:00Z","runId":"lock-0"}"#;
    let end = r#"{"v":1,"event":"runEnded","time":"2026-05-01T02:00:09Z","runId":"lock-0","targets":1,"outcomes":{"succeeded":1,"rejected":0,"offline":0,"timedOut":0,"failed":0,"canceled":0,"unknown":0},"jobStatus":"completed","exitCode":0}"#;
    let cases = [
        ("whole", format!("{first}\n{end}\n"), 0, "1 of 1 device succeeded"),
        ("torn", format!("{first}\n{end}\n{}", &first[..40]), 0, "torn:3: the last event is cut off"),
        ("endless", format!("{first}\n"), 1, "lock-0: its end is missing"),
        ("torn-end", format!("{first}\n{}", &end[..100]), 1, "lock-0: its end is missing"),
        ("empty", String::new(), 1, "holds no event"),
        (
            "newer",
            format!("{first}\n{}\n", end.replace("\"v\":1", "\"v\":2")),
            2,
            "newer:2:2: `v`: the events are of version 2",
        ),
        ("broken", format!("{first}\n{end}x\n{first}\n"), 2, "broken:2:"),
        ("wrong", format!("{}\n{end}\n", first.replace("submitted", "planted")), 2, "wrong:1:8: `event`"),
    ];
    for (name, text, code, words) in cases {
        env.write(name, &text);
        let report = env.run(["report", name]);
        let said = format!("{}{}", report.stdout, report.stderr);
        assert_eq!(report.code, code, "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    assert_eq!(env.run(["report", "missing.jsonl"]).code, 2);
    let stdin = fs::File::open(env.path().join("whole")).unwrap();
    let piped = finish(env.iotjob().args(["report", "-"]).stdin(Stdio::from(stdin)));
    assert_eq!((piped.code, piped.stdout.as_str()), (0, "lock-0: 1 of 1 device succeeded\n"), "{}", piped.stderr);
}

#[test]
fn problems_of_manifests_become_sarif() {
    let env = TestEnv::new();
    env.write(
        "jobs/bad one.yaml",
        "type: scheduleDeviceMethod\ndevices: [a, a]\nmethod: { name: lock }\ntimeout: 4s\n",
    );
    let validate = env.run(["validate", "./jobs", "--output", "sarif"]);
    assert_eq!(validate.code, 3, "{}", validate.stderr);
    let mut log: Value = serde_json::from_str(&validate.stdout).unwrap();
    log["runs"][0]["tool"]["driver"]["version"] = json!("[version]");
    insta::assert_snapshot!("sarif", format!("{log:#}"));
    env.write("good.yaml", JOB);
    let validate = env.run(["validate", "good.yaml", "--output", "sarif"]);
    let log: Value = serde_json::from_str(&validate.stdout).unwrap();
    assert_eq!((validate.code, &log["runs"][0]["results"]), (0, &json!([])));
}

#[test]
fn each_schema_is_printed_as_the_repository_holds_it() {
    let env = TestEnv::new();
    for (args, file) in [
        (&["schema"][..], "job.schema.json"),
        (&["schema", "manifest"], "job.schema.json"),
        (&["schema", "events"], "events.schema.json"),
    ] {
        let written = fs::read_to_string(checkout().join("schema").join(file)).unwrap();
        assert!(env.run(args).stdout == written.replace("\r\n", "\n"), "{args:?} differs from schema/{file}");
    }
}
