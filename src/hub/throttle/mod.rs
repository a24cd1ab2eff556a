//! The service's limits by tier: slots, rates, the daily quota, and what happens to who exceeds them (REST.md 10,
//! DEVICE.md 6.1).
//!
//! Everything that counts is pure and told the time; [`Throttle`] is the part that waits. Traffic is shaped first: a
//! request above the rate waits for its turn, and only when that lies too far ahead is it refused.

mod bucket;
mod gate;
mod quota;

pub use crate::model::tier::{
    Allowance, Edition, InvalidTier, Operation, Tier, allowance, jobs_at_a_time, messages_a_day,
};
pub use bucket::{Bucket, TooLong};
pub use gate::Throttle;
pub use quota::Quota;
