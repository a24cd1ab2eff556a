//! One file per command; each only wires.

pub mod apply;
pub mod cancel;
pub mod completions;
pub mod device;
pub mod hub;
pub mod init;
pub mod list;
pub mod man;
pub mod plan;
pub mod query;
pub mod report;
pub mod results;
pub mod schema;
pub mod status;
pub mod validate;
pub mod watch;
