//! The `iotjob` binary.

fn main() {}
