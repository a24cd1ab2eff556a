//! What a hub counts of itself, for Prometheus.
//!
//! Counting costs a few atomic additions and is always on; a port serves the counts when one was asked for.

mod families;
mod source;

pub(crate) use families::Batch;
pub use families::Metrics;
pub(crate) use source::HubSource;
