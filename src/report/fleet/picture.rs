//! What a fleet looks like at one moment.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::device::FleetFigures;

/// The time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(3);

/// A fleet at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetPicture {
    /// Its groups, in the order of the fleet file.
    pub groups: Vec<GroupPicture>,
    /// The most devices and modules that were ever online together.
    pub online_most: u64,
    /// For how long it has been running.
    pub elapsed: Duration,
}

/// A group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPicture {
    /// Its name.
    pub name: String,
    /// Devices, and modules, that this process runs of it.
    pub devices: u64,
    /// What they have come to.
    pub figures: FleetFigures,
}

impl FleetPicture {
    /// All groups together.
    #[must_use]
    pub fn total(&self) -> GroupPicture {
        let mut total = GroupPicture { name: "total".to_owned(), devices: 0, figures: FleetFigures::default() };
        for group in &self.groups {
            total.devices += group.devices;
            add(&mut total.figures, &group.figures);
        }
        total.figures.online_most = self.online_most;
        total
    }
}

impl GroupPicture {
    /// Devices that have no connection: not yet, not now, or never.
    #[must_use]
    pub fn offline(&self) -> u64 {
        self.devices.saturating_sub(self.figures.online)
    }

    /// Devices that were started: a ramp may have been cut short.
    #[must_use]
    pub fn started(&self) -> u64 {
        let FleetFigures { waiting, connecting, online, gave_up, stay_offline, .. } = &self.figures;
        waiting + connecting + online + gave_up + stay_offline
    }

    /// Connections that ended or were not made.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.figures.losses.iter().map(|(_, count)| count).sum()
    }
}

/// Adds the figures of a group; the most that was ever online is no sum.
fn add(total: &mut FleetFigures, group: &FleetFigures) {
    total.connecting += group.connecting;
    total.online += group.online;
    total.waiting += group.waiting;
    total.stay_offline += group.stay_offline;
    total.gave_up += group.gave_up;
    total.connects += group.connects;
    total.calls += group.calls;
    total.answers += group.answers;
    total.hangs += group.hangs;
    total.telemetry += group.telemetry;
    total.desired += group.desired;
    total.reports += group.reports;
    total.reports_refused += group.reports_refused;
    total.silences += group.silences;
    total.takeovers += group.takeovers;
    for (kind, count) in &group.losses {
        match total.losses.iter_mut().find(|(known, _)| known == kind) {
            Some((_, sum)) => *sum += count,
            None => total.losses.push((*kind, *count)),
        }
    }
    for (method, statuses) in &group.answered {
        let sums: &mut BTreeMap<i64, u64> = total.answered.entry(method.clone()).or_default();
        for (status, count) in statuses {
            *sums.entry(*status).or_default() += count;
        }
    }
}

/// How fast devices answer, over the last few seconds.
#[derive(Debug, Default)]
pub struct Rates {
    samples: VecDeque<(Duration, Vec<u64>)>,
}

impl Rates {
    /// Takes a picture in.
    pub fn take_in(&mut self, picture: &FleetPicture) {
        let answers = picture.groups.iter().map(|group| group.figures.answers).collect();
        self.samples.push_back((picture.elapsed, answers));
        while self.samples.len() > 2 && self.samples[1].0 + WINDOW <= picture.elapsed {
            self.samples.pop_front();
        }
    }

    /// Answers a second of a group, by its place.
    #[must_use]
    pub fn of_group(&self, place: usize) -> f64 {
        self.rate(|answers| answers.get(place).copied().unwrap_or(0))
    }

    /// Answers a second of all groups.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.rate(|answers| answers.iter().sum())
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate to one decimal")]
    fn rate(&self, count: impl Fn(&[u64]) -> u64) -> f64 {
        let (Some((from, before)), Some((to, now))) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let time = to.saturating_sub(*from);
        if time.is_zero() { 0.0 } else { count(now).saturating_sub(count(before)) as f64 / time.as_secs_f64() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::device::LossKind;

    /// Two groups that have seen everything.
    pub(in crate::report::fleet) fn picture() -> FleetPicture {
        let losses = |closed, flapping| vec![(LossKind::Closed, closed), (LossKind::Flapping, flapping)];
        let doors = FleetFigures {
            online: 760,
            connecting: 10,
            waiting: 20,
            stay_offline: 10,
            connects: 812,
            calls: 1_204,
            answers: 1_190,
            hangs: 14,
            desired: 34,
            reports: 830,
            reports_refused: 2,
            losses: losses(3, 2),
            answered: [("lockDoor".to_owned(), [(200, 1_170), (500, 20)].into())].into(),
            ..FleetFigures::default()
        };
        let sensors = FleetFigures {
            online: 199,
            gave_up: 1,
            connects: 200,
            telemetry: 48_000,
            losses: losses(0, 0),
            answered: [("lockDoor".to_owned(), [(200, 1)].into()), ("reboot".to_owned(), [(501, 4)].into())].into(),
            ..FleetFigures::default()
        };
        let group = |name: &str, devices, figures| GroupPicture { name: name.to_owned(), devices, figures };
        FleetPicture {
            groups: vec![group("doors", 800, doors), group("sensors", 200, sensors)],
            online_most: 960,
            elapsed: Duration::from_secs(603),
        }
    }

    #[test]
    fn groups_add_up() {
        let total = picture().total();
        assert_eq!((total.devices, total.figures.online, total.offline(), total.started()), (1_000, 959, 41, 1_000));
        assert_eq!((total.figures.online_most, total.lost()), (960, 5));
        assert_eq!(total.figures.answered["lockDoor"][&200], 1_171);
    }

    #[test]
    fn a_rate_is_of_the_last_seconds() {
        let mut rates = Rates::default();
        assert_eq!(rates.total(), 0.0);
        let mut picture = picture();
        for (second, answers) in [(0, 0), (1, 1_000), (2, 1_000), (3, 1_000), (4, 1_006), (5, 1_012)] {
            picture.elapsed = Duration::from_secs(second);
            picture.groups[0].figures.answers = answers;
            rates.take_in(&picture);
        }
        assert_eq!((rates.of_group(0), rates.of_group(1), rates.total()), (4.0, 0.0, 4.0));
    }
}
