//! Problems of manifests and fleet files as SARIF 2.1.0, which code scanning reads.

use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::args::VERSION;
use super::problems::ProblemLine;
use crate::source::Placed;

/// What a path may hold as it is (RFC 3986).
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The log, on one line.
#[must_use]
pub fn to_sarif(problems: &[&dyn Placed]) -> String {
    let lines: Vec<ProblemLine<'_>> = problems.iter().map(|&problem| ProblemLine::of(problem)).collect();
    let mut codes: Vec<&str> = lines.iter().map(|line| line.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let driver = Driver {
        name: "iotjob",
        version: VERSION,
        information_uri: env!("CARGO_PKG_REPOSITORY"),
        rules: codes.iter().map(|code| rule(code)).collect(),
    };
    let results = lines.iter().map(|line| result(line, &codes)).collect();
    let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
    let log = Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] };
    serde_json::to_string(&log).expect("texts and numbers are JSON")
}

/// `iotjob::yaml::duplicate_key` is called `Duplicate key`.
fn rule(code: &str) -> Rule {
    let words = code.rsplit("::").next().unwrap_or(code).replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    Rule { id: code.to_owned(), short_description: Text { text: first.into_iter().chain(letters).collect() } }
}

fn result(line: &ProblemLine<'_>, codes: &[&str]) -> Finding {
    let text = match &line.help {
        Some(help) => format!("{}. Help: {help}", line.message),
        None => line.message.clone(),
    };
    let region = Region {
        start_line: line.line,
        start_column: line.column,
        end_line: line.end_line,
        end_column: line.end_column,
    };
    let artifact_location = Artifact { uri: uri(line.file, std::env::current_dir().ok().as_deref()) };
    Finding {
        rule_id: line.code.clone(),
        rule_index: codes.binary_search(&line.code.as_str()).unwrap_or_default(),
        level: line.severity,
        message: Text { text },
        locations: [Location { physical_location: Physical { artifact_location, region } }],
    }
}

/// A file's place as a URI: relative to `root` where it lies below it, with forward slashes on every system.
fn uri(name: &str, root: Option<&Path>) -> String {
    if name == "<stdin>" {
        return "stdin".to_owned();
    }
    let path = Path::new(name);
    let relative = root.and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path);
    let parts: Vec<String> = relative
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            Component::ParentDir => Some("..".to_owned()),
            Component::Prefix(prefix) => Some(prefix.as_os_str().to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir => None,
        })
        .collect();
    let joined = utf8_percent_encode(&parts.join("/"), IN_PATH).to_string();
    if relative.is_absolute() { format!("file:///{joined}") } else { joined }
}

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Finding>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_relative_and_have_forward_slashes() {
        let root = Some(Path::new("/home/me/repo"));
        for (name, want) in [
            ("jobs/lock.yaml", "jobs/lock.yaml"),
            ("./jobs/./lock.yaml", "jobs/lock.yaml"),
            ("../x/a b#1.yaml", "../x/a%20b%231.yaml"),
            ("<stdin>", "stdin"),
        ] {
            assert_eq!(uri(name, root), want);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_lies_elsewhere_is_absolute() {
        let root = Some(Path::new("/home/me/repo"));
        assert_eq!(uri("/home/me/repo/jobs/ü.yaml", root), "jobs/%C3%BC.yaml");
        assert_eq!(uri("/elsewhere/a.yaml", root), "file:///elsewhere/a.yaml");
    }

    #[test]
    fn a_rule_is_named_after_its_code() {
        assert_eq!(rule("iotjob::yaml::duplicate_key").short_description.text, "Duplicate key");
    }
}
