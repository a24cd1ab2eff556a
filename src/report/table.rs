//! The last screen: per run a sentence and a table, what did not succeed first.
//!
//! Few targets have a row each; many are grouped by reason.

use std::collections::BTreeMap;

use super::groups::{Group, Groups};
use super::roster::Roster;
use super::words::{NO_RESULT, NOT_YET_READ, detached, ended};
use super::{Data, Reporter, layout};
use crate::run::{DeviceResult, Happening, Left, OutcomeClass, RunEvent};

/// Reasons shown; a thousand different ones are no summary.
const REASONS_SHOWN_MAX: usize = 30;
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
    groups: Groups,
    last: Option<Happening>,
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
                self.targets(run, *targets, outcomes.unknown, NO_RESULT);
            }
            Some(Happening::Detached { cut, job, reattach, targets, outcomes, exit_code, .. }) => {
                self.head(run_id, &detached(*cut, *job, reattach.as_deref()), *exit_code);
                self.targets(run, *targets, outcomes.unknown, NOT_YET_READ);
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
        let named = run.groups.count(OutcomeClass::Unknown);
        let nameless = (unknown.saturating_sub(named), nameless_reason);
        let lines = run.roster.lines(targets, nameless, self.width).unwrap_or_else(|| self.groups(run, nameless));
        lines.iter().for_each(|line| (self.data)(line));
    }

    /// What did not succeed has a row a reason, the largest of each class first; what did has the last row.
    fn groups(&self, run: &Run, nameless: (u64, &str)) -> Vec<String> {
        let groups = run.groups.failures_first(nameless);
        let (successes, failures): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.is_success());
        let (shown, hidden) = failures.split_at(failures.len().min(REASONS_SHOWN_MAX));
        // Failures are named on about three lines, successes on one.
        let line = self.width * 2 / 5;
        let failed = shown.iter().map(|group| row(group, group.which_within(3 * line)));
        let succeeded = successes.iter().map(|group| row(group, group.which_within(line)));
        let rows: Vec<[String; 4]> = failed.chain(succeeded).collect();
        let mut lines = layout::lines(["OUTCOME", "COUNT", "WHY", "WHICH"], rows, self.width);
        if !hidden.is_empty() {
            let devices: u64 = hidden.iter().map(|group| group.count).sum();
            lines.push(format!("  and {} more reasons, with {devices} devices", hidden.len()));
        }
        let is_whole = |group: &&Group| group.which_within(3 * line) == group.named.join(", ");
        if !hidden.is_empty() || !failures.iter().all(is_whole) {
            lines.push("  --report csv=FILE names every device".to_owned());
        }
        lines
    }
}

fn row(group: &Group, which: String) -> [String; 4] {
    [group.outcome.words().to_owned(), group.count.to_string(), group.why(), which]
}

impl Run {
    /// What failed or goes on is said where people read, and has no result to write.
    fn has_result(&self) -> bool {
        matches!(self.last, Some(Happening::RunEnded { .. } | Happening::Detached { job: Left::Ended, .. }))
    }

    fn take_in(&mut self, result: &DeviceResult) {
        self.roster.take_in(result);
        self.groups.take_in(result);
    }
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
          succeeded  27                                                    door-1, door-4, door-5, door-6, door-7, door-8 and 21
                                                                           more
        "#);
        insta::assert_snapshot!(screen(&crowded_story(), 60), @r#"
        lock-doors-0123456789ab: 27 of 30 devices succeeded: 1 rejected, 1 offline, 1 unknown
          OUTCOME    COUNT  WHY                  WHICH
          rejected   1      the device answered  door-2
                            with status 500:
                            {"error":"jammed"}
          offline    1      the device was not   door-3
                            online before the
                            deadline
          unknown    1      the hub has no
                            result for it; it
                            may have run
          succeeded  27                          door-1, door-4,
                                                 door-5 and 24 more
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
        assert!(screen.contains(" more"), "{screen}");
    }

    /// Ten thousand devices of which many failed, each reason with its share.
    fn fleet_story() -> Vec<RunEvent> {
        let mut outcomes = Outcomes::default();
        let mut events: Vec<RunEvent> = (0..10_000_u64)
            .map(|n| {
                let status = Some("the device answered with status 500");
                let away = Some("the device was not online before the deadline");
                let (class, status, reason) = match n % 100 {
                    0..3 => (OutcomeClass::Offline, None, away),
                    3 => (OutcomeClass::Rejected, Some(500), status),
                    4 if n < 4_000 => (OutcomeClass::TimedOut, None, Some("delivered, but not answered in time")),
                    _ => (OutcomeClass::Succeeded, Some(200), None),
                };
                outcomes.add(class, 1);
                event(1, Happening::DeviceResult(result(&format!("building-43-door-{n:05}"), class, status, reason)))
            })
            .collect();
        for n in 0..40 {
            let reason = format!("the hub says OddError{n:02}");
            outcomes.add(OutcomeClass::Failed, 1);
            events.push(event(
                1,
                Happening::DeviceResult(result(&format!("odd-{n:02}"), OutcomeClass::Failed, None, Some(&reason))),
            ));
        }
        let targets = outcomes.total();
        let (job_status, asked_for, reason) = (JobEnd::Completed, None, None);
        events.push(event(2, Happening::RunEnded { targets, outcomes, job_status, asked_for, reason, exit_code: 6 }));
        events
    }

    #[test]
    fn ten_thousand_devices_fit_a_screen_and_lose_nobody() {
        for width in [80, 200] {
            let screen = screen(&fleet_story(), width);
            assert!(screen.lines().skip(1).all(|line| line.chars().count() <= width), "{screen}");
            insta::assert_snapshot!(format!("fleet_{width}"), screen);
        }
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
