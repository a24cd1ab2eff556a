//! What a user writes, as types: the source of the JSON Schema and of its descriptions.
//!
//! Every member is optional here, also those that the schema requires: a file with one bad member is still read for
//! the sake of all the others' problems.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::schema::{LATENCY_PATTERN, SHARE_PATTERN, SPAN_PATTERN};
use crate::model::JsonObject;

/// A fleet of simulated devices: who they are, what they answer, report and send, and how well they are connected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "iotjob fleet file")]
pub(super) struct Fleet {
    /// Name of the fleet: the devices that it registers are marked with it. Lower-case letters, digits and dashes, a
    /// letter first, at most 40 characters. Default: the file's name without its ending.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,39}$"), example = &"building-43")]
    pub name: Option<String>,
    /// What every decision follows from: one seed gives the same fleet again. `--seed` overrides it.
    #[schemars(extend("default" = 0), example = 42)]
    pub seed: Option<u64>,
    /// How many devices the fleet has; needed when a group has a share of them.
    #[schemars(range(min = 1, max = 1_000_000), example = 1_000)]
    pub devices: Option<u64>,
    /// The groups; devices of a group are alike.
    #[schemars(required, length(min = 1, max = 100))]
    pub groups: Option<Vec<Group>>,
}

/// Devices that are alike.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("oneOf" = [{"required": ["count"]}, {"required": ["share"]}]))]
pub(super) struct Group {
    /// Name of the group, in figures and messages: lower-case letters, digits and dashes, a letter first, at most 40
    /// characters.
    #[schemars(required, regex(pattern = r"^[a-z][a-z0-9-]{0,39}$"), example = &"doors")]
    pub name: Option<String>,
    /// How many devices it has.
    #[schemars(range(min = 0, max = 1_000_000), example = 800)]
    pub count: Option<u64>,
    /// Its share of the fleet's `devices`, instead of a count.
    #[schemars(regex(pattern = SHARE_PATTERN), example = &"80%")]
    pub share: Option<String>,
    /// The devices' ids: `{n}` is the device's number in the group, from 1, `{n:05}` the same with at least five
    /// digits. Default: the group's name, a dash and `{n:05}`.
    #[schemars(regex(pattern = r"\{n(:0[0-9]+)?\}"), example = &"door-{n:05}")]
    pub id_template: Option<String>,
    /// Tags that the devices are registered with. At most 8 KB. Values may be generators: `{ $index: 1 }`,
    /// `{ $choice: [43, 44] }`, `{ $range: [1, 5] }` or `{ $pattern: "1.{0-9}" }`.
    #[schemars(example = serde_json::json!({"building": {"$choice": [43, 44]}, "floor": {"$range": [1, 5]}}))]
    pub tags: Option<JsonObject>,
    /// Properties that each device reports after it connects, generators included. At most 32 KB.
    #[schemars(example = serde_json::json!({"firmware": {"$pattern": "1.{0-9}.{0-9}"}, "number": {"$index": 1}}))]
    pub reported: Option<JsonObject>,
    /// How methods are answered, by name; `'*'` is every other method. Default: 200 with what was called.
    pub methods: Option<BTreeMap<String, Method>>,
    /// What the devices make of new desired properties. Default: they ignore them.
    pub desired: Option<Desired>,
    /// Messages that each device sends.
    pub telemetry: Option<Telemetry>,
    /// What is wrong with the devices' connections; the faults are independent of each other.
    pub connectivity: Option<Connectivity>,
    /// How the devices prove who they are: with a key, a certificate of their own, or one that the fleet's CA issues.
    #[schemars(with = "Option<Authentication>", extend("default" = "sas"))]
    pub authentication: Option<String>,
    /// What carries MQTT: TLS, or a WebSocket on the HTTPS port.
    #[schemars(with = "Option<Transport>", extend("default" = "mqtt"))]
    pub transport: Option<String>,
    /// Modules that each device has; they connect by themselves.
    #[schemars(length(min = 1, max = 50))]
    pub modules: Option<Vec<Module>>,
}

/// A module that each device of the group has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Module {
    /// The module's id.
    #[schemars(required, length(min = 1, max = 128), example = &"thermostat")]
    pub module_id: Option<String>,
    /// Properties that the module reports after it connects, generators included.
    pub reported: Option<JsonObject>,
    /// How its methods are answered, by name; `'*'` is every other method.
    pub methods: Option<BTreeMap<String, Method>>,
    /// What it makes of new desired properties.
    pub desired: Option<Desired>,
    /// Messages that it sends.
    pub telemetry: Option<Telemetry>,
}

/// How one method is answered.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Method {
    /// The status: any integer but 0.
    #[schemars(extend("default" = 200), example = 501)]
    pub status: Option<i64>,
    /// The payload: any JSON value, in which `${request}`, `${request.NAME}`, `${count}`, `${device.id}` and
    /// `${device.number}` are replaced and generators drawn. Default: what was called, and with what.
    #[serde(default, deserialize_with = "written")]
    #[schemars(with = "Option<Value>", example = serde_json::json!({"locked": true, "asked": "${request.lockTime}"}))]
    pub payload: Option<Value>,
    /// How long the answer takes: a duration, a span, or a median with its 99th percentile. At most 300s.
    #[schemars(with = "Option<Latency>", extend("default" = "0s"))]
    pub latency: Option<Value>,
    /// Calls that are answered otherwise.
    pub failures: Option<Failures>,
    /// Share of the calls that are taken and never answered: the caller's time-out ends them.
    #[schemars(regex(pattern = SHARE_PATTERN), extend("default" = "0%"), example = &"1%")]
    pub hangs: Option<String>,
}

