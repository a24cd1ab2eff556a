//! The host part of connection strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says that a text is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// Nothing was given.
    #[error("the host name is empty")]
    Empty,
    /// A character that host names do not have; a scheme or a path, mostly.
    #[error(
        "`{found}` is not allowed in the host name `{host}`; write it without scheme and path, as in `my-hub.azure-devices.net`"
    )]
    Character {
        /// The offending character.
        found: char,
        /// The text.
        host: String,
    },
    /// What follows the colon is not a port.
    #[error("`{port}` is not a port number from 1 to 65535")]
    Port {
        /// The text after the colon.
        port: String,
    },
}

/// A host name with the port that may follow it, as in `localhost:8883`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HubHost {
    /// The name or address, without brackets and port.
    pub name: String,
    /// The port, when one was written. What it means depends on whose connection string it is (product.md 4).
    pub port: Option<u16>,
}

impl HubHost {
    /// A host on its default port.
    ///
    /// # Errors
    /// [`InvalidHost`] when `name` is not a host name.
    pub fn new(name: &str, port: Option<u16>) -> Result<Self, InvalidHost> {
        if name.is_empty() {
            return Err(InvalidHost::Empty);
        }
        let is_address = name.parse::<std::net::Ipv6Addr>().is_ok();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if let Some(found) = name.chars().find(|&c| !is_address && !legal(c)) {
            return Err(InvalidHost::Character { found, host: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), port })
    }
}

impl FromStr for HubHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => (address, rest.strip_prefix(':')),
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => None,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                // A URL, which has a colon of its own.
                _ if digits.contains('/') => {
                    return Err(InvalidHost::Character { found: '/', host: text.to_owned() });
                }
                _ => return Err(InvalidHost::Port { port: digits.to_owned() }),
            },
        };
        Self::new(name, port)
    }
}

impl fmt::Display for HubHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = self.name.contains(':');
        match (bracketed, self.port) {
            (false, None) => f.write_str(&self.name),
            (false, Some(port)) => write!(f, "{}:{port}", self.name),
            (true, None) => write!(f, "[{}]", self.name),
            (true, Some(port)) => write!(f, "[{}]:{port}", self.name),
        }
    }
}

impl TryFrom<String> for HubHost {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl From<HubHost> for String {
    fn from(host: HubHost) -> Self {
        host.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_survive_a_round_trip() {
        for text in ["localhost", "localhost:8883", "my-hub.azure-devices.net", "127.0.0.1:1", "[::1]:8443", "[::1]"] {
            assert_eq!(text.parse::<HubHost>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn urls_and_bad_ports_are_refused() {
        for text in ["", "https://hub", "hub/x", "hub:", "hub:0", "hub:70000", "hub name"] {
            assert!(text.parse::<HubHost>().is_err(), "{text}");
        }
        let url = "https://hub".parse::<HubHost>().unwrap_err().to_string();
        assert!(url.contains("without scheme and path"), "{url}");
    }
}
