//! IoT Hub's topics, both ways, read and written in one place (DEVICE.md 2).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::PropertyBag;
use crate::model::TwinId;

/// What a method's name escapes in a topic: all but the characters that every SDK passes on unharmed (DEVICE.md 2.7).
const METHOD_NAME_ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

const METHOD_REQUEST: &str = "$iothub/methods/POST/";
const METHOD_RESPONSE: &str = "$iothub/methods/res/";
const TWIN_GET: &str = "$iothub/twin/GET/";
const TWIN_RESPONSE: &str = "$iothub/twin/res/";
const REPORTED: &str = "$iothub/twin/PATCH/properties/reported/";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";

/// Says why a topic is not one of the hub's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Not in the hub's list.
    #[error("the topic `{topic}` is none of IoT Hub's")]
    Unknown {
        /// The topic.
        topic: String,
    },
    /// Names another identity than the connection's.
    #[error("the topic `{topic}` belongs to another identity than `{own}`")]
    Foreign {
        /// The topic.
        topic: String,
        /// Whose connection it is.
        own: String,
    },
    /// One that the hub publishes to.
    #[error("the topic `{topic}` is for messages from the hub; devices only subscribe to it")]
    FromHub {
        /// The topic.
        topic: String,
    },
    /// No request id where one must be.
    #[error("the topic `{topic}` has no $rid")]
    NoRequestId {
        /// The topic.
        topic: String,
    },
    /// A status or version that is no number.
    #[error("the topic `{topic}` has a status or $version that is not a number")]
    Number {
        /// The topic.
        topic: String,
    },
}

/// What a device publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A device-to-cloud message.
    Telemetry {
        /// Its properties.
        bag: PropertyBag,
    },
    /// The answer to a direct method.
    MethodResponse {
        /// Any integer.
        status: i64,
        /// The request it answers.
        rid: String,
    },
    /// Asks for the twin.
    TwinGet {
        /// What the reply will name.
        rid: String,
    },
    /// Changes reported properties.
    ReportedPatch {
        /// What the reply will name.
        rid: String,
        /// The version that must still be current; a mismatch is answered with 412 (DEVICE.md 2.9).
        base_version: Option<u64>,
    },
}

impl Upstream {
    /// Reads a topic that was published on `own`'s connection.
    ///
    /// # Errors
    /// [`TopicError`]; the hub closes the connection on each of them (DEVICE.md 2.2).
    pub fn parse(topic: &str, own: &TwinId) -> Result<Self, TopicError> {
        if let Some(rest) = topic.strip_prefix(METHOD_RESPONSE) {
            let (status, query) = rest.split_once('/').ok_or_else(|| unknown(topic))?;
            let status = status.parse().map_err(|_| number(topic))?;
            return Ok(Self::MethodResponse { status, rid: Query::parse(query, topic)?.rid(topic)? });
        }
        if let Some(rest) = topic.strip_prefix(TWIN_GET) {
            return Ok(Self::TwinGet { rid: Query::parse(rest, topic)?.rid(topic)? });
        }
        if let Some(rest) = topic.strip_prefix(REPORTED) {
            let query = Query::parse(rest, topic)?;
            return Ok(Self::ReportedPatch { rid: query.rid(topic)?, base_version: query.version(topic)? });
        }
        Ok(Self::Telemetry { bag: PropertyBag::parse(Self::bag_text(topic, own)?) })
    }

    /// The property bag of a telemetry topic as it is written there.
    ///
    /// # Errors
    /// [`TopicError`] for any other topic.
    pub fn bag_text<'t>(topic: &'t str, own: &TwinId) -> Result<&'t str, TopicError> {
        let bag = match topic.strip_prefix(&events_prefix(own)) {
            Some("") => "",
            Some(rest) => rest.strip_prefix('/').ok_or_else(|| unknown(topic))?,
            None => return Err(not_telemetry(topic, own)),
        };
        // The Node SDK ends a module's output topics with one more slash.
        Ok(bag.strip_suffix('/').unwrap_or(bag))
    }

    /// Writes the topic for `own`'s connection.
    #[must_use]
    pub fn format(&self, own: &TwinId) -> String {
        match self {
            Self::Telemetry { bag } => format!("{}{bag}", telemetry_topic(own)),
            Self::MethodResponse { status, rid } => format!("{METHOD_RESPONSE}{status}/?$rid={rid}"),
            Self::TwinGet { rid } => format!("{TWIN_GET}?$rid={rid}"),
            Self::ReportedPatch { rid, base_version: None } => format!("{REPORTED}?$rid={rid}"),
            Self::ReportedPatch { rid, base_version: Some(version) } => {
                format!("{REPORTED}?$rid={rid}&$version={version}")
            }
        }
    }
}

/// The topic of `own`'s telemetry without properties; a will must go there too (DEVICE.md 1.8).
#[must_use]
pub fn telemetry_topic(own: &TwinId) -> String {
    format!("{}/", events_prefix(own))
}

fn events_prefix(own: &TwinId) -> String {
    format!("{}/events", messages_prefix(own))
}

fn messages_prefix(own: &TwinId) -> String {
    match &own.module {
        None => format!("devices/{}/messages", own.device),
        Some(module) => format!("devices/{}/modules/{module}/messages", own.device),
    }
}

