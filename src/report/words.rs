//! Events in words: what the reporters for people have in common.

use std::time::Duration;

use crate::model::{JobStatistics, JobStatus, WireTime};
use crate::run::{Cut, Happening, JobEnd, Left, OutcomeClass, Outcomes};

/// What to say of targets that the hub counted and has no result for.
pub(super) const NO_RESULT: &str = "the hub has no result for it; it may have run";
/// What to say of targets whose results nobody waited for.
pub(super) const NOT_YET_READ: &str = "not yet read";

/// How loud a sentence is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// For those who watch.
    Plain(String),
    /// For those who only want to hear of trouble, too.
    Warning(String),
    /// The end of a run that could not be carried on.
    Failure(String, Vec<String>),
}

/// What to say about an event, without the run's name; `None` for those that only move numbers.
pub(super) fn said(what: &Happening) -> Option<Said> {
    match what {
        Happening::RunPlanned { .. }
        | Happening::Queued
        | Happening::Progress { .. }
        | Happening::DeviceResult(_)
        | Happening::ResultsProgress { .. } => None,
        Happening::Warning { message } => Some(Said::Warning(message.clone())),
        Happening::RunSkipped { because, .. } => {
            let text = format!("nothing was sent: `{because}`, which comes first, did not succeed");
            Some(Said::Failure(text, Vec::new()))
        }
        Happening::RunFailed { error, hint, job, reattach, .. } => {
            // That nothing was sent goes without saying when the first call fails.
            let left = left_behind(*job, reattach.as_deref()).filter(|_| *job != Left::NotSubmitted);
            let hints = hint.iter().cloned().chain(left).collect();
            Some(Said::Failure(error.clone(), hints))
        }
        _ => plain(what).map(Said::Plain),
    }
}

fn plain(what: &Happening) -> Option<String> {
    let text = match what {
        Happening::Attached { status } => attached(*status)?.to_owned(),
        Happening::Submitted => "submitted".to_owned(),
        Happening::WaitingForRuns { names } => format!("waits for {}", names.join(", ")),
        Happening::WaitingForSlot { wait_seconds, at_most_seconds, .. } => {
            let most = duration(Duration::from_secs(*at_most_seconds));
            format!("every job slot of the hub is taken; trying again in {wait_seconds} s, for {most} at most")
        }
        Happening::Retrying { reason, .. } => format!("{reason}; looking whether the job is there"),
        Happening::Scheduled { start_time: Some(WireTime::At(start)) } => format!("waits for its start at {start}"),
        Happening::Scheduled { .. } => "waits for its start".to_owned(),
        Happening::Started { .. } => "started".to_owned(),
        Happening::JobEnded { status, .. } => job_ended(*status)?.to_owned(),
        Happening::RunEnded { targets, outcomes, job_status, asked_for, reason, .. } => {
            ended(*targets, outcomes, *job_status, (asked_for.as_deref(), reason.as_deref()))
        }
        Happening::Detached { cut, job, reattach, .. } => detached(*cut, *job, reattach.as_deref()),
        _ => return None,
    };
    Some(text)
}

fn attached(status: JobStatus) -> Option<&'static str> {
    match status {
        JobStatus::Queued | JobStatus::Unknown => Some("exists already; attached"),
        JobStatus::Scheduled => Some("exists already and waits for its start; attached"),
        JobStatus::Running => Some("exists already and runs; attached"),
        // That it has ended, and how, is said next.
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => None,
    }
}

/// The end of the hub's job; of a run, it is the end as well unless there are results to read.
fn job_ended(status: JobEnd) -> Option<&'static str> {
    (status == JobEnd::Completed).then_some("the hub is done; reading the results")
}

/// What a run came to, in a sentence, with what was asked for and the hub's words.
pub(super) fn ended(
    targets: u64,
    outcomes: &Outcomes,
    end: JobEnd,
    (asked_for, reason): (Option<&str>, Option<&str>),
) -> String {
    let text = match end {
        JobEnd::Completed => {
            let text = completed(targets, outcomes);
            return asked_for.map_or_else(|| text.clone(), |asked_for| format!("{text} (asked for: {asked_for})"));
        }
        JobEnd::Failed => "the hub could not run the job",
        JobEnd::Cancelled => "the job was cancelled",
    };
    match reason {
        Some(reason) => format!("{text}: {}", clean(reason)),
        None => text.to_owned(),
    }
}

