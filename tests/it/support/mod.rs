//! What the integration tests stand on: a clean environment, hub and device processes, snapshots' filters.

pub(crate) mod bystander;
pub(crate) mod certificates;
pub(crate) mod env;
pub(crate) mod filters;
pub(crate) mod issuer;
pub(crate) mod process;
pub(crate) mod python;
pub(crate) mod raw_caller;
pub(crate) mod raw_http;
pub(crate) mod raw_mqtt;
pub(crate) mod raw_websocket;
pub(crate) mod token_service;
