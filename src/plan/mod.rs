//! Manifests → what the hub will be asked, one [`Step`] a manifest; and what would come of it, an [`Outlook`].
//!
//! Pure: no clock, no network. Whether a run exists already, and whether its start still fits, is decided by whoever
//! carries the plan out. A step has one job for each part of its run; a wave would be further steps of the same run.

mod change;
mod forecast;
mod outlook;
mod run_id;
mod saved;
mod step;

pub use change::{Change, ChangeGroup, Changes, Difference, DifferenceKind, Refusals, Sections, compare, touched};
pub use forecast::{Forecast, forecast, time_for};
pub use outlook::{ActiveJob, DeviceOutlook, Outlook, PLAN_VERSION, RunOutlook, Source, Standing, Targets};
pub use run_id::{RunId, part_id};
pub use saved::{Moved, SAVED_VERSION, SavedPlan, SavedRun, Tolerance, digest};
pub use step::{Part, StartOutOfReach, Step, build, check_start};