/// `23 of 25 devices succeeded: 1 rejected, 1 offline`.
fn completed(targets: u64, outcomes: &Outcomes) -> String {
    let devices = if targets == 1 { "device" } else { "devices" };
    if targets == 0 {
        return "no device was a target".to_owned();
    }
    let others = others(outcomes);
    let text = format!("{} of {targets} {devices} succeeded", outcomes.succeeded);
    if others.is_empty() { text } else { format!("{text}: {others}") }
}

/// The classes besides succeeded that anybody ended in.
fn others(outcomes: &Outcomes) -> String {
    let counts = OutcomeClass::ALL.into_iter().filter(|class| *class != OutcomeClass::Succeeded);
    let named = counts.map(|class| (outcomes.of(class), class.words())).filter(|(count, _)| *count > 0);
    named.map(|(count, words)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn detached(cut: Cut, job: Left, reattach: Option<&str>) -> String {
    let why = match cut {
        Cut::NoWait => "not waited for",
        Cut::WaitTimeout => "the time to wait is over",
        Cut::Interrupted => "interrupted",
    };
    match left_behind(job, reattach) {
        Some(left) => format!("{why}; {left}"),
        None => why.to_owned(),
    }
}

/// What the hub still has, and how to come back to it.
fn left_behind(job: Left, reattach: Option<&str>) -> Option<String> {
    let text = match (job, reattach) {
        (Left::NotSubmitted, _) => "nothing was sent".to_owned(),
        (Left::MaybeSubmitted, Some(command)) => {
            format!("the job may have been sent: apply it again, or look with `{command}`")
        }
        (Left::OnHub, Some(command)) => format!("the hub carries on with the job: `{command}` re-attaches"),
        (Left::Partly, Some(command)) => format!(
            "the hub carries on with some of its jobs, the others were not sent: apply it again, or follow those with `{command}`"
        ),
        (Left::Ended, Some(command)) => format!("the job has ended: `{command}` reads its results"),
        (_, None) => return None,
    };
    Some(text)
}

/// `12 of 25 done, 3 failed, 4 running, 9 pending`.
pub(super) fn progress(counts: &JobStatistics) -> String {
    let done = counts.succeeded_count + counts.failed_count;
    let mut text = format!("{done} of {} done", counts.device_count);
    for (count, words) in
        [(counts.failed_count, "failed"), (counts.running_count, "running"), (counts.pending_count, "pending")]
    {
        if count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    text
}

/// `400 of 1000 results read, 18 s left`.
pub(super) fn results_progress(read: u64, total: u64, seconds_left: u64) -> String {
    let text = format!("{read} of {total} results read");
    match seconds_left {
        0 => text,
        left => format!("{text}, {} left", duration(Duration::from_secs(left))),
    }
}

/// `18 s`, `3 min 5 s`, `2 h 10 min`.
pub(super) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A text from outside on one line, without anything that a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text of at most so many characters, with a mark where the rest is missing.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_sentences() {
        let outcomes = Outcomes { succeeded: 23, rejected: 1, timed_out: 1, ..Outcomes::default() };
        assert_eq!(completed(25, &outcomes), "23 of 25 devices succeeded: 1 rejected, 1 timed out");
        assert_eq!(completed(1, &Outcomes { succeeded: 1, ..Outcomes::default() }), "1 of 1 device succeeded");
        assert_eq!(completed(0, &Outcomes::default()), "no device was a target");
        let counts =
            JobStatistics { device_count: 25, succeeded_count: 9, failed_count: 3, running_count: 4, pending_count: 9 };
        assert_eq!(progress(&counts), "12 of 25 done, 3 failed, 4 running, 9 pending");
        assert_eq!(results_progress(400, 1_000, 18), "400 of 1000 results read, 18 s left");
        assert_eq!(duration(Duration::from_secs(3_725)), "1 h 2 min");
    }

    #[test]
    fn whoever_is_cut_off_hears_what_goes_on_and_how_to_come_back() {
        let way = Some("iotjob watch a-0");
        assert_eq!(
            detached(Cut::Interrupted, Left::OnHub, way),
            "interrupted; the hub carries on with the job: `iotjob watch a-0` re-attaches"
        );
        assert_eq!(detached(Cut::WaitTimeout, Left::NotSubmitted, None), "the time to wait is over; nothing was sent");
        assert_eq!(detached(Cut::Interrupted, Left::OnHub, None), "interrupted");
    }

    #[test]
    fn a_terminal_obeys_nobody_elses_text() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
