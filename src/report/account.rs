//! What became of every run and every target: what reports that come after the end are made of.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Reporter;
use super::groups::{Group, Groups};
use super::words::{self, Said};
use crate::model::{JobType, WireTime};
use crate::run::{DeviceResult, Happening, OutcomeClass, Outcomes, RunEvent, TargetId};

/// Warnings of one run that are kept.
const WARNINGS_KEPT_MAX: usize = 20;

/// Everything that happened to some runs, in the order in which they were first heard of.
#[derive(Debug, Default)]
pub struct Account {
    runs: Vec<RunAccount>,
    places: BTreeMap<String, usize>,
}

/// Everything that happened to one run.
#[derive(Debug)]
pub struct RunAccount {
    /// The run's id.
    pub run_id: String,
    /// What it is.
    pub plan: Option<Planned>,
    /// When it was first heard of.
    pub begun: Timestamp,
    /// When it was last heard of.
    pub heard: Timestamp,
    /// What is known of its targets, by id.
    pub results: BTreeMap<TargetId, DeviceResult>,
    /// What was to know besides, the first of it.
    pub warnings: Vec<String>,
    /// The last event; none while the run goes on.
    pub end: Option<Happening>,
}

/// What a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Name of the run, or the job id of a job that is only watched.
    pub name: String,
    /// Method or twin.
    pub job_type: JobType,
    /// The condition, when it is known.
    pub query_condition: Option<String>,
    /// How many ids the manifest lists.
    pub listed: Option<usize>,
    /// How many hub jobs the run needs, when it is more than one.
    pub parts: Option<usize>,
    /// When it is to start, unless at once.
    pub start_time: Option<WireTime>,
}

impl Account {
    /// The runs, in the order in which they were first heard of.
    #[must_use]
    pub fn runs(&self) -> &[RunAccount] {
        &self.runs
    }
}

impl Reporter for Account {
    fn on(&mut self, event: &RunEvent) {
        let place = *self.places.entry(event.run_id.clone()).or_insert_with(|| {
            self.runs.push(RunAccount::new(event));
            self.runs.len() - 1
        });
        self.runs[place].take_in(event);
    }
}

impl RunAccount {
    fn new(event: &RunEvent) -> Self {
        Self {
            run_id: event.run_id.clone(),
            plan: None,
            begun: event.time,
            heard: event.time,
            results: BTreeMap::new(),
            warnings: Vec::new(),
            end: None,
        }
    }

    fn take_in(&mut self, event: &RunEvent) {
        self.heard = event.time;
        match &event.what {
            Happening::RunPlanned { name, job_type, query_condition, listed, parts, start_time, .. } => {
                let (name, query_condition) = (name.clone(), query_condition.clone());
                let (job_type, listed, parts, start_time) = (*job_type, *listed, *parts, *start_time);
                self.plan = Some(Planned { name, job_type, query_condition, listed, parts, start_time });
            }
            Happening::DeviceResult(result) => drop(self.results.insert(result.target(), result.clone())),
            Happening::Warning { message } if self.warnings.len() < WARNINGS_KEPT_MAX => {
                self.warnings.push(message.clone());
            }
            what if what.is_last() => self.end = Some(what.clone()),
            _ => {}
        }
    }

    /// Its name, or its id when nothing else is known.
    #[must_use]
    pub fn name(&self) -> &str {
        self.plan.as_ref().map_or(&self.run_id, |plan| &plan.name)
    }

    /// How long it was looked after.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.heard.duration_since(self.begun).try_into().unwrap_or_default()
    }

    /// The exit code of the run; none while it goes on.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        self.end.as_ref().and_then(Happening::exit_code)
    }

    /// Targets by class; their sum is the targets.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        if let Some(Happening::RunEnded { outcomes, .. } | Happening::Detached { outcomes, .. }) = &self.end {
            return *outcomes;
        }
        let mut outcomes = Outcomes::default();
        self.results.values().for_each(|result| outcomes.add(result.outcome, 1));
        outcomes
    }

    /// Unknown targets that nothing but the hub's count tells of.
    #[must_use]
    pub fn nameless(&self) -> u64 {
        let unknown = self.results.values().filter(|result| result.outcome == OutcomeClass::Unknown).count();
        self.outcomes().unknown.saturating_sub(u64::try_from(unknown).unwrap_or(u64::MAX))
    }

    /// What to say of targets without a name.
    #[must_use]
    pub fn nameless_reason(&self) -> &'static str {
        match self.end {
            Some(Happening::Detached { .. }) => words::NOT_YET_READ,
            _ => words::NO_RESULT,
        }
    }

    /// What the run came to, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.end.as_ref().and_then(words::said) {
            Some(Said::Plain(text) | Said::Warning(text) | Said::Failure(text, _)) => text,
            None => "nothing is known of its end".to_owned(),
        }
    }

    /// Its targets by cause, failures first.
    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups = Groups::default();
        self.results.values().for_each(|result| groups.take_in(result));
        groups.failures_first((self.nameless(), self.nameless_reason()))
    }
}

/// The class as the events spell it.
pub(super) fn class_name(class: OutcomeClass) -> &'static str {
    match class {
        OutcomeClass::Succeeded => "succeeded",
        OutcomeClass::Rejected => "rejected",
        OutcomeClass::Offline => "offline",
        OutcomeClass::TimedOut => "timedOut",
        OutcomeClass::Failed => "failed",
        OutcomeClass::Canceled => "canceled",
        OutcomeClass::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, oddities, story};

    #[test]
    fn classes_are_spelled_as_in_the_events() {
        for class in OutcomeClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class_name(class));
        }
    }

    #[test]
    fn the_targets_add_up_and_a_run_without_its_end_has_what_is_known() {
        let whole = account(&story());
        let [run] = whole.runs() else { panic!("one run") };
        assert_eq!((run.name(), run.exit_code(), run.nameless()), ("lock-doors", Some(6), 1));
        assert_eq!(run.outcomes().total(), 4);
        assert_eq!(run.groups().iter().map(|group| group.count).sum::<u64>(), 4);
        assert_eq!(run.lasted(), Duration::from_secs(121));

        let ends: Vec<RunEvent> = oddities().into_iter().filter(|event| event.what.is_last()).collect();
        assert_eq!(ends.len(), 3);
        for end in ends {
            let account = account(std::slice::from_ref(&end));
            assert!(account.runs()[0].exit_code().is_some(), "{end:?}");
        }

        let mut cut = story();
        cut.pop();
        let cut = account(&cut);
        let [run] = cut.runs() else { panic!("one run") };
        assert_eq!((run.exit_code(), run.outcomes().total(), run.nameless()), (None, 3, 0));
    }
}
