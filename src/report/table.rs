//! The last screen: per run a sentence and a table, what did not succeed first.
//!
//! Few targets have a row each; many are grouped by reason.

use std::collections::BTreeMap;

use super::roster::Roster;
use super::words::{clean, detached, ended, shortened};
use super::{Data, Reporter, layout};
use crate::run::{DeviceResult, Happening, Left, OutcomeClass, RunEvent};

/// Targets named in a group of failures; `iotjob results` names all.
const FAILURES_NAMED_MAX: usize = 20;
/// Targets named among those that succeeded.
const SUCCESSES_NAMED_MAX: usize = 10;
/// Groups shown; a thousand different reasons are no summary.
const GROUPS_SHOWN_MAX: usize = 30;
/// Characters shown of an answer or of the hub's words.
const DETAIL_CHARS_MAX: usize = 120;

/// Whether text may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// It may.
    Colours,
    /// It may not.
    Plain,
}

/// Collects what happened and writes it when all runs are gone.
pub struct Summary {
    data: Data,
    width: usize,
    paint: Paint,
    /// Runs in the order in which they were planned.
    order: Vec<String>,
    runs: BTreeMap<String, Run>,
}

#[derive(Default)]
struct Run {
    roster: Roster,
    groups: BTreeMap<GroupKey, Group>,
    last: Option<Happening>,
}

/// Failures come before successes, and equal causes together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct GroupKey {
    is_success: bool,
    outcome: OutcomeClass,
    reason: String,
}

#[derive(Default)]
struct Group {
    count: u64,
    named: Vec<String>,
    /// What the first target of the group said.
    example: Option<String>,
}

impl Summary {
    /// Writes to `data`, at most `width` columns wide.
    #[must_use]
    pub fn new(data: Data, width: usize, paint: Paint) -> Self {
        Self { data, width, paint, order: Vec::new(), runs: BTreeMap::new() }
    }

    fn write(&self, run_id: &str, run: &Run) {
        match &run.last {
            Some(Happening::RunEnded { targets, outcomes, job_status, asked_for, reason, exit_code }) => {
                let text = ended(*targets, outcomes, *job_status, (asked_for.as_deref(), reason.as_deref()));
                self.head(run_id, &text, *exit_code);
                self.targets(run, *targets, outcomes.unknown, "the hub has no result for it; it may have run");
            }
            Some(Happening::Detached { cut, job, reattach, targets, outcomes, exit_code, .. }) => {
                self.head(run_id, &detached(*cut, *job, reattach.as_deref()), *exit_code);
                self.targets(run, *targets, outcomes.unknown, "not yet read");
            }
            _ => {}
        }
    }

    fn head(&self, run_id: &str, text: &str, exit_code: u8) {
        let text = match (self.paint, exit_code) {
            (Paint::Plain, _) => text.to_owned(),
            (Paint::Colours, 0) => format!("\u{1b}[32m{text}\u{1b}[0m"),
            (Paint::Colours, 6 | 7) => format!("\u{1b}[31m{text}\u{1b}[0m"),
            (Paint::Colours, _) => format!("\u{1b}[33m{text}\u{1b}[0m"),
        };
        (self.data)(&format!("{run_id}: {text}"));
    }

    /// `nameless_reason` is for unknown targets that nothing but the hub's count tells of.
    fn targets(&self, run: &Run, targets: u64, unknown: u64, nameless_reason: &str) {
        let is_unknown = |(key, _): &(&GroupKey, &Group)| key.outcome == OutcomeClass::Unknown;
        let named: u64 = run.groups.iter().filter(is_unknown).map(|(_, group)| group.count).sum();
        let nameless = (unknown.saturating_sub(named), nameless_reason);
        let lines = run.roster.lines(targets, nameless, self.width).unwrap_or_else(|| self.groups(run, nameless));
        lines.iter().for_each(|line| (self.data)(line));
    }

