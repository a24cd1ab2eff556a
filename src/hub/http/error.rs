//! Refusals and the five shapes in which the service writes them (REST.md 3.1).
//!
//! An endpoint only says what is wrong and which part of the service would have said it. The text for the caller is
//! rendered by `answer`, which knows the request's id and the time; the reason for the operator goes to the log.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hub::HubError;
use crate::model::{ErrorCode, WireTime};

/// Which part of the service speaks, and so in which shape (REST.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// The gateway: `Message` and a tracking id that equals the request id.
    Gateway,
    /// The twin store: as the gateway, with a tracking id of its own.
    TwinStore,
    /// Modules already there: flat members.
    Flat,
    /// Direct methods: the flat members as a text inside `Message`.
    Nested,
    /// Jobs: the gateway's envelope round the job service's.
    JobService,
    /// The router itself, which knows no error codes.
    Routing,
}

/// An error on its way to the caller.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// What is wrong.
    pub(super) error: Box<HubError>,
    /// Who says so.
    pub(super) envelope: Envelope,
}

/// What an answer's ids and times are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracking {
    /// The `x-ms-request-id`.
    pub(super) request: Uuid,
    /// An id of whatever stands behind the gateway.
    pub(super) back_end: Uuid,
    /// When.
    pub(super) now: Timestamp,
}

impl From<HubError> for Refusal {
    fn from(error: HubError) -> Self {
        Self { error: Box::new(error), envelope: Envelope::Gateway }
    }
}

impl Refusal {
    /// A refusal with the caller's text.
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        HubError::new(code, message).into()
    }

    /// A value outside its rules. The caller gets the text too: the service has words for these (REST.md 6.5).
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, message)
    }

    /// What the service says of everything it cannot read: no detail at all (REST.md 3.3). The log has the detail.
    pub(super) fn unreadable(code: ErrorCode, reason: impl Into<Box<str>>) -> Self {
        HubError::new(code, "BadRequest").because(reason).into()
    }

    /// The same refusal, said by another part of the service.
    #[must_use]
    pub(super) fn said_by(mut self, envelope: Envelope) -> Self {
        self.envelope = envelope;
        self
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code.http_status()).expect("every code's status has three digits")
    }

    /// Whether the answer names its code in `iothub-errorcode`; the router's own answers do not.
    pub(super) fn is_coded(&self) -> bool {
        self.envelope != Envelope::Routing
    }

    /// The body.
    pub(super) fn body(&self, tracking: &Tracking) -> Value {
        let HubError { code, message, .. } = &*self.error;
        let plain = format!("ErrorCode:{};{message}", code.name());
        match self.envelope {
            Envelope::Gateway => ordinary(&plain, &tracking.gateway_id()),
            Envelope::TwinStore => ordinary(&plain, &tracking.back_end_id()),
            Envelope::Flat => self.flat(tracking),
            Envelope::Nested => json!({"Message": self.flat(tracking).to_string(), "ExceptionMessage": ""}),
            Envelope::JobService => {
                let inner = ordinary(&plain, &tracking.back_end_id());
                let status = self.status().canonical_reason().unwrap_or_default().replace(' ', "");
                ordinary(&format!("ErrorCode:{};Error: {status} {inner}", code.name()), &tracking.gateway_id())
            }
            Envelope::Routing => json!({"Message": message}),
        }
    }

    fn flat(&self, tracking: &Tracking) -> Value {
        let mut flat = json!({
            "errorCode": self.error.code.number(),
            "trackingId": tracking.gateway_id(),
            "message": self.error.message,
        });
        if self.envelope == Envelope::Nested {
            flat["info"] = self.error.info.clone().unwrap_or(Value::Null);
        }
        flat["timestampUtc"] = json!(WireTime::At(tracking.now));
        flat
    }
}

fn ordinary(message: &str, tracking: &str) -> Value {
    // conformance-deviation: REST.md 3.1: tracking ids are written in the older form, -G:0 and MM/DD/YYYY
    json!({"Message": message, "ExceptionMessage": format!("Tracking ID:{tracking}")})
}

