//! What a fleet came to, in words and as JSON; and how it stands, in one line.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::picture::{FleetPicture, GroupPicture, Rates};
use crate::device::{FleetFigures, LossKind};
use crate::report::words::{clean, duration};

/// Methods that are named; the rest is a number.
const METHODS_NAMED_MAX: usize = 10;

/// One line on a fleet that runs, for whoever has no terminal.
#[must_use]
pub fn heartbeat(picture: &FleetPicture, rates: &Rates) -> String {
    let total = picture.total();
    let figures = &total.figures;
    format!(
        "{}: {} of {} online; {} calls, {:.1} answers/s; {} connections lost",
        duration(picture.elapsed),
        figures.online,
        total.devices,
        figures.calls,
        rates.total(),
        total.lost(),
    )
}

/// What a fleet came to, for people: a line on the whole, and one on each thing that happened.
#[must_use]
pub fn summary_lines(picture: &FleetPicture) -> Vec<String> {
    let total = picture.total();
    let figures = &total.figures;
    let (devices, time) = (counted(total.devices, "device"), duration(picture.elapsed));
    let mut lines = vec![format!("{devices} for {time}: at most {} online", figures.online_most)];
    lines.extend(fates(&total).map(|fates| format!("  {fates}")));
    if total.lost() > 0 {
        let reasons = figures.losses.iter().filter(|(_, count)| *count > 0);
        let reasons: Vec<String> = reasons.map(|(kind, count)| format!("{count} {}", words(*kind))).collect();
        lines.push(format!("  {}: {}", counted(total.lost(), "connection lost"), reasons.join(", ")));
    }
    if figures.calls > 0 {
        lines.push(format!("  {}", counted(figures.calls, "method call")));
        lines.extend(calls(figures).into_iter().map(|line| format!("    {line}")));
    }
    let others = [
        (figures.desired, "desired patch"),
        (figures.reports, "report"),
        (figures.reports_refused, "report refused"),
        (figures.telemetry, "message sent"),
        (figures.silences, "silence"),
        (figures.takeovers, "take-over"),
    ];
    let others: Vec<String> =
        others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(*count, what)).collect();
    if !others.is_empty() {
        lines.push(format!("  {}", others.join(", ")));
    }
    lines
}