    fn groups(&self, run: &Run, (nameless, nameless_reason): (u64, &str)) -> Vec<String> {
        let mut rows: Vec<[String; 4]> =
            run.groups.iter().take(GROUPS_SHOWN_MAX).map(|(key, group)| row(key, group)).collect();
        let hidden = run.groups.len().saturating_sub(GROUPS_SHOWN_MAX);
        if nameless > 0 {
            let row = [
                OutcomeClass::Unknown.words().to_owned(),
                nameless.to_string(),
                nameless_reason.to_owned(),
                String::new(),
            ];
            let first_success = rows.iter().position(|row| row[0] == OutcomeClass::Succeeded.words());
            rows.insert(first_success.unwrap_or(rows.len()), row);
        }
        let mut lines = layout::lines(["OUTCOME", "COUNT", "WHY", "WHICH"], rows, self.width);
        if hidden > 0 {
            lines.push(format!("  and {hidden} more reasons: `iotjob results` shows every device"));
        }
        lines
    }
}

fn row(key: &GroupKey, group: &Group) -> [String; 4] {
    let hidden = group.count.saturating_sub(u64::try_from(group.named.len()).unwrap_or(u64::MAX));
    let mut which = group.named.join(", ");
    if hidden > 0 {
        which.push_str(&format!(" and {hidden} more"));
    }
    let why = match &group.example {
        Some(example) => format!("{}: {example}", key.reason),
        None => key.reason.clone(),
    };
    [key.outcome.words().to_owned(), group.count.to_string(), why, which]
}

impl Run {
    /// What failed or goes on is said where people read, and has no result to write.
    fn has_result(&self) -> bool {
        matches!(self.last, Some(Happening::RunEnded { .. } | Happening::Detached { job: Left::Ended, .. }))
    }

    fn take_in(&mut self, result: &DeviceResult) {
        self.roster.take_in(result);
        let is_success = result.outcome == OutcomeClass::Succeeded;
        let reason = result.reason.as_deref().map(clean).unwrap_or_default();
        let group = self.groups.entry(GroupKey { is_success, outcome: result.outcome, reason }).or_default();
        group.count += 1;
        if group.named.len() < if is_success { SUCCESSES_NAMED_MAX } else { FAILURES_NAMED_MAX } {
            group.named.push(clean(&result.target().to_string()));
        }
        if !is_success && group.example.is_none() {
            group.example = example(result);
        }
    }
}

/// What one target of a group said: the device's answer, or the hub's words.
fn example(result: &DeviceResult) -> Option<String> {
    let payload = result.payload.as_ref().map(ToString::to_string);
    let words =
        result.error.as_ref().map(|error| error.description.clone()).filter(|_| result.outcome == OutcomeClass::Failed);
    let text = clean(&payload.or(words).filter(|text| !text.is_empty())?);
    Some(shortened(&text, DETAIL_CHARS_MAX))
}

impl Reporter for Summary {
    fn on(&mut self, event: &RunEvent) {
        if !self.runs.contains_key(&event.run_id) {
            self.order.push(event.run_id.clone());
        }
        let run = self.runs.entry(event.run_id.clone()).or_default();
        match &event.what {
            Happening::DeviceResult(result) => run.take_in(result),
            what if what.is_last() => run.last = Some(what.clone()),
            _ => {}
        }
    }

