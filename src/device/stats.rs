//! The figures of a fleet, cheap to keep and to read at any time: nobody has to listen to every event for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::event::{DeviceEventKind, LossKind};
use crate::model::limits::FLEET_ANSWERS_TOLD_APART_MAX;

/// What the methods past [`FLEET_ANSWERS_TOLD_APART_MAX`] are counted as.
const OTHER_METHODS: &str = "(other)";

/// How a device stands with the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not connected; it will dial when its time comes.
    Waiting,
    /// Dials, shakes hands, waits for CONNACK.
    Connecting,
    /// The hub accepted it.
    Online,
    /// Will not try again.
    GaveUp,
    /// Never connects, because the fleet wants it so.
    StaysOffline,
}

/// What a fleet, or a group of one, counts.
#[derive(Debug, Default)]
pub struct FleetStats {
    standings: [AtomicU64; 5],
    online_most: AtomicU64,
    connects: AtomicU64,
    calls: AtomicU64,
    answers: AtomicU64,
    hangs: AtomicU64,
    telemetry: AtomicU64,
    desired: AtomicU64,
    reports: AtomicU64,
    reports_refused: AtomicU64,
    silences: AtomicU64,
    takeovers: AtomicU64,
    losses: [AtomicU64; LossKind::ALL.len()],
    answered: Mutex<BTreeMap<String, BTreeMap<i64, u64>>>,
}

/// Figures of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetFigures {
    /// Devices that dial, shake hands or wait for CONNACK.
    pub connecting: u64,
    /// Devices that the hub accepted.
    pub online: u64,
    /// The most that [`FleetFigures::online`] ever was.
    pub online_most: u64,
    /// Devices that wait to dial, for the first time or again.
    pub waiting: u64,
    /// Devices that never connect, because the fleet wants it so.
    pub stay_offline: u64,
    /// Devices that will not try again.
    pub gave_up: u64,
    /// Connections that the hub accepted, of all devices and times.
    pub connects: u64,
    /// Method calls that came.
    pub calls: u64,
    /// Those that were answered.
    pub answers: u64,
    /// Those that never will be.
    pub hangs: u64,
    /// Telemetry messages that the hub acknowledged.
    pub telemetry: u64,
    /// News of desired properties, notified or read.
    pub desired: u64,
    /// Reports that the hub took.
    pub reports: u64,
    /// Reports that the hub refused.
    pub reports_refused: u64,
    /// Times that a device fell silent and held its connection.
    pub silences: u64,
    /// Times that a device took its own connection over.
    pub takeovers: u64,
    /// Connections that ended or were not made, by reason; all reasons are there.
    pub losses: Vec<(LossKind, u64)>,
    /// Answers by method and status.
    pub answered: BTreeMap<String, BTreeMap<i64, u64>>,
}

impl FleetFigures {
    /// Connections that were lost and made again, or are to be.
    #[must_use]
    pub fn lost(&self, kind: LossKind) -> u64 {
        self.losses.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }
}

impl FleetStats {
    /// Devices that the hub has accepted, now.
    #[must_use]
    pub fn online(&self) -> u64 {
        self.standings[Standing::Online as usize].load(Relaxed)
    }

    /// Reads all figures; those of one moment, but for what happens meanwhile.
    #[must_use]
    pub fn figures(&self) -> FleetFigures {
        let standing = |standing: Standing| self.standings[standing as usize].load(Relaxed);
        FleetFigures {
            connecting: standing(Standing::Connecting),
            online: standing(Standing::Online),
            online_most: self.online_most.load(Relaxed),
            waiting: standing(Standing::Waiting),
            stay_offline: standing(Standing::StaysOffline),
            gave_up: standing(Standing::GaveUp),
            connects: self.connects.load(Relaxed),
            calls: self.calls.load(Relaxed),
            answers: self.answers.load(Relaxed),
            hangs: self.hangs.load(Relaxed),
            telemetry: self.telemetry.load(Relaxed),
            desired: self.desired.load(Relaxed),
            reports: self.reports.load(Relaxed),
            reports_refused: self.reports_refused.load(Relaxed),
            silences: self.silences.load(Relaxed),
            takeovers: self.takeovers.load(Relaxed),
            losses: LossKind::ALL.into_iter().map(|kind| (kind, self.losses[kind as usize].load(Relaxed))).collect(),
            answered: self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn count_answer(&self, name: &str, status: i64) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = answered.get(name).is_some_and(|statuses| statuses.contains_key(&status));
        let apart = answered.values().map(BTreeMap::len).sum::<usize>();
        // Whoever calls a method chooses its name: the memory for names needs an end.
        let name = if is_known || apart < FLEET_ANSWERS_TOLD_APART_MAX { name } else { OTHER_METHODS };
        match answered.get_mut(name) {
            Some(statuses) => *statuses.entry(status).or_default() += 1,
            None => {
                answered.insert(name.to_owned(), [(status, 1)].into());
            }
        }
    }
}

/// One device's place in the figures; it leaves with it.
#[derive(Debug)]
pub(super) struct Counted {
    stats: Arc<FleetStats>,
    standing: Standing,
}

impl Counted {
    /// Counts a device in.
    pub(super) fn new(stats: Arc<FleetStats>, standing: Standing) -> Self {
        stats.standings[standing as usize].fetch_add(1, Relaxed);
        Self { stats, standing }
    }

