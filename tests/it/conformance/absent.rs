//! What the service does and the local hub does not.

/// Section, a word, and what is absent. A behaviour of the section whose sentence holds the word strikes the entry out.
pub(super) const ABSENT: &[(&str, &str, &str)] = &[
    ("REST.md 8.6", "import", "import and export jobs run"),
    ("REST.md 3.2", "configuration", "device configurations (`/configurations`) are served"),
    ("REST.md 3.2", "digital twin", "digital twins (`/digitaltwins`) are served"),
    ("REST.md 4.7", "slot", "a tier's job slots are enforced with 429 ThrottlingMaxActiveJobCountExceeded"),
    ("REST.md 9", "lag", "queries can be made to lag behind the registry as the service's index does"),
    ("REST.md 10", "", "a tier's rates, shaping and quotas are enforced"),
    ("DEVICE.md 1.1", "device HTTP", "the device HTTP API"),
    ("DEVICE.md 2.6", "queue", "cloud-to-device messages are queued, delivered and acknowledged"),
    ("DEVICE.md 6", "throttle", "connection and message throttles of a tier"),
    ("DEVICE.md 6", "lag", "connectionState can be made to lag"),
    ("DEVICE.md 7", "", "the device provisioning service"),
];
