//! `iotjob validate` over many manifests, beside the checkers of YAML by JSON Schema that this machine has.
//!
//! Whatever follows the topic and is no number is one more checker, in quotes: `{schema}` and `{files}` stand for theirs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::figures::{Figures, median_ratio, paces};
use crate::processes::{binary, timed};

const ROUNDS: usize = 11;
/// At least ten times as fast.
const LIMIT: f64 = 0.1;

/// A checker that is tried, as far as PATH has it.
struct Checker {
    /// How it is installed.
    install: &'static str,
    /// How it is called.
    call: String,
    /// Whether ours must be ten times as fast.
    is_limit: bool,
}

/// Those that people use. The last one is written in C++ and checks what its schema says, which is less than ours does.
fn known() -> [Checker; 3] {
    let checker = |install, call: &str, is_limit| Checker { install, call: call.to_owned(), is_limit };
    [
        checker("pip install check-jsonschema", "check-jsonschema --schemafile {schema} {files}", true),
        checker(
            "npm install -g ajv-cli",
            "ajv validate --spec=draft2020 --strict=false -s {schema} -d {folder}/*.yaml",
            true,
        ),
        checker("npm install -g @sourcemeta/jsonschema", "jsonschema validate --fast {schema} {files}", false),
    ]
}

pub(crate) fn run(manifests: usize, figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("jobs");
    write(&folder, manifests);
    let schema = dir.path().join("job.schema.json");
    fs::write(&schema, Command::new(binary()).arg("schema").output().unwrap().stdout).unwrap();
    let ours = || timed(Command::new(binary()).arg("validate").arg(&folder));
    ours();
    figures.show("iotjob validate", paces(manifests, &(0..ROUNDS).map(|_| ours()).collect::<Vec<_>>()));

    let named = std::env::args().filter(|arg| arg.contains("{schema}"));
    let named = named.map(|call| Checker { install: "", call, is_limit: false });
    for Checker { install, call, is_limit } in known().into_iter().chain(named) {
        let name = call.split(' ').next().unwrap_or_default().to_owned();
        match checker(&call, &schema, &folder, manifests).output() {
            Err(_) => {
                figures.show(&name, format!("not installed: {install}"));
                continue;
            }
            Ok(output) if !output.status.success() => {
                figures.show(&name, format!("does not take them: {}", first_line(&output.stderr)));
                continue;
            }
            Ok(_) => {}
        }
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our_times.push(ours());
            their_times.push(timed(&mut checker(&call, &schema, &folder, manifests)));
        }
        figures.show(&name, paces(manifests, &their_times));
        let (what, ratio) = (format!("validate, of {name}"), median_ratio(&our_times, &their_times));
        if is_limit {
            figures.show_limited(&what, ratio, LIMIT, "x");
        } else {
            figures.show(&what, format!("{ratio:.2} x"));
        }
    }
}

/// Manifests of every kind, each a file.
fn write(folder: &Path, manifests: usize) {
    fs::create_dir(folder).unwrap();
    for number in 0..manifests {
        let (building, floor) = (number % 100, number % 7);
        let text = match number % 3 {
            0 => format!(
                "# Lock the doors of a building.\nname: lock-{number}\ndescription: Lock building {building}.\n\
                 type: scheduleDeviceMethod\nquery: tags.building = {building} AND tags.floor IN [1, 2, {floor}]\n\
                 method:\n  name: lockDoor\n  payload: {{ lockTime: 10m, floors: [1, 2, {floor}] }}\n  \
                 responseTimeout: 45s\ntimeout: 10m\n"
            ),
            1 => format!(
                "name: tell-{number}\ntype: scheduleUpdateTwin\nquery: tags.fleet = 'doors'\npatch:\n  tags:\n    \
                 building: {building}\n  desired:\n    floor: {floor}\n    legacy: null\n    firmware:\n      \
                 version: 1.4.{number}\ntimeout: 5m\nstartTime: '2030-12-01T02:00:00Z'\n"
            ),
            _ => format!(
                "name: reboot-{number}\ntype: scheduleDeviceMethod\ndevices:\n  - door-{number:05}\n  - \
                 door-{building:05}-b\nmethod:\n  name: reboot\n  payload:\n    delaySeconds: {floor}\n  \
                 connectTimeout: 30s\nsuccess:\n  devices: 95%\n  statuses: [2xx, 409]\n"
            ),
        };
        fs::write(folder.join(format!("job-{number:05}.yaml")), text).unwrap();
    }
}

fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().next().unwrap_or_default().to_owned()
}

/// A checker's command; whoever takes a pattern gets the folder.
fn checker(call: &str, schema: &Path, folder: &Path, manifests: usize) -> Command {
    let mut words = call.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    for word in words {
        if word == "{files}" {
            command.args((0..manifests).map(|number| folder.join(format!("job-{number:05}.yaml"))));
        } else {
            let word = word.replace("{schema}", schema.to_str().unwrap());
            command.arg(word.replace("{folder}", folder.to_str().unwrap()));
        }
    }
    command
}
