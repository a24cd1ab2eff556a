//! The service's objects as `--output json` prints them.

use serde::Serialize;

use crate::report::inert;

/// One JSON object on one line, in the service's member names.
pub fn to_json_line(value: &impl Serialize) -> String {
    inert(serde_json::to_string(value).expect("the service's objects have text keys"))
}
