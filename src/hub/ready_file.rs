//! What a script needs to know of a running hub, and the file that says so (product.md 5).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::private_file::{remove_if_there, replace_private_file};

/// Everything needed to talk to a running hub.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyInfo {
    /// The name that clients dial, without a port.
    pub host_name: String,
    /// Where the service API listens.
    pub https_port: u16,
    /// Where devices connect.
    pub mqtt_port: u16,
    /// The certificate authority to trust, an absolute path; nothing when the hub keeps its CA in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Service connection strings by policy. They hold keys.
    pub connection_strings: BTreeMap<String, String>,
    /// Device connection strings by id, of the devices named at the start. They hold keys.
    pub devices: BTreeMap<String, String>,
}

impl fmt::Debug for ReadyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyInfo")
            .field("host_name", &self.host_name)
            .field("https_port", &self.https_port)
            .field("mqtt_port", &self.mqtt_port)
            .field("ca_file", &self.ca_file)
            .field("policies", &self.connection_strings.keys())
            .field("devices", &self.devices.keys())
            .finish()
    }
}

/// Says why a ready file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadyFileError {
    /// The file system refuses.
    #[error("cannot {verb} the ready file `{}`", path.display())]
    Io {
        /// `read`, `write` or `remove`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not what a hub writes.
    #[error("`{}` is not the ready file of a hub", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// The file of `--ready-file`: there exactly while everything listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Names the file; touches nothing.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Removes what an earlier hub left, so that nobody takes it for ours.
    ///
    /// # Errors
    /// [`ReadyFileError::Io`] when it cannot be removed.
    pub fn remove(&self) -> Result<(), ReadyFileError> {
        remove_if_there(&self.0).map_err(|source| self.io("remove", source))
    }

    /// Puts the file in place whole, readable by its owner only.
    ///
    /// # Errors
    /// [`ReadyFileError::Io`] when it cannot be written.
    pub fn write(&self, info: &ReadyInfo) -> Result<(), ReadyFileError> {
        let content = |source| ReadyFileError::Content { path: self.0.clone(), source };
        let mut text = serde_json::to_vec_pretty(info).map_err(content)?;
        text.push(b'\n');
        replace_private_file(&self.0, &text).map_err(|source| self.io("write", source))
    }

    /// Reads what a hub wrote.
    ///
    /// # Errors
    /// [`ReadyFileError`] when it is not there or not a hub's.
    pub fn read(&self) -> Result<ReadyInfo, ReadyFileError> {
        let text = std::fs::read(&self.0).map_err(|source| self.io("read", source))?;
        serde_json::from_slice(&text).map_err(|source| ReadyFileError::Content { path: self.0.clone(), source })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn io(&self, verb: &'static str, source: io::Error) -> ReadyFileError {
        ReadyFileError::Io { verb, path: self.0.clone(), source }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::hub) fn info(https_port: u16) -> ReadyInfo {
        ReadyInfo {
            host_name: "localhost".to_owned(),
            https_port,
            mqtt_port: 8883,
            ca_file: Some(PathBuf::from("/ca/ca.pem")),
            connection_strings: BTreeMap::from([(
                "service".to_owned(),
                "HostName=h;SharedAccessKey=secret".to_owned(),
            )]),
            devices: BTreeMap::from([("d1".to_owned(), "HostName=h;DeviceId=d1".to_owned())]),
        }
    }

    #[test]
    fn the_members_have_the_documented_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = ReadyFile::at(folder.path().join("ready.json"));
        file.remove().unwrap();
        file.write(&info(8443)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "hostName": "localhost", "httpsPort": 8443, "mqttPort": 8883, "caFile": "/ca/ca.pem",
                "connectionStrings": {"service": "HostName=h;SharedAccessKey=secret"},
                "devices": {"d1": "HostName=h;DeviceId=d1"},
            })
        );
        assert_eq!(file.read().unwrap(), info(8443));
    }

    #[test]
    fn debug_shows_no_connection_string() {
        assert!(!format!("{:?}", info(1)).contains("secret"));
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = ReadyFile::at(folder.path().join("none.json"));
        assert!(file.read().unwrap_err().to_string().contains("none.json"));
    }
}
