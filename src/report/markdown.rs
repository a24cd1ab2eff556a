//! Markdown for the page of a pipeline: a table of classes a run, and what did not succeed by cause.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::account::{Account, RunAccount};
use super::groups::Group;
use super::words::clean;
use crate::model::limits::STEP_SUMMARY_BYTES_MAX;
use crate::run::OutcomeClass;

/// Causes that one run may show; a thousand different ones are no summary.
const GROUPS_SHOWN_MAX: usize = 100;
/// Room for the line that says what was left out.
const NOTE_BYTES: usize = 200;

/// Writes the report.
pub(super) fn render(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(text(account, STEP_SUMMARY_BYTES_MAX).as_bytes())
}

/// The report in at most `bytes_max` bytes; what does not fit is counted at its end.
#[must_use]
pub fn text(account: &Account, bytes_max: usize) -> String {
    let mut page = Page { text: String::new(), room: bytes_max.saturating_sub(NOTE_BYTES) };
    for (index, run) in account.runs().iter().enumerate() {
        if !page.push(&head(run)) {
            let left = account.runs().len() - index;
            page.note(
                bytes_max,
                &format!("\n*and {left} more {}, for which there is no room here*\n", plural(left, "run")),
            );
            break;
        }
        if let Some(note) = causes(run, &mut page) {
            page.note(bytes_max, &note);
        }
    }
    page.text
}

/// Text that stays within its room.
struct Page {
    text: String,
    room: usize,
}

impl Page {
    /// Adds a block, unless it is too large.
    fn push(&mut self, block: &str) -> bool {
        let fits = self.text.len() + block.len() <= self.room;
        if fits {
            self.text.push_str(block);
        }
        fits
    }

    /// Adds what was left out, in the room that is kept for that.
    fn note(&mut self, bytes_max: usize, note: &str) {
        if self.text.len() + note.len() <= bytes_max {
            self.text.push_str(note);
        }
    }
}

/// What a run came to, and its targets by class.
fn head(run: &RunAccount) -> String {
    let mut text = format!("## {}: {}\n\n", prose(run.name()), prose(&run.sentence()));
    let exit = run.exit_code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    let _ = writeln!(text, "Run {}, exit code {exit}.\n", code(&run.run_id));
    let outcomes = run.outcomes();
    if outcomes.total() > 0 {
        text.push_str("| Outcome | Devices |\n|---|---:|\n");
        for class in OutcomeClass::ALL.into_iter().filter(|class| outcomes.of(*class) > 0) {
            let _ = writeln!(text, "| {} | {} |", class.words(), outcomes.of(class));
        }
        let _ = writeln!(text, "| **targets** | **{}** |\n", outcomes.total());
    }
    for warning in &run.warnings {
        let _ = writeln!(text, "- warning: {}", prose(warning));
    }
    if !run.warnings.is_empty() {
        text.push('\n');
    }
    text
}

/// The causes of what did not succeed, as many as fit; gives what to say of the others.
fn causes(run: &RunAccount, page: &mut Page) -> Option<String> {
    let failures: Vec<Group> = run.groups().into_iter().filter(|group| !group.is_success()).collect();
    if failures.is_empty() {
        return None;
    }
    let header = "| Outcome | Devices | Why | Which |\n|---|---:|---|---|\n";
    let shown = if page.push(header) {
        failures.iter().take(GROUPS_SHOWN_MAX).take_while(|group| page.push(&row(group))).count()
    } else {
        0
    };
    let hidden = &failures[shown..];
    if hidden.is_empty() {
        page.push("\n");
        return None;
    }
    let devices: u64 = hidden.iter().map(|group| group.count).sum();
    let reasons = plural(hidden.len(), "reason");
    Some(format!(
        "\n*and {} more {reasons}, with {devices} devices; `--report csv=FILE` names every one*\n\n",
        hidden.len()
    ))
}

