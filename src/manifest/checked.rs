//! What a manifest is once it has passed every check: domain types only, and the identity of its run.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document;
use super::success::Success;
use crate::model::limits::RUN_NAME_CHARS_MAX;
use crate::model::{DeviceId, JobId, JobType, JsonObject, MethodName, WireTime};
use crate::query::Condition;
use crate::source::{Place, SourceFile};

/// One job, as a user wrote it and as the checks found it right.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name of the run.
    pub name: RunName,
    /// What it is for, in the user's words; not part of the run's identity.
    pub description: Option<String>,
    /// Which twins it touches.
    pub target: Target,
    /// What it does to each.
    pub action: Action,
    /// When it starts.
    pub start: Start,
    /// `maxExecutionTimeInSeconds`.
    pub timeout_s: u64,
    /// Runs of the same command that have to succeed first; not part of the run's identity.
    pub after: Vec<RunName>,
    /// When the run counts as a success; not part of its identity.
    pub success: Success,
    /// What makes another run of the same job; a number or a text.
    pub revision: Option<Value>,
    /// Where it stands, for messages.
    pub source: SourceRef,
}

/// Which twins a job touches.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Those that a condition finds.
    Condition {
        /// The condition as written, without white space round it.
        text: String,
        /// The condition, parsed.
        condition: Box<Condition>,
    },
    /// These, each once, in the order in which they were written.
    Devices(Vec<DeviceId>),
}

/// What a job does to each of its targets.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Calls a direct method.
    Method {
        /// The method.
        name: MethodName,
        /// What it is given; `null` for nothing.
        payload: Value,
        /// How long a device may take to answer, in seconds.
        response_timeout_s: u64,
        /// How long to wait for a device that is offline, in seconds.
        connect_timeout_s: u64,
    },
    /// Merges a patch into the twin; at least one half is there.
    Twin {
        /// Merge patch of the tags.
        tags: Option<JsonObject>,
        /// Merge patch of the desired properties.
        desired: Option<JsonObject>,
    },
}

impl Action {
    /// The service's name for it.
    #[must_use]
    pub fn job_type(&self) -> JobType {
        match self {
            Self::Method { .. } => JobType::ScheduleDeviceMethod,
            Self::Twin { .. } => JobType::ScheduleUpdateTwin,
        }
    }
}

/// When a job starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As soon as the hub takes it: no `startTime` is sent.
    Now,
    /// At this time.
    At(Timestamp),
}

/// Where a manifest stands.
#[derive(Debug, Clone)]
pub struct SourceRef {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Which document of the file, from 0.
    pub document: usize,
}

impl PartialEq for SourceRef {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document && self.file.name() == other.file.name()
    }
}

/// `deviceId IN [...]` over `ids`.
///
/// An id with an apostrophe is put in double quotes: no id holds one of those, so nothing needs escaping
/// (GRAMMAR.md 2.1 leaves doubled quotes open).
#[must_use]
pub fn devices_condition(ids: &[DeviceId]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| quote(id.as_str())).collect();
    format!("deviceId IN [{}]", quoted.join(","))
}

fn quote(id: &str) -> String {
    if id.contains('\'') { format!("\"{id}\"") } else { format!("'{id}'") }
}

impl Manifest {
    /// The manifest as JSON with sorted keys, defaults filled, durations in seconds, starts in UTC and without
    /// `description`: what the run's identity is made of (product.md 3.1).
    #[must_use]
    pub fn canonical(&self) -> Value {
        let (kind, action) = match &self.action {
            Action::Method { name, payload, response_timeout_s, connect_timeout_s } => (
                "method",
                json!({
                    "name": name, "payload": payload,
                    "responseTimeout": response_timeout_s, "connectTimeout": connect_timeout_s,
                }),
            ),
            Action::Twin { tags, desired } => {
                let halves = [("tags", tags), ("desired", desired)];
                let written =
                    halves.into_iter().filter_map(|(key, half)| Some((key.to_owned(), json!(half.as_ref()?))));
                ("patch", Value::Object(written.collect()))
            }
        };
        let (selector, target) = match &self.target {
            Target::Condition { text, .. } => ("query", json!(text)),
            Target::Devices(ids) => ("devices", json!(ids)),
        };
        let start = match self.start {
            Start::Now => "now".to_owned(),
            Start::At(time) => WireTime::At(time).to_string(),
        };
        let mut job = JsonObject::new();
        job.insert("name".to_owned(), json!(self.name.as_str()));
        job.insert("type".to_owned(), json!(self.action.job_type()));
        job.insert(selector.to_owned(), target);
        job.insert(kind.to_owned(), action);
        job.insert("startTime".to_owned(), json!(start));
        job.insert("timeout".to_owned(), json!(self.timeout_s));
        if let Some(revision) = &self.revision {
            job.insert("revision".to_owned(), revision.clone());
        }
        sorted(Value::Object(job))
    }

