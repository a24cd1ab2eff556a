//! The service API over HTTPS: what the hub's REST reference lists, in the service's own shapes (REST.md).
//!
//! A request is authorised, taken apart, and becomes either a command to the engine or a read of a snapshot. Every
//! request ends in an answer: what no route knows is refused in the service's shape and never pretended to be done.
//! Not here: what a command means (`engine`), how queries run (`search`), sockets and TLS (`accept`).

mod answer;
mod api_version;
mod authorize;
mod bulk;
mod devices;
mod error;
mod extract;
mod identity_body;
mod identity_document;
mod job_body;
mod jobs;
mod json;
mod leftover;
mod measure;
mod methods;
mod modules;
mod paging;
mod query;
mod regenerate;
mod router;
mod serve;
mod shaping;
mod state;
mod statistics;
mod twin_body;
mod twins;
mod websocket;

pub use router::router;
pub use serve::serve;
pub use state::HttpState;

#[cfg(test)]
mod tests;
