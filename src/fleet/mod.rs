//! A fleet file: YAML text → the devices of a fleet, with a place for every problem.
//!
//! ```text
//! file ─ source ─▶ Value ─ schema ─▶ explain ┐
//!                    └──── v1 ─▶ check ──────┴▶ findings ─▶ Problem
//!                                   └▶ FleetSpec ─▶ devices, one at a time
//! ```
//!
//! A [`FleetSpec`] holds its groups and no device: ids, tags and behaviours of a million devices follow from number
//! and seed when they are asked for. Nothing here asks for the time or the network; [`load`] reads its file.

mod behaviour;
mod check;
mod document;
mod explain;
mod name;
mod rule;
mod schema;
mod shard;
mod share_out;
mod spec;
mod template;
mod template_problem;
mod v1;

#[cfg(test)]
mod tests;

pub use document::{Loaded, load, parse, parse_text};
pub use name::{InvalidName, Name};
pub use rule::ProblemKind;
pub use schema::{SCHEMA_ID, schema, schema_text};
pub use shard::{InvalidShard, Shard};
pub use spec::{Authentication, FleetDevice, FleetSpec, Group, Module};
pub use template_problem::TemplateProblem;

/// A problem of a fleet file, with its place.
pub type Problem = crate::source::Problem<ProblemKind>;
/// A problem of a fleet file before its place is known.
type Finding = crate::source::Finding<ProblemKind>;