    /// The manifest as a user could have written it, its variables filled in: reading it gives the same manifest.
    #[must_use]
    pub fn document(&self) -> Value {
        let Value::Object(mut job) = self.canonical() else { return Value::Null };
        let seconds = |value: &mut Value| *value = json!(format!("{value}s"));
        job.get_mut("timeout").into_iter().for_each(seconds);
        if let Some(Value::Object(method)) = job.get_mut("method") {
            for key in ["responseTimeout", "connectTimeout"] {
                method.get_mut(key).into_iter().for_each(seconds);
            }
        }
        if let Some(description) = &self.description {
            job.insert("description".to_owned(), json!(description));
        }
        if !self.after.is_empty() {
            let names: Vec<&str> = self.after.iter().map(RunName::as_str).collect();
            job.insert("after".to_owned(), json!(names));
        }
        if self.success != Success::default() {
            job.insert("success".to_owned(), self.success.document());
        }
        literal(Value::Object(job))
    }

    /// The first 12 hex digits of SHA-256 over [`Self::canonical`].
    #[must_use]
    pub fn run_hash(&self) -> String {
        let text = self.canonical().to_string();
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        data_encoding::HEXLOWER.encode(&digest.as_ref()[..6])
    }

    /// The run's id, `NAME-HASH`: the hub's job id before any `-rN` or `-pN`.
    #[must_use]
    pub fn run_id(&self) -> JobId {
        let id = format!("{}-{}", self.name, self.run_hash());
        id.parse().expect("a run name of at most 40 legal characters and 12 hex digits make a job id")
    }

    /// Where a name of `after` is written.
    #[must_use]
    pub fn after_place(&self, index: usize) -> Place {
        self.place(document::after_span(&self.source, index))
    }

    /// Where a member is written, or the nearest one above it that the file has.
    #[must_use]
    pub fn place_of(&self, path: &[&str]) -> Place {
        self.place(document::span_of(&self.source, path))
    }

    /// Where the start time is written, for a problem that only the clock shows.
    #[must_use]
    pub fn start_place(&self) -> Place {
        self.place(document::start_span(&self.source))
    }

    /// Where the name is written, or the document's start when the file's stem is the name.
    #[must_use]
    pub fn name_place(&self) -> Place {
        self.place(document::name_span(&self.source))
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { file: Arc::clone(&self.source.file), span }
    }
}

/// Writes every text so that no variable is filled into it.
fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Array(items) => Value::Array(items.into_iter().map(literal).collect()),
        Value::Object(object) => Value::Object(object.into_iter().map(|(key, inner)| (key, literal(inner))).collect()),
        other => other,
    }
}

/// Sorts the keys of every object, at every depth.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> =
                object.into_iter().map(|(key, inner)| (key, sorted(inner))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Name of a run: 1–40 of `a-z`, `0-9` and `-`, the first a letter. It leads the job's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName(Box<str>);

/// Says why a text is not the name of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRunName {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// It starts with a digit or a dash.
    #[error("a name starts with a letter, not with `{0}`")]
    Start(char),
    /// A character outside the set.
    #[error("`{}` is not allowed in a name", .0.escape_debug())]
    Character(char),
    /// Too many characters.
    #[error("a name has at most {RUN_NAME_CHARS_MAX} characters, this has {0}")]
    TooLong(usize),
}

impl RunName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a file's stem makes of a name: lower case, every other character a dash. It may still be illegal.
    #[must_use]
    pub fn suggest(text: &str) -> String {
        let legal = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
        text.chars().map(|c| legal(c.to_ascii_lowercase())).collect()
    }
}

impl FromStr for RunName {
    type Err = InvalidRunName;

    fn from_str(text: &str) -> Result<Self, InvalidRunName> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let first = text.chars().next().ok_or(InvalidRunName::Empty)?;
        if let Some(found) = text.chars().find(|&c| !legal(c)) {
            return Err(InvalidRunName::Character(found));
        }
        if !first.is_ascii_lowercase() {
            return Err(InvalidRunName::Start(first));
        }
        let chars = text.chars().count();
        if chars > RUN_NAME_CHARS_MAX {
            return Err(InvalidRunName::TooLong(chars));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
