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
mod life;
mod outcome;
mod pace;
mod predecessors;
mod results;
mod slots;
mod snapshot;
mod state;
mod submit;
mod verdict;
mod watch;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use carry::{Context, Ended, Equipment, HubLife, Options, Waiting, carry_out, check_new_start, locate, reattach};
pub use diff::{diff, replay};
pub use event::{Cut, EVENTS_VERSION, Events, Happening, Left, RunEvent, RunEvents, event_channel};
pub use find::{Found, Located, Rerun};
pub use hub_jobs::JobRows;
pub use jobs::{Failed, Failure, Jobs, RowPages};
pub use outcome::{DeviceResult, OutcomeClass, Outcomes, ResultError, Tally, TargetId, classify};
pub use pace::{BackOff, Budget, Pace, Rate};
pub use snapshot::{JobEnd, Phase, Snapshot};
pub use verdict::{NoTargets, Verdict};
