//! Manifests → what the hub will be asked: one [`Step`] a manifest.
//!
//! Pure: no clock, no network. Whether a run exists already, and whether its start still fits, is decided by whoever
//! carries the plan out. A step has one job for each part of its run; a wave would be further steps of the same run.

mod run_id;
mod step;

pub use run_id::{RunId, part_id};
pub use step::{Part, StartOutOfReach, Step, build, check_start};
