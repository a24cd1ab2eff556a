//! Where no terminal is: one line on each change, and a sign of life now and then.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::words::{self, Said};
use super::{Reporter, Voice};
use crate::run::{Happening, RunEvent};

/// After so long without a word about a run, its state is said again.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(30);
/// Counts are said at most so often.
const COUNTS_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// Says each change on a line of its own.
pub struct Lines<V> {
    voice: V,
    /// Runs that are not over, by id.
    runs: BTreeMap<String, Run>,
}

/// What was said of a run.
struct Run {
    last_word: Timestamp,
    /// What it does, to be said again.
    state: String,
    /// Counts that were not said yet.
    unsaid: Option<String>,
}

impl<V: Voice> Lines<V> {
    /// Speaks with `voice`.
    #[must_use]
    pub fn new(voice: V) -> Self {
        Self { voice, runs: BTreeMap::new() }
    }

    fn say(&mut self, event: &RunEvent, text: &str) {
        self.voice.say(&format!("{}  {}: {text}", clock(event.time), event.subject()));
        let state = text.to_owned();
        self.runs.insert(event.run_id.clone(), Run { last_word: event.time, state, unsaid: None });
    }

    /// What has not changed is left for the sign of life.
    fn remember(&mut self, event: &RunEvent, text: String) {
        match self.runs.get_mut(&event.run_id) {
            Some(run) => run.state = text,
            None => self.say(event, &text),
        }
    }

    /// Counts change with every device: they are said when the last word was some time ago.
    fn count(&mut self, event: &RunEvent, text: String) {
        match self.runs.get_mut(&event.run_id) {
            Some(run) if event.time.duration_since(run.last_word) < COUNTS_EVERY => run.unsaid = Some(text),
            _ => self.say(event, &text),
        }
    }
}

/// Whether it says once more what was said before, but for the time that is left.
fn is_repetition(what: &Happening) -> bool {
    matches!(what, Happening::WaitingForSlot { attempt, .. } if *attempt > 1)
}

/// The time of day, for a line's head.
fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%SZ").to_string()
}

impl<V: Voice> Reporter for Lines<V> {
    fn on(&mut self, event: &RunEvent) {
        match words::said(&event.what) {
            Some(Said::Plain(text)) if is_repetition(&event.what) => self.remember(event, text),
            Some(Said::Plain(text)) => self.say(event, &text),
            Some(Said::Warning(text)) => self.voice.warn(&format!("{}: {text}", event.subject())),
            Some(Said::Failure(text, hints)) => self.voice.fail(&format!("{}: {text}", event.subject()), &hints),
            None => {}
        }
        match &event.what {
            Happening::Progress { statistics } => self.count(event, words::progress(statistics)),
            Happening::ResultsProgress { read, total, seconds_left } => {
                self.count(event, words::results_progress(*read, *total, *seconds_left));
            }
            what if what.is_last() => drop(self.runs.remove(&event.run_id)),
            _ => {}
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        for (run_id, run) in &mut self.runs {
            let silence = now.duration_since(run.last_word);
            if let Some(text) = run.unsaid.take_if(|_| silence >= COUNTS_EVERY) {
                run.state = text;
            } else if silence < HEARTBEAT {
                continue;
            }
            run.last_word = now;
            due.push(format!("{}  {run_id}: {}", clock(now), run.state));
        }
        due.iter().for_each(|line| self.voice.say(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{Heard, at, event, story};

    #[test]
    fn a_story_is_told_a_line_a_change() {
        let heard = Heard::default();
        let mut reporter = Lines::new(heard.clone());
        story().iter().for_each(|event| reporter.on(event));
        insta::assert_snapshot!(heard.text(), @r#"
        02:00:00Z  lock-doors-0123456789ab: submitted
        02:00:02Z  lock-doors-0123456789ab: started
        02:00:09Z  lock-doors-0123456789ab: 2 of 4 done, 2 running
        02:01:00Z  lock-doors-0123456789ab: 4 of 4 done, 2 failed
        02:01:00Z  lock-doors-0123456789ab: the hub is done; reading the results
        02:02:01Z  lock-doors-0123456789ab: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown
        "#);
    }

    #[test]
    fn waiting_for_a_slot_is_said_once_and_then_now_and_then() {
        let heard = Heard::default();
        let mut reporter = Lines::new(heard.clone());
        let waits = |attempt, second| {
            event(second, Happening::WaitingForSlot { attempt, wait_seconds: 5, at_most_seconds: 60 })
        };
        for attempt in 1..=6 {
            reporter.on(&waits(attempt, i64::from(attempt) * 5));
        }
        assert_eq!(heard.lines().len(), 1, "{:?}", heard.lines());
        reporter.tick(at(36));
        assert_eq!(heard.lines().len(), 2, "{:?}", heard.lines());
    }

    #[test]
    fn counts_wait_for_their_turn_and_silence_is_broken() {
        let heard = Heard::default();
        let mut reporter = Lines::new(heard.clone());
        story().iter().take(5).for_each(|event| reporter.on(event));
        let before = heard.lines().len();
        let last = at(4);
        let after = |seconds| last.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        reporter.tick(after(1));
        assert_eq!(heard.lines().len(), before, "nothing to say yet");
        reporter.tick(after(29));
        reporter.tick(after(31));
        assert_eq!(heard.lines().len(), before + 1, "{:?}", heard.lines());
    }
}
