//! A plan for a pull request: within what a comment may hold (65,536 characters on GitHub).

use super::plan_text::{action, counts, devices, forecast, named, standing, targets, value};
use crate::plan::{Difference, DifferenceKind, Outlook, RunOutlook};

/// Characters of a comment on GitHub, less some for whoever puts a heading round it.
const CHARS_MAX: usize = 65_000;
/// Characters kept for the note that something is left out.
const NOTE_CHARS: usize = 200;

/// The plan as Markdown, never longer than a comment.
#[must_use]
pub fn plan_markdown(outlook: &Outlook) -> String {
    let mut text = String::from("## Plan\n\n");
    let new = outlook.runs.iter().filter(|run| run.is_new()).count();
    let drifted = outlook.runs.iter().filter(|run| run.has_drifted()).count();
    text.push_str(&format!(
        "{new} to create, {} already there, {drifted} with twins that differ again · hub `{}` · tier {}{} · {} of {} job slots free\n\n",
        outlook.runs.len() - new,
        outlook.hub,
        outlook.tier,
        if outlook.tier_assumed { " (assumed)" } else { "" },
        outlook.free_slots(),
        outlook.slots,
    ));
    text.push_str("| run | state | targets | would change | forecast |\n|---|---|---|---|---|\n");
    let rows = outlook.runs.iter().map(|run| {
        let changes = match &run.changes {
            Some(changes) => counts(changes, run),
            None => "–".to_owned(),
        };
        format!(
            "| `{}` | {} | {} | {changes} | {} |\n",
            run.run_id,
            cell(&standing(run)),
            cell(&format!("{} ({} connected)", run.targets.count, run.targets.connected)),
            cell(&forecast(run, outlook.tier)),
        )
    });
    let sections = outlook.runs.iter().map(section);
    let mut left_out = 0_usize;
    for piece in rows.chain(["\n".to_owned()]).chain(sections) {
        if text.chars().count() + piece.chars().count() + NOTE_CHARS > CHARS_MAX {
            left_out += 1;
        } else {
            text.push_str(&piece);
        }
    }
    if left_out > 0 {
        text.push_str(&format!(
            "\n_{left_out} parts are left out: a comment has room for {CHARS_MAX} characters. `iotjob plan` shows all._\n"
        ));
    }
    text
}

/// The details of one run, folded away.
fn section(run: &RunOutlook) -> String {
    let mut text = format!("<details><summary><code>{}</code></summary>\n\n", run.run_id);
    text.push_str(&format!("- {}\n- targets: {}\n", escaped(&action(run)), escaped(&targets(run))));
    if run.targets.missing_count > 0 {
        let names = named(&run.targets.missing, run.targets.missing_count);
        text.push_str(&format!(
            "- {} listed but not in the hub's index: {}\n",
            run.targets.missing_count,
            escaped(&names)
        ));
    }
    for warning in &run.warnings {
        text.push_str(&format!("- ⚠️ {}\n", escaped(warning)));
    }
    if let Some(changes) = run.changes.as_ref().filter(|changes| changes.changed + changes.refused > 0) {
        text.push_str("\n```diff\n");
        for group in changes.groups.iter().take(20) {
            text.push_str(&format!("@@ {}: {} @@\n", devices(group.count), named(&group.named, group.count)));
            text.extend(group.differences.iter().flat_map(diff_lines));
        }
        for refusals in &changes.refusals {
            text.push_str(&format!("! {} refused: {}\n", devices(refusals.count), refusals.reason));
        }
        let hidden: u64 = changes.groups.iter().skip(20).map(|group| group.count).sum::<u64>() + changes.ungrouped;
        if hidden > 0 {
            text.push_str(&format!("@@ {} with other changes @@\n", devices(hidden)));
        }
        text.push_str("```\n");
    }
    for device in run.devices.iter().flatten() {
        let state = if device.connected { "connected" } else { "offline" };
        text.push_str(&format!("- `{}` {state}\n", device.id));
    }
    text.push_str("\n</details>\n");
    text
}

/// `- before` and `+ after`.
fn diff_lines(difference: &Difference) -> Vec<String> {
    let path = difference.path.join(".");
    let before = difference.before.as_ref().map_or_else(|| "(various)".to_owned(), value);
    let after = difference.after.as_ref().map(value).unwrap_or_default();
    match difference.kind {
        DifferenceKind::Add => vec![format!("+ {path}: {after}\n")],
        DifferenceKind::Remove => vec![format!("- {path}: {before}\n")],
        DifferenceKind::Replace => vec![format!("- {path}: {before}\n"), format!("+ {path}: {after}\n")],
    }
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|")
}

/// A text that Markdown leaves as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '*' | '_' | '`' | '[' | '\\' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
