//! What differs from run to run, replaced before a snapshot is compared.

/// Pairs of pattern and replacement for insta.
pub(crate) const VOLATILE: &[(&str, &str)] = &[
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "[time]"),
    (r"(localhost|127\.0\.0\.1):\d{2,5}", "$1:[port]"),
    (r"\b\d+(\.\d+)?\s?(ms|s)\b", "[duration]"),
    (r"SharedAccessKey=[A-Za-z0-9+/=]+", "SharedAccessKey=[key]"),
    (r"/tmp/[^\s/]+", "[tmp]"),
];
