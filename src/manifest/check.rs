//! What a schema cannot say: members that have to agree, ranges, queries, twin limits. Types become domain types here.
//!
//! Each check reports what it finds and gives what it could build; a manifest comes out when every part did. A member
//! that was already refused is not here any more, and its absence is nobody's fault.

use std::collections::HashSet;

use serde_json::Value;

use super::checked::{Action, InvalidRunName, RunName, Start, Target};
use super::explain::name_illegal;
use super::rule::ProblemKind;
use super::success::{OfflineTargets, Share, StatusRange, Success, SuccessProblem};
use super::{Finding, start, v1};
use crate::model::limits::{
    CONNECT_TIMEOUT_S_MAX, JOB_TIMEOUT_S_DEFAULT, JOB_TIMEOUT_S_MIN, METHOD_PAYLOAD_BYTES_MAX, RESPONSE_TIMEOUT_S,
};
use crate::model::{DeviceId, JobType, JsonObject, MethodName, desired_violations, tags_violations};
use crate::query::{QueryError, QueryErrorKind, parse_condition};
use crate::source::{At, Pointer, Step, TextProblem, TwinProblem, duration};

/// Where a job's name comes from when it has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming<'a> {
    /// From the file's stem.
    Stem(&'a str),
    /// From nowhere; the text says what the document is.
    None(&'static str),
}

/// A manifest without its place.
pub(super) struct Parts {
    pub name: RunName,
    pub description: Option<String>,
    pub target: Target,
    pub action: Action,
    pub start: Start,
    pub timeout_s: u64,
    pub after: Vec<RunName>,
    pub success: Success,
    pub revision: Option<Value>,
}

/// Checks `job`, which is what `document` holds less what is already among `findings`; adds what it finds.
pub(super) fn check(job: v1::Job, document: &Value, naming: Naming<'_>, findings: &mut Vec<Finding>) -> Option<Parts> {
    let mut check = Check { document, findings };
    let name = check.name(job.name.as_deref(), naming);
    let kind = check.agreement(job.kind);
    let target = check.target(job.query.as_deref(), job.devices.as_deref());
    let method = job.method.and_then(|method| check.method(method));
    let patch = job.patch.and_then(|patch| check.patch(patch));
    let start = check.start(job.start_time.as_deref());
    let timeout_s = check.timeout(job.timeout.as_deref());
    let after = check.after(job.after);
    let success = check.success(job.success, job.kind);
    let action = match kind? {
        JobType::ScheduleDeviceMethod => method?,
        JobType::ScheduleUpdateTwin => patch?,
        JobType::Unknown => return None,
    };
    Some(Parts {
        name: name?,
        description: job.description,
        target: target?,
        action,
        start: start?,
        timeout_s: timeout_s?,
        after: after?,
        success: success?,
        revision: job.revision,
    })
}

struct Check<'c> {
    document: &'c Value,
    findings: &'c mut Vec<Finding>,
}

