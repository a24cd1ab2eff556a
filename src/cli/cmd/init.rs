//! `iotjob init`: a commented manifest to start from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::manifest::{RunName, SCHEMA_ID};

/// Arguments of `iotjob init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Name of the job; the file is NAME.yaml. - writes to standard output [default: my-job]
    #[arg(value_name = "NAME")]
    pub name: Option<PathBuf>,
}

/// What the manifest is called when nobody says.
const NAME_DEFAULT: &str = "my-job";

/// Writes the starter to `NAME.yaml`, or to stdout for `-`.
///
/// # Errors
/// Exit 2 when the name makes no run name, and when the file is there already or cannot be written.
pub fn run(args: &InitArgs, printer: &Printer) -> Result<Exit, Failure> {
    if args.name.as_deref() == Some(Path::new("-")) {
        printer.data(starter(NAME_DEFAULT).trim_end());
        return Ok(Exit::Success);
    }
    let path = file_of(args.name.as_deref().unwrap_or(Path::new(NAME_DEFAULT)));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if let Err(error) = stem.parse::<RunName>() {
        return Err(Failure::usage(format!("`{stem}` is not the name of a job: {error}"))
            .hint("use lower-case letters, digits and dashes, a letter first, at most 40"));
    }
    write_new(&path, &starter(&stem))?;
    let shown = path.display();
    printer.say(&format!("wrote {shown}; check it with `iotjob validate {shown}`"));
    Ok(Exit::Success)
}

/// `lock-doors` is `lock-doors.yaml`; a name that has its ending keeps it.
fn file_of(name: &Path) -> PathBuf {
    let is_yaml = name.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if is_yaml {
        return name.to_owned();
    }
    let mut with_ending = name.as_os_str().to_owned();
    with_ending.push(".yaml");
    PathBuf::from(with_ending)
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written =
        OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("`{}` is there already", path.display()))
            .hint("give another name, or `-` for standard output"),
        _ => Failure::usage(format!("`{}` cannot be written: {error}", path.display())),
    })
}

fn starter(name: &str) -> String {
    format!(
        "\
# yaml-language-server: $schema={SCHEMA_ID}
#
# A job for Azure IoT Hub. `iotjob validate` checks it, `iotjob apply` does it.

# The start of the run's id on the hub. Applying the same manifest again finds the same run.
name: {name}
description: Say what this job is for.

# scheduleDeviceMethod calls a direct method on each device; scheduleUpdateTwin patches each twin.
type: scheduleDeviceMethod

# Which devices: what stands after WHERE in a twin query. '*' is every device.
query: tags.building = 43
# Or name them:
# devices: [front-door, back-door]

method:
  name: reboot
  # Any JSON value.
  payload:
    delaySeconds: 5
  # How long a device may take to answer: 5s to 300s.
  responseTimeout: 30s
  # How long to wait for a device that is offline: 0s to 300s, at most responseTimeout.
  connectTimeout: 0s

# For scheduleUpdateTwin, instead of `method`; null removes a key:
# patch:
#   tags:
#     wave: 2
#   desired:
#     interval: 60
#     legacy: null

# `now`, 2027-03-01T02:00:00Z, or a local time with its zone: 2027-03-01T02:00[Europe/Oslo]
startTime: now

# How long the whole job may take.
timeout: 1h
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_text;

    #[test]
    fn the_starter_is_right() {
        let loaded = parse_text("x.yaml", &starter(NAME_DEFAULT));
        assert_eq!(loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(loaded.manifests[0].name.as_str(), NAME_DEFAULT);
    }

    #[test]
    fn what_it_mentions_in_comments_is_right_too() {
        let text = starter(NAME_DEFAULT)
            .replace("query: tags", "# query: tags")
            .replace("# devices:", "devices:")
            .replace("type: scheduleDeviceMethod", "type: scheduleUpdateTwin");
        let (before, rest) = text.split_once("method:\n").unwrap();
        let (_, after) = rest.split_once("# patch:\n").unwrap();
        let patch: String = after
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("# ").filter(|_| line.starts_with("#   ")).unwrap_or(line)))
            .collect();
        let loaded = parse_text("x.yaml", &format!("{before}patch:\n{patch}"));
        assert_eq!(loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn a_name_gets_its_ending_once() {
        assert_eq!(file_of(Path::new("a")), Path::new("a.yaml"));
        assert_eq!(file_of(Path::new("jobs/a.yml")), Path::new("jobs/a.yml"));
    }
}
