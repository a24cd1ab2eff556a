//! What happened between two snapshots, as events. Pure.

use super::event::Happening;
use super::snapshot::{Phase, Snapshot};

/// The events that lead from `old` to `new`.
///
/// Targets that `new` does not name are taken as unchanged: a page of rows is a snapshot's worth of news.
#[must_use]
pub fn diff(old: &Snapshot, new: &Snapshot) -> Vec<Happening> {
    let mut events = Vec::new();
    let phase = (old.phase != new.phase).then(|| entered(&new.phase)).flatten();
    let is_end = matches!(new.phase, Phase::Ended { .. });
    let (before, after) = if is_end { (None, phase) } else { (phase, None) };
    events.extend(before);
    if let Some(statistics) = new.statistics.filter(|_| old.statistics != new.statistics) {
        events.push(Happening::Progress { statistics });
    }
    events.extend(after);
    let news = new.results.iter().filter(|(target, result)| old.results.get(*target) != Some(*result));
    events.extend(news.map(|(_, result)| Happening::DeviceResult(result.clone())));
    events
}

fn entered(phase: &Phase) -> Option<Happening> {
    match phase {
        Phase::Unseen => None,
        Phase::Queued => Some(Happening::Queued),
        Phase::Scheduled { start_time } => Some(Happening::Scheduled { start_time: *start_time }),
        Phase::Running { start_time } => Some(Happening::Started { start_time: *start_time }),
        Phase::Ended { end, reason } => Some(Happening::JobEnded { status: *end, reason: reason.clone() }),
    }
}

/// Applies an event to a snapshot: what [`diff`] says, undone into state. Other events change nothing.
pub fn replay(snapshot: &mut Snapshot, event: &Happening) {
    match event {
        Happening::Queued => snapshot.phase = Phase::Queued,
        Happening::Scheduled { start_time } => snapshot.phase = Phase::Scheduled { start_time: *start_time },
        Happening::Started { start_time } => snapshot.phase = Phase::Running { start_time: *start_time },
        Happening::JobEnded { status, reason } => {
            snapshot.phase = Phase::Ended { end: *status, reason: reason.clone() };
        }
        Happening::Progress { statistics } => snapshot.statistics = Some(*statistics),
        Happening::DeviceResult(result) => {
            snapshot.results.insert(result.target(), result.clone());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{JobStatistics, WireTime};
    use crate::run::outcome::{DeviceResult, OutcomeClass, TargetId};
    use crate::run::snapshot::JobEnd;

    fn phases() -> impl Strategy<Value = Phase> {
        let start = prop::option::of(prop_oneof![Just(WireTime::Never), Just(WireTime::Unfinished)]);
        let ends = prop_oneof![Just(JobEnd::Completed), Just(JobEnd::Failed), Just(JobEnd::Cancelled)];
        prop_oneof![
            Just(Phase::Queued),
            start.clone().prop_map(|start_time| Phase::Scheduled { start_time }),
            start.prop_map(|start_time| Phase::Running { start_time }),
            (ends, prop::option::of("[a-z]{0,3}")).prop_map(|(end, reason)| Phase::Ended { end, reason }),
        ]
    }

    fn statistics() -> impl Strategy<Value = JobStatistics> {
        (0..3_u64, 0..3_u64).prop_map(|(device_count, failed_count)| JobStatistics {
            device_count,
            failed_count,
            ..JobStatistics::default()
        })
    }

    fn results() -> impl Strategy<Value = Vec<DeviceResult>> {
        let class = prop::sample::select(OutcomeClass::ALL.to_vec());
        let result = ("[a-e]", class, "[x-z]");
        prop::collection::vec(result, 0..6).prop_map(|results| {
            results
                .into_iter()
                .map(|(id, class, why)| DeviceResult::without_row(&TargetId::device(&id), class, &why))
                .collect()
        })
    }

    /// Snapshots as a run passes through them: phases at will, counts that stay once known, results that only grow.
    fn histories() -> impl Strategy<Value = Vec<Snapshot>> {
        let step = (phases(), prop::option::of(statistics()), results());
        prop::collection::vec(step, 1..8).prop_map(|steps| {
            let mut last = Snapshot::default();
            steps
                .into_iter()
                .map(|(phase, statistics, results)| {
                    last.phase = phase;
                    last.statistics = statistics.or(last.statistics);
                    last.results.extend(results.into_iter().map(|result| (result.target(), result)));
                    last.clone()
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn replaying_the_events_gives_the_last_snapshot(history in histories()) {
            let (mut last, mut replayed) = (Snapshot::default(), Snapshot::default());
            for snapshot in &history {
                for event in diff(&last, snapshot) {
                    replay(&mut replayed, &event);
                }
                prop_assert_eq!(&replayed, snapshot);
                last = snapshot.clone();
            }
        }

        #[test]
        fn nothing_new_is_no_event(history in histories()) {
            for snapshot in &history {
                prop_assert_eq!(diff(snapshot, snapshot), vec![]);
            }
        }
    }

    #[test]
    fn the_last_counts_come_before_the_end() {
        let old = Snapshot { phase: Phase::Queued, ..Snapshot::default() };
        let new = Snapshot {
            phase: Phase::Ended { end: JobEnd::Completed, reason: None },
            statistics: Some(JobStatistics::default()),
            ..Snapshot::default()
        };
        let events = diff(&old, &new);
        assert!(matches!(events[..], [Happening::Progress { .. }, Happening::JobEnded { .. }]), "{events:?}");
    }
}
