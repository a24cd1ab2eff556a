//! iotjob: device jobs as code for Azure IoT Hub.
//!
//! This page is the architecture. `main.rs` calls [`cli::main`]; everything else is here.
//!
//! # Layers
//!
//! A module uses lower layers only, and on its own layer only itself.
//!
//! | layer | modules | job |
//! |---|---|---|
//! | 8 | [`cli`] | arguments, wiring, exit codes; the only place that prints |
//! | 7 | [`local`] | the embedded hub and fleet of `--local` |
//! | 6 | [`report`], [`registration`] | run events and plans in, output out; what a fleet looks like · registers a fleet on a hub, and deletes it |
//! | 5 | [`survey`], [`fleet`] | asks a hub what a plan would do · fleet file → the devices of a fleet |
//! | 4 | [`run`], [`device`], [`hub`] | carry a plan out · simulated devices · the local hub |
//! | 3 | [`plan`], [`client`], [`guardrails`] | manifest → what will be sent · the service over REST · what jobs may not do |
//! | 2 | [`manifest`] | YAML → valid manifest, with places |
//! | 1 | [`query`], [`auth`], [`tls`], [`mqtt`], [`metrics`], [`source`] | the twin query language · SAS and connection strings · the crypto provider and CAs · MQTT 3.1.1 as IoT Hub speaks it · the port for Prometheus · texts that people write, strictly read |
//! | 0 | [`model`] | the words of the domain |
//!
//! [`hub`], [`device`] and [`client`] never import each other: they meet on the wire. What they share
//! (`model`, `query`, `auth`, `tls`, `mqtt`) is tested against bytes written by hand.
//!
//! # Invariants
//!
//! - Nothing is acknowledged before it is durable (telemetry and connectionState are exempt).
//! - The hub's engine is a pure function of state, command and time; it never awaits.
//! - Hub, run, device and client depend on nothing but their inputs, the clock and a seed: `tests/sim` runs all of them in
//!   one thread on paused time, and a seed replays to the line. Three seams make it so: [`hub::engine::EngineHandle::start_in_task`],
//!   [`device::Dial`] and [`client::Wire`].
//! - Every queue, loop, body, depth and wait has a bound from [`model::limits`].
//! - One clock ([`model::Clock`]), one source of chance ([`model::Rng`]; what a fleet decides comes from its
//!   [`model::Seed`]), one TLS provider ([`tls`]), one YAML reader ([`source`]), one place that prints ([`cli`]).
//! - Secrets are [`model::SymmetricKey`] or redacted wrappers; no `Debug` shows them.
#![forbid(unsafe_code)]

pub mod auth;
pub mod cli;
pub mod client;
pub mod device;
pub mod fleet;
pub mod guardrails;
pub mod hub;
pub mod local;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod mqtt;
pub mod plan;
pub mod query;
pub mod registration;
pub mod report;
pub mod run;
pub mod source;
pub mod survey;
pub mod tls;
