//! What pipelines are given: the shell steps run, the example is walked from end to end, and each YAML file fits the schema that its service publishes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::env::{Finished, TestEnv, checkout, finish};
use crate::support::python::tools;

/// The folder of the iotjob under test, for a PATH.
fn binary_folder() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_iotjob")).parent().expect("the binary lies in a folder").to_owned()
}

/// A shell step with the iotjob under test on its PATH.
fn bash(env: &TestEnv) -> Command {
    let mut bash = Command::new("bash");
    let path = std::env::var("PATH").unwrap_or_default();
    bash.env_clear()
        .env("PATH", format!("{}:{path}", binary_folder().display()))
        .env("HOME", env.path())
        .env("NO_COLOR", "1")
        .current_dir(env.path());
    bash
}

fn must(finished: Finished) -> Finished {
    assert_eq!(finished.code, 0, "{}\n{}", finished.stdout, finished.stderr);
    finished
}

#[test]
fn the_gitops_example_works_from_pull_request_to_night() {
    let env = TestEnv::new();
    let walked = must(finish(bash(&env).arg(checkout().join("docs/examples/gitops/rehearse.sh"))));
    assert!(walked.stdout.contains("== all of it works"), "{}", walked.stdout);
    assert!(walked.stdout.contains("~ desired.floor: 7 → 3"), "{}", walked.stdout);
}

/// Packs the iotjob under test as a release does, where `install.sh` finds it under a `file:` URL.
fn release(env: &TestEnv, target: &str) -> PathBuf {
    let name = format!("iotjob-v0.0.1-{target}");
    let folder = env.path().join("releases/download/v0.0.1");
    fs::create_dir_all(&folder).expect("the folder");
    for file in ["LICENSE", "README.md"] {
        fs::copy(checkout().join(file), folder.join(file)).expect("a copy");
    }
    let pack = checkout().join(".github/actions/iotjob/pack.sh");
    must(finish(bash(env).current_dir(&folder).arg(pack).arg(binary_folder()).arg(&name)));
    folder.join(format!("{name}.tar.gz"))
}

fn linux_target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

#[test]
#[cfg(target_os = "linux")]
fn the_action_installs_what_was_released_and_nothing_else() {
    let env = TestEnv::new();
    let archive = release(&env, &linux_target());
    let install = || {
        let mut bash = bash(&env);
        bash.arg(checkout().join(".github/actions/iotjob/install.sh"))
            .env("IOTJOB_REPOSITORY", format!("file://{}", env.path().display()))
            .env("IOTJOB_VERSION", "v0.0.1")
            .env("IOTJOB_HOME", env.path().join("home"))
            .env("GITHUB_PATH", env.path().join("github-path"));
        bash
    };
    let installed = must(finish(&mut install()));
    assert!(installed.stdout.starts_with("iotjob "), "{}", installed.stdout);
    let path = fs::read_to_string(env.path().join("github-path")).expect("the path file");
    assert_eq!(path.trim(), env.path().join("home/bin").display().to_string());

    fs::write(&archive, "something else").expect("the archive");
    let refused = finish(install().env("IOTJOB_HOME", env.path().join("other")));
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("not the one that was released"), "{}", refused.stderr);
    assert!(!env.path().join("other/bin/iotjob").exists());
    let nothing = finish(install().env("IOTJOB_VERSION", ""));
    assert_eq!(nothing.code, 2, "{}", nothing.stderr);
}

#[test]
fn the_action_runs_iotjob_and_passes_its_code_on() {
    let env = TestEnv::new();
    env.write("job.yaml", "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { a: 1 } }\n");
    let run = |args: &str| {
        let mut bash = bash(&env);
        bash.arg(checkout().join(".github/actions/iotjob/run.sh"));
        finish(bash.env("IOTJOB_ARGS", args).env("GITHUB_OUTPUT", env.path().join("output")))
    };
    let told = || fs::read_to_string(env.path().join("output")).expect("the output").lines().last().map(str::to_owned);
    assert_eq!((run("validate\njob.yaml\n").code, told()), (0, Some("exit-code=0".into())));
    assert_eq!((run("plan\njob.yaml\n--local\n--detailed-exitcode").code, told()), (0, Some("exit-code=10".into())));
    env.write("job.yaml", "type: nonsense\n");
    assert_eq!((run("validate\njob.yaml").code, told()), (3, Some("exit-code=3".into())));
}