    /// Moves the device.
    pub(super) fn stand(&mut self, standing: Standing) {
        let stats = &self.stats;
        stats.standings[self.standing as usize].fetch_sub(1, Relaxed);
        let now = stats.standings[standing as usize].fetch_add(1, Relaxed) + 1;
        if standing == Standing::Online {
            stats.online_most.fetch_max(now, Relaxed);
        }
        self.standing = standing;
    }

    /// Counts what happened.
    pub(super) fn note(&mut self, event: &DeviceEventKind) {
        let stats = Arc::clone(&self.stats);
        let counter = match event {
            DeviceEventKind::Connected => {
                self.stand(Standing::Online);
                &stats.connects
            }
            DeviceEventKind::Disconnected { reason, .. } => {
                self.stand(Standing::Waiting);
                &stats.losses[reason.kind() as usize]
            }
            DeviceEventKind::GaveUp { reason } => {
                self.stand(Standing::GaveUp);
                &stats.losses[reason.kind() as usize]
            }
            DeviceEventKind::MethodCalled { .. } => &stats.calls,
            DeviceEventKind::MethodAnswered { name, status } => {
                stats.count_answer(name, *status);
                &stats.answers
            }
            DeviceEventKind::MethodHung { .. } => &stats.hangs,
            DeviceEventKind::TelemetrySent { .. } => &stats.telemetry,
            DeviceEventKind::DesiredPatch { .. } => &stats.desired,
            DeviceEventKind::Reported { .. } => &stats.reports,
            DeviceEventKind::ReportRefused { .. } => &stats.reports_refused,
            DeviceEventKind::WentSilent => &stats.silences,
            DeviceEventKind::TakingOver => &stats.takeovers,
            DeviceEventKind::StaysOffline | DeviceEventKind::Ready { .. } => return,
        };
        counter.fetch_add(1, Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // What became of a device stays true after its task has ended.
        if !matches!(self.standing, Standing::GaveUp | Standing::StaysOffline) {
            self.stats.standings[self.standing as usize].fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::LossReason;

    #[test]
    fn devices_are_counted_where_they_stand() {
        let stats = Arc::new(FleetStats::default());
        let mut devices: Vec<_> = (0..3).map(|_| Counted::new(Arc::clone(&stats), Standing::Waiting)).collect();
        devices.iter_mut().for_each(|device| device.stand(Standing::Connecting));
        devices[0].note(&DeviceEventKind::Connected);
        devices[1].note(&DeviceEventKind::Connected);
        devices[1].note(&DeviceEventKind::GaveUp { reason: LossReason::Closed });
        let figures = stats.figures();
        assert_eq!((figures.connecting, figures.online, figures.online_most, figures.gave_up), (1, 1, 2, 1));
        assert_eq!((figures.connects, figures.lost(LossKind::Closed), figures.lost(LossKind::Broken)), (2, 1, 0));
        drop(devices);
        let figures = stats.figures();
        assert_eq!((figures.connecting, figures.online, figures.waiting, figures.gave_up), (0, 0, 0, 1));
    }

    #[test]
    fn answers_are_told_apart_up_to_a_limit() {
        let stats = Arc::new(FleetStats::default());
        let mut device = Counted::new(Arc::clone(&stats), Standing::Online);
        for n in 0..2 * FLEET_ANSWERS_TOLD_APART_MAX {
            device.note(&DeviceEventKind::MethodAnswered { name: format!("m{n}"), status: 200 });
        }
        device.note(&DeviceEventKind::MethodAnswered { name: "m0".to_owned(), status: 200 });
        let figures = stats.figures();
        assert_eq!(figures.answers, 2 * FLEET_ANSWERS_TOLD_APART_MAX as u64 + 1);
        assert_eq!(figures.answered["m0"][&200], 2);
        assert_eq!(figures.answered[OTHER_METHODS][&200], FLEET_ANSWERS_TOLD_APART_MAX as u64);
    }
}
