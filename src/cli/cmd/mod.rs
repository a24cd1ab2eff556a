//! One file per command; each only wires.

pub mod init;
pub mod schema;
pub mod validate;
