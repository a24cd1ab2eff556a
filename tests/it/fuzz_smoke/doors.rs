//! Every door through which bytes come in from outside: each takes any bytes, and panics when a promise is broken.
//!
//! The fuzzers under `tests/fuzz` and the smoke test of every build go through the same doors. Besides "no panic", a door
//! checks that what was understood survives being written and read again.

use bytes::BytesMut;
use iotjob::auth::{ConnectionString, ParsedSas, Resource};
use iotjob::fleet::{self, Shard};
use iotjob::manifest::parse_text;
use iotjob::model::limits::{PROBLEMS_SHOWN_MAX, QUERY_CONDITION_CHARS_MAX};
use iotjob::model::{Clock, DeviceId, JobId, ModuleId, SymmetricKey, TwinId, WireTime};
use iotjob::mqtt::{ClientPacket, Downstream, Encode, PropertyBag, ServerPacket, Upstream, UserName};
use iotjob::plan;
use iotjob::query::{self, Strictness};
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

use super::hub_doors::{http_request, mqtt_session};

/// Takes whatever comes.
pub(crate) type Door = fn(&[u8]);

/// The doors by name; a fuzz target and a folder of seeds are called the same.
pub(crate) const DOORS: &[(&str, Door)] = &[
    ("connection_string", connection_string),
    ("fleet", fleet),
    ("http_request", http_request),
    ("manifest", manifest),
    ("mqtt_client", mqtt_client),
    ("mqtt_server", mqtt_server),
    ("mqtt_session", mqtt_session),
    ("property_bag", property_bag),
    ("query", query),
    ("sas_token", sas_token),
    ("topic", topic),
    ("user_name", user_name),
    ("words", words),
];

/// Takes packets off a stream until it errs or more bytes are needed.
fn packets<P: std::fmt::Debug, E: std::fmt::Debug>(
    chunks: &[&[u8]],
    decode: impl Fn(&mut BytesMut) -> Result<Option<P>, E>,
) -> (Vec<P>, Option<E>) {
    let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            let before = buffer.len();
            match decode(&mut buffer) {
                Ok(Some(packet)) => found.push(packet),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
            assert!(buffer.len() < before, "a packet without bytes: {found:?}");
        }
    }
    (found, None)
}

fn frames<P, E>(data: &[u8], decode: impl Fn(&mut BytesMut) -> Result<Option<P>, E> + Copy)
where
    P: std::fmt::Debug + PartialEq + Encode,
    E: std::fmt::Debug,
{
    let (found, error) = packets(&[data], decode);
    let (head, tail) = data.split_at(data.first().map_or(0, |&byte| usize::from(byte)).min(data.len()));
    let (in_parts, late) = packets(&[head, tail], decode);
    assert_eq!(found, in_parts, "packets do not depend on how the bytes arrive");
    assert_eq!(error.is_some(), late.is_some(), "errors do not depend on how the bytes arrive");
    for packet in &found {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes).unwrap_or_else(|error| panic!("{error}: what was read can be written: {packet:?}"));
        let (again, error) = packets(&[&bytes], decode);
        assert!(error.is_none(), "{error:?}: what was written can be read: {packet:?}");
        assert_eq!(again, std::slice::from_ref(packet));
    }
}

/// What a device sends.
fn mqtt_client(data: &[u8]) {
    frames(data, ClientPacket::decode);
}

