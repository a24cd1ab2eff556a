//! On a terminal: one bar a job, with what is done, what failed, and the time left.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::table::Paint;
use super::words::{self, Said};
use super::{Reporter, Voice};
use crate::model::JobStatistics;
use crate::run::{Happening, RunEvent};

/// How often a spinner moves while nothing happens.
const SPIN: Duration = Duration::from_millis(120);

/// The longest that a bar gets, in columns.
const BAR_COLUMNS_MAX: usize = 24;
/// A shorter one says nothing.
const BAR_COLUMNS_MIN: usize = 6;
/// Columns for what stands beside a bar: `412 of 500 done, 3 failed, 8 running, about 12 s left`, and the blanks.
const WORDS_COLUMNS: usize = 56;

/// Draws one bar a run.
pub struct Bars<V> {
    voice: V,
    screen: MultiProgress,
    /// Columns of the screen.
    width: usize,
    paint: Paint,
    runs: BTreeMap<String, Run>,
}

struct Run {
    bar: ProgressBar,
    name: String,
    /// When the hub began, for the time left.
    started: Option<Timestamp>,
    /// The job's own limit.
    limit: Option<Duration>,
    counts: Option<JobStatistics>,
}

impl<V: Voice> Bars<V> {
    /// Draws on `screen`, which has so many columns; warnings and failures go to `voice`, which speaks above the bars.
    #[must_use]
    pub fn new((screen, width): (MultiProgress, usize), paint: Paint, voice: V) -> Self {
        Self { voice, screen, width, paint, runs: BTreeMap::new() }
    }

    fn add(&mut self, run_id: &str, name: &str, limit: Option<u64>) {
        let bar = self.screen.add(ProgressBar::new_spinner());
        bar.set_style(style("{prefix:.bold} {spinner} {wide_msg}", "{prefix} {spinner} {wide_msg}", self.paint));
        bar.enable_steady_tick(SPIN);
        let limit = limit.map(Duration::from_secs);
        self.runs.insert(run_id.to_owned(), Run { bar, name: name.to_owned(), started: None, limit, counts: None });
        self.align();
    }

    /// Lets all bars begin in the same column.
    fn align(&self) {
        let widest = self.widest();
        for Run { bar, name, .. } in self.runs.values() {
            bar.set_prefix(format!("{name:<widest$}"));
        }
    }

    fn widest(&self) -> usize {
        self.runs.values().map(|run| run.name.chars().count()).max().unwrap_or(0)
    }

    fn update(&mut self, event: &RunEvent) {
        let counting = counting(bar_columns(self.width, self.widest()), self.paint);
        let Some(run) = self.runs.get_mut(&event.run_id) else { return };
        match &event.what {
            Happening::Started { .. } => run.started = Some(event.time),
            Happening::Progress { statistics } => {
                if run.counts.replace(*statistics).is_none() {
                    run.bar.set_style(counting);
                }
                run.count(event.time);
            }
            Happening::ResultsProgress { read, total, seconds_left } => {
                run.bar.set_length(*total);
                run.bar.set_position(*read);
                run.bar.set_message(words::results_progress(*read, *total, *seconds_left));
            }
            what if what.is_last() => run.counts = None,
            _ => {}
        }
    }
}

impl Run {
    /// Shows the counts and the time left.
    fn count(&self, now: Timestamp) {
        let Some(counts) = &self.counts else { return };
        let done = counts.succeeded_count + counts.failed_count;
        self.bar.set_length(counts.device_count);
        self.bar.set_position(done);
        let elapsed = self.started.map(|start| now.duration_since(start).unsigned_abs()).unwrap_or_default();
        let left = time_left(done, counts.device_count, elapsed, self.limit);
        let left = left.map(|left| format!(", {left}")).unwrap_or_default();
        self.bar.set_message(format!("{}{left}", words::progress(counts)));
    }
}

