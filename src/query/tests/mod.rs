//! Tests of the language as a whole; what belongs to one file is tested there.

mod answers;
mod corpus;
mod interpreter;
mod properties;
mod refusals;
mod semantics;

use serde_json::{Value, json};

/// A twin with a value of every type.
fn twin() -> Value {
    json!({
        "deviceId": "line1-door-7",
        "status": "enabled",
        "connectionState": "Connected",
        "capabilities": {"iotEdge": false},
        "parentScopes": ["ms-azure-iot-edge://gw-1", 7],
        "tags": {"site": "oslo", "ring": 2, "live": true, "list": [1, "a", null], "a-b": 1, "group": {"name": "g"}},
        "properties": {
            "desired": {"$version": 3, "k-1": "on", "$metadata": {"$lastUpdated": "2026-01-01T00:00:00Z"}},
            "reported": {"t": 20.5, "whole": 5, "lastDesiredVersion": 3, "none": null, "$version": 1}
        }
    })
}
