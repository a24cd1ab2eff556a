//! What CI systems read in a job's log: annotations, summaries, sections. Rendering only; who calls has the environment.

use std::borrow::Cow;
use std::path::PathBuf;

use jiff::Timestamp;

use super::account::{Account, RunAccount};
use super::words::{clean, shortened};
use crate::model::limits::{ANNOTATIONS_MAX, PIPELINE_DEVICES_MAX};
use crate::run::{Happening, JobEnd, OutcomeClass};

/// Characters of one annotation's message.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// Devices that one annotation names.
const NAMED_MAX: usize = 5;

/// The CI system that runs this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pipeline {
    /// GitHub Actions.
    GitHub {
        /// The file that takes the summary of the step.
        summary: Option<PathBuf>,
    },
    /// Azure Pipelines.
    AzureDevOps {
        /// A folder for a summary, until the agent has read it.
        temp: Option<PathBuf>,
    },
    /// GitLab CI.
    GitLab,
}

impl Pipeline {
    /// The CI system that the environment tells of.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if is_true("GITHUB_ACTIONS") {
            Some(Self::GitHub { summary: path("GITHUB_STEP_SUMMARY") })
        } else if is_true("TF_BUILD") {
            Some(Self::AzureDevOps { temp: path("AGENT_TEMPDIRECTORY") })
        } else if is_true("GITLAB_CI") {
            Some(Self::GitLab)
        } else {
            None
        }
    }

    /// What to write to the log about runs that are over, a line each.
    #[must_use]
    pub fn lines(&self, account: &Account, now: Timestamp) -> Vec<String> {
        match self {
            Self::GitHub { .. } => annotations(account).iter().map(Annotation::for_github).collect(),
            Self::AzureDevOps { .. } => annotations(account).iter().map(Annotation::for_azure_devops).collect(),
            Self::GitLab => sections(account, now),
        }
    }

    /// A line for the log in which nothing is a command: devices may say whatever they like.
    #[must_use]
    pub fn disarmed<'l>(&self, line: &'l str) -> Cow<'l, str> {
        let is_command = match self {
            Self::GitHub { .. } => line.lines().any(|line| line.trim_start().starts_with("::")) || line.contains("##["),
            Self::AzureDevOps { .. } => line.contains("##vso[") || line.contains("##["),
            Self::GitLab => line.contains("section_start:") || line.contains("section_end:"),
        };
        if !is_command {
            return Cow::Borrowed(line);
        }
        Cow::Owned(line.replace("::", ": :").replace("##", "# #").replace("section_", "section "))
    }
}

/// How much an annotation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
}

/// A remark that a CI system shows on the page of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Annotation {
    level: Level,
    title: String,
    message: String,
}

/// The remarks that matter most.
fn annotations(account: &Account) -> Vec<Annotation> {
    let mut all: Vec<Annotation> = account.runs().iter().flat_map(of_run).collect();
    all.sort_by_key(|annotation| annotation.level);
    if all.len() > ANNOTATIONS_MAX {
        let rest = all.split_off(ANNOTATIONS_MAX - 1);
        let level = rest.first().map_or(Level::Warning, |annotation| annotation.level);
        let message = format!("and {} more: the log and the reports have all of them", rest.len());
        all.push(Annotation { level, title: "iotjob".to_owned(), message });
    }
    all
}

fn of_run(run: &RunAccount) -> Vec<Annotation> {
    let level = if run.exit_code() == Some(0) { Level::Warning } else { Level::Error };
    let targets = run.outcomes().total();
    let failures = run.groups().into_iter().filter(|group| !group.is_success());
    let mut found: Vec<Annotation> = failures
        .map(|group| {
            let title = format!("{}: {} of {targets} devices {}", run.name(), group.count, group.outcome.words());
            let which = group.which(NAMED_MAX);
            let which = if which.is_empty() { which } else { format!(" ({which})") };
            Annotation { level, title, message: format!("{}{which}", group.why()) }
        })
        .collect();
    let is_told = match &run.end {
        Some(Happening::RunEnded { job_status: JobEnd::Completed, .. }) => !found.is_empty(),
        _ => false,
    };
    if level == Level::Error && !is_told {
        found.insert(0, Annotation { level, title: run.name().to_owned(), message: run.sentence() });
    }
    let warnings = run.warnings.iter();
    let warned =
        warnings.map(|text| Annotation { level: Level::Warning, title: run.name().to_owned(), message: text.clone() });
    found.extend(warned);
    found
}

impl Annotation {
    /// A workflow command: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
    fn for_github(&self) -> String {
        let name = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let title = replaced(&inert(&self.title), &[("%", "%25"), (":", "%3A"), (",", "%2C")]);
        let message = replaced(&self.text(), &[("%", "%25")]);
        format!("::{name} title={title}::{message}")
    }

    /// A logging command: <https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands>.
    fn for_azure_devops(&self) -> String {
        let name = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let text = format!("{}: {}", inert(&self.title), self.text());
        format!("##vso[task.logissue type={name}]{}", azure_devops_data(&text))
    }

    fn text(&self) -> String {
        shortened(&inert(&self.message), MESSAGE_CHARS_MAX)
    }
}

/// A text on one line, in which no command begins: not every one has to begin its line.
fn inert(text: &str) -> String {
    clean(text).replace("##", "# #")
}

/// The command that shows a Markdown file on the page of an Azure Pipelines run.
#[must_use]
pub fn upload_summary(file: &str) -> String {
    format!("##vso[task.uploadsummary]{}", azure_devops_data(file))
}

/// Data of a logging command.
fn azure_devops_data(text: &str) -> String {
    replaced(text, &[("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A")])
}

