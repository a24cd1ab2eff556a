//! A fleet for Prometheus: families labelled by group, made of one picture.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::picture::{FleetPicture, GroupPicture};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InGroup {
    group: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    group: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Loss {
    group: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    group: String,
    method: String,
    status: i64,
}

/// A counter, what it counts, and where a group has it.
type Counted = (&'static str, &'static str, fn(&GroupPicture) -> u64);

const COUNTERS: [Counted; 9] = [
    ("connects", "Connections that the hub accepted", |group| group.figures.connects),
    ("calls", "Method calls that came", |group| group.figures.calls),
    ("hangs", "Method calls that are never answered", |group| group.figures.hangs),
    ("desired", "News of desired properties", |group| group.figures.desired),
    ("reports", "Reports that the hub took", |group| group.figures.reports),
    ("reports_refused", "Reports that the hub refused", |group| group.figures.reports_refused),
    ("telemetry", "Telemetry messages that the hub acknowledged", |group| group.figures.telemetry),
    ("silences", "Times that a device fell silent and held its connection", |group| group.figures.silences),
    ("takeovers", "Times that a device took its own connection over", |group| group.figures.takeovers),
];

/// The picture as text (OpenMetrics).
///
/// # Errors
/// [`fmt::Error`] when memory runs out.
pub fn openmetrics(picture: &FleetPicture) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("iotjob_fleet");
    let of = |group: &GroupPicture| group.name.clone();

    let devices = Family::<Standing, Gauge>::default();
    registry.register("devices", "Devices and modules that this process runs, by how they stand", devices.clone());
    for group in &picture.groups {
        let figures = &group.figures;
        let states = [
            ("notStarted", group.devices.saturating_sub(group.started())),
            ("waiting", figures.waiting),
            ("connecting", figures.connecting),
            ("online", figures.online),
            ("stayOffline", figures.stay_offline),
            ("gaveUp", figures.gave_up),
        ];
        for (state, count) in states {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            devices.get_or_create(&Standing { group: of(group), state }).set(count);
        }
    }
    for (name, help, count) in COUNTERS {
        let family = Family::<InGroup, Counter>::default();
        registry.register(name, help, family.clone());
        for group in &picture.groups {
            family.get_or_create(&InGroup { group: of(group) }).inc_by(count(group));
        }
    }
    let losses = Family::<Loss, Counter>::default();
    registry.register("losses", "Connections that ended or were not made, by reason", losses.clone());
    let answers = Family::<Answered, Counter>::default();
    registry.register("answers", "Method calls that were answered, by method and status", answers.clone());
    for group in &picture.groups {
        for (kind, count) in &group.figures.losses {
            losses.get_or_create(&Loss { group: of(group), reason: kind.word() }).inc_by(*count);
        }
        for (method, statuses) in &group.figures.answered {
            for (status, count) in statuses {
                let labels = Answered { group: of(group), method: method.clone(), status: *status };
                answers.get_or_create(&labels).inc_by(*count);
            }
        }
    }
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::picture;
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let text = openmetrics(&picture()).unwrap();
        for line in [
            "iotjob_fleet_devices{group=\"doors\",state=\"online\"} 760",
            "iotjob_fleet_devices{group=\"sensors\",state=\"gaveUp\"} 1",
            "iotjob_fleet_connects_total{group=\"doors\"} 812",
            "iotjob_fleet_losses_total{group=\"doors\",reason=\"flapping\"} 2",
            "iotjob_fleet_answers_total{group=\"sensors\",method=\"reboot\",status=\"501\"} 4",
            "iotjob_fleet_telemetry_total{group=\"sensors\"} 48000",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
