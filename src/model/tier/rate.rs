//! Every number of the service's tiers, in one table (REST.md 10, DEVICE.md 6.1).

use std::time::Duration;

use super::edition::{Edition, Size, Tier};

/// What is limited, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Identities read or written, one by one, listed or in bulk.
    Registry,
    /// Pages of queries.
    Query,
    /// Twins read, by services and by devices.
    TwinRead,
    /// Twins changed, by services and by devices.
    TwinUpdate,
    /// Direct methods, by the size of the request.
    DirectMethod,
    /// Jobs created, read, listed, cancelled.
    Job,
    /// Twins patched and methods called by jobs.
    JobDevice,
    /// Devices that connect.
    Connection,
    /// Messages from devices.
    Message,
}

/// How often an operation may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What one costs in time; 100 a minute are 600 ms each.
    pub period: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// A row: the rate is the higher of the hub's floor and the units' share. Columns: F1/B1/S1, B2/S2, B3/S3.
struct Row {
    operation: Operation,
    /// What the rates count by, in seconds.
    per_s: u32,
    /// Of the hub, whatever its units.
    floor: [u32; 3],
    /// Of each unit.
    unit: [u32; 3],
    /// How many seconds' worth may come at once (ours; see [`ROWS`]).
    burst_s: u32,
}

const fn row(operation: Operation, per_s: u32, floor: [u32; 3], unit: [u32; 3], burst_s: u32) -> Row {
    Row { operation, per_s, floor, unit, burst_s }
}

/// The rates are the service's. The bursts are ours: as much as the rate's own unit of time holds, since a rate "a
/// minute" that refuses the second request of a second would be no such rate. The registry's is longer: an F1 hub took
/// 250 reads in 10.5 s, the slowest after 3.2 s (REST.md 10), so that well over 200 must have been saved up.
// conformance-choice: REST.md 10: as much may come at once as a rate's own unit of time holds, and of registry operations as much as two and a half minutes
const ROWS: [Row; 9] = [
    // 1.67/s (100/min) a unit; S3 83.33/s (5,000/min) a unit.
    row(Operation::Registry, 60, [0, 0, 0], [100, 100, 5_000], 150),
    // 20/min a unit; S3 1,000/min a unit.
    row(Operation::Query, 60, [0, 0, 0], [20, 20, 1_000], 60),
    // 100/s; S2 the higher of 100/s and 10/s a unit; S3 500/s a unit.
    row(Operation::TwinRead, 1, [100, 100, 0], [0, 10, 500], 1),
    // 50/s; S2 the higher of 50/s and 5/s a unit; S3 250/s a unit.
    row(Operation::TwinUpdate, 1, [50, 50, 0], [0, 5, 250], 1),
    // 160 KB/s, 480 KB/s, 24 MB/s a unit, in chunks of 4 KB.
    row(Operation::DirectMethod, 1, [0, 0, 0], [40, 120, 6_000], 1),
    // 1.67/s (100/min) a unit; S3 83.33/s a unit.
    row(Operation::Job, 60, [0, 0, 0], [100, 100, 5_000], 60),
    // 10/s; S2 the higher of 10/s and 1/s a unit; S3 50/s a unit.
    row(Operation::JobDevice, 1, [10, 10, 0], [0, 1, 50], 1),
    // The higher of 100/s and 12/s a unit; 120/s a unit; 6,000/s a unit.
    row(Operation::Connection, 1, [100, 0, 0], [12, 120, 6_000], 1),
    row(Operation::Message, 1, [100, 0, 0], [12, 120, 6_000], 1),
];

/// Bytes of a direct method that count as one (REST.md 10).
const METHOD_CHUNK_BYTES: usize = 4 * 1024;

/// How often a tier lets an operation be done.
#[must_use]
pub fn allowance(tier: Tier, operation: Operation) -> Allowance {
    let row = ROWS.iter().find(|row| row.operation == operation).expect("the table has a row for each operation");
    let column = column(tier);
    let count = row.floor[column].max(row.unit[column] * tier.units());
    Allowance { period: Duration::from_secs(row.per_s.into()) / count, burst: (count * row.burst_s / row.per_s).max(1) }
}

/// Jobs that may be active at a time; a scheduled one counts (REST.md 10, 4.7).
#[must_use]
pub fn jobs_at_a_time(tier: Tier) -> usize {
    [1, 5, 10][column(tier)]
}

/// Messages a day of all units (DEVICE.md 6.1).
#[must_use]
pub fn messages_a_day(tier: Tier) -> u64 {
    let of_a_unit = match tier.edition() {
        Edition::F1 => 8_000,
        _ => [400_000, 6_000_000, 300_000_000][column(tier)],
    };
    of_a_unit * u64::from(tier.units())
}

/// How many messages of the daily quota so many bytes are (DEVICE.md 6.1).
#[must_use]
pub fn metered(tier: Tier, bytes: usize) -> u64 {
    let meter = if tier.edition() == Edition::F1 { 512 } else { 4 * 1024 };
    bytes.div_ceil(meter).max(1) as u64
}