/// Replaces in this order.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A section a run with each device that did not succeed: <https://docs.gitlab.com/ci/jobs/job_logs/>.
fn sections(account: &Account, now: Timestamp) -> Vec<String> {
    let (mut lines, mut room, seconds) = (Vec::new(), PIPELINE_DEVICES_MAX, now.as_second());
    for (index, run) in account.runs().iter().enumerate() {
        let failed: Vec<_> = run.results.values().filter(|result| result.outcome != OutcomeClass::Succeeded).collect();
        let nameless = run.nameless();
        let count = run.outcomes().total() - run.outcomes().succeeded;
        if count == 0 {
            continue;
        }
        let name = format!("iotjob_{index}");
        let title = format!("{}: {count} without success", clean(&run.run_id));
        lines.push(format!(
            "\u{1b}[0Ksection_start:{seconds}:{name}[collapsed=true]\r\u{1b}[0K{}",
            Pipeline::GitLab.disarmed(&title)
        ));
        let shown = failed.len().min(room);
        room -= shown;
        for result in &failed[..shown] {
            let reason = result.reason.as_deref().unwrap_or_default();
            let line = clean(&format!("{}  {}  {reason}", result.target(), result.outcome.words()));
            lines.push(Pipeline::GitLab.disarmed(line.trim_end()).into_owned());
        }
        if nameless > 0 {
            lines.push(format!("({nameless} more)  unknown  {}", run.nameless_reason()));
        }
        if failed.len() > shown {
            lines.push(format!("and {} more: --report junit=FILE or csv=FILE has all", failed.len() - shown));
        }
        lines.push(format!("\u{1b}[0Ksection_end:{seconds}:{name}\r\u{1b}[0K"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, at, event, result, story};

    fn detected(variables: &[(&str, &str)]) -> Option<Pipeline> {
        Pipeline::detect(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn lines(pipeline: &Pipeline, account: &Account) -> String {
        pipeline.lines(account, at(0)).join("\n").replace('\u{1b}', "ESC").replace('\r', "CR")
    }

    const AZURE: Pipeline = Pipeline::AzureDevOps { temp: None };
    const GITHUB: Pipeline = Pipeline::GitHub { summary: None };

    #[test]
    fn the_environment_tells_which_system_it_is() {
        assert_eq!(detected(&[]), None);
        assert_eq!(detected(&[("GITHUB_ACTIONS", "false"), ("GITLAB_CI", "1")]), None);
        assert_eq!(detected(&[("GITLAB_CI", "true")]), Some(Pipeline::GitLab));
        assert_eq!(
            detected(&[("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", "/tmp/a")]),
            Some(Pipeline::AzureDevOps { temp: Some("/tmp/a".into()) })
        );
        assert_eq!(
            detected(&[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/tmp/s.md")]),
            Some(Pipeline::GitHub { summary: Some("/tmp/s.md".into()) })
        );
    }

    #[test]
    fn each_system_reads_its_own_words() {
        let account = account(&story());
        insta::assert_snapshot!(lines(&GITHUB, &account), @r#"
        ::error title=lock-doors%3A 1 of 4 devices rejected::the device answered with status 500: {"error":"jammed"} (door-2)
        ::error title=lock-doors%3A 1 of 4 devices offline::the device was not online before the deadline (door-3)
        ::error title=lock-doors%3A 1 of 4 devices unknown::the hub has no result for it; it may have run
        "#);
        insta::assert_snapshot!(lines(&AZURE, &account), @r#"
        ##vso[task.logissue type=error]lock-doors: 1 of 4 devices rejected: the device answered with status 500: {"error":"jammed"} (door-2)
        ##vso[task.logissue type=error]lock-doors: 1 of 4 devices offline: the device was not online before the deadline (door-3)
        ##vso[task.logissue type=error]lock-doors: 1 of 4 devices unknown: the hub has no result for it; it may have run
        "#);
        insta::assert_snapshot!(lines(&Pipeline::GitLab, &account), @r#"
        ESC[0Ksection_start:1777600800:iotjob_0[collapsed=true]CRESC[0Klock-doors-0123456789ab: 3 without success
        door-2  rejected  the device answered with status 500
        door-3  offline  the device was not online before the deadline
        (1 more)  unknown  the hub has no result for it; it may have run
        ESC[0Ksection_end:1777600800:iotjob_0CRESC[0K
        "#);
    }

    #[test]
    fn no_text_from_outside_becomes_a_command() {
        let hostile = "100%\n::error::x ##vso[task.setvariable variable=a]b ##[error]c section_start:1:x";
        let failed = result(hostile, OutcomeClass::Failed, None, Some(hostile));
        let account = account(&[event(0, Happening::DeviceResult(failed))]);
        for pipeline in [GITHUB, AZURE, Pipeline::GitLab] {
            for line in pipeline.lines(&account, at(0)) {
                assert!(!line.contains('\n') && line.matches("##vso[").count() <= 1, "{line}");
                assert!(line.rfind("##vso[").is_none_or(|at| at == 0) && !line.contains("##["), "{line}");
            }
            let disarmed = pipeline.disarmed(hostile);
            assert_eq!(pipeline.disarmed(&disarmed), disarmed);
            assert_ne!(disarmed, hostile);
            assert_eq!(pipeline.disarmed("a::b # c"), "a::b # c");
        }
    }

    #[test]
    fn ten_remarks_are_shown_and_the_last_counts_the_others() {
        let failures = (0..12).map(|n| {
            let reason = format!("reason {n}");
            event(1, Happening::DeviceResult(result(&format!("d{n}"), OutcomeClass::Failed, None, Some(&reason))))
        });
        let found = annotations(&account(&failures.collect::<Vec<_>>()));
        assert_eq!(found.len(), ANNOTATIONS_MAX);
        assert_eq!(found[9].message, "and 4 more: the log and the reports have all of them");
    }
}
