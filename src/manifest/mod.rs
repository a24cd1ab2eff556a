//! YAML text → valid [`Manifest`], with a place for every problem.
//!
//! ```text
//! file ─ yaml ─▶ Value ─ variables ─▶ Value ─ schema ─▶ explain ┐
//!                                       └──── v1 ─▶ check ──────┴▶ findings ─ locate ─▶ Problem
//!                                                         └▶ Manifest ─ order ─▶ Problem
//! ```
//!
//! One reader only (`yaml`): the value that the schema checks is the value that becomes a type. Places are found
//! afterwards and only for what went wrong. Nothing here asks for the time or the network; [`load`] reads files.

mod check;
mod checked;
mod document;
mod duration;
mod explain;
mod files;
mod finding;
mod load;
mod locate;
mod order;
mod problem;
mod rule;
mod scalar;
mod schema;
mod start;
mod success;
mod suggest;
mod syntax;
mod v1;
mod variables;
mod yaml;

#[cfg(test)]
mod tests;

pub use checked::{Action, InvalidRunName, Manifest, RunName, SourceRef, Start, Target, devices_condition};
pub use files::LoadError;
pub use load::{Loaded, load, load_after, parse_text, parse_text_with};
pub use order::OrderProblem;
pub use problem::{Place, Problem, Severity, SourceFile};
pub use rule::ProblemKind;
pub use schema::{SCHEMA_ID, schema, schema_text};
pub use success::{OfflineTargets, Share, StatusRange, Success, SuccessProblem};
pub use variables::{VariableProblem, Variables, is_variable_name};
