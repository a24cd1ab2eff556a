//! The user name of CONNECT, which carries the hub's name, the identity and some facts of the client (DEVICE.md 1.2).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::{InvalidId, TwinId};

/// The version that current SDKs name (DEVICE.md 1.2).
const API_VERSION: &str = "2021-04-12";

/// What the query part escapes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Says why a user name names no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// Not `host/device` with something or nothing behind it.
    #[error("the user name `{user_name}` is not of the form host/device/?api-version=2021-04-12")]
    Shape {
        /// The user name.
        user_name: String,
    },
    /// A part of it is no id.
    #[error("the user name `{user_name}` names no identity: {source}")]
    Id {
        /// The user name.
        user_name: String,
        /// Why not.
        source: InvalidId,
    },
}

/// A user name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserName {
    /// The hub's name as the client wrote it, perhaps with a port.
    pub host: String,
    /// Who connects. Ids are never escaped, here or in topics.
    pub id: TwinId,
    /// The query's keys and values, decoded, in order.
    pub query: Vec<(String, String)>,
}

impl UserName {
    /// What a client of ours sends; `client_type` names the program, as in `iotjob/0.1.0`.
    #[must_use]
    pub fn new(host: &str, id: TwinId, client_type: &str) -> Self {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let query = vec![pair("api-version", API_VERSION), pair("DeviceClientType", client_type)];
        Self { host: host.to_owned(), id, query }
    }

    /// Reads a user name as tolerantly as the hub: the query may lack its `?`, be in any order, or not be there.
    ///
    /// # Errors
    /// [`InvalidUserName`] when no identity can be read from it.
    pub fn parse(user_name: &str) -> Result<Self, InvalidUserName> {
        let shape = || InvalidUserName::Shape { user_name: user_name.to_owned() };
        let (host, rest) = user_name.split_once('/').filter(|(host, _)| !host.is_empty()).ok_or_else(shape)?;
        let (ids, query) = split_query(rest);
        let ids = ids.strip_suffix('/').unwrap_or(ids);
        let (device, module) = match ids.split_once('/') {
            Some((device, module)) => (device, Some(module)),
            None => (ids, None),
        };
        let id_error = |source| InvalidUserName::Id { user_name: user_name.to_owned(), source };
        let id = TwinId {
            device: device.parse().map_err(id_error)?,
            module: module.map(|module| module.parse().map_err(id_error)).transpose()?,
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key).into_owned(), decoded(value).into_owned())
        });
        Ok(Self { host: host.to_owned(), id, query: pairs.collect() })
    }

    /// The first value of a key of the query.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// Splits the ids from the query: at `/?`, or before the first segment that can only be a query.
fn split_query(rest: &str) -> (&str, &str) {
    if let Some((ids, query)) = rest.split_once("/?") {
        return (ids, query);
    }
    let mut start = 0;
    for segment in rest.split('/') {
        if start > 0 && (segment.contains("api-version=") || segment.contains("DeviceClientType=")) {
            return (&rest[..start - 1], &rest[start..]);
        }
        start += segment.len() + 1;
    }
    (rest, "")
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.host, self.id)?;
        for (index, (key, value)) in self.query.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            write!(f, "{separator}{}={}", utf8_percent_encode(key, ESCAPED), utf8_percent_encode(value, ESCAPED))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // conformance: DEVICE.md 1.2: the user names of all SDKs are read, with and without a query
    #[test]
    fn reads_what_the_sdks_send() {
        let cases = [
            (
                "localhost/myDeviceId/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0%283.11.7%3BLinux%29",
                "localhost",
                "myDeviceId",
                Some("2019-10-01"),
            ),
            (
                "localhost:8899/dev/mod/?api-version=2021-04-12&model-id=dtmi:com:x;1&DeviceClientType=azure-iot-device%2F1.18.4",
                "localhost:8899",
                "dev/mod",
                Some("2021-04-12"),
            ),
            ("h/d/DeviceClientType=c%2F1&api-version=2016-11-14", "h", "d", Some("2016-11-14")),
            ("h/d/api-version=2016-11-14&DeviceClientType=c/1", "h", "d", Some("2016-11-14")),
            ("h/d", "h", "d", None),
            ("h/d/", "h", "d", None),
            ("h/d%41?x", "h", "d%41?x", None),
        ];
        for (text, host, id, api_version) in cases {
            let user_name = UserName::parse(text).unwrap();
            assert_eq!((user_name.host.as_str(), user_name.id.to_string().as_str()), (host, id), "{text}");
            assert_eq!(user_name.get("api-version"), api_version, "{text}");
        }
    }

    #[test]
    fn names_without_an_identity_are_refused() {
        for text in ["", "d", "/d", "h/", "h//m", "h/d/m/x", "h/a b"] {
            assert!(UserName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let user_name = UserName::new("hub.local", TwinId::device("door-1".parse().unwrap()), "iotjob/0.1.0");
        let text = "hub.local/door-1/?api-version=2021-04-12&DeviceClientType=iotjob%2F0.1.0";
        assert_eq!(user_name.to_string(), text);
        assert_eq!(UserName::parse(text).unwrap(), user_name);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(h/d/)?.{0,40}") {
            let _ = UserName::parse(&text);
        }
    }
}
