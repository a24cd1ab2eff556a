//! Texts that people write: read strictly, every value with its place, and what all of them may have wrong.
//!
//! ```text
//! file ─ yaml ─▶ Value ─▶ (a schema, then checks) ─▶ findings ─ locate ─▶ Problem
//! ```
//!
//! One reader only (`yaml`). Places are found afterwards and only for what went wrong. What a text is about is the
//! business of the module that reads it.

mod file;
mod finding;
mod locate;
mod problem;
mod scalar;
mod syntax;
mod text_problem;
mod twin_problem;

pub mod duration;
pub mod schema;
pub mod shape;
pub mod suggest;
pub mod yaml;

pub use file::{NoText, Place, SourceFile, read_limited};
pub use finding::{At, Finding, Pointer, Step};
pub use locate::Places;
pub use problem::{Placed, Problem, Severity};
pub use text_problem::TextProblem;
pub use twin_problem::TwinProblem;
