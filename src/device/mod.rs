//! Simulated devices over MQTT.
//!
//! One device is a synchronous state machine ([`Machine`]): packets, wake-ups and losses in, packets and events out. A small
//! task connects it to a TLS link; a [`Fleet`] starts, counts and stops the tasks. An idle device costs its TLS state and
//! one timer. It speaks to IoT Hub and the local hub alike and knows neither.
//!
//! What a device does is its [`Behaviour`], which a fleet shares: answers, reports, messages, and the faults of its
//! connection. Whatever is left to chance there is decided by the fleet's [`Seed`](crate::model::Seed), the device's id, the
//! purpose and a count, so that the same fleet can be had again.

mod backoff;
mod behaviour;
mod config;
mod connectivity;
mod drive;
mod event;
#[cfg(test)]
mod fake_hub;
mod faults;
mod fleet;
mod id_template;
mod link;
mod machine;
mod method_rule;
mod session;
mod stats;
mod template;

pub use behaviour::{Apply, Behaviour, DesiredRule, InvalidTelemetry, Telemetry};
pub use config::{Credentials, DeviceConfig, Endpoint, KeepAlive, ReconnectSpans, Transport, UnfitForMqtt};
pub use connectivity::{Connectivity, Flapping, HalfOpen, Slow, Takeover};
pub use event::{DesiredOrigin, DeviceEvent, DeviceEventKind, Hears, Listener, LossKind, LossReason};
pub use fleet::{Fleet, FleetOptions, Ramp};
pub use id_template::{IdTemplate, InvalidIdTemplate};
pub use link::{ByteStream, Dial};
pub use machine::{Effects, Input, Machine, Next, Now};
pub use method_rule::{Failures, InvalidMethodRule, MethodRule, Payload, PayloadTooLarge, STATUS_OK};
pub use stats::{FleetFigures, FleetStats};
pub use template::{Individual, InvalidTemplate, PatternFault, PayloadTemplate, TemplateFault, ValueTemplate};