fn row(group: &Group) -> String {
    let mut why = prose(&group.reason);
    if let Some(example) = &group.example {
        let gap = if why.is_empty() { "" } else { ": " };
        let _ = write!(why, "{gap}{}", code(example));
    }
    let mut which = group.named.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    if let (false, more @ 1..) = (which.is_empty(), group.unnamed()) {
        let _ = write!(which, " and {more} more");
    }
    format!("| {} | {} | {why} | {which} |\n", group.outcome.words(), group.count)
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// A text from outside as it is, where names of people and numbers of issues do not become links.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text, |_| false))
}

/// A sentence; what stands between backticks in it is code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let is_balanced = text.matches('`').count().is_multiple_of(2);
    if !is_balanced {
        return escaped(text, |_| false);
    }
    parts
        .map(|(index, part)| if index % 2 == 1 { code(part) } else { escaped(part, |c| matches!(c, '(' | ')')) })
        .collect()
}

/// A text in which nothing means anything to Markdown or HTML.
fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    const PLAIN: &str = " ,.;:'\"/=-?%$+{}";
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if c.is_ascii_punctuation() && !PLAIN.contains(c) && !is_kept(c) {
            let _ = write!(safe, "&#{};", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, event, result, story};
    use crate::run::Happening;

    #[test]
    fn a_run_is_a_table_and_its_failures_have_their_causes() {
        insta::assert_snapshot!(text(&account(&story()), STEP_SUMMARY_BYTES_MAX), @r#"
        ## lock-doors: 1 of 4 devices succeeded: 1 rejected, 1 offline, 1 unknown

        Run <code>lock-doors-0123456789ab</code>, exit code 6.

        | Outcome | Devices |
        |---|---:|
        | succeeded | 1 |
        | rejected | 1 |
        | offline | 1 |
        | unknown | 1 |
        | **targets** | **4** |

        | Outcome | Devices | Why | Which |
        |---|---:|---|---|
        | rejected | 1 | the device answered with status 500: <code>{"error":"jammed"}</code> | <code>door-2</code> |
        | offline | 1 | the device was not online before the deadline | <code>door-3</code> |
        | unknown | 1 | the hub has no result for it; it may have run |  |
        "#);
    }

    #[test]
    fn what_devices_say_is_neither_markup_nor_a_link() {
        let text = code("<img src=x>|`*@someone* #1 [a](b)\n");
        assert_eq!(
            text,
            "<code>&#60;img src=x&#62;&#124;&#96;&#42;&#64;someone&#42; &#35;1 &#91;a&#93;&#40;b&#41; </code>"
        );
        assert_eq!(prose("look with `iotjob watch a_1` (now)"), "look with <code>iotjob watch a&#95;1</code> (now)");
    }

    #[test]
    fn whatever_does_not_fit_is_counted() {
        let mut events = story();
        let end = events.pop().unwrap();
        events.extend((0..2_000).map(|n| {
            let reason = format!("cause {n} {}", "x".repeat(500));
            event(1, Happening::DeviceResult(result(&format!("d{n}"), OutcomeClass::Failed, None, Some(&reason))))
        }));
        events.push(end);
        for n in 0..30 {
            let mut other = story();
            other.iter_mut().for_each(|event| event.run_id = format!("other-{n}"));
            events.extend(other);
        }
        let account = account(&events);
        for bytes_max in [0, 100, 1_000, 5_000, 20_000, 1_000_000] {
            let text = text(&account, bytes_max);
            assert!(text.len() <= bytes_max, "{} of {bytes_max}", text.len());
            assert!(bytes_max < 200 || text.contains(" more r"), "{bytes_max}:\n{text}");
        }
        let roomy = text(&account, 1_000_000);
        assert!(roomy.contains("and 1903 more reasons, with 1903 devices"), "{}", &roomy[..2_000]);
        assert_eq!(roomy.matches("## lock").count(), 31);
    }
}
