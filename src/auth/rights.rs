//! What a policy allows (REST.md 2.3).

use std::fmt;
use std::str::FromStr;

/// One right of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Reads the registry.
    RegistryRead,
    /// Writes the registry, and reads it.
    RegistryWrite,
    /// Reads and writes twins, calls methods, queries.
    ServiceConnect,
    /// Connects as a device.
    DeviceConnect,
}

impl Right {
    /// Every right, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::RegistryRead, Self::RegistryWrite, Self::ServiceConnect, Self::DeviceConnect];

    /// The service's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegistryRead => "RegistryRead",
            Self::RegistryWrite => "RegistryWrite",
            Self::ServiceConnect => "ServiceConnect",
            Self::DeviceConnect => "DeviceConnect",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::RegistryRead => 1,
            // Writing implies reading, on the service as here.
            Self::RegistryWrite => 0b11,
            Self::ServiceConnect => 0b100,
            Self::DeviceConnect => 0b1000,
        }
    }
}

/// Says that a word is no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{word}` is not a right; write RegistryRead, RegistryWrite, ServiceConnect or DeviceConnect, separated by commas"
)]
pub struct UnknownRight {
    /// The word.
    pub word: String,
}

/// A set of rights; RegistryWrite brings RegistryRead along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

impl Rights {
    /// Whether the set holds `right`.
    #[must_use]
    pub const fn allows(self, right: Right) -> bool {
        self.0 & right.bit() == right.bit()
    }

    /// The rights held, in order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |&right| self.allows(right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

impl FromStr for Rights {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        text.split(',')
            .map(str::trim)
            .map(|word| {
                Right::ALL
                    .into_iter()
                    .find(|right| right.name().eq_ignore_ascii_case(word))
                    .ok_or_else(|| UnknownRight { word: word.to_owned() })
            })
            .collect()
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, right) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(right.name())?;
        }
        Ok(())
    }
}

/// A policy that every new hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it allows.
    pub rights: Rights,
}

impl DefaultPolicy {
    /// The five that the service makes (REST.md 2.3).
    pub const ALL: [Self; 5] = [
        Self { name: "iothubowner", rights: Rights(0b1111) },
        Self { name: "service", rights: Rights(Right::ServiceConnect.bit()) },
        Self { name: "device", rights: Rights(Right::DeviceConnect.bit()) },
        Self { name: "registryRead", rights: Rights(Right::RegistryRead.bit()) },
        Self { name: "registryReadWrite", rights: Rights(Right::RegistryWrite.bit()) },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_implies_reading() {
        let rights: Rights = "RegistryWrite".parse().unwrap();
        assert!(rights.allows(Right::RegistryRead));
        assert!(!rights.allows(Right::ServiceConnect));
        let reading: Rights = "RegistryRead".parse().unwrap();
        assert!(!reading.allows(Right::RegistryWrite));
    }

    #[test]
    fn a_set_reads_what_it_writes() {
        let rights: Rights = "DeviceConnect, registryread".parse().unwrap();
        assert_eq!(rights.to_string(), "RegistryRead,DeviceConnect");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_legal_ones() {
        let error = "RegistryRead,Admin".parse::<Rights>().unwrap_err().to_string();
        assert!(error.contains("`Admin`") && error.contains("ServiceConnect"), "{error}");
    }

    #[test]
    fn the_owner_may_do_everything() {
        let owner = DefaultPolicy::ALL.iter().find(|policy| policy.name == "iothubowner").unwrap();
        assert!(Right::ALL.into_iter().all(|right| owner.rights.allows(right)));
    }
}
