//! Carries a plan out: submit once, watch, collect every device's outcome.
//!
//! ```text
//! Step ─submit─▶ hub ◀─poll─ watch ─▶ Snapshot ─diff(last)─▶ RunEvent… ─▶ whoever reports
//!                              └─ rows ─▶ Tally ─▶ Verdict
//! ```
//!
//! The hub is met through [`Jobs`] only, people through [`RunEvent`]s only. Dropping a run loses nothing: the job runs
//! on, and its id finds it again. Nothing here knows terminals, and nothing prints.

mod carry;
mod diff;
mod event;
mod find;
mod hub_jobs;
mod jobs;
mod outcome;
mod pace;
mod results;
mod snapshot;
mod stop;
mod submit;
mod verdict;
mod watch;

#[cfg(test)]
mod scripted;

pub use carry::{Context, Ended, Rerun, StartRefused, Waiting, carry_out, locate, reattach};
pub use diff::{diff, replay};
pub use event::{Cut, Events, Happening, RunEvent, event_channel};
pub use find::{Found, Located};
pub use jobs::{Failed, Failure, Jobs, RowPage};
pub use outcome::{DeviceResult, OutcomeClass, Outcomes, ResultError, Tally, TargetId, classify};
pub use pace::{Budget, Pace, Rate};
pub use snapshot::{Phase, Snapshot};
pub use stop::{Stop, StopSource};
pub use verdict::Verdict;
