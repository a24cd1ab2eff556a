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
//! | 6 | [`report`] | run events and plans in, output out |
//! | 5 | [`survey`] | asks a hub what a plan would do |
//! | 4 | [`run`], [`device`], [`hub`] | carry a plan out · simulated devices · the local hub |
//! | 3 | [`plan`], [`client`], [`guardrails`] | manifest → what will be sent · the service over REST · what jobs may not do |
//! | 2 | [`manifest`] | YAML → valid manifest, with places |
//! | 1 | [`query`], [`auth`], [`tls`], [`mqtt`] | the twin query language · SAS and connection strings · the crypto provider and CAs · MQTT 3.1.1 as IoT Hub speaks it |
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
//! - One clock ([`model::Clock`]), one source of chance ([`model::Rng`]), one TLS provider ([`tls`]), one YAML
//!   reader ([`manifest`]), one place that prints ([`cli`]).
//! - Secrets are [`model::SymmetricKey`] or redacted wrappers; no `Debug` shows them.
#![forbid(unsafe_code)]

pub mod auth;
pub mod cli;
pub mod client;
pub mod device;
pub mod guardrails;
pub mod hub;
pub mod local;
pub mod manifest;
pub mod model;
pub mod mqtt;
pub mod plan;
pub mod query;
pub mod report;
pub mod run;
pub mod survey;
pub mod tls;
