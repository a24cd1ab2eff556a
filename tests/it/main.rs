//! The one integration binary: a module for each thing a user touches.

fn main() {}
