//! The local hub: HTTPS service API and device MQTT over one synchronous engine and one durable store.
//!
//! ```text
//! HTTP request ─ authorise ─ extract ─▶ Command ┐                          ┌▶ replies (HTTP, frames)
//! MQTT frames  ─ session (sync)      ─▶ Command ┴▶ engine.apply(cmd, now) ─▶ ONE commit per batch
//! timers       ───────────────────────▶ Command                             └ replies held until it returns
//! queries, GETs ─▶ store snapshot, never through the engine
//! ```

pub mod accept;
pub mod config;
pub mod engine;
pub mod entra;
pub mod error;
mod fidelity;
pub mod hosts;
pub mod http;
pub mod listen;
mod manner;
pub mod metrics;
pub mod mqtt;
pub mod notice;
pub mod policies;
mod private_file;
pub mod ready_file;
pub mod registry;
pub mod running;
pub mod search;
mod start;
pub mod store;
pub mod throttle;

pub use config::{CaPlace, HubConfig, Listen};
pub use error::HubError;
pub use fidelity::Fidelity;
pub use manner::Manner;
pub use ready_file::ReadyInfo;
pub use start::{Hub, HubStartError};