/// Calls of a method that fail.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Failures {
    /// Share of the calls that fail.
    #[schemars(required, regex(pattern = SHARE_PATTERN), example = &"2%")]
    pub share: Option<String>,
    /// Their status: any integer but 0.
    #[schemars(extend("default" = 500))]
    pub status: Option<i64>,
    /// Their payload, as for calls that succeed. Default: what was called, and with what.
    #[serde(default, deserialize_with = "written")]
    #[schemars(with = "Option<Value>", example = serde_json::json!({"error": "jammed"}))]
    pub payload: Option<Value>,
}

/// What devices make of new desired properties.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Desired {
    /// What they report of them: all, nothing but that they were rejected, nothing at all, or each key with a
    /// probability.
    #[schemars(required, with = "Option<Apply>")]
    pub apply: Option<Value>,
    /// How long that takes: a duration, a span, or a median with its 99th percentile.
    #[schemars(with = "Option<Latency>", extend("default" = "0s"))]
    pub delay: Option<Value>,
}

/// What is reported of desired properties, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
enum Apply {
    /// Report them.
    Echo,
    /// Report `{"rejected": {"version": N}}`.
    Reject,
    /// Say nothing.
    Ignore,
    /// Report each key of the top level with this probability.
    Partial(#[schemars(regex(pattern = SHARE_PATTERN))] String),
}

/// Messages that a device sends.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("required" = ["every", "body"]))]
pub(super) struct Telemetry {
    /// The time between two messages.
    #[schemars(required, regex(pattern = SPAN_PATTERN), example = &"10s")]
    pub every: Option<String>,
    /// How far that time may be off, as a share of it.
    #[schemars(regex(pattern = SHARE_PATTERN), extend("default" = "0%"), example = &"20%")]
    pub jitter: Option<String>,
    /// The message: any JSON value; generators are drawn anew for each, and `${count}`, `${device.id}` and
    /// `${device.number}` are replaced.
    #[serde(default, deserialize_with = "written")]
    #[schemars(with = "Option<Value>", example = serde_json::json!({"temperature": {"$range": [15.0, 25.0]}}))]
    pub body: Option<Value>,
    /// Properties of each message, for routing.
    #[schemars(example = serde_json::json!({"level": "info"}))]
    pub properties: Option<BTreeMap<String, String>>,
}

/// What is wrong with the devices' connections. Each fault strikes its share of the devices by itself: a device may
/// have several.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Connectivity {
    /// Share of the devices that never connect.
    #[schemars(regex(pattern = SHARE_PATTERN), extend("default" = "0%"), example = &"5%")]
    pub offline: Option<String>,
    /// Devices that come and go.
    pub flapping: Option<Flapping>,
    /// Devices behind a slow line.
    pub slow: Option<Slow>,
    /// Devices that fall silent and hold their connection, until the hub gives them up.
    pub half_open: Option<HalfOpen>,
    /// Devices whose identity a second connection uses, which takes the first over.
    pub takeover: Option<Takeover>,
}

/// Devices that come and go, in good order or cut off.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Flapping {
    /// Share of the devices.
    #[schemars(required, regex(pattern = SHARE_PATTERN), example = &"3%")]
    pub share: Option<String>,
    /// How long they stay.
    #[schemars(required, with = "Option<Latency>", example = &"30s..2m")]
    pub online: Option<Value>,
    /// How long they stay away.
    #[schemars(required, with = "Option<Latency>", example = &"5s..20s")]
    pub offline: Option<Value>,
}

/// Devices behind a slow line.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Slow {
    /// Share of the devices.
    #[schemars(required, regex(pattern = SHARE_PATTERN), example = &"2%")]
    pub share: Option<String>,
    /// How late each of their packets is.
    #[schemars(required, with = "Option<Latency>", example = &"500ms..3s")]
    pub delay: Option<Value>,
}

/// Devices that fall silent and hold their connection.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HalfOpen {
    /// Share of the devices.
    #[schemars(required, regex(pattern = SHARE_PATTERN), example = &"1%")]
    pub share: Option<String>,
    /// How long after they connected.
    #[schemars(required, with = "Option<Latency>", example = &"5m")]
    pub after: Option<Value>,
}

/// Devices whose identity a second connection uses.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Takeover {
    /// Share of the devices.
    #[schemars(required, regex(pattern = SHARE_PATTERN), example = &"1%")]
    pub share: Option<String>,
    /// How long after each connect the second one comes.
    #[schemars(required, with = "Option<Latency>", example = &"1m")]
    pub every: Option<Value>,
}

/// A time, or how times are distributed.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
pub(super) enum Latency {
    /// A duration, such as `200ms`, or a span of two, such as `200ms..2s`, in which every time is as likely.
    Text(#[schemars(regex(pattern = LATENCY_PATTERN))] String),
    /// Mostly short and seldom long: half are shorter than the median, one in a hundred is longer than p99.
    LogNormal(LogNormal),
}

/// Times that are mostly short and seldom long.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
pub(super) struct LogNormal {
    /// Half of the times are shorter.
    #[schemars(required, regex(pattern = SPAN_PATTERN), example = &"300ms")]
    pub median: Option<String>,
    /// One in a hundred is longer.
    #[schemars(required, regex(pattern = SPAN_PATTERN), example = &"4s")]
    pub p99: Option<String>,
}

/// The ways to prove who one is, for the schema: the service's own words.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
enum Authentication {
    Sas,
    SelfSigned,
    CertificateAuthority,
}

/// What carries MQTT, for the schema.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is asked for; the value is read by the checks")]
enum Transport {
    Mqtt,
    Websocket,
}

/// A member that is there with `null` is there.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
