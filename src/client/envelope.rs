//! Reads the service's errors out of the six forms in which they come (REST.md 3.1).
//!
//! The header `iothub-errorcode` wins over the body; of envelopes within envelopes, the innermost text wins.

use serde_json::Value;

use super::asker::Asker;
use super::error::ServiceError;
use crate::model::ErrorCode;

/// Envelopes within envelopes that are followed; the service nests two.
const DEPTH_MAX: usize = 4;
/// Characters of the service's words that are kept.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// Reads an error answer. Never fails: what cannot be read is shown as it is.
pub(super) fn read(status: u16, header_code: Option<&str>, body: &[u8], asker: Asker) -> ServiceError {
    let mut found = Found::default();
    match serde_json::from_slice::<Value>(body) {
        Ok(envelope @ Value::Object(_)) => found.read_object(&envelope, DEPTH_MAX),
        Ok(Value::String(text)) => found.read_text(&text, DEPTH_MAX),
        _ => found.read_plain(body),
    }
    let body_code = found.code;
    let code_text = header_code.map(str::to_owned).filter(|text| !text.is_empty()).or(body_code);
    let code = code_text.as_deref().and_then(known_code);
    ServiceError {
        status,
        code,
        // A number says less than its name.
        code_text: code.map(|code| code.name().to_owned()).or_else(|| code_text.as_deref().map(printable)),
        message: printable(found.message.as_deref().unwrap_or_default()),
        tracking_id: found.tracking_id.as_deref().map(printable),
        retry_after: None,
        asker,
    }
}

fn known_code(text: &str) -> Option<ErrorCode> {
    match text.parse::<u32>() {
        Ok(number) => ErrorCode::from_number(number),
        Err(_) => ErrorCode::from_name(text),
    }
}

#[derive(Default)]
struct Found {
    code: Option<String>,
    message: Option<String>,
    tracking_id: Option<String>,
}

impl Found {
    /// Envelopes 1 to 5: an object with `Message`, or a flat one with `errorCode` and `message`.
    fn read_object(&mut self, envelope: &Value, depth: usize) {
        if let Some(code) = member(envelope, "errorCode").and_then(scalar_text) {
            self.code = Some(code);
        }
        if let Some(id) = member(envelope, "trackingId").and_then(Value::as_str) {
            self.tracking_id = Some(before_timestamp(id));
        }
        if let Some(text) = member(envelope, "message").and_then(Value::as_str) {
            self.read_text(text, depth);
        }
        if let Some(text) = member(envelope, "ExceptionMessage").and_then(Value::as_str) {
            self.read_exception(text);
        }
    }

    /// What stands in `Message`: words, `ErrorCode:<Name>;<words>`, or another envelope, perhaps after words.
    fn read_text(&mut self, text: &str, depth: usize) {
        let mut rest = text.trim();
        if let Some(after) = rest.strip_prefix("ErrorCode:") {
            let (name, words) = after.split_once(';').unwrap_or((after, ""));
            self.code = Some(name.trim().to_owned());
            rest = words.trim();
        }
        match rest.find('{').and_then(|at| first_object(&rest[at..])) {
            Some(inner) if depth > 0 => {
                self.message = Some(rest.to_owned());
                self.read_object(&inner, depth - 1);
            }
            _ => self.message = Some(self.read_lines(rest)),
        }
    }

