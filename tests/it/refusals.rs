//! What goes wrong outside: each exit code with a text to act on and no secret in it.

use crate::support::env::{Finished, TestEnv, checkout, finish};
use crate::support::process::{HubProcess, Process};

const WRONG_KEY: &str = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXkhISE=";

fn lockdoor() -> String {
    checkout().join("jobs/lockdoor.yaml").display().to_string()
}

fn without_secrets(finished: &Finished, secrets: &[&str]) {
    for secret in secrets.iter().copied().chain(["SharedAccessSignature", "sig="]) {
        let told = [&finished.stdout, &finished.stderr];
        assert!(!told.iter().any(|text| text.contains(secret)), "`{secret}` shows in:\n{finished:?}");
    }
}

#[test]
fn no_hub_named_is_wrong_usage_and_names_both_ways() {
    let env = TestEnv::new();
    let apply = env.run(["apply", &lockdoor()]);
    assert_eq!(apply.code, 2, "{}", apply.stderr);
    for way in ["IOTHUB_CONNECTION_STRING", "--local"] {
        assert!(apply.stderr.contains(way), "{}", apply.stderr);
    }
}

#[test]
fn local_and_a_hub_flag_exclude_each_other_but_the_environment_gives_way() {
    let env = TestEnv::new();
    let string = format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={WRONG_KEY}");
    let both = env.run(["apply", &lockdoor(), "--local", "--hub-connection-string", &string]);
    assert_eq!(both.code, 2, "{}", both.stderr);
    without_secrets(&both, &[WRONG_KEY]);

    let told = finish(
        env.iotjob().args(["apply", &lockdoor(), "--local", "--devices", "1"]).env("IOTHUB_CONNECTION_STRING", &string),
    );
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stderr.contains("IOTHUB_CONNECTION_STRING"), "it says what it ignores: {}", told.stderr);
    without_secrets(&told, &[WRONG_KEY]);
}

#[test]
fn a_wrong_key_is_4_an_unknown_ca_and_an_unreachable_hub_are_5() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let host = format!("HostName={}:{}", hub.ready.host_name, hub.ready.https_port);
    let string = format!("{host};SharedAccessKeyName=iothubowner;SharedAccessKey={WRONG_KEY}");
    let wrong =
        finish(hub.client(&env, "iothubowner").args(["apply", &lockdoor()]).env("IOTHUB_CONNECTION_STRING", &string));
    assert_eq!(wrong.code, 4, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("401"), "{}", wrong.stderr);
    without_secrets(&wrong, &[WRONG_KEY]);

    let poor = finish(hub.client(&env, "registryRead").args(["apply", &lockdoor()]));
    assert_eq!(poor.code, 4, "{}", poor.stderr);

    let stranger = finish(hub.client(&env, "iothubowner").args(["apply", &lockdoor()]).env_remove("SSL_CERT_FILE"));
    assert_eq!(stranger.code, 5, "{}", stranger.stderr);
    assert!(stranger.stderr.contains("--ca-file"), "{}", stranger.stderr);

    let mut absent = hub.client(&env, "iothubowner");
    absent.args(["list"]);
    hub.process.kill();
    let absent = finish(absent.args(["--give-up-after", "1s"]));
    assert_eq!(absent.code, 5, "{}", absent.stderr);
    assert!(absent.stderr.contains("localhost"), "{}", absent.stderr);
}

#[test]
fn an_unknown_id_is_2_and_a_bad_query_is_shown() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    for command in ["status", "results", "watch", "cancel"] {
        let unknown = finish(hub.client(&env, "iothubowner").args([command, "no-such-job"]));
        assert_eq!(unknown.code, 2, "{command}: {}", unknown.stderr);
        assert!(unknown.stderr.contains("no-such-job"), "{command}: {}", unknown.stderr);
    }
    let query = finish(hub.client(&env, "iothubowner").args(["query", "SELECT * FROM things"]));
    assert_eq!(query.code, 2, "{}", query.stderr);
    assert!(query.stderr.contains("things"), "{}", query.stderr);
}

