//! YAML text → valid [`Manifest`], with a place for every problem.
//!
//! ```text
//! file ─ yaml ─▶ Value ─ variables ─▶ Value ─ schema ─▶ explain ┐
//!                                       └──── v1 ─▶ check ──────┴▶ findings ─ locate ─▶ Problem
//!                                                         └▶ Manifest ─ order ─▶ Problem
//! ```
//!
//! YAML and places are [`crate::source`]'s: the value that the schema checks is the value that becomes a type. Nothing
//! here asks for the time or the network; [`load`] reads files.

mod check;
mod checked;
mod document;
mod explain;
mod files;
mod load;
mod order;
mod rule;
mod schema;
mod start;
mod success;
mod v1;
mod variables;

#[cfg(test)]
mod tests;

pub use checked::{Action, InvalidRunName, Manifest, RunName, SourceRef, Start, Target, devices_condition};
pub use files::LoadError;
pub use load::{Loaded, load, load_after, load_beside_fleets, parse_text, parse_text_with};
pub use order::OrderProblem;
pub use rule::ProblemKind;
pub use schema::{SCHEMA_ID, schema, schema_text};
pub use success::{OfflineTargets, Share, StatusRange, Success, SuccessProblem};
pub use variables::{VariableProblem, Variables, is_variable_name};

/// A problem of a manifest, with its place.
pub type Problem = crate::source::Problem<ProblemKind>;
/// A problem of a manifest before its place is known.
type Finding = crate::source::Finding<ProblemKind>;
