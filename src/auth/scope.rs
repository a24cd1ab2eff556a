//! Which resource a token may reach: the prefix rule by whole path segments (REST.md 2.2, DEVICE.md 1.3).

use std::fmt;

use super::HubHost;
use crate::model::TwinId;

/// A resource of a hub: its host and the path below it, as in `hub.local/devices/dev1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    host: String,
    segments: Vec<String>,
}

impl Resource {
    /// Reads a decoded `sr`. A trailing slash means nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split('/').map(str::to_owned);
        let host = parts.next().unwrap_or_default();
        let mut segments: Vec<String> = parts.collect();
        while segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        Self { host, segments }
    }

    /// The whole hub: what a token for the service API names.
    #[must_use]
    pub fn hub(host: &HubHost) -> Self {
        Self { host: host.to_string(), segments: Vec::new() }
    }

    /// A device, or a module of one.
    #[must_use]
    pub fn twin(host: &HubHost, id: &TwinId) -> Self {
        let mut segments = vec!["devices".to_owned(), id.device.to_string()];
        if let Some(module) = &id.module {
            segments.extend(["modules".to_owned(), module.to_string()]);
        }
        Self { host: host.to_string(), segments }
    }

    /// The host as written, perhaps with a port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the path of `self` is that of `required` or lies above it, by whole segments: `/a/b` covers `/a/b/c` and not
    /// `/a/bc`. Ids are case-sensitive; hosts are not compared here but by [`AcceptedHosts`].
    #[must_use]
    pub fn covers_path_of(&self, required: &Self) -> bool {
        required.segments.starts_with(&self.segments)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

/// The names under which a hub answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedHosts(Vec<String>);

impl AcceptedHosts {
    /// Accepts exactly these names, without regard to case.
    #[must_use]
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(|name| name.as_ref().to_ascii_lowercase()).collect())
    }

    /// Whether `host` is one of the names, with or without a port.
    #[must_use]
    pub fn accepts(&self, host: &str) -> bool {
        let Ok(host) = host.parse::<HubHost>() else { return false };
        self.0.contains(&host.name.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: DEVICE.md 1.3: a token covers what lies below its resource, by whole segments
    #[test]
    fn a_prefix_covers_by_whole_segments() {
        let required = Resource::parse("h/devices/dev1/modules/m");
        for above in ["h", "h/", "h/devices", "h/devices/dev1", "h/devices/dev1/modules/m"] {
            assert!(Resource::parse(above).covers_path_of(&required), "{above}");
        }
        for aside in ["h/devices/dev", "h/devices/DEV1", "h/devices/dev1/modules/m/x", "h/jobs"] {
            assert!(!Resource::parse(aside).covers_path_of(&required), "{aside}");
        }
    }

    #[test]
    fn hosts_match_without_case_and_port() {
        let hosts = AcceptedHosts::of(["Localhost", "127.0.0.1", "::1"]);
        for yes in ["localhost", "LOCALHOST:8899", "127.0.0.1:8443", "[::1]:8443"] {
            assert!(hosts.accepts(yes), "{yes}");
        }
        for no in ["", "localhost.evil", "other:8443", "localhost:x"] {
            assert!(!hosts.accepts(no), "{no}");
        }
    }
}
