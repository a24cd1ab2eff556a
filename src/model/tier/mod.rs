//! The service's tiers and every number that depends on them (REST.md 10, DEVICE.md 6.1).

mod edition;
mod rate;

pub use edition::{Edition, InvalidTier, Size, Tier};
pub use rate::{Allowance, Operation, allowance, jobs_at_a_time, messages_a_day, metered};
