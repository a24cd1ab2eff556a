use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::hub::store::{Store, WriteTables};

/// What happens to the rows of a job.
#[derive(Debug, Clone)]
enum Event {
    Sent { through: Index },
    Written { target: Index, status: DeviceJobStatus },
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop_oneof![
        Just(DeviceJobStatus::Pending),
        Just(DeviceJobStatus::Running),
        Just(DeviceJobStatus::Completed),
        Just(DeviceJobStatus::Failed)
    ];
    prop_oneof![
        any::<Index>().prop_map(|through| Event::Sent { through }),
        (any::<Index>(), status).prop_map(|(target, status)| Event::Written { target, status }),
    ]
}

fn second(number: usize) -> Timestamp {
    Timestamp::from_second(i64::try_from(number).unwrap()).unwrap()
}

/// Rows as they would be if each were written by itself.
#[derive(Default)]
struct Plain(BTreeMap<TwinId, JobRow>);

impl Plain {
    fn of(targets: &[TwinId], created: Timestamp) -> Self {
        let record = RowRecord { status: DeviceJobStatus::Pending, updated: created, response: None, error: None };
        Self(targets.iter().map(|id| (id.clone(), JobRow { record: record.clone(), is_written: false })).collect())
    }

    fn carry_out(&mut self, event: &Event, job: &JobId, now: Timestamp, tables: &mut WriteTables<'_>) {
        let targets: Vec<TwinId> = self.0.keys().cloned().collect();
        match event {
            Event::Sent { through } => {
                let through = through.get(&targets);
                tables.mark_sent(job, through, now).unwrap();
                for (_, row) in self.0.range_mut(..=through).filter(|(_, row)| !row.is_written) {
                    // What was sent stays sent since then.
                    if row.record.status == DeviceJobStatus::Pending {
                        (row.record.status, row.record.updated) = (DeviceJobStatus::Running, now);
                    }
                }
            }
            Event::Written { target, status } => {
                let target = target.get(&targets);
                let record = RowRecord { status: *status, updated: now, response: None, error: None };
                tables.put_row(job, target, &record).unwrap();
                self.0.insert(target.clone(), JobRow { record, is_written: true });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However rows are kept, they read as if each were written by itself; other jobs' rows are nobody's business.
    #[test]
    fn rows_read_as_if_each_were_written_by_itself(
        count in 1..3 * ROWS_IN_BLOCK_MAX,
        events in prop::collection::vec(event(), 0..12),
        after in any::<Option<Index>>(),
        limit in 0..2 * ROWS_IN_BLOCK_MAX,
    ) {
        let store = Store::in_memory().unwrap();
        let batch = store.begin().unwrap();
        let mut tables = batch.tables(&store).unwrap();
        let targets: Vec<TwinId> = (0..count).map(|n| TwinId::device(format!("d{n:04}").parse().unwrap())).collect();
        let jobs: [JobId; 3] = ["j", "j-1", "k"].map(|id| id.parse().unwrap());
        for job in &jobs {
            tables.add_targets(job, &targets, second(0)).unwrap();
        }
        // Marks of neighbours at both ends.
        for job in [&jobs[0], &jobs[2]] {
            tables.mark_sent(job, &targets[count - 1], second(1)).unwrap();
        }
        let mut plain = Plain::of(&targets, second(0));
        // Each mark lies behind those before it, as a cursor leaves them.
        let mut furthest = None;
        for (number, event) in events.iter().enumerate() {
            if let Event::Sent { through } = event {
                let index = through.index(count);
                if furthest.is_some_and(|furthest| index <= furthest) {
                    continue;
                }
                furthest = Some(index);
            }
            plain.carry_out(event, &jobs[1], second(number + 2), &mut tables);
        }
        let after = after.map(|index| index.get(&targets).clone());
        let wanted: Vec<(TwinId, JobRow)> = plain.0.into_iter()
            .filter(|(id, _)| after.as_ref().is_none_or(|after| id > after))
            .take(limit)
            .collect();
        prop_assert_eq!(tables.rows_after(&jobs[1], after.as_ref(), limit).unwrap(), wanted);
        tables.remove_rows(&jobs[1]).unwrap();
        prop_assert_eq!(tables.rows_after(&jobs[1], None, limit).unwrap(), []);
        prop_assert_eq!(tables.rows_after(&jobs[0], None, 1).unwrap().len(), 1);
        prop_assert_eq!(tables.rows_after(&jobs[2], None, 1).unwrap().len(), 1);
    }
}
