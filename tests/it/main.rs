//! The one integration binary: a module for each thing a user touches, all through the real binary and real sockets.

// The tests end processes by signals, as a terminal does.
#![cfg(unix)]

mod hub_command;
mod hub_mqtt;
mod main_job;
mod python_pair;
mod refusals;
mod restart;
mod support;
mod telemetry_tap;
mod tidy;
mod validate;
mod websocket;
mod x509;