/// What the hub publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downstream {
    /// Calls a direct method.
    MethodRequest {
        /// The method's name.
        name: String,
        /// What the answer must name.
        rid: String,
    },
    /// Answers a twin read or patch.
    TwinResponse {
        /// 200 for a read, 204 for a patch, else an error whose body says which (DEVICE.md 2.10).
        status: u16,
        /// The request it answers.
        rid: String,
        /// The new reported version, after a patch.
        version: Option<u64>,
    },
    /// Desired properties changed.
    DesiredPatch {
        /// The desired version.
        version: u64,
    },
    /// A cloud-to-device message.
    CloudToDevice {
        /// Its properties.
        bag: PropertyBag,
    },
    /// A message to one of a module's inputs.
    ModuleInput {
        /// The input.
        name: String,
        /// Its properties.
        bag: PropertyBag,
    },
}

impl Downstream {
    /// Reads a topic that arrived on `own`'s connection.
    ///
    /// # Errors
    /// [`TopicError`] for what no hub sends.
    pub fn parse(topic: &str, own: &TwinId) -> Result<Self, TopicError> {
        if let Some(rest) = topic.strip_prefix(METHOD_REQUEST) {
            let (name, query) = rest.split_once('/').ok_or_else(|| unknown(topic))?;
            let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
            return Ok(Self::MethodRequest { name, rid: Query::parse(query, topic)?.rid(topic)? });
        }
        if let Some(rest) = topic.strip_prefix(TWIN_RESPONSE) {
            let (status, query) = rest.split_once('/').ok_or_else(|| unknown(topic))?;
            let status = status.parse().map_err(|_| number(topic))?;
            let query = Query::parse(query, topic)?;
            return Ok(Self::TwinResponse { status, rid: query.rid(topic)?, version: query.version(topic)? });
        }
        if let Some(rest) = topic.strip_prefix(DESIRED) {
            let version = Query::parse(rest, topic)?.version(topic)?.ok_or_else(|| number(topic))?;
            return Ok(Self::DesiredPatch { version });
        }
        Self::parse_message(topic, own).ok_or_else(|| unknown(topic))
    }

    fn parse_message(topic: &str, own: &TwinId) -> Option<Self> {
        let below_device = topic.strip_prefix("devices/")?.strip_prefix(own.device.as_str())?.strip_prefix('/')?;
        let Some(module) = &own.module else {
            let rest = below_device.strip_prefix("messages/devicebound")?;
            let bag = PropertyBag::parse(rest.strip_prefix('/').unwrap_or(rest));
            return Some(Self::CloudToDevice { bag });
        };
        let below_module = below_device.strip_prefix("modules/")?.strip_prefix(module.as_str())?;
        let (name, bag) = {
            let input = below_module.strip_prefix("/inputs/")?;
            input.split_once('/').unwrap_or((input, ""))
        };
        Some(Self::ModuleInput { name: name.to_owned(), bag: PropertyBag::parse(bag) })
    }

    /// Writes the topic for `own`'s connection. `$rid` comes first and, for methods, alone: SDKs depend on it.
    #[must_use]
    pub fn format(&self, own: &TwinId) -> String {
        let device = &own.device;
        match self {
            Self::MethodRequest { name, rid } => {
                // conformance-choice: DEVICE.md 2.7: other characters in the name of a method are percent-encoded in the topic
                format!("{METHOD_REQUEST}{}/?$rid={rid}", utf8_percent_encode(name, METHOD_NAME_ESCAPED))
            }
            Self::TwinResponse { status, rid, version: None } => format!("{TWIN_RESPONSE}{status}/?$rid={rid}"),
            Self::TwinResponse { status, rid, version: Some(version) } => {
                format!("{TWIN_RESPONSE}{status}/?$rid={rid}&$version={version}")
            }
            Self::DesiredPatch { version } => format!("{DESIRED}?$version={version}"),
            Self::CloudToDevice { bag } => format!("devices/{device}/messages/devicebound/{bag}"),
            Self::ModuleInput { name, bag } => {
                let module = own.module.as_ref().map(AsRef::as_ref).unwrap_or_default();
                format!("devices/{device}/modules/{module}/inputs/{name}/{bag}")
            }
        }
    }
}

/// The `?$rid=...&$version=...` at the end of a topic, as written: request ids are opaque and never decoded.
struct Query<'t> {
    rid: Option<&'t str>,
    version: Option<&'t str>,
}

impl<'t> Query<'t> {
    fn parse(text: &'t str, topic: &str) -> Result<Self, TopicError> {
        let text = text.strip_prefix('?').ok_or_else(|| {
            if text.is_empty() { TopicError::NoRequestId { topic: topic.to_owned() } } else { unknown(topic) }
        })?;
        let value = |name: &str| {
            let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        Ok(Self { rid: value("$rid"), version: value("$version") })
    }

    fn rid(&self, topic: &str) -> Result<String, TopicError> {
        let rid = self.rid.filter(|rid| !rid.is_empty());
        rid.map(str::to_owned).ok_or_else(|| TopicError::NoRequestId { topic: topic.to_owned() })
    }

    fn version(&self, topic: &str) -> Result<Option<u64>, TopicError> {
        self.version.map(|version| version.parse().map_err(|_| number(topic))).transpose()
    }
}

/// What a topic is that is none of `own`'s to publish to.
fn not_telemetry(topic: &str, own: &TwinId) -> TopicError {
    let topic = topic.to_owned();
    if Downstream::parse(&topic, own).is_ok() {
        return TopicError::FromHub { topic };
    }
    let is_own = topic.strip_prefix(&messages_prefix(own)).is_some_and(|rest| rest.starts_with('/'));
    if topic.starts_with("devices/") && !is_own {
        return TopicError::Foreign { topic, own: own.to_string() };
    }
    TopicError::Unknown { topic }
}

fn unknown(topic: &str) -> TopicError {
    TopicError::Unknown { topic: topic.to_owned() }
}

fn number(topic: &str) -> TopicError {
    TopicError::Number { topic: topic.to_owned() }
}

#[cfg(test)]
mod tests;
