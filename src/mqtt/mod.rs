//! MQTT 3.1.1 as IoT Hub speaks it: strict frames and the service's topics; no sockets of its own.

/// A kind of message that a device asked for (DEVICE.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Subscription {
    /// Direct-method calls.
    Methods,
    /// Answers to its twin requests.
    TwinResponses,
    /// Changes of the desired properties.
    DesiredPatches,
    /// Cloud-to-device messages.
    CloudToDevice,
    /// A module's inputs.
    ModuleInputs,
}
