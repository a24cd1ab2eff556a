//! The one integration binary: a module for each thing a user touches, all through the real binary and real sockets.

// The tests end processes by signals, as a terminal does.
#![cfg(unix)]

mod both_sides;
mod completions;
mod conformance;
mod entra;
mod fleet_command;
mod fleet_faults;
mod fleet_file;
mod fleet_local;
mod fuzz_smoke;
mod guardrails;
mod help;
mod hub_command;
mod hub_credentials;
mod hub_hostile;
mod hub_malformed;
mod hub_mqtt;
mod hub_rest;
mod interruptions;
mod main_job;
mod pipeline;
mod plans;
mod python_pair;
mod python_sdk;
mod refusals;
mod reports;
mod restart;
mod runs;
mod screens;
mod sign_in;
mod support;
mod telemetry_tap;
mod tidy;
mod tier;
mod validate;
mod websocket;
mod x509;
