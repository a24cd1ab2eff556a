//! What a user writes, as types: the source of the JSON Schema and of its descriptions.
//!
//! Every member is optional here, also those that the schema requires: a manifest with one bad member is still read
//! for the sake of all the others' problems.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{JobType, JsonObject};

/// A job for a fleet: which devices, what happens on each, and when.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "iotjob manifest", transform = super::schema::relate_members)]
pub(super) struct Job {
    /// Name of the run, and the start of its id on the hub: lower-case letters, digits and dashes, a letter first, at
    /// most 40 characters. Default: the file's name without its ending, lower-cased, every other character a dash.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,39}$"), example = &"lock-doors")]
    pub name: Option<String>,
    /// What the job is for, in your words. Changing it does not make a new run.
    pub description: Option<String>,
    /// What the job does: call a direct method, or patch the twin. These are the service's own names.
    #[serde(rename = "type")]
    #[schemars(required, with = "Option<Kind>")]
    pub kind: Option<JobType>,
    /// Which devices: a condition of the twin query language, without `SELECT ... WHERE`. `'*'` is every device.
    /// `FROM devices.modules WHERE ...` finds modules. At most 8,164 characters.
    #[schemars(
        length(min = 1, max = 8_164),
        example = &"tags.building = 43",
        example = &"*",
        example = &"FROM devices.modules WHERE moduleId = 'thermostat'"
    )]
    pub query: Option<String>,
    /// Which devices: their ids, instead of a query.
    #[schemars(length(min = 1), inner(length(min = 1, max = 128)), example = ["door-01", "door-02"])]
    pub devices: Option<Vec<String>>,
    /// The direct method to call: for `type: scheduleDeviceMethod`.
    pub method: Option<Method>,
    /// The change of the twin: for `type: scheduleUpdateTwin`.
    pub patch: Option<Patch>,
    /// When the job starts: `now`, a time with its offset (`2027-03-01T02:00:00Z`), or a local time with its zone
    /// (`2027-03-01T02:00[Europe/Oslo]`). At most 168 hours ahead when it is applied.
    #[schemars(
        regex(pattern = super::schema::START_PATTERN),
        extend("default" = "now"),
        example = &"2027-03-01T02:00:00Z",
        example = &"2027-03-01T02:00[Europe/Oslo]"
    )]
    pub start_time: Option<String>,
    /// How long the whole job may take: the hub's `maxExecutionTimeInSeconds`. At least 5s.
    #[schemars(regex(pattern = super::schema::DURATION_PATTERN), extend("default" = "3600s"), example = &"60s", example = &"1h 30m")]
    pub timeout: Option<String>,
    /// Names of manifests of the same `apply` that have to succeed first.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[a-z][a-z0-9-]{0,39}$")), example = ["lock-doors"])]
    pub after: Option<Vec<String>>,
    /// When the run counts as a success. Default: every device succeeded, methods with a 2xx status.
    pub success: Option<Success>,
    /// Change it to run an unchanged job once more: it is part of the run's identity.
    #[schemars(with = "Option<Revision>", example = 2, example = &"2027-03")]
    pub revision: Option<Value>,
}

/// A number or a text, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
#[expect(dead_code, reason = "only its schema is asked for; the value is kept as it is")]
enum Revision {
    Number(i64),
    Text(#[schemars(length(min = 1, max = 128))] String),
}

/// What has to be true of the devices for exit code 0.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub(super) struct Success {
    /// Share of the devices that have to succeed.
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,2})? ?%$"), extend("default" = "100%"), example = &"95%")]
    pub devices: Option<String>,
    /// Statuses with which a device answers a method that succeeded: numbers and classes.
    #[schemars(with = "Option<Vec<Status>>", length(min = 1), extend("default" = ["2xx"]), example = serde_json::json!(["2xx", 404]))]
    pub statuses: Option<Vec<Value>>,
    /// What an offline device is: a device that did not succeed, or one that does not count.
    #[schemars(with = "Option<Offline>", extend("default" = "fail"))]
    pub offline: Option<String>,
}

/// A status or a class of them, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
#[expect(dead_code, reason = "only its schema is asked for; values are read by the checks")]
enum Status {
    Number(i64),
    Class(#[schemars(regex(pattern = r"^([0-9]xx|-?[0-9]+)$"))] String),
}

/// The two ways to treat offline devices, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
enum Offline {
    Fail,
    Ignore,
}

/// A job's type, for the schema.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is asked for; the value is a JobType")]
enum Kind {
    /// Calls a direct method on each device.
    #[schemars(rename = "scheduleDeviceMethod")]
    Method,
    /// Patches tags and desired properties of each twin.
    #[schemars(rename = "scheduleUpdateTwin")]
    Twin,
}

/// A direct method and what it is given.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Method {
    /// The method's name, as the device registers it.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9_.-]{1,128}$"), example = &"lockDoor")]
    pub name: Option<String>,
    /// What the method is given: any JSON value, at most 128 KB. Default: null.
    #[schemars(example = serde_json::json!({"lockTime": "10m"}))]
    pub payload: Option<Value>,
    /// How long the device may take to answer: 5s to 300s.
    #[schemars(regex(pattern = super::schema::DURATION_PATTERN), extend("default" = "30s"), example = &"30s")]
    pub response_timeout: Option<String>,
    /// How long to wait for a device that is offline: 0s to 300s, at most the response timeout.
    #[schemars(regex(pattern = super::schema::DURATION_PATTERN), extend("default" = "0s"), example = &"10s")]
    pub connect_timeout: Option<String>,
}

/// What is merged into each twin: null removes a key, objects merge, everything else replaces.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub(super) struct Patch {
    /// Tags: what only the back end sees. At most 8 KB.
    #[schemars(example = serde_json::json!({"wave": 2}))]
    pub tags: Option<JsonObject>,
    /// Desired properties: what the device is told. At most 32 KB.
    #[schemars(example = serde_json::json!({"building": 43, "legacy": null}))]
    pub desired: Option<JsonObject>,
}
