//! What an identity may subscribe to (DEVICE.md 2.1, 2.2).

use serde::{Deserialize, Serialize};

use crate::model::TwinId;

/// One of the hub's streams. The serialised names are stored by the hub and must not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subscription {
    /// Direct-method calls.
    Methods,
    /// Replies to twin reads and patches.
    TwinResponses,
    /// Changes of desired properties.
    DesiredPatches,
    // conformance-deviation: DEVICE.md 2.6: cloud-to-device and module-input subscriptions are granted and kept; nothing is sent
    /// Cloud-to-device messages.
    CloudToDevice,
    /// Messages to a module's inputs.
    ModuleInputs,
}

const METHODS: &str = "$iothub/methods/POST/";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";

impl Subscription {
    /// Reads a filter of `own`'s connection, in every spelling that the hub takes; `None` for anything else, above all for
    /// filters that name another identity.
    #[must_use]
    pub fn parse(filter: &str, own: &TwinId) -> Option<Self> {
        if filter.starts_with(METHODS) {
            return Some(Self::Methods);
        }
        if filter == TWIN_RESPONSES {
            return Some(Self::TwinResponses);
        }
        if filter.starts_with(DESIRED) {
            return Some(Self::DesiredPatches);
        }
        let below_device = filter.strip_prefix("devices/")?.strip_prefix(own.device.as_str())?.strip_prefix('/')?;
        match &own.module {
            None => (below_device == "messages/devicebound/#").then_some(Self::CloudToDevice),
            Some(module) => {
                let below = below_device.strip_prefix("modules/")?.strip_prefix(module.as_str())?.strip_prefix('/')?;
                matches!(below, "#" | "inputs/#").then_some(Self::ModuleInputs)
            }
        }
    }

    /// The filter that `own` subscribes with.
    #[must_use]
    pub fn filter(self, own: &TwinId) -> String {
        let device = &own.device;
        match (self, &own.module) {
            (Self::Methods, _) => format!("{METHODS}#"),
            (Self::TwinResponses, _) => TWIN_RESPONSES.to_owned(),
            (Self::DesiredPatches, _) => format!("{DESIRED}#"),
            (Self::CloudToDevice, _) => format!("devices/{device}/messages/devicebound/#"),
            (Self::ModuleInputs, Some(module)) => format!("devices/{device}/modules/{module}/inputs/#"),
            // A device has no inputs; the hub refuses this filter like any other that is not its own.
            (Self::ModuleInputs, None) => format!("devices/{device}/modules//inputs/#"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> TwinId {
        TwinId::device("d%41".parse().unwrap())
    }

    fn module() -> TwinId {
        TwinId::module("d%41".parse().unwrap(), "m".parse().unwrap())
    }

    // conformance: DEVICE.md 2.1: the filters of all SDKs are known
    #[test]
    fn reads_the_spellings_of_the_sdks() {
        use Subscription as S;
        let cases = [
            (device(), "$iothub/methods/POST/#", S::Methods),
            (device(), "$iothub/methods/POST/+/#", S::Methods),
            (device(), "$iothub/twin/res/#", S::TwinResponses),
            (device(), "$iothub/twin/PATCH/properties/desired/#", S::DesiredPatches),
            (device(), "devices/d%41/messages/devicebound/#", S::CloudToDevice),
            (module(), "$iothub/methods/POST/#", S::Methods),
            (module(), "devices/d%41/modules/m/inputs/#", S::ModuleInputs),
            (module(), "devices/d%41/modules/m/#", S::ModuleInputs),
        ];
        for (own, filter, subscription) in cases {
            assert_eq!(S::parse(filter, &own), Some(subscription), "{filter}");
            assert_eq!(S::parse(&subscription.filter(&own), &own), Some(subscription));
        }
    }

    #[test]
    fn other_filters_are_none_of_ours() {
        for filter in [
            "#",
            "$iothub/#",
            "$iothub/twin/#",
            "$iothub/twin/res/200/#",
            "devices/other/messages/devicebound/#",
            "devices/dA/messages/devicebound/#",
            "devices/+/messages/devicebound/#",
            "devices/d%41/messages/events/#",
            "devices/d%41/modules/m/inputs/#",
        ] {
            assert_eq!(Subscription::parse(filter, &device()), None, "{filter}");
        }
        assert_eq!(Subscription::parse("devices/d%41/messages/devicebound/#", &module()), None);
        assert_eq!(Subscription::parse("devices/d%41/modules/other/#", &module()), None);
    }

    #[test]
    fn stored_names_stay() {
        let names = serde_json::to_string(&[
            Subscription::Methods,
            Subscription::TwinResponses,
            Subscription::DesiredPatches,
            Subscription::CloudToDevice,
            Subscription::ModuleInputs,
        ]);
        assert_eq!(names.unwrap(), r#"["methods","twinResponses","desiredPatches","cloudToDevice","moduleInputs"]"#);
    }
}
