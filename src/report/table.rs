//! The last screen: per run a sentence and a table, what did not succeed first, grouped by reason.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::words::{clean, detached, ended};
use super::{Data, Reporter};
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
            Some(Happening::RunEnded { targets, outcomes, job_status, reason, exit_code }) => {
                let text = ended(*targets, outcomes, *job_status, reason.as_deref());
                self.head(run_id, &text, *exit_code);
                self.groups(run, outcomes.unknown, "the hub has no result for it; it may have run");
            }
            Some(Happening::Detached { cut, job, reattach, outcomes, exit_code, .. }) => {
                self.head(run_id, &detached(*cut, *job, reattach.as_deref()), *exit_code);
                self.groups(run, outcomes.unknown, "not yet read");
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

    /// `nameless` unknown targets are those that nothing but the hub's count tells of.
    fn groups(&self, run: &Run, unknown: u64, nameless_reason: &str) {
        let named: u64 = run
            .groups
            .iter()
            .filter(|(key, _)| key.outcome == OutcomeClass::Unknown)
            .map(|(_, group)| group.count)
            .sum();
        let nameless = unknown.saturating_sub(named);
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
        if rows.is_empty() {
            return;
        }
        for line in layout(rows, self.width).lines() {
            (self.data)(line.trim_end());
        }
        if hidden > 0 {
            (self.data)(&format!("  and {hidden} more reasons: `iotjob results` shows every device"));
        }
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

fn layout(rows: Vec<[String; 4]>, width: usize) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX).max(40));
    table.set_header(["OUTCOME", "COUNT", "WHY", "WHICH"]);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    table.trim_fmt()
}

impl Run {
    /// What failed or goes on is said where people read, and has no result to write.
    fn has_result(&self) -> bool {
        matches!(self.last, Some(Happening::RunEnded { .. } | Happening::Detached { job: Left::Ended, .. }))
    }

    fn take_in(&mut self, result: &DeviceResult) {
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
    let mut short: String = text.chars().take(DETAIL_CHARS_MAX).collect();
    if text.chars().nth(DETAIL_CHARS_MAX).is_some() {
        short.push('…');
    }
    Some(short)
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

    #[test]
    fn what_did_not_succeed_comes_first() {
        insta::assert_snapshot!(screen(&story(), 120), @r#"
        lock-doors-0123456789ab: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown
          OUTCOME    COUNT  WHY                                                      WHICH
          rejected   1      the device answered with status 500: {"error":"jammed"}  door-2
          offline    1      the device was not online before the deadline            door-3
          unknown    1      the hub has no result for it; it may have run
          succeeded  1                                                               door-1
        "#);
    }

    #[test]
    fn a_narrow_terminal_gets_narrow_columns() {
        insta::assert_snapshot!(screen(&story(), 60), @r#"
        lock-doors-0123456789ab: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown
          OUTCOME    COUNT  WHY                               WHICH
          rejected   1      the device answered with status   door-2
                            500: {"error":"jammed"}
          offline    1      the device was not online before  door-3
                            the deadline
          unknown    1      the hub has no result for it; it
                            may have run
          succeeded  1                                        door-1
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
        let ended =
            Happening::RunEnded { targets: 500, outcomes, job_status: JobEnd::Completed, reason: None, exit_code: 0 };
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
          OUTCOME    COUNT  WHY           WHICH
          unknown    3      not yet read
          succeeded  1                    door-1
        "#);
    }
}