/// What a hub sends.
fn mqtt_server(data: &[u8]) {
    frames(data, ServerPacket::decode);
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Topics both ways, for a device and for a module.
fn topic(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let device: DeviceId = "d1".parse().expect("an id");
    let module: ModuleId = "m1".parse().expect("an id");
    for own in [TwinId::device(device.clone()), TwinId::module(device.clone(), module.clone())] {
        if let Ok(up) = Upstream::parse(text, &own) {
            assert_eq!(Upstream::parse(&up.format(&own), &own), Ok(up));
        }
        if let Ok(down) = Downstream::parse(text, &own) {
            assert_eq!(Downstream::parse(&down.format(&own), &own), Ok(down));
        }
    }
}

/// The user name of CONNECT.
fn user_name(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(name) = UserName::parse(text) else { return };
    // Without a query, a module called `api-version=...` reads as one: the hub's tolerance, not a fault.
    if !name.query.is_empty() {
        assert_eq!(UserName::parse(&name.to_string()), Ok(name));
    }
}

/// The properties at a topic's end.
fn property_bag(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let bag = PropertyBag::parse(text);
    let written = bag.to_string();
    assert!(!written.contains(['/', '+', '#']), "{written}");
    assert_eq!(PropertyBag::parse(&written), bag);
}

/// Shared access signatures.
fn sas_token(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(token) = ParsedSas::parse(text) else { return };
    let key = SymmetricKey::from_bytes(vec![7; 32]).expect("32 bytes make a key");
    assert!(token.verify([&key], Clock::system().now()).is_err(), "nobody signs with this key");
    assert!(token.refused_from() >= token.expiry());
    assert!(token.resource().covers_path_of(&Resource::parse(&token.resource().to_string())), "{token:?}");
}

/// Connection strings of services and devices.
fn connection_string(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(parsed) = iotjob::auth::parse(text) else { return };
    let (written, shown, key) = match &parsed.value {
        ConnectionString::Service(service) => (service.expose(), format!("{service:?}"), Some(&service.key)),
        ConnectionString::Device(device) => (device.expose(), format!("{device:?}"), device.proof.key()),
    };
    // Unless somebody wrote the key as a device's id or policy's name as well.
    let is_shown = |key: String| shown.contains(&key) && written.matches(&key).count() == 1;
    assert!(!key.is_some_and(|key| is_shown(key.expose_base64())), "keys are not shown");
    let again = iotjob::auth::parse(&written).unwrap_or_else(|error| panic!("{error}: it can be read again: {shown}"));
    assert_eq!(again.value, parsed.value);
}

/// A twin as the service shows it, a job's row, and things that are no rows.
fn rows() -> [Value; 4] {
    [
        json!({"deviceId": "d1", "version": 2, "tags": {"a": 1, "b": {"c": "x"}, "list": [1, "two", null]},
            "properties": {"desired": {"t": 21.5, "$version": 1}, "reported": {"t": null, "$metadata": {}}}}),
        json!({"deviceId": "d1", "jobId": "j", "status": "failed", "error": {"code": "DeviceNotOnline"}}),
        json!({}),
        json!(null),
    ]
}

/// Whole queries and job conditions.
fn query(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let rows = rows();
    match query::parse(text) {
        Ok(query) => {
            let matching = rows.iter().filter(|row| query.matches(*row));
            if query.is_aggregate() {
                query.aggregate(matching).expect("four rows are not too many groups");
            } else {
                matching.for_each(|row| drop(query.project(row)));
            }
            let written = query.to_string();
            let again = query::parse(&written).unwrap_or_else(|error| panic!("{error}: `{text}` wrote `{written}`"));
            assert_eq!(again.to_string(), written, "{text}");
            assert!(rows.iter().all(|row| again.matches(row) == query.matches(row)), "`{text}` wrote `{written}`");
        }
        Err(error) => place_of(&error, text),
    }
    match query::parse_condition(text) {
        Ok(condition) => {
            let id = |row: &Value| row.get("deviceId").and_then(Value::as_str).map(str::to_owned);
            for row in &rows {
                let in_range = id(row).is_none_or(|id| condition.key_range().contains(&id));
                assert!(in_range || !condition.matches(row), "`{text}` matches what its range leaves out");
            }
            drop(condition.conjunction());
        }
        Err(error) => place_of(&error, text),
    }
    if let Err(error) = query::parse_with(text, Strictness::Strict) {
        place_of(&error, text);
    }
}

fn place_of(error: &query::QueryError, text: &str) {
    let (line, column) = error.position(text);
    assert!(line > 0 && column > 0, "{error}");
    drop(error.service_text(text));
}

/// Manifests: places of problems lie in the text, and what is valid stays the same run.
fn manifest(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let loaded = parse_text("fuzz.yaml", text);
    let report = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    for problem in loaded.problems.iter().take(PROBLEMS_SHOWN_MAX) {
        let mut shown = String::new();
        report.render_report(&mut shown, problem).unwrap_or_else(|error| panic!("{error}: {problem}"));
    }
    let again = parse_text("fuzz.yaml", text);
    assert_eq!(loaded.problems.len(), again.problems.len());
    for (one, other) in loaded.manifests.iter().zip(&again.manifests) {
        assert_eq!(one.run_id(), other.run_id());
        for part in plan::build(one).parts {
            let condition = part.request.query_condition;
            assert!(condition.chars().count() <= QUERY_CONDITION_CHARS_MAX, "{condition}");
            query::parse_condition(&condition).unwrap_or_else(|error| panic!("{error} in the condition `{condition}`"));
        }
    }
}

/// Fleet files: places of problems lie in the text, and what is valid is the same fleet again, whole or in shards.
fn fleet(data: &[u8]) {
    /// Devices of each shard that are looked at.
    const LOOKED_AT: usize = 20;
    let Some(text) = text(data) else { return };
    let loaded = fleet::parse_text("fuzz.yaml", text);
    let report = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    for problem in loaded.problems.iter().take(PROBLEMS_SHOWN_MAX) {
        let mut shown = String::new();
        report.render_report(&mut shown, problem).unwrap_or_else(|error| panic!("{error}: {problem}"));
    }
    let again = fleet::parse_text("fuzz.yaml", text);
    assert_eq!(loaded.problems.len(), again.problems.len());
    assert_eq!(loaded.spec, again.spec);
    let Some(fleet) = loaded.spec else {
        assert!(!loaded.problems.is_empty(), "no fleet and nobody says why");
        return;
    };
    let shards = [1, 2, 3].map(|index| Shard::new(index, 3).expect("one of three"));
    assert_eq!(shards.iter().map(|shard| fleet.len_of(*shard) as u64).sum::<u64>(), fleet.len());
    for device in shards.iter().flat_map(|shard| fleet.devices_of(*shard).take(LOOKED_AT)) {
        assert_eq!(fleet.device(device.number).as_ref(), Some(&device));
        if let Some(tags) = fleet.tags(&device) {
            assert!(iotjob::model::tags_violations(&tags).is_empty(), "{tags:?}");
        }
    }
}

/// Ids and times, which stand in paths, bodies and topics.
fn words(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(time) = text.parse::<WireTime>() {
        // What is finer than the service's tenth of a microsecond is cut off.
        let written = time.to_string();
        let again = written.parse::<WireTime>().unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(again.to_string(), written, "{text}");
    }
    assert!(text.parse::<DeviceId>().map_or(true, |id| id.as_str() == text));
    assert!(text.parse::<ModuleId>().map_or(true, |id| id.as_str() == text));
    assert!(text.parse::<JobId>().map_or(true, |id| id.as_str() == text));
    assert!(text.parse::<SymmetricKey>().map_or(true, |key| !format!("{key:?}").contains(text)));
}
