//! One file per command; each only wires.

pub mod hub;
