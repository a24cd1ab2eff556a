//! Which devices of the local fleet are not up yet.

use std::collections::HashSet;
use std::sync::Arc;

use crate::device::{DeviceConfig, DeviceEvent, DeviceEventKind};
use crate::model::TwinId;

/// Devices that are yet to be ready, and those that are yet to report. A device may say so twice when it reconnects.
pub(super) struct Awaited {
    ready: HashSet<Arc<TwinId>>,
    reports: HashSet<Arc<TwinId>>,
}

impl Awaited {
    /// All of a fleet.
    pub(super) fn of(fleet: &[DeviceConfig]) -> Self {
        let ids = |device: &DeviceConfig| Arc::clone(device.id());
        Self {
            ready: fleet.iter().map(ids).collect(),
            reports: fleet.iter().filter(|device| device.reports()).map(ids).collect(),
        }
    }

    /// Takes in what a device has to tell.
    pub(super) fn hear(&mut self, event: &DeviceEvent) {
        match event.kind {
            DeviceEventKind::Ready { .. } => self.ready.remove(&event.id),
            // What the hub refuses once it refuses again.
            DeviceEventKind::Reported { .. } | DeviceEventKind::ReportRefused { .. } => self.reports.remove(&event.id),
            // Not even its fleet expects it.
            DeviceEventKind::StaysOffline => self.ready.remove(&event.id) | self.reports.remove(&event.id),
            _ => false,
        };
    }

    /// How many devices are awaited.
    pub(super) fn devices(&self) -> usize {
        self.ready.union(&self.reports).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Arc<TwinId> {
        Arc::new(TwinId::device(text.parse().unwrap()))
    }

    fn awaited() -> Awaited {
        Awaited { ready: [id("a"), id("b")].into(), reports: [id("b")].into() }
    }

    #[test]
    fn a_device_that_comes_twice_does_not_stand_in_for_another() {
        let mut awaited = awaited();
        for _ in 0..2 {
            awaited.hear(&DeviceEvent { id: id("a"), kind: DeviceEventKind::Ready { desired_version: 1 } });
        }
        assert_eq!(awaited.devices(), 1);
    }

    #[test]
    fn who_has_something_to_report_is_awaited_until_it_is_reported() {
        let mut awaited = awaited();
        for name in ["a", "b"] {
            awaited.hear(&DeviceEvent { id: id(name), kind: DeviceEventKind::Ready { desired_version: 1 } });
        }
        assert_eq!(awaited.devices(), 1);
        awaited.hear(&DeviceEvent { id: id("b"), kind: DeviceEventKind::Reported { version: Some(2) } });
        assert_eq!(awaited.devices(), 0);
    }

    #[test]
    fn who_never_connects_is_not_awaited() {
        let mut awaited = awaited();
        awaited.hear(&DeviceEvent { id: id("b"), kind: DeviceEventKind::StaysOffline });
        assert_eq!(awaited.devices(), 1);
    }
}