fn column(tier: Tier) -> usize {
    match tier.edition().size() {
        Size::One => 0,
        Size::Two => 1,
        Size::Three => 2,
    }
}

impl Operation {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Registry,
        Self::Query,
        Self::TwinRead,
        Self::TwinUpdate,
        Self::DirectMethod,
        Self::Job,
        Self::JobDevice,
        Self::Connection,
        Self::Message,
    ];

    /// What a refusal calls it: `CRUD` was seen (REST.md 3.3).
    // conformance-choice: REST.md 3.3: besides CRUD no operation type of a throttled request is known; ours are Query, TwinRead, TwinUpdate, DirectMethod and Job
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registry => "CRUD",
            Self::Query => "Query",
            Self::TwinRead => "TwinRead",
            Self::TwinUpdate => "TwinUpdate",
            Self::DirectMethod => "DirectMethod",
            Self::Job => "Job",
            Self::JobDevice => "JobDevice",
            Self::Connection => "Connection",
            Self::Message => "Message",
        }
    }

    /// Whether basic hubs have it (DEVICE.md 6.1).
    #[must_use]
    pub fn needs_standard(self) -> bool {
        matches!(self, Self::TwinRead | Self::TwinUpdate | Self::DirectMethod | Self::Job | Self::JobDevice)
    }

    /// Whether it counts as messages of the daily quota.
    // conformance-choice: DEVICE.md 1.10: what devices send, twin reads and updates, and direct methods use up the daily quota; registry, queries and jobs do not
    #[must_use]
    pub fn is_metered(self) -> bool {
        matches!(self, Self::Message | Self::TwinRead | Self::TwinUpdate | Self::DirectMethod)
    }

    /// How many of it a request of so many bytes is.
    #[must_use]
    pub fn count(self, bytes: usize) -> u32 {
        match self {
            Self::DirectMethod => u32::try_from(bytes.div_ceil(METHOD_CHUNK_BYTES)).unwrap_or(u32::MAX).max(1),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tier: &str, operation: Operation) -> (u128, u32) {
        let allowance = allowance(tier.parse().unwrap(), operation);
        (allowance.period.as_micros(), allowance.burst)
    }

    #[test]
    fn each_rate_is_the_services() {
        use Operation::{Connection, DirectMethod, Job, JobDevice, Message, Query, Registry, TwinRead, TwinUpdate};
        for (tier, operation, want) in [
            ("F1", Registry, (600_000, 250)),
            ("S1:2", Registry, (300_000, 500)),
            ("S3", Registry, (12_000, 12_500)),
            ("S1", Query, (3_000_000, 20)),
            ("S3", Query, (60_000, 1_000)),
            ("S1:9", TwinRead, (10_000, 100)),
            ("S2:20", TwinRead, (5_000, 200)),
            ("S2", TwinUpdate, (20_000, 50)),
            ("S3:2", TwinUpdate, (2_000, 500)),
            ("S1", DirectMethod, (25_000, 40)),
            ("S2", Job, (600_000, 100)),
            ("S1:5", JobDevice, (100_000, 10)),
            ("S2:20", JobDevice, (50_000, 20)),
            ("S3", JobDevice, (20_000, 50)),
            ("S1:8", Connection, (10_000, 100)),
            ("S1:10", Connection, (8_333, 120)),
            ("B2", Message, (8_333, 120)),
        ] {
            assert_eq!(of(tier, operation), want, "{tier} {operation:?}");
        }
    }

    #[test]
    fn every_operation_of_every_tier_has_a_rate_and_a_burst() {
        for tier in ["F1", "B1", "B2", "B3", "S1", "S2", "S3", "S3:200"] {
            for operation in Operation::ALL {
                let (period, burst) = of(tier, operation);
                assert!(burst > 0, "{tier} {operation:?}");
                assert!(period > 0 || tier == "S3:200", "{tier} {operation:?}");
            }
        }
    }

    #[test]
    fn slots_and_messages_are_the_services() {
        let tier = |text: &str| text.parse::<Tier>().unwrap();
        assert_eq!(["F1", "S1:4", "S2", "S3"].map(|text| jobs_at_a_time(tier(text))), [1, 1, 5, 10]);
        assert_eq!(
            ["F1", "S1:2", "S2", "B3"].map(|text| messages_a_day(tier(text))),
            [8_000, 800_000, 6_000_000, 300_000_000]
        );
        assert_eq!([0, 512, 513, 4_096].map(|bytes| metered(tier("F1"), bytes)), [1, 1, 2, 8]);
        assert_eq!([0, 4_096, 4_097].map(|bytes| metered(tier("S1"), bytes)), [1, 1, 2]);
        assert_eq!([0, 4_096, 4_097].map(|bytes| Operation::DirectMethod.count(bytes)), [1, 1, 2]);
    }
}
