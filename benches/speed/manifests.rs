//! `iotjob validate` over many manifests, beside the checkers of YAML by JSON Schema that this machine has.
//!
//! Whatever follows the topic and is no number is one more checker, in quotes: `{schema}` and `{files}` stand for theirs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::figures::{Figures, median, median_ratio, paces};
use crate::processes::{binary, timed};

const ROUNDS: usize = 5;
/// At least ten times as fast.
const LIMIT: f64 = 0.1;

/// Checkers that are tried, as far as PATH has them: how each is installed, and how it is called.
const CHECKERS: [(&str, &str); 3] = [
    ("pip install check-jsonschema", "check-jsonschema --schemafile {schema} {files}"),
    ("npm install -g ajv-cli", "ajv validate --spec=draft2020 --strict=false -s {schema} -d {folder}/*.yaml"),
    ("npm install -g @sourcemeta/jsonschema", "jsonschema validate --fast {schema} {files}"),
];

pub(crate) fn run(manifests: usize, figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("jobs");
    write(&folder, manifests);
    let schema = dir.path().join("job.schema.json");
    fs::write(&schema, Command::new(binary()).arg("schema").output().unwrap().stdout).unwrap();
    let ours = || timed(Command::new(binary()).arg("validate").arg(&folder));
    ours();

    let named: Vec<String> = std::env::args().filter(|arg| arg.contains("{schema}")).collect();
    let mut fastest: Option<(String, Vec<Duration>, Vec<Duration>)> = None;
    let known = CHECKERS.map(|(install, call)| (install, call.to_owned()));
    for (install, call) in known.into_iter().chain(named.into_iter().map(|call| ("", call))) {
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
        let theirs = || timed(&mut checker(&call, &schema, &folder, manifests));
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our_times.push(ours());
            their_times.push(theirs());
        }
        figures.show(&name, paces(manifests, &their_times));
        if fastest.as_ref().is_none_or(|(_, _, times)| median(&their_times) < median(times)) {
            fastest = Some((name, our_times, their_times));
        }
    }
    let Some((name, our_times, their_times)) = fastest else {
        figures.show("iotjob validate", paces(manifests, &(0..ROUNDS).map(|_| ours()).collect::<Vec<_>>()));
        return;
    };
    figures.show("iotjob validate", paces(manifests, &our_times));
    figures.show_limited(&format!("validate, of {name}"), median_ratio(&our_times, &their_times), LIMIT, "x");
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