#[test]
fn nothing_is_sent_while_one_manifest_is_invalid() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d"]);
    env.write("good.yaml", "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { a: 1 } }\n");
    env.write("bad.yaml", "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { a.b: 1 } }\nnope: 1\n");
    let apply = finish(hub.client(&env, "iothubowner").args(["apply", "good.yaml", "bad.yaml"]));
    assert_eq!(apply.code, 3, "{}", apply.stderr);
    for problem in ["a.b", "nope", "bad.yaml"] {
        assert!(apply.stderr.contains(problem), "{}", apply.stderr);
    }
    let list = finish(hub.client(&env, "iothubowner").args(["list", "--output", "json"]));
    assert_eq!((list.code, list.stdout.as_str()), (0, ""), "{}", list.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn data_that_stdout_does_not_take_is_not_lost_in_silence_but_a_reader_may_leave() {
    let env = TestEnv::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let lost = env.iotjob().arg("schema").stdout(full).output().unwrap();
    assert_eq!(lost.status.code(), Some(1));
    let told = String::from_utf8(lost.stderr).unwrap();
    assert!(told.contains("standard output") && told.contains("No space"), "{told}");

    let script = format!("set -o pipefail; {} schema | head -n 1", env!("CARGO_BIN_EXE_iotjob"));
    let left = finish(env.command("bash").args(["-c", &script]));
    assert_eq!((left.code, left.stdout.as_str(), left.stderr.as_str()), (0, "{\n", ""));
}

#[test]
fn hints_fit_what_went_wrong() {
    let env = TestEnv::new();
    let cases: [(&[&str], &str, &str); 4] = [
        (&["list"], "iotjob hub", "`plan`"),
        (&["list", "--hub-connection-string", "nonsense"], "HostName=...;SharedAccessKeyName=", "nonsense"),
        (&["device", "--connection-string", "nonsense"], "HostName=...;DeviceId=", "nonsense"),
        (&["hub", "--listen", "192.0.2.1", "--https-port", "0"], "addresses of this machine", "1024"),
    ];
    for (line, hint, never) in cases {
        let refused = env.run(line);
        assert_eq!(refused.code, 2, "{line:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(hint) && !refused.stderr.contains(never), "{line:?}: {}", refused.stderr);
    }
    let filter = finish(env.iotjob().arg("schema").env("IOTJOB_LOG", "iotjob=loud"));
    assert_eq!(filter.code, 0);
    assert!(filter.stderr.contains("IOTJOB_LOG") && filter.stderr.contains("loud"), "{}", filter.stderr);
}

#[test]
fn a_job_cancelled_before_it_began_has_no_rows_and_says_why() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d"]);
    env.write(
        "late.yaml",
        &format!("type: scheduleUpdateTwin\nquery: '*'\npatch: {{ tags: {{ a: 1 }} }}\nstartTime: {}\n", tomorrow()),
    );
    let no_wait = finish(hub.client(&env, "iothubowner").args(["apply", "late.yaml", "--no-wait"]));
    assert_eq!(no_wait.code, 0, "{}", no_wait.stderr);
    let list = finish(hub.client(&env, "iothubowner").args(["list", "--output", "json"]));
    let job: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let id = job["jobId"].as_str().unwrap();
    let cancel = finish(hub.client(&env, "iothubowner").args(["cancel", id]));
    assert_eq!(cancel.code, 0, "{}", cancel.stderr);
    let results = finish(hub.client(&env, "iothubowner").args(["results", id]));
    assert_eq!((results.code, results.stdout.as_str()), (0, ""));
    assert!(results.stderr.contains("cancelled before it began"), "{}", results.stderr);
    let apply = finish(hub.client(&env, "iothubowner").args(["apply", "late.yaml"]));
    assert_eq!(apply.code, 7, "{}", apply.stderr);
    assert!(apply.stderr.contains("--rerun"), "{}", apply.stderr);
}

#[test]
fn a_hub_that_dies_under_an_apply_is_5_and_names_the_way_back() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "away"]);
    env.write("wait.yaml", "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: m }\n");
    let mut command = hub.client(&env, "iothubowner");
    let mut apply = Process::start(command.args(["apply", "wait.yaml", "--max-silence", "1s"]));
    apply.wait_for("started");
    hub.process.kill();
    let (code, _, stderr) = apply.finish();
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("iotjob watch wait-"), "{stderr}");
    assert!(!stderr.contains("docs.rs"), "a library's manual helps nobody here: {stderr}");
}

fn tomorrow() -> jiff::Timestamp {
    let now = iotjob::model::Clock::system().now();
    jiff::Timestamp::from_second(now.as_second() + 86_400).expect("tomorrow is a time")
}
