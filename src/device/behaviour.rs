//! How a device answers methods and what it reports.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::model::limits::{METHOD_DELAY_S_MAX, METHOD_PAYLOAD_BYTES_MAX};
use crate::model::{InvalidId, JsonObject, MethodName};

/// Says why a text is no rule for a method.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMethodRule {
    /// No `=` in it.
    #[error("`{rule}` is not of the form name=status, name=status:payload or name=status:payload@delay")]
    Shape {
        /// The text.
        rule: String,
    },
    /// The name is no method's.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// The status is no number, or 0, which the SDKs refuse (DEVICE.md 2.7).
    #[error("`{status}` is not a method's status; write an integer other than 0")]
    Status {
        /// The text.
        status: String,
    },
    /// The payload is no JSON.
    #[error("the payload of `{name}` is not JSON: {source}")]
    Payload {
        /// The method.
        name: String,
        /// The parser's words.
        source: serde_json::Error,
    },
    /// The payload is larger than the service takes.
    #[error("the payload of `{name}` has {bytes} bytes; methods take at most {METHOD_PAYLOAD_BYTES_MAX}")]
    PayloadSize {
        /// The method.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// The payload's file cannot be read.
    #[error("the payload file {} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The delay is longer than makes sense.
    #[error("the delay of `{name}` is longer than {METHOD_DELAY_S_MAX} s")]
    Delay {
        /// The method.
        name: String,
    },
}

/// How one method is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodRule {
    /// The status.
    pub status: i64,
    /// The payload as JSON; `None` says what was called with what.
    pub payload: Option<Bytes>,
    /// How long the answer takes.
    pub delay: Duration,
}