impl Check<'_> {
    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether the user wrote the member, right or wrong.
    fn wrote(&self, key: &str) -> bool {
        self.document.get(key).is_some()
    }

    /// Whether something at or below the member was refused.
    fn refused(&self, keys: &[&str]) -> bool {
        self.findings.iter().any(|finding| {
            let pointer = finding.at.pointer();
            pointer.len() >= keys.len()
                && pointer.iter().zip(keys).all(|(step, key)| matches!(step, Step::Key(found) if found == key))
        })
    }

    fn name(&mut self, name: Option<&str>, naming: Naming<'_>) -> Option<RunName> {
        let kind = match (name, naming) {
            (Some(name), _) => match name.parse() {
                Ok(name) => return Some(name),
                Err(_) => return self.refuse(["name"], name_illegal(name)?),
            },
            (None, _) if self.wrote("name") => return None,
            (None, Naming::Stem(stem)) => match from_stem(stem) {
                Ok(name) => return Some(name),
                Err((name, error)) => ProblemKind::NameFromFile { name, error },
            },
            (None, Naming::None(why)) => ProblemKind::NameMissing { why },
        };
        self.add(Finding { at: At::Document, kind });
        None
    }

    fn refuse<T, const N: usize>(&mut self, keys: [&str; N], kind: ProblemKind) -> Option<T> {
        self.add(Finding::value(keys, kind));
        None
    }

    /// The type, when what the job does goes with it.
    fn agreement(&mut self, kind: Option<JobType>) -> Option<JobType> {
        let kind = kind?;
        let (method, patch) = (self.wrote("method"), self.wrote("patch"));
        let before = self.findings.len();
        match kind {
            JobType::ScheduleDeviceMethod => {
                if patch {
                    self.add(Finding::key(["patch"], ProblemKind::PatchInMethodJob));
                } else if !method {
                    self.add(Finding::value(["type"], ProblemKind::MethodMissing));
                }
            }
            JobType::ScheduleUpdateTwin => {
                if method {
                    self.add(Finding::key(["method"], ProblemKind::MethodInTwinJob));
                } else if !patch {
                    self.add(Finding::value(["type"], ProblemKind::PatchMissing));
                }
            }
            JobType::Unknown => return None,
        }
        (self.findings.len() == before).then_some(kind)
    }

    fn target(&mut self, query: Option<&str>, devices: Option<&[String]>) -> Option<Target> {
        match (self.wrote("query"), self.wrote("devices")) {
            (true, true) => self.add(Finding::key(["devices"], ProblemKind::TargetTwice)),
            (false, false) => self.add(Finding { at: At::Document, kind: ProblemKind::TargetMissing }),
            _ => {}
        }
        let condition = query.and_then(|query| self.query(query));
        let list = devices.and_then(|devices| self.devices(devices));
        match (self.wrote("query"), self.wrote("devices")) {
            (true, false) => condition,
            (false, true) => list,
            _ => None,
        }
    }

    fn query(&mut self, written: &str) -> Option<Target> {
        let text = written.trim();
        let shift = written.len() - written.trim_start().len();
        let inside =
            |span: &std::ops::Range<usize>| At::Inside(vec![Step::from("query")], span.start + shift..span.end + shift);
        match parse_condition(text) {
            Ok(condition) => {
                for doubt in condition.warnings() {
                    let (message, help) = (doubt.message.clone(), doubt.help.clone());
                    self.add(Finding { at: inside(&doubt.span), kind: ProblemKind::QueryDoubtful { message, help } });
                }
                Some(Target::Condition { text: text.to_owned(), condition: Box::new(condition) })
            }
            Err(error) => {
                let at = match error.kind {
                    QueryErrorKind::TooLong | QueryErrorKind::Empty => At::Value(vec![Step::from("query")]),
                    _ => inside(&error.span),
                };
                self.add(Finding { at, kind: query_problem(text, error) });
                None
            }
        }
    }

    fn devices(&mut self, written: &[String]) -> Option<Target> {
        let mut ids: Vec<DeviceId> = Vec::with_capacity(written.len());
        let mut seen = HashSet::new();
        let mut all_legal = !self.refused(&["devices"]);
        for (index, text) in written.iter().enumerate() {
            let at = At::Value(vec![Step::from("devices"), Step::from(index)]);
            let id: DeviceId = match text.parse() {
                Ok(id) => id,
                Err(error) => {
                    all_legal = false;
                    self.add(Finding { at, kind: ProblemKind::DeviceIdIllegal { error } });
                    continue;
                }
            };
            if !seen.insert(text.as_str()) {
                self.add(Finding { at, kind: ProblemKind::DeviceTwice { id: text.clone() } });
                continue;
            }
            if !id.fits_mqtt() {
                self.add(Finding { at, kind: ProblemKind::DeviceNotOnMqtt { id: text.clone() } });
            }
            ids.push(id);
        }
        all_legal.then_some(Target::Devices(ids))
    }

    fn method(&mut self, method: v1::Method) -> Option<Action> {
        let name = method.name.and_then(|name| match name.parse::<MethodName>() {
            Ok(name) => Some(name),
            Err(error) => self.refuse(["method", "name"], ProblemKind::MethodNameIllegal { error }),
        });
        let payload = method.payload.unwrap_or(Value::Null);
        let bytes = payload.to_string().len();
        if bytes > METHOD_PAYLOAD_BYTES_MAX {
            self.add(Finding::key(["method", "payload"], ProblemKind::PayloadTooLarge { bytes }));
        }
        let (least, most, default) = RESPONSE_TIMEOUT_S;
        let response = self.duration(["method", "responseTimeout"], method.response_timeout.as_deref(), default);
        let connect = self.duration(["method", "connectTimeout"], method.connect_timeout.as_deref(), 0);
        if let Some(seconds) = response.filter(|seconds| !(least..=most).contains(seconds)) {
            self.refuse::<(), 2>(["method", "responseTimeout"], ProblemKind::ResponseTimeoutRange { seconds });
        }
        match (connect, response) {
            (Some(seconds), _) if seconds > CONNECT_TIMEOUT_S_MAX => {
                self.refuse(["method", "connectTimeout"], ProblemKind::ConnectTimeoutRange { seconds })
            }
            (Some(connect), Some(response)) if connect > response => {
                let kind = ProblemKind::ConnectAboveResponse { connect, response };
                self.refuse(["method", "connectTimeout"], kind)
            }
            (Some(connect_timeout_s), Some(response_timeout_s)) => {
                Some(Action::Method { name: name?, payload, response_timeout_s, connect_timeout_s })
            }
            _ => None,
        }
    }

    fn patch(&mut self, patch: v1::Patch) -> Option<Action> {
        let nothing = |half: &Option<JsonObject>| half.as_ref().is_none_or(JsonObject::is_empty);
        if nothing(&patch.tags) && nothing(&patch.desired) && !self.refused(&["patch"]) {
            let kind =
                TextProblem::Empty { member: "patch".into(), help: "write at least one tag or desired property" };
            self.add(Finding::key(["patch"], kind.into()));
        }
        for (section, half, violations) in [
            ("tags", &patch.tags, patch.tags.as_ref().map(tags_violations)),
            ("desired", &patch.desired, patch.desired.as_ref().map(desired_violations)),
        ] {
            let (Some(content), Some(violations)) = (half, violations) else { continue };
            let pointer = [Step::from("patch"), Step::from(section)];
            let found = violations.into_iter().map(|violation| TwinProblem::finding(&pointer, content, violation));
            self.findings.extend(found);
        }
        Some(Action::Twin { tags: patch.tags, desired: patch.desired })
    }

    fn start(&mut self, text: Option<&str>) -> Option<Start> {
        let Some(text) = text else { return (!self.wrote("startTime")).then_some(Start::Now) };
        match start::parse(text) {
            Ok(start) => Some(start),
            Err((kind, span)) => {
                self.add(Finding { at: At::Inside(vec![Step::from("startTime")], span), kind });
                None
            }
        }
    }

    fn timeout(&mut self, text: Option<&str>) -> Option<u64> {
        let seconds = self.duration(["timeout"], text, JOB_TIMEOUT_S_DEFAULT)?;
        if seconds < JOB_TIMEOUT_S_MIN {
            return self.refuse(["timeout"], ProblemKind::TimeoutTooShort { seconds });
        }
        Some(seconds)
    }

    fn after(&mut self, names: Option<Vec<String>>) -> Option<Vec<RunName>> {
        let mut after = Vec::new();
        let mut all_legal = !self.refused(&["after"]);
        for (index, name) in names.into_iter().flatten().enumerate() {
            match name.parse::<RunName>() {
                Ok(name) if after.contains(&name) => {}
                Ok(name) => after.push(name),
                Err(_) => {
                    let at = At::Value(vec![Step::from("after"), Step::from(index)]);
                    self.findings.extend(name_illegal(&name).map(|kind| Finding { at, kind }));
                    all_legal = false;
                }
            }
        }
        all_legal.then_some(after)
    }

    fn success(&mut self, success: Option<v1::Success>, kind: Option<JobType>) -> Option<Success> {
        let Some(written) = success else { return (!self.wrote("success")).then(Success::default) };
        let mut success = Success::default();
        let before = self.findings.len();
        match written.devices.map(|share| share.parse::<Share>()) {
            Some(Ok(share)) => success.share = share,
            Some(Err(problem)) => drop(self.refuse::<(), 2>(["success", "devices"], problem.into())),
            None => {}
        }
        if let Some(statuses) = written.statuses {
            if kind == Some(JobType::ScheduleUpdateTwin) {
                self.add(Finding::key(["success", "statuses"], SuccessProblem::StatusesInTwinJob.into()));
            }
            success.statuses.clear();
            for (index, status) in statuses.iter().enumerate() {
                match StatusRange::read(status) {
                    Ok(range) => success.statuses.push(range),
                    Err(problem) => {
                        let at = At::Value(vec![Step::from("success"), Step::from("statuses"), Step::from(index)]);
                        self.add(Finding { at, kind: problem.into() });
                    }
                }
            }
        }
        match written.offline.as_deref() {
            Some("ignore") => success.offline = OfflineTargets::Ignore,
            Some("fail") | None => {}
            Some(text) => {
                let problem = SuccessProblem::Offline { text: text.to_owned() };
                self.refuse::<(), 2>(["success", "offline"], problem.into());
            }
        }
        (self.findings.len() == before && !self.refused(&["success"])).then_some(success)
    }

    /// The member's seconds, or the default when it is not written; `None` when it was refused.
    fn duration<const N: usize>(&mut self, keys: [&str; N], text: Option<&str>, default_s: u64) -> Option<u64> {
        match text {
            Some(text) => match duration::seconds(keys.last().copied().unwrap_or_default(), text) {
                Ok(seconds) => Some(seconds),
                Err(problem) => self.refuse(keys, problem.into()),
            },
            None => (!self.refused(&keys)).then_some(default_s),
        }
    }
}

