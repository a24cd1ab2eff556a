//! `POST /twins/.../methods`: direct methods (REST.md 7).

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::HttpState;
use super::answer;
use super::error::{Envelope, Refusal};
use super::extract::Target;
use super::json::{JsonBody, lenient_integer};
use crate::hub::throttle::Operation;
use crate::model::limits::{CONNECT_TIMEOUT_S_MAX, ID_CHARS_MAX, METHOD_PAYLOAD_BYTES_MAX, RESPONSE_TIMEOUT_S};
use crate::model::{MethodJob, MethodRequest};

/// Calls a method and answers with what the device answered, whatever its status.
pub(super) async fn invoke(
    State(hub): State<HttpState>,
    Target(id): Target,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let nested = |refusal: Refusal| refusal.said_by(Envelope::Nested);
    let request = body.read::<MethodBody>().and_then(MethodBody::check).map_err(nested)?;
    // Only the size of the request is metered (REST.md 10), and the gateway, not the method's back end, refuses.
    hub.manner.throttle.admit(Operation::DirectMethod, request.payload.to_string().len()).await?;
    let answered = hub.engine.invoke_method(id, request).await.map_err(|error| nested(error.into()))?;
    Ok(answer::ok(&answered))
}

/// A method as callers write it, also inside a job. Every member may be null or missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MethodBody {
    method_name: Option<String>,
    payload: Value,
    #[serde(deserialize_with = "lenient_integer")]
    response_timeout_in_seconds: Option<i64>,
    #[serde(deserialize_with = "lenient_integer")]
    connect_timeout_in_seconds: Option<i64>,
}

impl MethodBody {
    /// The call with the service's defaults filled in.
    ///
    /// # Errors
    /// `ArgumentInvalid`, naming the range that was left.
    pub(super) fn check(self) -> Result<MethodRequest, Refusal> {
        let (response_min, response_max, response_default) = RESPONSE_TIMEOUT_S;
        let response =
            within("responseTimeoutInSeconds", self.response_timeout_in_seconds, response_min, response_max)?
                .unwrap_or(response_default);
        let connect =
            within("connectTimeoutInSeconds", self.connect_timeout_in_seconds, 0, CONNECT_TIMEOUT_S_MAX)?.unwrap_or(0);
        if connect > response {
            return Err(Refusal::argument(format!(
                "connectTimeoutInSeconds ({connect}) must not be above responseTimeoutInSeconds ({response})."
            )));
        }
        let method_name = self.method_name.unwrap_or_default();
        let chars = method_name.chars().count();
        if chars == 0 || chars > ID_CHARS_MAX || method_name.contains(char::is_control) {
            return Err(Refusal::argument(format!("methodName must be a text of 1 to {ID_CHARS_MAX} characters.")));
        }
        let bytes = self.payload.to_string().len();
        if bytes > METHOD_PAYLOAD_BYTES_MAX {
            return Err(Refusal::argument(format!(
                "The payload has {bytes} bytes; at most {METHOD_PAYLOAD_BYTES_MAX} are allowed."
            )));
        }
        Ok(MethodRequest {
            method_name,
            payload: self.payload,
            response_timeout_in_seconds: response,
            connect_timeout_in_seconds: connect,
        })
    }
}

impl MethodBody {
    /// The call as a job keeps it: checked, with only the time-outs that were given.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn for_job(self) -> Result<MethodJob, Refusal> {
        let gave_response = self.response_timeout_in_seconds.is_some();
        let gave_connect = self.connect_timeout_in_seconds.is_some();
        let call = self.check()?;
        Ok(MethodJob {
            method_name: call.method_name,
            payload: call.payload,
            response_timeout_in_seconds: gave_response.then_some(call.response_timeout_in_seconds),
            connect_timeout_in_seconds: gave_connect.then_some(call.connect_timeout_in_seconds),
        })
    }
}

fn within(member: &str, value: Option<i64>, min: u64, max: u64) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    match u64::try_from(value) {
        Ok(seconds) if (min..=max).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(Refusal::argument(format!("{member} must be between {min} and {max} seconds, not {value}."))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::http::json::read;
    use crate::model::ErrorCode;

    fn check(body: Value) -> Result<MethodRequest, Refusal> {
        read::<MethodBody>(body)?.check()
    }

    // conformance: REST.md 7: responseTimeout is 30 s and connectTimeout 0 s by default
    #[test]
    fn defaults_are_filled_in_and_texts_taken_for_numbers() {
        let call = check(json!({"methodName": "m"})).unwrap();
        assert_eq!(
            (call.payload, call.response_timeout_in_seconds, call.connect_timeout_in_seconds),
            (Value::Null, 30, 0)
        );
        let call = check(json!({"methodName": "m", "payload": "{}", "responseTimeoutInSeconds": "30", "connectTimeoutInSeconds": "30"}))
            .unwrap();
        assert_eq!((call.payload, call.connect_timeout_in_seconds), (json!("{}"), 30));
    }

    // conformance: REST.md 7: time-outs keep their ranges at both ends
    #[test]
    fn time_outs_keep_their_ranges() {
        for (member, value) in [
            ("responseTimeoutInSeconds", 4),
            ("responseTimeoutInSeconds", 301),
            ("responseTimeoutInSeconds", 0),
            ("connectTimeoutInSeconds", -1),
            ("connectTimeoutInSeconds", 301),
            ("connectTimeoutInSeconds", 31),
        ] {
            let refusal = check(json!({"methodName": "m", member: value})).unwrap_err();
            assert_eq!(refusal.error.code, ErrorCode::ArgumentInvalid);
            assert!(refusal.error.message.contains(member), "{}", refusal.error.message);
        }
    }

    // conformance: REST.md 7: a payload over 128 KB is refused
    #[test]
    fn a_call_needs_a_name_and_a_payload_that_fits() {
        for body in [json!({}), json!({"methodName": null}), json!({"methodName": ""}), json!({"methodName": 5})] {
            assert!(check(body).is_err());
        }
        let text = |chars| "x".repeat(chars);
        assert!(check(json!({"methodName": "m", "payload": text(METHOD_PAYLOAD_BYTES_MAX - 2)})).is_ok());
        assert!(check(json!({"methodName": "m", "payload": text(METHOD_PAYLOAD_BYTES_MAX - 1)})).is_err());
    }
}