/// The YAML file as data, read by the tools that also check it.
fn yaml(path: &Path) -> Value {
    let python = tools();
    let code = "import json, sys, ruamel.yaml as y; print(json.dumps(y.YAML(typ='safe').load(open(sys.argv[1]))))";
    let read = must(finish(Command::new(python).args(["-c", code]).arg(path)));
    serde_json::from_str(&read.stdout).expect("JSON")
}

#[test]
#[cfg(target_os = "linux")]
fn the_gitlab_jobs_install_validate_and_find_drift() {
    let env = TestEnv::new();
    release(&env, &linux_target());
    env.write("jobs/job.yaml", "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { a: 1 } }\n");
    let jobs = yaml(&checkout().join(".gitlab/iotjob.gitlab-ci.yml"));
    let lines = |job: &str, part: &str| -> String {
        let lines = jobs[job][part].as_array().unwrap_or_else(|| panic!("{job} has no {part}"));
        lines.iter().map(|line| line.as_str().expect("a line").to_owned()).collect::<Vec<_>>().join("\n")
    };
    let run = |job: &str| {
        let script = format!("{}\n{}", lines(".iotjob", "before_script"), lines(job, "script"));
        let mut bash = bash(&env);
        bash.args(["-c", &script])
            .env("IOTJOB_REPOSITORY", format!("file://{}", env.path().display()))
            .env("IOTJOB_VERSION", "v0.0.1")
            .env("IOTJOB_PATHS", "jobs/");
        finish(&mut bash)
    };
    must(run(".iotjob-validate"));
    let drift = run(".iotjob-drift");
    assert_eq!(drift.code, 2, "no hub is named: {}", drift.stderr);
    assert!(drift.stderr.contains("no hub is named"), "{}", drift.stderr);
}

#[test]
fn each_file_fits_the_schema_of_its_service() {
    let env = TestEnv::new();
    let python = tools();
    let root = checkout();
    let check = |schema: &str, files: &[&str]| {
        let mut command = Command::new(&python);
        command.current_dir(root).args(["-m", "check_jsonschema", "--builtin-schema", schema]).args(files);
        must(finish(command.env("HOME", env.path())));
    };
    check("vendor.github-actions", &[".github/actions/iotjob/action.yml"]);
    check(
        "vendor.github-workflows",
        &[".github/workflows/release.yml", "docs/examples/gitops/.github/workflows/iotjob.yml"],
    );
    check("vendor.gitlab-ci", &[".gitlab/iotjob.gitlab-ci.yml"]);
    let hooks = Command::new(&python)
        .current_dir(root)
        .args(["-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"])
        .env("HOME", env.path())
        .output()
        .expect("pre-commit runs");
    assert!(hooks.status.success(), "{}", String::from_utf8_lossy(&hooks.stdout));
}

/// Every shell step below a node.
fn steps(node: &Value) -> Vec<&str> {
    match node {
        Value::Object(members) => {
            let own = members.get("run").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(steps)).collect()
        }
        Value::Array(items) => items.iter().flat_map(steps).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn no_shell_step_is_built_out_of_foreign_text() {
    for file in [
        ".github/actions/iotjob/action.yml",
        ".github/workflows/release.yml",
        "docs/examples/gitops/.github/workflows/iotjob.yml",
    ] {
        let workflow = yaml(&checkout().join(file));
        let steps = steps(&workflow);
        assert!(!steps.is_empty(), "{file} has steps");
        for step in steps {
            assert!(!step.contains("${{"), "{file} puts an expression into a script: {step}");
        }
    }
}