/// The name that a file's stem makes, or what it makes and why that is none.
fn from_stem(stem: &str) -> Result<RunName, (String, InvalidRunName)> {
    let name = RunName::suggest(stem);
    name.parse().map_err(|error| (name, error))
}

fn query_problem(text: &str, error: QueryError) -> ProblemKind {
    let QueryError { span, message, help, kind } = error;
    match kind {
        QueryErrorKind::TooLong => ProblemKind::QueryTooLong { chars: text.chars().count() },
        QueryErrorKind::Empty => ProblemKind::QueryEmpty,
        QueryErrorKind::ConditionIsQuery => ProblemKind::QueryIsSelect,
        QueryErrorKind::Function if text.get(span).is_some_and(|name| name.eq_ignore_ascii_case("STARTS_WITH")) => {
            ProblemKind::QueryStartsWith
        }
        QueryErrorKind::Function => ProblemKind::QueryFunction { message, help },
        _ => ProblemKind::QuerySyntax { message, help },
    }
}

/// `document` without the members that findings refuse, so that the rest can be read as types.
pub(super) fn without_refused(document: &Value, findings: &[Finding]) -> Value {
    let refused: HashSet<&Pointer> = findings
        .iter()
        .map(|finding| {
            let pointer = finding.at.pointer();
            // Removing an item would move its neighbours: the whole list goes.
            let keys = pointer.iter().take_while(|step| matches!(step, Step::Key(_))).count();
            &pointer[..keys]
        })
        .filter(|pointer| !pointer.is_empty())
        .collect();
    keep(document, &mut Vec::new(), &refused)
}

/// Copies `value`, which stands at `pointer`, without what is refused. No rule looks deeper than a method's members.
fn keep(value: &Value, pointer: &mut Vec<Step>, refused: &HashSet<&Pointer>) -> Value {
    const DEPTH: usize = 2;
    let Value::Object(object) = value else { return value.clone() };
    if refused.is_empty() || pointer.len() == DEPTH {
        return value.clone();
    }
    let mut kept = JsonObject::new();
    for (key, member) in object {
        pointer.push(Step::Key(key.clone()));
        if !refused.contains(pointer.as_slice()) {
            kept.insert(key.clone(), keep(member, pointer, refused));
        }
        pointer.pop();
    }
    Value::Object(kept)
}
