//! The body of a refused twin request (DEVICE.md 2.10). It is never empty: one SDK takes an empty error for success.

use jiff::Timestamp;
use serde_json::json;

use crate::hub::HubError;
use crate::model::{Clock, Rng};

/// The text of an error as a device gets it.
pub(crate) fn error_body(error: &HubError, clock: &Clock, rng: &Rng) -> Vec<u8> {
    let now = clock.now();
    let body = json!({
        "errorCode": error.code.number(),
        "trackingId": format!("{}-G:0-TimeStamp:{}", rng.uuid().simple(), now.strftime("%m/%d/%Y %H:%M:%S")),
        "message": error.message,
        "timestampUtc": round_trip(now),
    });
    body.to_string().into_bytes()
}

/// A time with exactly seven fractional digits, which .NET's round-trip format demands.
fn round_trip(time: Timestamp) -> String {
    let ticks = time.subsec_nanosecond().unsigned_abs() / 100;
    format!("{}.{ticks:07}Z", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ErrorCode;

    // conformance: DEVICE.md 2.10: an error body has errorCode, trackingId, message and timestampUtc, and is never empty
    #[test]
    fn a_body_has_all_four_members() {
        let start: Timestamp = "2026-01-02T03:04:05.1234567Z".parse().unwrap();
        let clock = Clock::driven(start, || Duration::ZERO);
        let error = HubError::new(ErrorCode::ArgumentInvalid, "no").because("never shown");
        let body: serde_json::Value = serde_json::from_slice(&error_body(&error, &clock, &Rng::seeded(1))).unwrap();
        assert_eq!(body["errorCode"], 400_004);
        assert_eq!(body["message"], "no");
        assert_eq!(body["timestampUtc"], "2026-01-02T03:04:05.1234567Z");
        let tracking = body["trackingId"].as_str().unwrap();
        assert!(tracking.ends_with("-G:0-TimeStamp:01/02/2026 03:04:05"), "{tracking}");
        assert_eq!(tracking.find('-'), Some(32));
        assert_eq!(round_trip(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.0000000Z");
    }
}