impl Tracking {
    /// Of errors that the gateway makes: the request's id and a partition (REST.md 3.1).
    fn gateway_id(&self) -> String {
        format!("{}-G:0-TimeStamp:{}", self.request.simple(), self.stamp())
    }

    /// Of errors from behind the gateway: an id of their own, no partition (REST.md 3.1).
    fn back_end_id(&self) -> String {
        format!("{}-TimeStamp:{}", self.back_end.simple(), self.stamp())
    }

    fn stamp(&self) -> jiff::fmt::strtime::Display<'static> {
        self.now.strftime("%m/%d/%Y %H:%M:%S")
    }
}

impl IntoResponse for Refusal {
    /// An answer that `answer::finish` will fill.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking() -> Tracking {
        Tracking {
            request: Uuid::from_u128(0xa),
            back_end: Uuid::from_u128(0xb),
            now: "2026-02-03T04:05:06.6Z".parse().unwrap(),
        }
    }

    const A: &str = "0000000000000000000000000000000a-G:0-TimeStamp:02/03/2026 04:05:06";
    const B: &str = "0000000000000000000000000000000b-TimeStamp:02/03/2026 04:05:06";

    // conformance: REST.md 3.1: errors of the twin store have a tracking id of their own, without -G
    #[test]
    fn the_gateway_repeats_the_request_id_and_the_twin_store_does_not() {
        let refusal = Refusal::new(ErrorCode::DeviceNotFound, "d1");
        assert_eq!(
            refusal.body(&tracking()),
            json!({"Message": "ErrorCode:DeviceNotFound;d1", "ExceptionMessage": format!("Tracking ID:{A}")})
        );
        assert_eq!(
            refusal.said_by(Envelope::TwinStore).body(&tracking())["ExceptionMessage"],
            json!(format!("Tracking ID:{B}"))
        );
    }

    // conformance: REST.md 3.1: the envelope of a method error has code, tracking id, message, info and time
    #[test]
    fn method_errors_are_a_text_inside_message() {
        let mut refusal = Refusal::new(ErrorCode::DeviceNotOnline, "Timed out waiting for device to connect.")
            .said_by(Envelope::Nested);
        refusal.error.info = Some(json!({"timeout": "00:00:00"}));
        let body = refusal.body(&tracking());
        assert_eq!(body["ExceptionMessage"], "");
        let inner: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        assert_eq!(
            inner,
            json!({
                "errorCode": 404_103, "trackingId": A, "message": "Timed out waiting for device to connect.",
                "info": {"timeout": "00:00:00"}, "timestampUtc": "2026-02-03T04:05:06.6Z",
            })
        );
    }

    // conformance: REST.md 3.1: the double envelope of the job service
    #[test]
    fn job_errors_hold_the_job_services_own() {
        let refusal =
            Refusal::new(ErrorCode::ThrottlingMaxActiveJobCountExceeded, "full").said_by(Envelope::JobService);
        let message = refusal.body(&tracking())["Message"].as_str().unwrap().to_owned();
        let (head, inner) = message.split_once('{').unwrap();
        assert_eq!(head, "ErrorCode:ThrottlingMaxActiveJobCountExceeded;Error: TooManyRequests ");
        let inner: Value = serde_json::from_str(&format!("{{{inner}")).unwrap();
        assert_eq!(inner["Message"], "ErrorCode:ThrottlingMaxActiveJobCountExceeded;full");
    }

    // conformance: REST.md 2.5: the reason of a refusal is told to the log, never to the caller
    #[test]
    fn the_reason_never_reaches_the_caller() {
        let refusal = Refusal::unreadable(ErrorCode::ArgumentInvalid, "secret detail");
        for envelope in [Envelope::Gateway, Envelope::TwinStore, Envelope::Flat, Envelope::Nested, Envelope::JobService]
        {
            assert!(
                !refusal.clone().said_by(envelope).body(&tracking()).to_string().contains("detail"),
                "{envelope:?}"
            );
        }
    }
}
