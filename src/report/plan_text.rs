//! A plan for people: what each run would do, changes grouped, the fleet summed up.

use std::time::Duration;

use serde_json::Value;

use super::table::Paint;
use super::words::{clean, duration, shortened};
use crate::model::tier::Tier;
use crate::model::{JobStatistics, WireTime};
use crate::plan::{
    ChangeGroup, Changes, DeviceOutlook, Difference, DifferenceKind, Outlook, RunOutlook, Source, Standing,
};

/// Different changes that are shown of one run.
const GROUPS_SHOWN_MAX: usize = 20;
/// Characters shown of a value.
const VALUE_CHARS_MAX: usize = 60;

/// The plan as lines.
#[must_use]
pub fn plan_lines(outlook: &Outlook, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for run in &outlook.runs {
        lines.extend(Shown { run, tier: outlook.tier, paint }.lines());
        lines.push(String::new());
    }
    lines.extend(last_lines(outlook));
    lines
}

/// `1 to create, 1 under way, 1 ended`, then slots and cost.
fn last_lines(outlook: &Outlook) -> Vec<String> {
    let count = |wanted: fn(&RunOutlook) -> bool| outlook.runs.iter().filter(|run| wanted(run)).count();
    let drifted = count(RunOutlook::has_drifted);
    let drifted = if drifted > 0 { format!(" ({drifted} with twins that differ again)") } else { String::new() };
    let assumed = if outlook.tier_assumed { " (assumed; --tier names another)" } else { "" };
    let busy: Vec<String> =
        outlook.active_jobs.iter().map(|job| format!("{} is {}", job.job_id, job.status.name())).collect();
    let busy = if busy.is_empty() { String::new() } else { format!(": {}", shortened(&busy.join(", "), 200)) };
    vec![
        format!(
            "Plan: {} to create, {} under way, {} ended{drifted}; nothing was sent",
            count(RunOutlook::is_new),
            count(|run| matches!(run.standing, Standing::UnderWay { .. })),
            count(|run| matches!(run.standing, Standing::Ended { .. })),
        ),
        format!(
            "Hub {}, asked at {}; tier {}{assumed}",
            outlook.hub,
            WireTime::to_string(&outlook.asked_at)
                .split('.')
                .next()
                .unwrap_or_default()
                .trim_end_matches('Z')
                .to_owned()
                + "Z",
            outlook.tier
        ),
        format!("Job slots: {} of {} free{busy}", outlook.free_slots(), outlook.slots),
        format!("Asking took {}", queries(outlook.queries, outlook.query_seconds)),
    ]
}

fn queries(count: u64, seconds: u64) -> String {
    let noun = if count == 1 { "query" } else { "queries" };
    match seconds {
        0 => format!("{count} {noun}"),
        seconds => format!("{count} {noun}, {} at the tier's rate", duration(Duration::from_secs(seconds))),
    }
}

struct Shown<'r> {
    run: &'r RunOutlook,
    tier: Tier,
    paint: Paint,
}

impl Shown<'_> {
    fn lines(&self) -> Vec<String> {
        let run = self.run;
        let mut lines = vec![format!("{} {}: {}", self.sign(), run.run_id, standing(run))];
        let mut add = |title: &str, text: String| lines.push(format!("  {title:<9} {text}"));
        add("does", action(run));
        if let Some(start) = run.start_time {
            add("starts", start.to_string());
        }
        if !run.after.is_empty() {
            add("after", run.after.join(", "));
        }
        add("targets", targets(run));
        if run.targets.missing_count > 0 {
            let named = named(&run.targets.missing, run.targets.missing_count);
            add("missing", format!("{} listed but not in the hub's index: {named}", run.targets.missing_count));
        }
        if run.targets.count > 0 {
            add("forecast", forecast(run, self.tier));
        }
        if let Some(changes) = run.changes.as_ref().filter(|_| run.targets.count > 0) {
            add("changes", counts(changes, run));
            lines.extend(self.changes(changes));
        }
        for device in run.devices.iter().flatten() {
            lines.extend(self.device(device));
        }
        lines.extend(
            run.warnings.iter().map(|warning| format!("  {} {}", self.colour("warning:", "33"), clean(warning))),
        );
        lines
    }

    fn sign(&self) -> String {
        match (&self.run.standing, self.run.has_drifted()) {
            (Standing::New, _) => self.colour("+", "32"),
            (_, true) => self.colour("~", "33"),
            _ => "=".to_owned(),
        }
    }

    fn colour(&self, text: &str, code: &str) -> String {
        match self.paint {
            Paint::Colours => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Paint::Plain => text.to_owned(),
        }
    }

    fn changes(&self, changes: &Changes) -> Vec<String> {
        let mut lines = Vec::new();
        for ChangeGroup { differences, count, named: names } in changes.groups.iter().take(GROUPS_SHOWN_MAX) {
            lines.push(format!("    {}: {}", devices(*count), named(names, *count)));
            lines.extend(differences.iter().map(|difference| self.difference(difference)));
        }
        let hidden: u64 =
            changes.groups.iter().skip(GROUPS_SHOWN_MAX).map(|group| group.count).sum::<u64>() + changes.ungrouped;
        if hidden > 0 {
            lines.push(format!("    {} with other changes", devices(hidden)));
        }
        for refusals in &changes.refusals {
            let names = named(&refusals.named, refusals.count);
            lines.push(format!("    {} {}: {names}", self.colour("refused", "31"), devices(refusals.count)));
            lines.push(format!("      {}", clean(&refusals.reason)));
        }
        lines
    }

    fn difference(&self, difference: &Difference) -> String {
        let (sign, code) = match difference.kind {
            DifferenceKind::Add => ("+", "32"),
            DifferenceKind::Replace => ("~", "33"),
            DifferenceKind::Remove => ("-", "31"),
        };
        let path = self.colour(&clean(&difference.path.join(".")), "4");
        let values = match (&difference.before, &difference.after, difference.kind) {
            (Some(before), Some(after), _) => format!("{} → {}", value(before), value(after)),
            (None, Some(after), DifferenceKind::Replace) => format!("(various) → {}", value(after)),
            (None, None, _) => "(various)".to_owned(),
            (Some(only), None, _) | (None, Some(only), _) => value(only),
        };
        format!("      {} {path}: {values}", self.colour(sign, code))
    }

    fn device(&self, device: &DeviceOutlook) -> Vec<String> {
        let state = if device.connected { "connected" } else { "offline" };
        let end = match (&device.refused, &device.changes) {
            (Some(reason), _) => format!(", refused: {}", clean(reason)),
            (None, Some(_)) => ", would change".to_owned(),
            (None, None) if self.run.changes.is_some() => ", as wanted".to_owned(),
            (None, None) => String::new(),
        };
        let mut lines = vec![format!("    {}: {state}{end}", clean(&device.id))];
        lines.extend(device.changes.iter().flatten().map(|difference| self.difference(difference)));
        lines
    }
}

