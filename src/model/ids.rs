//! Ids of devices, modules and jobs: parsed once, legal ever after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::{ID_CHARS_MAX, JOB_ID_CHARS_MAX};

/// Says why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing was given.
    #[error("a {kind} must not be empty")]
    Empty {
        /// What the text was to be, for instance `device id`.
        kind: &'static str,
    },
    /// More characters than the service takes.
    #[error("a {kind} has at most {max} characters, this has {chars}")]
    TooLong {
        /// What the text was to be.
        kind: &'static str,
        /// Characters found.
        chars: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A character outside the service's set.
    #[error("`{found}` is not allowed in a {kind}; use {allowed}")]
    Character {
        /// What the text was to be.
        kind: &'static str,
        /// The offending character.
        found: char,
        /// The allowed set, in words.
        allowed: &'static str,
    },
}

fn check(
    text: &str,
    kind: &'static str,
    max: usize,
    legal: fn(char) -> bool,
    allowed: &'static str,
) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { kind });
    }
    if let Some(found) = text.chars().find(|&c| !legal(c)) {
        return Err(InvalidId::Character { kind, found, allowed });
    }
    let chars = text.chars().count();
    if chars > max {
        return Err(InvalidId::TooLong { kind, chars, max });
    }
    Ok(())
}

/// Characters of device and module ids (REST.md 8.1; `:` and `;` by DEVICE.md 1.2).
fn is_identity_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.+%_#*?!(),=@$':;".contains(c)
}

const IDENTITY_CHARS: &str = "ASCII letters, digits and - . + % _ # * ? ! ( ) , = @ $ ' : ;";

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:expr, $legal:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text, $kind, $max, $legal, $allowed)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// Id of a device: 1–128 characters of the service's set, case-sensitive (REST.md 8.1).
    DeviceId, "device id", ID_CHARS_MAX, is_identity_char, IDENTITY_CHARS
);
text_id!(
    /// Id of a module of a device; the same set as device ids (REST.md 8.2).
    ModuleId, "module id", ID_CHARS_MAX, is_identity_char, IDENTITY_CHARS
);
text_id!(
    // conformance-choice: REST.md 4.3: upper-case letters are taken in job ids
    /// Id of a job on the hub: 1–64 ASCII letters, digits and dashes (REST.md 4.3).
    JobId, "job id", JOB_ID_CHARS_MAX, |c: char| c.is_ascii_alphanumeric() || c == '-', "ASCII letters, digits and -"
);
text_id!(
    /// Name of a direct method: what every SDK passes on unharmed (DEVICE.md 2.7).
    MethodName, "method name", ID_CHARS_MAX, |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c), "ASCII letters, digits and _ . -"
);

impl DeviceId {
    /// Whether MQTT can carry the id: `#` and `+` are wildcards there, so such a device cannot connect (DEVICE.md 1.2).
    #[must_use]
    pub fn fits_mqtt(&self) -> bool {
        !self.0.contains(['#', '+'])
    }
}

/// Names one twin: a device, or a module of a device. Orders by device first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TwinId {
    /// The device.
    pub device: DeviceId,
    /// The module, when the twin is a module's.
    pub module: Option<ModuleId>,
}

impl TwinId {
    /// The twin of a device itself.
    #[must_use]
    pub fn device(device: DeviceId) -> Self {
        Self { device, module: None }
    }

    /// The twin of a module.
    #[must_use]
    pub fn module(device: DeviceId, module: ModuleId) -> Self {
        Self { device, module: Some(module) }
    }
}

impl fmt::Display for TwinId {
    /// Writes `device` or `device/module`, the form of an MQTT client id (DEVICE.md 1.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => write!(f, "{}", self.device),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 8.1: device ids take the characters of the service, 128 at most
    #[test]
    fn device_ids_take_the_service_set_and_nothing_else() {
        for good in ["d", "a-B.9", "urn:di:x", "50%41", "a#b+c", "$edge'", &"x".repeat(128)] {
            assert!(good.parse::<DeviceId>().is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a b", "dör", &"x".repeat(129)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_do_not_fit_mqtt() {
        assert!("door-1".parse::<DeviceId>().unwrap().fits_mqtt());
        assert!(!"door#1".parse::<DeviceId>().unwrap().fits_mqtt());
    }

    // conformance: REST.md 4.3: job ids have 64 characters at most
    #[test]
    fn job_ids_are_at_most_64_characters() {
        assert!("lock-doors-0123456789ab".parse::<JobId>().is_ok());
        assert!("x".repeat(65).parse::<JobId>().is_err());
        assert!("a_b".parse::<JobId>().is_err());
    }

    #[test]
    fn an_id_is_refused_when_it_is_read_from_json() {
        assert!(serde_json::from_str::<DeviceId>("\"a b\"").is_err());
    }
}
