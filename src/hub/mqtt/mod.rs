//! The device side: MQTT 3.1.1 over TLS, bare or in a WebSocket, as IoT Hub speaks it (DEVICE.md).
//!
//! A connection is one task: it reads packets, lets its `session` say what follows, and runs that against the engine.
//! The real hub closes without a word when something displeases it; this one does too, and says why in its log under the
//! target `iotjob::hub::mqtt`.

mod authenticate;
mod certificate;
mod connection;
mod edge;
mod ending;
mod error_body;
mod open;
mod session;
mod stream;
mod takeovers;
mod tap;
mod telemetry;

pub use edge::{DeviceEdge, serve};
pub use stream::DeviceStream;
pub use tap::{Tap, TapError};
pub use telemetry::{Telemetry, TelemetryMessage};
