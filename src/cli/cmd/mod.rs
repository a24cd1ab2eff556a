//! One file per command; each only wires.

pub mod cancel;
pub mod list;
pub mod query;
pub mod results;
pub mod status;
