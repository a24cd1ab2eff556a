//! What the service does and the local hub does not.

/// Section, a word, and what is absent. A behaviour of the section whose sentence holds the word strikes the entry out.
pub(super) const ABSENT: &[(&str, &str, &str)] = &[
    ("REST.md 8.6", "run", "import and export jobs run"),
    ("REST.md 3.2", "configuration", "device configurations (`/configurations`) are served"),
    ("REST.md 3.2", "digital twin", "digital twins (`/digitaltwins`) are served"),
    ("DEVICE.md 1.1", "device HTTP", "the device HTTP API"),
    ("DEVICE.md 2.6", "queue", "cloud-to-device messages are queued, delivered and acknowledged"),
    ("DEVICE.md 7", "", "the device provisioning service"),
];
