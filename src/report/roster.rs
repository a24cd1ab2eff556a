//! A row a target, for runs with so few that people want to see each.

use std::collections::BTreeMap;

use super::layout;
use super::words::{clean, shortened};
use crate::run::{DeviceResult, OutcomeClass, TargetId};

/// Targets up to which each has a row.
const TARGETS_MAX: usize = 20;
/// Characters of an answer or of the hub's words that a row shows of what did not succeed.
const DETAIL_CHARS_MAX: usize = 120;
/// Characters of an answer that are shown however narrow the terminal is.
const DETAIL_CHARS_MIN: usize = 20;
/// Blanks in front of each column.
const GAP: usize = 2;

/// Targets by id, while they are few. What comes after is not kept: a crowd has no roster.
#[derive(Default)]
pub(super) struct Roster {
    results: BTreeMap<TargetId, DeviceResult>,
}

impl Roster {
    /// Remembers how a target ended.
    pub(super) fn take_in(&mut self, result: &DeviceResult) {
        if self.results.len() <= TARGETS_MAX {
            self.results.insert(result.target(), result.clone());
        }
    }

    /// The table, failures first; `None` when the targets are too many for it.
    ///
    /// `nameless` unknown targets are those that nothing but the hub's count tells of, and what to say of them.
    pub(super) fn lines(&self, targets: u64, nameless: (u64, &str), width: usize) -> Option<Vec<String>> {
        if self.results.len().max(usize::try_from(targets).unwrap_or(usize::MAX)) > TARGETS_MAX {
            return None;
        }
        let (succeeded, others): (Vec<_>, Vec<_>) =
            self.results.values().partition(|result| result.outcome == OutcomeClass::Succeeded);
        let room = self.room_for_answers(width);
        let mut rows: Vec<[String; 3]> = Vec::with_capacity(self.results.len() + 1);
        for class in OutcomeClass::ALL {
            rows.extend(
                others.iter().filter(|result| result.outcome == class).map(|result| row(result, trouble(result))),
            );
        }
        if let (count @ 1.., reason) = nameless {
            let outcome = OutcomeClass::Unknown.words().to_owned();
            rows.push([format!("({count} more)"), outcome, reason.to_owned()]);
        }
        // What went well takes one line.
        rows.extend(succeeded.iter().map(|result| row(result, shortened(&answer(result), room))));
        if rows.iter().all(|[_, _, detail]| detail.is_empty()) {
            let rows = rows.into_iter().map(|[device, outcome, _]| [device, outcome]).collect();
            return Some(layout::lines(["DEVICE", "OUTCOME"], rows, width));
        }
        Some(layout::lines(["DEVICE", "OUTCOME", "ANSWER OR REASON"], rows, width))
    }

    /// Columns that the ids and the outcomes leave.
    fn room_for_answers(&self, width: usize) -> usize {
        let longest = |text: &dyn Fn(&DeviceResult) -> usize| self.results.values().map(text).max().unwrap_or(0);
        let ids = longest(&|result| result.target().to_string().chars().count());
        let outcomes = longest(&|result| result.outcome.words().len());
        width.saturating_sub(ids + outcomes + 3 * GAP).clamp(DETAIL_CHARS_MIN, DETAIL_CHARS_MAX)
    }
}

fn row(result: &DeviceResult, detail: String) -> [String; 3] {
    [clean(&result.target().to_string()), result.outcome.words().to_owned(), detail]
}

/// The device's answer: status and payload; nothing for a twin.
fn answer(result: &DeviceResult) -> String {
    let parts = [result.status.map(|status| status.to_string()), result.payload.as_ref().map(ToString::to_string)];
    clean(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// Why a target did not succeed: the answer where it gave one, else the reason with the hub's words.
fn trouble(result: &DeviceResult) -> String {
    if result.outcome == OutcomeClass::Rejected {
        return shortened(&answer(result), DETAIL_CHARS_MAX);
    }
    let reason = result.reason.as_deref().map(clean).unwrap_or_default();
    let words = result.error.as_ref().map(|error| clean(&error.description)).unwrap_or_default();
    match result.outcome {
        OutcomeClass::Failed if !words.is_empty() && words != reason => {
            format!("{reason}: {}", shortened(&words, DETAIL_CHARS_MAX))
        }
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::result;

    fn roster(results: &[DeviceResult]) -> Roster {
        let mut roster = Roster::default();
        results.iter().for_each(|result| roster.take_in(result));
        roster
    }

    #[test]
    fn a_twin_job_that_went_well_has_nothing_to_add() {
        let results =
            [result("b", OutcomeClass::Succeeded, None, None), result("a", OutcomeClass::Succeeded, None, None)];
        let lines = roster(&results).lines(2, (0, ""), 80).unwrap();
        assert_eq!(lines, ["  DEVICE  OUTCOME", "  a       succeeded", "  b       succeeded"]);
    }

    #[test]
    fn a_long_answer_takes_one_line_when_all_is_well_and_is_told_when_it_is_not() {
        let mut well = result("well", OutcomeClass::Succeeded, Some(200), None);
        well.payload = Some("x".repeat(500).into());
        let mut ill = result("ill", OutcomeClass::Rejected, Some(500), None);
        ill.payload = Some("y".repeat(500).into());
        for width in [80, 200] {
            let lines = roster(&[well.clone(), ill.clone()]).lines(2, (0, ""), width).unwrap();
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:?}");
            assert_eq!(lines.iter().filter(|line| line.contains('x')).count(), 1, "{lines:?}");
            let told: usize = lines.iter().map(|line| line.matches('y').count()).sum();
            assert!(told > 100, "{lines:?}");
        }
    }

    #[test]
    fn a_crowd_has_no_roster() {
        let few: Vec<DeviceResult> =
            (0..TARGETS_MAX).map(|n| result(&n.to_string(), OutcomeClass::Succeeded, None, None)).collect();
        assert!(roster(&few).lines(20, (0, ""), 80).is_some());
        assert!(roster(&few).lines(21, (1, "not yet read"), 80).is_none());
        let more = [few, vec![result("one more", OutcomeClass::Succeeded, None, None)]].concat();
        assert!(roster(&more).lines(0, (0, ""), 80).is_none());
    }
}
