//! What can be queried, and the names that the service itself gives to properties (GRAMMAR.md 3).

use std::fmt;

/// A set of rows that `FROM` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    /// `devices`: the twins of devices.
    Devices,
    /// `devices.modules`: the twins of modules.
    Modules,
    /// `devices.jobs`: what became of each device of each job.
    Jobs,
}

/// What the rows of an answer are, as `x-ms-item-type` says (REST.md 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemType {
    /// Whole twins.
    Twin,
    /// Flat objects of a projection or aggregate.
    Raw,
    /// Rows of `devices.jobs`.
    DeviceJob,
}

impl ItemType {
    /// The header's value; C# reads it with its case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Twin => "Twin",
            Self::Raw => "Raw",
            Self::DeviceJob => "DeviceJob",
        }
    }
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 3] = [Self::Devices, Self::Modules, Self::Jobs];

    /// The name after `FROM`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Modules => "devices.modules",
            Self::Jobs => "devices.jobs",
        }
    }

    /// The word after `devices.`, when the name has one.
    pub(super) fn qualifier(self) -> Option<&'static str> {
        match self {
            Self::Devices => None,
            Self::Modules => Some("modules"),
            Self::Jobs => Some("jobs"),
        }
    }

    pub(super) fn properties(self) -> &'static [Property] {
        match self {
            Self::Devices => DEVICE,
            Self::Modules => MODULE,
            Self::Jobs => DEVICE_JOB,
        }
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A property that the service names. Its name has no case; what lies below it, unless listed, has.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) members: &'static [Property],
}

impl Property {
    pub(super) fn find(properties: &'static [Self], name: &str) -> Option<&'static Self> {
        properties.iter().find(|property| property.name.eq_ignore_ascii_case(name))
    }
}

const fn leaf(name: &'static str) -> Property {
    Property { name, members: &[] }
}

macro_rules! twin {
    ($($extra:expr),*) => {
        &[
            leaf("deviceId"),
            $($extra,)*
            leaf("etag"),
            leaf("deviceEtag"),
            leaf("status"),
            leaf("statusReason"),
            leaf("statusUpdateTime"),
            leaf("connectionState"),
            leaf("lastActivityTime"),
            leaf("cloudToDeviceMessageCount"),
            leaf("authenticationType"),
            Property { name: "x509Thumbprint", members: &[leaf("primaryThumbprint"), leaf("secondaryThumbprint")] },
            leaf("modelId"),
            leaf("version"),
            leaf("tags"),
            Property { name: "properties", members: &[leaf("desired"), leaf("reported")] },
            leaf("configurations"),
            Property { name: "capabilities", members: &[leaf("iotEdge")] },
            leaf("deviceScope"),
            leaf("parentScopes"),
        ]
    };
}

const DEVICE: &[Property] = twin!();
const MODULE: &[Property] = twin!(leaf("moduleId"));

/// REST.md 5.
const DEVICE_JOB: &[Property] = &[
    leaf("deviceId"),
    leaf("moduleId"),
    leaf("jobId"),
    leaf("jobType"),
    leaf("status"),
    leaf("startTimeUtc"),
    leaf("endTimeUtc"),
    leaf("createdDateTimeUtc"),
    leaf("lastUpdatedDateTimeUtc"),
    Property {
        name: "outcome",
        members: &[Property { name: "deviceMethodResponse", members: &[leaf("status"), leaf("payload")] }],
    },
    Property { name: "error", members: &[leaf("code"), leaf("description")] },
];
