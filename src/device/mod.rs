//! Simulated devices over MQTT.
//!
//! One device is a synchronous state machine ([`Machine`]): packets, wake-ups and losses in, packets and events out. A small
//! task connects it to a TLS link; a [`Fleet`] starts, counts and stops the tasks. An idle device costs its TLS state and
//! one timer. It speaks to IoT Hub and the local hub alike and knows neither.

mod backoff;
mod behaviour;
mod config;
mod drive;
mod event;
#[cfg(test)]
mod fake_hub;
mod fleet;
mod id_template;
mod link;
mod machine;
mod session;

pub use behaviour::{Behaviour, InvalidMethodRule, MethodRule};
pub use config::{Credentials, DeviceConfig, Endpoint, KeepAlive, UnfitForMqtt};
pub use event::{DesiredOrigin, DeviceEvent, DeviceEventKind, LossReason};
pub use fleet::{Fleet, FleetOptions, Ramp};
pub use id_template::{IdTemplate, InvalidIdTemplate};
pub use machine::{Effects, Input, Machine, Next, Now};
