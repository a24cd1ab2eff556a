//! YAML text → valid [`Manifest`], with a place for every problem.
//!
//! ```text
//! file ─ yaml ─▶ Value ─ schema ─▶ explain ┐
//!                  └──── v1 ─▶ check ──────┴▶ findings ─ locate ─▶ Problem
//!                                    └▶ Manifest
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
mod problem;
mod rule;
mod scalar;
mod schema;
mod start;
mod suggest;
mod syntax;
mod v1;
mod yaml;

#[cfg(test)]
mod tests;

pub use checked::{Action, InvalidRunName, Manifest, RunName, SourceRef, Start, Target};
pub use files::LoadError;
pub use load::{Loaded, load, parse_text};
pub use problem::{Place, Problem, Severity, SourceFile};
pub use rule::ProblemKind;
pub use schema::{SCHEMA_ID, schema, schema_text};