/// What the hub has of a run, and what apply does then.
pub(super) fn standing(run: &RunOutlook) -> String {
    match &run.standing {
        Standing::New => "new, apply creates it".to_owned(),
        Standing::UnderWay { status, statistics } => {
            let counts = statistics.as_ref().map(|counts| format!(", {}", super::words::progress(counts)));
            format!("{}{}, apply attaches to it", status.name(), counts.unwrap_or_default())
        }
        Standing::Ended { status, statistics } => {
            let rerun = if run.has_drifted() {
                "twins differ again, `apply --rerun` patches them once more"
            } else {
                "apply reports it, `--rerun` runs it again"
            };
            format!("ended, {}{}; {rerun}", status.name(), statistics.as_ref().map(ended).unwrap_or_default())
        }
    }
}

fn ended(counts: &JobStatistics) -> String {
    format!(" with {} succeeded and {} failed", counts.succeeded_count, counts.failed_count)
}

/// `calls lockDoor where tags.building = 43`.
pub(super) fn action(run: &RunOutlook) -> String {
    let what = match &run.method {
        Some(method) => format!("calls {method}"),
        None => "patches twins".to_owned(),
    };
    let which = match (&run.query_condition, run.listed) {
        (Some(condition), _) if condition == "*" => "on every device".to_owned(),
        (Some(condition), _) => format!("where {}", shortened(&clean(condition), 200)),
        (None, Some(listed)) => format!("on {listed} listed devices"),
        (None, None) => String::new(),
    };
    let jobs = if run.parts > 1 { format!(", in {} hub jobs", run.parts) } else { String::new() };
    format!("{what} {which}{jobs}")
}

/// `25, 20 connected, 5 offline: door-01, door-02 and 3 more`.
pub(super) fn targets(run: &RunOutlook) -> String {
    let targets = &run.targets;
    let offline = targets.count.saturating_sub(targets.connected);
    if targets.count == 0 {
        return "none".to_owned();
    }
    let mut text = format!("{}, {} connected, {offline} offline", targets.count, targets.connected);
    if offline > 0 && !targets.offline.is_empty() {
        text.push_str(&format!(": {}", named(&targets.offline, offline)));
    }
    if targets.read > 0 && targets.read < targets.count {
        text.push_str(&format!("; {} of them looked at", targets.read));
    }
    if targets.source == Source::Twins {
        text.push_str("; values read from each twin");
    }
    text
}

/// How long, and whom the limit leaves out.
pub(super) fn forecast(run: &RunOutlook, tier: Tier) -> String {
    let forecast = &run.forecast;
    let seconds = |seconds| duration(Duration::from_secs(seconds));
    let mut text = format!(
        "at least {} on {tier}, at {} devices a second",
        seconds(forecast.seconds),
        forecast.devices_per_second
    );
    if forecast.slowest_device_seconds > 0 && run.targets.count > 0 {
        text.push_str(&format!(", and up to {} for a slow device", seconds(forecast.slowest_device_seconds)));
    }
    text.push_str(&match forecast.cut_off {
        0 => format!("; the limit of {} suffices", seconds(run.timeout_in_seconds)),
        cut => format!("; the limit of {} CUTS OFF {cut} devices", seconds(run.timeout_in_seconds)),
    });
    text.push_str(&format!("; results take {}", queries(forecast.result_queries, forecast.result_seconds)));
    text
}

/// `22 as wanted, 3 would change, 1 would be refused`.
pub(super) fn counts(changes: &Changes, run: &RunOutlook) -> String {
    let mut text = format!("{} as wanted, {} would change", changes.unchanged, changes.changed);
    if changes.refused > 0 {
        text.push_str(&format!(", {} would be refused", changes.refused));
    }
    if run.targets.read < run.targets.count {
        text.push_str(&format!(", of {} looked at", run.targets.read));
    }
    text
}

/// `a, b and 3 more`.
pub(super) fn named(names: &[String], count: u64) -> String {
    let shown: Vec<String> = names.iter().map(|name| clean(name)).collect();
    let hidden = count.saturating_sub(u64::try_from(names.len()).unwrap_or(u64::MAX));
    let more = if hidden > 0 { format!(" and {hidden} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// `1 device`, `3 devices`.
pub(super) fn devices(count: u64) -> String {
    format!("{count} {}", if count == 1 { "device" } else { "devices" })
}

/// A value on one line.
pub(super) fn value(value: &Value) -> String {
    shortened(&clean(&value.to_string()), VALUE_CHARS_MAX)
}