/// What is left at the speed so far, and never more than the job's own limit allows.
fn time_left(done: u64, total: u64, elapsed: Duration, limit: Option<Duration>) -> Option<String> {
    if done >= total {
        return None;
    }
    let at_most = limit.map(|limit| limit.saturating_sub(elapsed));
    if done == 0 || elapsed.is_zero() {
        return at_most.map(|left| format!("at most {} left", words::duration(left)));
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let estimate = elapsed.mul_f64(((total - done) as f64 / done as f64).min(1e6));
    // It is not over yet, so there is something left.
    let left = at_most.map_or(estimate, |at_most| estimate.min(at_most)).max(Duration::from_secs(1));
    Some(format!("about {} left", words::duration(left)))
}

/// How long a bar may be beside names of that width, so that what it says is not cut off; 0 for no bar.
fn bar_columns(width: usize, widest: usize) -> usize {
    let left = width.saturating_sub(widest + WORDS_COLUMNS).min(BAR_COLUMNS_MAX);
    if left < BAR_COLUMNS_MIN { 0 } else { left }
}

fn counting(columns: usize, paint: Paint) -> ProgressStyle {
    if columns == 0 {
        return style("{prefix:.bold} {wide_msg}", "{prefix} {wide_msg}", paint);
    }
    let coloured = format!("{{prefix:.bold}} {{bar:{columns}.green/dim}} {{wide_msg}}");
    let plain = format!("{{prefix}} {{bar:{columns}}} {{wide_msg}}");
    style(&coloured, &plain, paint).progress_chars("█▉▊▋▌▍▎▏░")
}

fn style(coloured: &str, plain: &str, paint: Paint) -> ProgressStyle {
    let template = match paint {
        Paint::Colours => coloured,
        Paint::Plain => plain,
    };
    ProgressStyle::with_template(template).expect("the templates are right")
}

impl<V: Voice> Reporter for Bars<V> {
    fn on(&mut self, event: &RunEvent) {
        if let Happening::RunPlanned { name, timeout_in_seconds, .. } = &event.what {
            self.add(&event.run_id, name, *timeout_in_seconds);
        }
        self.update(event);
        let run_id = &event.run_id;
        match words::said(&event.what) {
            Some(Said::Plain(text)) => {
                let Some(run) = self.runs.get(run_id) else {
                    // It was cut off before the hub told what it is.
                    self.voice.say(&format!("{run_id}: {text}"));
                    return;
                };
                match &event.what {
                    // The way back must not be cut off at the edge of the screen.
                    Happening::Detached { .. } => {
                        run.bar.finish_and_clear();
                        self.voice.say(&format!("{run_id}: {text}"));
                    }
                    what if what.is_last() => {
                        // The bar is full in any case: its room goes to the words.
                        run.bar.set_style(counting(0, self.paint));
                        run.bar.abandon_with_message(text);
                    }
                    _ => run.bar.set_message(text),
                }
            }
            Some(Said::Warning(text)) => self.voice.warn(&format!("{run_id}: {text}")),
            Some(Said::Failure(text, hints)) => {
                if let Some(run) = self.runs.get(run_id) {
                    run.bar.finish_and_clear();
                }
                self.voice.fail(&format!("{run_id}: {text}"), &hints);
            }
            None => {}
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.runs.values().filter(|run| !run.bar.is_finished()).for_each(|run| run.count(now));
    }

    fn finish(&mut self) {
        self.runs.values().filter(|run| !run.bar.is_finished()).for_each(|run| run.bar.abandon());
        // What is drawn stays, and what comes next is written below it.
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::report::sample::{Heard, RUN_ID, event, story};

    #[test]
    fn the_time_left_follows_the_speed_and_ends_with_the_job() {
        let seconds = Duration::from_secs;
        let limit = Some(seconds(60));
        let cases = [
            (0, 10, 5, limit, Some("at most 55 s left")),
            (0, 10, 5, None, None),
            (5, 10, 20, limit, Some("about 20 s left")),
            (1, 100, 20, limit, Some("about 40 s left")),
            (1, 100, 20, None, Some("about 33 min 0 s left")),
            (9, 10, 1, limit, Some("about 1 s left")),
            (10, 10, 20, limit, None),
            (0, 0, 0, limit, None),
        ];
        for (done, total, elapsed, limit, want) in cases {
            assert_eq!(time_left(done, total, seconds(elapsed), limit).as_deref(), want, "{done} {total} {elapsed}");
        }
    }

    #[test]
    fn a_bar_leaves_room_for_its_words() {
        let cases = [(200, 10, 24), (100, 10, 24), (80, 10, 14), (80, 18, 6), (80, 19, 0), (80, 40, 0), (20, 10, 0)];
        for (width, widest, want) in cases {
            assert_eq!(bar_columns(width, widest), want, "{width} {widest}");
        }
    }

    #[test]
    fn what_has_no_bar_yet_is_still_said() {
        let heard = Heard::default();
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut bars = Bars::new((screen, 80), Paint::Plain, heard.clone());
        bars.on(&event(0, Happening::Submitted));
        assert_eq!(heard.lines(), [format!("{RUN_ID}: submitted")]);
    }

    #[test]
    fn a_bar_follows_the_counts_to_the_end() {
        for paint in [Paint::Plain, Paint::Colours] {
            let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
            let mut bars = Bars::new((screen, 80), paint, Heard::default());
            let story = story();
            story.iter().take(6).for_each(|event| bars.on(event));
            let bar = bars.runs[RUN_ID].bar.clone();
            assert_eq!((bar.position(), bar.length()), (2, Some(4)));
            assert_eq!(bar.message(), "2 of 4 done, 2 running, about 7 s left");
            story.iter().skip(6).for_each(|event| bars.on(event));
            assert!(bar.is_finished());
            assert_eq!(bar.message(), "1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown");
        }
    }

    /// What the screen shows in mid-run and at the end.
    fn shown(width: u16) -> String {
        let term = InMemoryTerm::new(6, width);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), u8::MAX);
        let screen = (MultiProgress::with_draw_target(target), usize::from(width));
        let mut bars = Bars::new(screen, Paint::Plain, Heard::default());
        let story = story();
        story.iter().take(6).for_each(|event| bars.on(event));
        bars.runs[RUN_ID].bar.force_draw();
        let middle = term.contents();
        story.iter().skip(6).for_each(|event| bars.on(event));
        bars.finish();
        format!("{middle}\n--- at the end\n{}", term.contents())
    }

    #[test]
    fn bars_fit_narrow_and_wide_screens() {
        insta::assert_snapshot!("bars_80", shown(80));
        insta::assert_snapshot!("bars_200", shown(200));
    }
}