    fn finish(&mut self) {
        let written = self.order.iter().map(|run_id| (run_id, &self.runs[run_id])).filter(|(_, run)| run.has_result());
        for (index, (run_id, run)) in written.enumerate() {
            if index > 0 {
                (self.data)("");
            }
            self.write(run_id, run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{Heard, event, result, story};
    use crate::run::{Cut, JobEnd, Outcomes};

    fn screen(events: &[RunEvent], width: usize) -> String {
        let heard = Heard::default();
        let mut summary = Summary::new(heard.data(), width, Paint::Plain);
        events.iter().for_each(|event| summary.on(event));
        assert_eq!(heard.lines(), Vec::<String>::new(), "nothing before the end");
        summary.finish();
        heard.text()
    }

    /// The story on a fleet that is too large for a row each.
    fn crowded_story() -> Vec<RunEvent> {
        let more = (4..30).map(|n| {
            let result = result(&format!("door-{n}"), OutcomeClass::Succeeded, Some(200), None);
            event(61, Happening::DeviceResult(result))
        });
        let mut events = story();
        let Some(Happening::RunEnded { targets, outcomes, .. }) = events.last_mut().map(|event| &mut event.what) else {
            panic!("the story has an end");
        };
        (*targets, outcomes.succeeded) = (*targets + 26, outcomes.succeeded + 26);
        let end = events.len() - 1;
        events.splice(end..end, more);
        events
    }

    #[test]
    fn few_devices_have_a_row_each_and_what_did_not_succeed_comes_first() {
        insta::assert_snapshot!(screen(&story(), 120), @r#"
        lock-doors-0123456789ab: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown
          DEVICE    OUTCOME    ANSWER OR REASON
          door-2    rejected   500 {"error":"jammed"}
          door-3    offline    the device was not online before the deadline
          (1 more)  unknown    the hub has no result for it; it may have run
          door-1    succeeded  200
        "#);
    }

    #[test]
    fn a_narrow_terminal_gets_narrow_columns() {
        insta::assert_snapshot!(screen(&story(), 60), @r#"
        lock-doors-0123456789ab: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown
          DEVICE    OUTCOME    ANSWER OR REASON
          door-2    rejected   500 {"error":"jammed"}
          door-3    offline    the device was not online before the
                               deadline
          (1 more)  unknown    the hub has no result for it; it may
                               have run
          door-1    succeeded  200
        "#);
    }

    #[test]
    fn many_devices_are_grouped_by_reason() {
        insta::assert_snapshot!(screen(&crowded_story(), 120), @r#"
        lock-doors-0123456789ab: 27 of 30 devices succeeded: 1 rejected, 1 offline, 1 unknown
          OUTCOME    COUNT  WHY                                            WHICH
          rejected   1      the device answered with status 500:           door-2
                            {"error":"jammed"}
          offline    1      the device was not online before the deadline  door-3
          unknown    1      the hub has no result for it; it may have run
          succeeded  27                                                    door-1, door-4, door-5, door-6, door-7, door-8,
                                                                           door-9, door-10, door-11, door-12 and 17 more
        "#);
        insta::assert_snapshot!(screen(&crowded_story(), 60), @r#"
        lock-doors-0123456789ab: 27 of 30 devices succeeded: 1 rejected, 1 offline, 1 unknown
          OUTCOME    COUNT  WHY                     WHICH
          rejected   1      the device answered     door-2
                            with status 500:
                            {"error":"jammed"}
          offline    1      the device was not      door-3
                            online before the
                            deadline
          unknown    1      the hub has no result
                            for it; it may have
                            run
          succeeded  27                             door-1, door-4,
                                                    door-5, door-6,
                                                    door-7, door-8,
                                                    door-9, door-10,
                                                    door-11, door-12
                                                    and 17 more
        "#);
    }

    #[test]
    fn a_crowd_is_counted() {
        let mut events: Vec<RunEvent> = (0..500)
            .map(|n| {
                event(1, Happening::DeviceResult(result(&format!("d{n:03}"), OutcomeClass::Succeeded, Some(200), None)))
            })
            .collect();
        let outcomes = Outcomes { succeeded: 500, ..Outcomes::default() };
        let ended = Happening::RunEnded {
            targets: 500,
            outcomes,
            job_status: JobEnd::Completed,
            asked_for: None,
            reason: None,
            exit_code: 0,
        };
        events.push(event(2, ended));
        let screen = screen(&events, 200);
        assert!(screen.contains("500 of 500 devices succeeded"), "{screen}");
        assert!(screen.contains("and 490 more"), "{screen}");
    }

    #[test]
    fn a_run_that_goes_on_has_no_result_and_one_half_read_says_what_is_missing() {
        let detached = |job| Happening::Detached {
            cut: Cut::Interrupted,
            job,
            reattach: Some("iotjob watch a-0".to_owned()),
            targets: 4,
            outcomes: Outcomes { succeeded: 1, unknown: 3, ..Outcomes::default() },
            not_yet_read: 3,
            exit_code: 130,
        };
        let read = || event(0, Happening::DeviceResult(result("door-1", OutcomeClass::Succeeded, Some(200), None)));
        assert_eq!(screen(&[event(0, detached(Left::OnHub))], 120), "");
        insta::assert_snapshot!(screen(&[read(), event(0, detached(Left::Ended))], 120), @r#"
        lock-doors-0123456789ab: interrupted; the job has ended: `iotjob watch a-0` reads its results
          DEVICE    OUTCOME    ANSWER OR REASON
          (3 more)  unknown    not yet read
          door-1    succeeded  200
        "#);
    }
}