impl MethodRule {
    /// Reads `name=status[:payload][@delay]`, as in `lockDoor=200:{"ok":true}@2s`, `reboot=500` or `slow=200@30s`.
    ///
    /// The last `@` ends the payload when a duration follows it. A payload that begins with `@` names a file, which
    /// `read_file` reads.
    ///
    /// # Errors
    /// [`InvalidMethodRule`] that says which part is wrong.
    pub fn parse(
        rule: &str,
        read_file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<(MethodName, Self), InvalidMethodRule> {
        let shape = || InvalidMethodRule::Shape { rule: rule.to_owned() };
        let (name, answer) = rule.split_once('=').ok_or_else(shape)?;
        let name: MethodName = name.trim().parse()?;
        let (answer, delay) = split_delay(answer);
        if delay > Duration::from_secs(METHOD_DELAY_S_MAX) {
            return Err(InvalidMethodRule::Delay { name: name.to_string() });
        }
        let (status, payload) = match answer.split_once(':') {
            Some((status, payload)) => (status.trim(), Some(payload.trim()).filter(|payload| !payload.is_empty())),
            None => (answer.trim(), None),
        };
        let bad_status = || InvalidMethodRule::Status { status: status.to_owned() };
        let status = status.parse().ok().filter(|status| *status != 0).ok_or_else(bad_status)?;
        let payload = payload.map(|payload| read_payload(&name, payload, read_file)).transpose()?;
        Ok((name, Self { status, payload, delay }))
    }
}

/// Splits a delay off the end, when what follows the last `@` is a duration.
fn split_delay(answer: &str) -> (&str, Duration) {
    let split = answer.rsplit_once('@').and_then(|(answer, delay)| {
        let delay: SignedDuration = delay.trim().parse().ok()?;
        Some((answer, Duration::try_from(delay).ok()?))
    });
    split.unwrap_or((answer, Duration::ZERO))
}

fn read_payload(
    name: &MethodName,
    payload: &str,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Bytes, InvalidMethodRule> {
    let text = match payload.strip_prefix('@').map(Path::new) {
        None => payload.to_owned(),
        Some(path) => read_file(path).map_err(|source| InvalidMethodRule::File { path: path.to_owned(), source })?,
    };
    let value: Value =
        serde_json::from_str(&text).map_err(|source| InvalidMethodRule::Payload { name: name.to_string(), source })?;
    let json = value.to_string();
    if json.len() > METHOD_PAYLOAD_BYTES_MAX {
        return Err(InvalidMethodRule::PayloadSize { name: name.to_string(), bytes: json.len() });
    }
    Ok(json.into())
}

/// How a device behaves. The default answers every method with 200 and what was called, and reports nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behaviour {
    /// Methods that are answered by a rule of their own.
    pub methods: BTreeMap<String, MethodRule>,
    /// Properties reported after each connect, unless the twin holds them already.
    pub reported: Option<JsonObject>,
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: i64,
    pub(super) payload: Bytes,
    pub(super) delay: Duration,
}

impl Behaviour {
    /// Decides the answer to a call. Without a payload of its own it is `{"method": name, "payload": what came}`.
    pub(super) fn answer(&self, name: &str, payload: &Value) -> Answer {
        let rule = self.methods.get(name);
        let said = || {
            let said = json!({"method": name, "payload": payload}).to_string();
            // A payload at the limit leaves no room for its own echo.
            Bytes::from(if said.len() > METHOD_PAYLOAD_BYTES_MAX { json!({"method": name}).to_string() } else { said })
        };
        match rule {
            None => Answer { status: 200, payload: said(), delay: Duration::ZERO },
            Some(rule) => {
                Answer { status: rule.status, payload: rule.payload.clone().unwrap_or_else(said), delay: rule.delay }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_file(path: &Path) -> io::Result<String> {
        panic!("{} is not to be read", path.display())
    }

    #[test]
    fn rules_are_read_as_documented() {
        let rule = |status, payload: Option<&'static str>, delay_ms| MethodRule {
            status,
            payload: payload.map(Bytes::from),
            delay: Duration::from_millis(delay_ms),
        };
        let cases = [
            (r#"lockDoor=200:{"ok": true}@2s"#, "lockDoor", rule(200, Some(r#"{"ok":true}"#), 2_000)),
            ("reboot=500", "reboot", rule(500, None, 0)),
            ("slow=200@30s", "slow", rule(200, None, 30_000)),
            ("m=200@1m 30s", "m", rule(200, None, 90_000)),
            ("m=-7:null@250ms", "m", rule(-7, Some("null"), 250)),
            (r#"m=200:"a@b""#, "m", rule(200, Some(r#""a@b""#), 0)),
            (r#"m=200:"a@5s"@5s"#, "m", rule(200, Some(r#""a@5s""#), 5_000)),
            (r#"m=200:{"a":"x=y:z"}"#, "m", rule(200, Some(r#"{"a":"x=y:z"}"#), 0)),
        ];
        for (text, name, expected) in cases {
            let (parsed_name, parsed) =
                MethodRule::parse(text, no_file).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((parsed_name.as_str(), parsed), (name, expected), "{text}");
        }
    }

    #[test]
    fn a_payload_may_lie_in_a_file() {
        let read = |path: &Path| {
            assert_eq!(path, Path::new("body@v1.json"));
            Ok("[1, 2]".to_owned())
        };
        let (_, rule) = MethodRule::parse("m=200:@body@v1.json@1s", read).unwrap();
        assert_eq!(
            rule,
            MethodRule { status: 200, payload: Some(Bytes::from("[1,2]")), delay: Duration::from_secs(1) }
        );
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        use InvalidMethodRule as E;
        let error = |text: &str| MethodRule::parse(text, |_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(matches!(error("lockDoor"), E::Shape { .. }));
        assert!(matches!(error("lock door=200"), E::Name(_)));
        assert!(matches!(error("m=ok"), E::Status { .. }));
        assert!(matches!(error("m=0"), E::Status { .. }));
        assert!(matches!(error("m=200:{"), E::Payload { .. }));
        assert!(matches!(error("m=200:@nowhere.json"), E::File { .. }));
        assert!(matches!(error("m=200@48h"), E::Delay { .. }));
        let large = format!("m=200:\"{}\"", "x".repeat(METHOD_PAYLOAD_BYTES_MAX));
        assert!(matches!(error(&large), E::PayloadSize { .. }));
    }

    #[test]
    fn an_unknown_method_is_answered_with_what_was_called() {
        let answer = Behaviour::default().answer("lockDoor", &json!({"lockTime": "10m"}));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.payload, r#"{"method":"lockDoor","payload":{"lockTime":"10m"}}"#);
    }

    #[test]
    fn an_echo_never_outgrows_the_limit() {
        let answer = Behaviour::default().answer("m", &json!("x".repeat(METHOD_PAYLOAD_BYTES_MAX - 2)));
        assert_eq!(answer.payload, r#"{"method":"m"}"#);
    }
}
