//! The fleet bench: ten thousand devices, one method job.

fn main() {}