    /// The job service's form of several lines (REST.md 3.1, 4): its `Message:` line says what happened.
    fn read_lines(&mut self, text: &str) -> String {
        let line = |label: &str| {
            text.lines()
                .find_map(|line| line.trim().strip_prefix(label))
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        if let Some(id) = line("Tracking ID:") {
            self.tracking_id = Some(before_timestamp(id));
        }
        line("Message:").unwrap_or(text).to_owned()
    }

    /// `ExceptionMessage`: a tracking id, and on newer gateways a diagnosis before it (REST.md 2.5).
    fn read_exception(&mut self, text: &str) {
        let (diagnosis, tracking) = match text.split_once("Tracking ID:") {
            Some((diagnosis, tracking)) => (diagnosis.trim(), Some(tracking)),
            None => (text.trim(), None),
        };
        if let Some(tracking) = tracking {
            self.tracking_id.get_or_insert_with(|| before_timestamp(tracking));
        }
        if diagnosis.is_empty() {
            return;
        }
        match &mut self.message {
            Some(message) if !message.is_empty() => {
                message.push_str(": ");
                message.push_str(diagnosis);
            }
            message => *message = Some(diagnosis.to_owned()),
        }
    }

    /// Not JSON: a gateway's plain words, or a page for browsers, which helps nobody.
    fn read_plain(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        if text.starts_with('<') {
            self.message = Some("the answer is an HTML page".to_owned());
        } else if !text.is_empty() {
            self.message = Some(text.to_owned());
        }
    }
}

/// A member by name, without regard to case: both `Message` and `message` are in use.
fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The object that a text begins with, whatever follows it, if it is an envelope.
fn first_object(text: &str) -> Option<Value> {
    let value = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()?;
    member(&value, "message").is_some().then_some(value)
}

/// A tracking id without the time that follows it after `-TimeStamp:`.
fn before_timestamp(text: &str) -> String {
    let id = text.split("-TimeStamp:").next().unwrap_or(text);
    id.trim().trim_end_matches(['-', ':']).to_owned()
}

/// One line without control characters, which a terminal might obey, without signatures and keys, and not too long.
fn printable(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = redact(&words.join(" "));
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Hides what a gateway might echo of our credentials.
fn redact(text: &str) -> String {
    let mut clean = text.to_owned();
    for label in ["sig=", "SharedAccessKey=", "Bearer "] {
        let mut from = 0;
        while let Some(at) = clean[from..].find(label) {
            let start = from + at + label.len();
            let end = clean[start..].find(['&', ';', ' ', '"', '\'', ',']).map_or(clean.len(), |length| start + length);
            clean.replace_range(start..end, "***");
            from = start + "***".len();
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(status: u16, header: Option<&str>, body: &str) -> (Option<ErrorCode>, String, Option<String>) {
        let error = read(status, header, body.as_bytes(), Asker::Principal);
        (error.code, error.message, error.tracking_id)
    }

    #[test]
    fn the_ordinary_envelope() {
        let body = r#"{"Message":"ErrorCode:DeviceNotFound;d1","ExceptionMessage":"Tracking ID:0f1e-G:4-TimeStamp:02/03/2026 04:05:06"}"#;
        let want = (Some(ErrorCode::DeviceNotFound), "d1".to_owned(), Some("0f1e-G:4".to_owned()));
        assert_eq!(parts(404, None, body), want);
        let newer = body.replace("-G:4-", "-G2:-");
        assert_eq!(parts(404, None, &newer).2.unwrap(), "0f1e-G2");
    }

    #[test]
    fn the_flat_envelope_with_a_number() {
        let body = r#"{"errorCode":409301,"message":"module m exists","trackingId":"ab","timestampUtc":"2026-01-01T00:00:00Z"}"#;
        let want = (Some(ErrorCode::ModuleAlreadyExistsOnDevice), "module m exists".to_owned(), Some("ab".to_owned()));
        assert_eq!(parts(409, None, body), want);
    }

    #[test]
    fn the_nested_envelope_of_methods() {
        let body = r#"{"Message":"{\"errorCode\":404103,\"trackingId\":\"ab12-G:0-TimeStamp:01/02/2026 03:04:05\",\"message\":\"Timed out waiting for device to connect.\",\"info\":null,\"timestampUtc\":\"2026-01-02T03:04:05.6Z\"}","ExceptionMessage":""}"#;
        let want = (
            Some(ErrorCode::DeviceNotOnline),
            "Timed out waiting for device to connect.".to_owned(),
            Some("ab12-G:0".to_owned()),
        );
        assert_eq!(parts(404, Some("DeviceNotOnline"), body), want);
    }

    #[test]
    fn the_double_envelope_of_jobs_gives_the_inner_text() {
        let body = r#"{"Message":"ErrorCode:ThrottlingMaxActiveJobCountExceeded;Error: 429 {\"Message\":\"ErrorCode:ThrottlingMaxActiveJobCountExceeded;one job at a time\",\"ExceptionMessage\":\"Tracking ID:in-TimeStamp:x\"}","ExceptionMessage":"Tracking ID:out-TimeStamp:x"}"#;
        let want = (
            Some(ErrorCode::ThrottlingMaxActiveJobCountExceeded),
            "one job at a time".to_owned(),
            Some("in".to_owned()),
        );
        assert_eq!(parts(429, None, body), want);
    }

    #[test]
    fn the_job_form_of_several_lines() {
        let body = r#"{"Message":"ErrorCode:JobQuotaExceeded;Error: 403 ErrorCode: JobQuotaExceeded\nMessage: too many jobs\nTimestamp: t\nTracking ID: ","ExceptionMessage":"Tracking ID:x-TimeStamp:t"}"#;
        let want = (Some(ErrorCode::JobQuotaExceeded), "too many jobs".to_owned(), Some("x".to_owned()));
        assert_eq!(parts(403, None, body), want);
    }

    #[test]
    fn words_without_a_code_plain_words_pages_and_nothing() {
        for (body, message) in [
            (
                r#"{"Message":"The requested resource does not support http method 'POST'."}"#,
                "The requested resource does not support http method 'POST'.",
            ),
            ("Bad Gateway\r\n", "Bad Gateway"),
            ("<html><body>502</body></html>", "the answer is an HTML page"),
            ("", ""),
            ("[1]", "[1]"),
        ] {
            assert_eq!(parts(502, None, body), (None, message.to_owned(), None), "{body}");
        }
    }

    #[test]
    fn the_header_wins_and_unknown_codes_keep_their_text() {
        let body = r#"{"Message":"ErrorCode:ArgumentInvalid;BadRequest"}"#;
        assert_eq!(parts(412, Some("PreconditionFailed"), body).0, Some(ErrorCode::PreconditionFailed));
        let error = read(503, Some("ServerBusy"), b"", Asker::Principal);
        assert_eq!((error.code, error.to_string()), (None, "503 ServerBusy".to_owned()));
    }

    #[test]
    fn a_diagnosis_of_several_lines_is_kept_on_one() {
        let body = r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"signature matches\r\nneither key\u001b[2J\nTracking ID:q-TimeStamp:z"}"#;
        let want = (
            Some(ErrorCode::IotHubUnauthorizedAccess),
            "Unauthorized: signature matches neither key [2J".to_owned(),
            Some("q".to_owned()),
        );
        assert_eq!(parts(401, None, body), want);
    }

    #[test]
    fn an_echoed_token_is_hidden() {
        let body =
            r#"{"Message":"bad token SharedAccessSignature sr=h&sig=c2VjcmV0&se=1 and SharedAccessKey=geheim; end"}"#;
        let message = parts(401, None, body).1;
        assert_eq!(message, "bad token SharedAccessSignature sr=h&sig=***&se=1 and SharedAccessKey=***; end");
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_panics(body in r#"(\{|\}|"|Message|ErrorCode:|;|:|\\|sig=|é|.){0,30}"#) {
            let _ = read(500, None, body.as_bytes(), Asker::Principal);
        }
    }
}
