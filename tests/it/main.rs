//! The one integration binary: a module for each thing a user touches, all through the real binary and real sockets.

mod python_pair;
mod support;
mod tidy;