/// What became of the devices that were not online at the end.
fn fates(total: &GroupPicture) -> Option<String> {
    let figures = &total.figures;
    let fates: Vec<String> = [
        (total.devices.saturating_sub(total.started()), "not started yet"),
        (figures.waiting + figures.connecting, "not connected at the end"),
        (figures.stay_offline, "kept offline"),
        (figures.gave_up, "gave up"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    Some(fates.join(", ")).filter(|fates| !fates.is_empty())
}

/// What became of the calls: a line for each method, those without an answer last.
fn calls(figures: &FleetFigures) -> Vec<String> {
    let one = |(method, statuses): (&String, &BTreeMap<i64, u64>)| {
        let statuses: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} with {status}")).collect();
        format!("{}: {}", clean(method), statuses.join(", "))
    };
    let mut lines: Vec<String> = figures.answered.iter().take(METHODS_NAMED_MAX).map(one).collect();
    let rest = figures.answered.len().saturating_sub(METHODS_NAMED_MAX);
    if rest > 0 {
        lines.push(counted(rest as u64, "more method"));
    }
    let open = figures.calls.saturating_sub(figures.answers + figures.hangs);
    let without: Vec<String> = [(figures.hangs, "hung"), (open, "left without an answer")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !without.is_empty() {
        lines.push(without.join(", "));
    }
    lines
}

/// `1 report`, `2 reports`; what is counted stands first.
fn counted(count: u64, what: &str) -> String {
    let (noun, rest) =
        what.split_once(' ').filter(|(noun, _)| !["method", "desired", "more"].contains(noun)).unwrap_or((what, ""));
    let ending = match count {
        1 => "",
        _ if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{count} {noun}{ending} {rest}").trim_end().to_owned()
}

/// A reason in a few words.
fn words(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Unreachable => "unreachable",
        LossKind::Untrusted => "untrusted",
        LossKind::Refused => "refused",
        LossKind::Closed => "closed by the hub",
        LossKind::ClosedAgainAndAgain => "closed again and again",
        LossKind::Broken => "broken",
        LossKind::Protocol => "broke the protocol",
        LossKind::NoAnswer => "without an answer",
        LossKind::TokenRenewal => "to renew the token",
        LossKind::Flapping => "flapping",
    }
}

/// The members of the last event of `--output json`.
#[must_use]
pub fn summary_json(picture: &FleetPicture) -> Value {
    let total = picture.total();
    let mut summary = json!({ "seconds": picture.elapsed.as_secs_f64() });
    let groups: Vec<Value> = picture
        .groups
        .iter()
        .map(|group| {
            let mut members = json!({ "name": group.name });
            extend(&mut members, figures_json(group));
            members
        })
        .collect();
    extend(&mut summary, figures_json(&total));
    summary["groups"] = groups.into();
    summary
}

fn extend(object: &mut Value, members: Value) {
    if let (Value::Object(object), Value::Object(members)) = (object, members) {
        object.extend(members);
    }
}

fn figures_json(group: &GroupPicture) -> Value {
    let figures = &group.figures;
    let lost: BTreeMap<&str, u64> =
        figures.losses.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| (kind.word(), *count)).collect();
    json!({
        "devices": group.devices,
        "started": group.started(),
        "onlineMost": figures.online_most,
        "stayOffline": figures.stay_offline,
        "gaveUp": figures.gave_up,
        "connects": figures.connects,
        "lost": lost,
        "calls": figures.calls,
        "answered": figures.answered,
        "hangs": figures.hangs,
        "desired": figures.desired,
        "reports": figures.reports,
        "reportsRefused": figures.reports_refused,
        "telemetry": figures.telemetry,
        "silences": figures.silences,
        "takeovers": figures.takeovers,
    })
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::picture;
    use super::*;

    #[test]
    fn everything_that_happened_is_said() {
        insta::assert_snapshot!(summary_lines(&picture()).join("\n"), @r#"
        1000 devices for 10 min 3 s: at most 960 online
          30 not connected at the end, 10 kept offline, 1 gave up
          5 connections lost: 3 closed by the hub, 2 flapping
          1204 method calls
            lockDoor: 1171 with 200, 20 with 500
            reboot: 4 with 501
            14 hung
          34 desired patches, 830 reports, 2 reports refused, 48000 messages sent
        "#);
        assert_eq!(
            heartbeat(&picture(), &Rates::default()),
            "10 min 3 s: 959 of 1000 online; 1204 calls, 0.0 answers/s; 5 connections lost"
        );
    }

    #[test]
    fn a_ramp_that_was_cut_short_is_told() {
        let mut picture = picture();
        picture.groups[0].figures = FleetFigures { online: 300, ..FleetFigures::default() };
        let fates = summary_lines(&picture).remove(1);
        assert_eq!(fates, "  500 not started yet, 1 gave up");
    }

    #[test]
    fn json_has_the_sum_and_every_group() {
        let json = summary_json(&picture());
        insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
        {
          "seconds": 603.0,
          "devices": 1000,
          "started": 1000,
          "onlineMost": 960,
          "stayOffline": 10,
          "gaveUp": 1,
          "connects": 1012,
          "lost": {
            "closed": 3,
            "flapping": 2
          },
          "calls": 1204,
          "answered": {
            "lockDoor": {
              "200": 1171,
              "500": 20
            },
            "reboot": {
              "501": 4
            }
          },
          "hangs": 14,
          "desired": 34,
          "reports": 830,
          "reportsRefused": 2,
          "telemetry": 48000,
          "silences": 0,
          "takeovers": 0,
          "groups": [
            {
              "name": "doors",
              "devices": 800,
              "started": 800,
              "onlineMost": 0,
              "stayOffline": 10,
              "gaveUp": 0,
              "connects": 812,
              "lost": {
                "closed": 3,
                "flapping": 2
              },
              "calls": 1204,
              "answered": {
                "lockDoor": {
                  "200": 1170,
                  "500": 20
                }
              },
              "hangs": 14,
              "desired": 34,
              "reports": 830,
              "reportsRefused": 2,
              "telemetry": 0,
              "silences": 0,
              "takeovers": 0
            },
            {
              "name": "sensors",
              "devices": 200,
              "started": 200,
              "onlineMost": 0,
              "stayOffline": 0,
              "gaveUp": 1,
              "connects": 200,
              "lost": {},
              "calls": 0,
              "answered": {
                "lockDoor": {
                  "200": 1
                },
                "reboot": {
                  "501": 4
                }
              },
              "hangs": 0,
              "desired": 0,
              "reports": 0,
              "reportsRefused": 0,
              "telemetry": 48000,
              "silences": 0,
              "takeovers": 0
            }
          ]
        }
        "#);
    }
}
