//! The one integration binary: a module for each thing a user touches, all through the real binary and real sockets.

// The tests end processes by signals, as a terminal does.
#![cfg(unix)]

mod both_sides;
mod fuzz_smoke;
mod hub_command;
mod hub_mqtt;
mod hub_rest;
mod main_job;
mod python_pair;
mod refusals;
mod restart;
mod support;
mod tidy;
mod tier;
mod validate;
