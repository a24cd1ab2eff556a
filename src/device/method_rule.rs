//! How one method is answered, and how people write it.

use std::io;
use std::num::NonZeroI64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::template::{Individual, PayloadTemplate};
use crate::model::limits::METHOD_PAYLOAD_BYTES_MAX;
use crate::model::{InvalidId, InvalidLatency, Latency, MethodName, Share};

/// The status of whoever does what was asked.
pub const STATUS_OK: NonZeroI64 = NonZeroI64::new(200).expect("200 is not 0");
/// The status of whoever cannot.
const STATUS_FAULT: NonZeroI64 = NonZeroI64::new(500).expect("500 is not 0");

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
    /// The delay is no time that a device may take.
    #[error("the delay of `{name}`: {source}")]
    Delay {
        /// The method.
        name: String,
        /// Why not.
        source: InvalidLatency,
    },
}

/// What an answer says besides its status.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Payload {
    /// What was called with what: `{"method": name, "payload": what came}`.
    #[default]
    Echo,
    /// This JSON.
    Fixed(Bytes),
    /// JSON that is filled for each call.
    Template(PayloadTemplate),
}

/// Says that JSON is too large for a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload has {bytes} bytes; methods take at most {METHOD_PAYLOAD_BYTES_MAX}")]
pub struct PayloadTooLarge {
    /// Its size.
    pub bytes: usize,
}

impl Payload {
    /// The payload that a template makes; one in which nothing is to be filled is fixed.
    ///
    /// # Errors
    /// [`PayloadTooLarge`] when it is, whatever comes in.
    pub fn of_template(template: PayloadTemplate) -> Result<Self, PayloadTooLarge> {
        match template.as_fixed() {
            Some(json) => Self::fixed(json),
            None => fitting(template.largest().to_string().into()).map(|_| Self::Template(template)),
        }
    }

    /// This JSON, as it is.
    ///
    /// # Errors
    /// [`PayloadTooLarge`] when it is.
    pub fn fixed(json: &Value) -> Result<Self, PayloadTooLarge> {
        fitting(json.to_string().into()).map(Self::Fixed)
    }

    /// The bytes of one answer.
    fn bytes(&self, call: &Call<'_>) -> Result<Bytes, PayloadTooLarge> {
        match self {
            Self::Echo => {
                let said = json!({"method": call.name, "payload": call.payload}).to_string().into();
                // A payload at the limit leaves no room for its own echo.
                Ok(fitting(said).unwrap_or_else(|_| json!({"method": call.name}).to_string().into()))
            }
            Self::Fixed(bytes) => Ok(bytes.clone()),
            Self::Template(template) => {
                let filled = template.fill(call.individual, "answer", call.count, Some(call.payload));
                fitting(filled.to_string().into())
            }
        }
    }
}

fn fitting(json: Bytes) -> Result<Bytes, PayloadTooLarge> {
    if json.len() > METHOD_PAYLOAD_BYTES_MAX { Err(PayloadTooLarge { bytes: json.len() }) } else { Ok(json) }
}

/// What some of the calls are answered with instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Failures {
    /// How many.
    pub share: Share,
    /// Their status.
    pub status: NonZeroI64,
    /// Their payload.
    pub payload: Payload,
}

/// How one method is answered. The default is 200, at once, with what was called.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodRule {
    /// The status.
    pub status: NonZeroI64,
    /// The payload.
    pub payload: Payload,
    /// How long the answer takes.
    pub latency: Latency,
    /// Calls that fail.
    pub failures: Option<Failures>,
    /// Calls that are taken and never answered, so that the hub's time-out ends them.
    pub hangs: Share,
}

impl Default for MethodRule {
    fn default() -> Self {
        let (payload, latency, hangs) = (Payload::Echo, Latency::NONE, Share::NONE);
        Self { status: STATUS_OK, payload, latency, failures: None, hangs }
    }
}

/// One call of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'c> {
    pub(super) individual: &'c Individual<'c>,
    pub(super) name: &'c str,
    pub(super) payload: &'c Value,
    /// Which call of the device it is, from 1.
    pub(super) count: u64,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Given { status: i64, payload: Bytes, after: Duration },
    Never,
}

impl MethodRule {
    /// Decides what becomes of a call.
    pub(super) fn answer(&self, call: &Call<'_>) -> Answer {
        let draw = |purpose| call.individual.seed.draw(purpose, call.count);
        if draw("hang").hits(self.hangs) {
            return Answer::Never;
        }
        let failure = self.failures.as_ref().filter(|failures| draw("failure").hits(failures.share));
        let (status, payload) = match failure {
            Some(failures) => (failures.status, &failures.payload),
            None => (self.status, &self.payload),
        };
        let after = self.latency.drawn(&mut draw("latency"));
        match payload.bytes(call) {
            Ok(payload) => Answer::Given { status: status.get(), payload, after },
            Err(error) => {
                let payload = json!({"error": error.to_string()}).to_string().into();
                Answer::Given { status: STATUS_FAULT.get(), payload, after }
            }
        }
    }

    /// Reads `name=status[:payload][@delay]`, as in `lockDoor=200:{"ok":true}@1s..3s`, `reboot=500` or `slow=200@30s`.
    ///
    /// The last `@` ends the payload when a duration follows it, or two with `..` between. A payload that begins with `@` names a file, which
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
        let bad_delay = |source| InvalidMethodRule::Delay { name: name.to_string(), source };
        let (answer, latency) = split_delay(answer).map_err(bad_delay)?;
        let (status, payload) = match answer.split_once(':') {
            Some((status, payload)) => (status.trim(), Some(payload.trim()).filter(|payload| !payload.is_empty())),
            None => (answer.trim(), None),
        };
        let bad_status = || InvalidMethodRule::Status { status: status.to_owned() };
        let status = status.parse().map_err(|_| bad_status())?;
        let payload = payload.map(|payload| read_payload(&name, payload, read_file)).transpose()?.unwrap_or_default();
        Ok((name, Self { status, payload, latency, ..Self::default() }))
    }
}

/// Splits a delay off the end, when what follows the last `@` reads like one: an `@` may also be part of the payload.
fn split_delay(answer: &str) -> Result<(&str, Latency), InvalidLatency> {
    let Some((before, delay)) = answer.rsplit_once('@') else { return Ok((answer, Latency::NONE)) };
    match delay.parse() {
        Ok(latency) => Ok((before, latency)),
        Err(InvalidLatency::Text { .. }) => Ok((answer, Latency::NONE)),
        Err(error) => Err(error),
    }
}

fn read_payload(
    name: &MethodName,
    payload: &str,
    read_file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Payload, InvalidMethodRule> {
    let text = match payload.strip_prefix('@').map(Path::new) {
        None => payload.to_owned(),
        Some(path) => read_file(path).map_err(|source| InvalidMethodRule::File { path: path.to_owned(), source })?,
    };
    let value: Value =
        serde_json::from_str(&text).map_err(|source| InvalidMethodRule::Payload { name: name.to_string(), source })?;
    let too_large = |PayloadTooLarge { bytes }| InvalidMethodRule::PayloadSize { name: name.to_string(), bytes };
    Payload::fixed(&value).map_err(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Seed, TwinId};

    fn no_file(path: &Path) -> io::Result<String> {
        panic!("{} is not to be read", path.display())
    }

    #[test]
    fn rules_are_read_as_documented() {
        let rule = |status, payload: Option<&'static str>, delay_ms| MethodRule {
            status: NonZeroI64::new(status).unwrap(),
            payload: payload.map_or(Payload::Echo, |payload| Payload::Fixed(payload.into())),
            latency: Latency::fixed(Duration::from_millis(delay_ms)).unwrap(),
            ..MethodRule::default()
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
        assert_eq!(rule.payload, Payload::Fixed("[1,2]".into()));
        assert_eq!(rule.latency, Latency::fixed(Duration::from_secs(1)).unwrap());
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
        assert!(matches!(error("m=200@3s..1s"), E::Delay { .. }));
        let large = format!("m=200:\"{}\"", "x".repeat(METHOD_PAYLOAD_BYTES_MAX));
        assert!(matches!(error(&large), E::PayloadSize { .. }));
    }

    #[test]
    fn a_delay_may_be_a_span() {
        let (_, rule) = MethodRule::parse(r#"lockDoor=200:{"at":"a@b"}@1s..3s"#, no_file).unwrap();
        assert_eq!(rule.payload, Payload::Fixed(r#"{"at":"a@b"}"#.into()));
        assert_eq!(rule.latency, "1s..3s".parse().unwrap());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(rule in "[a-z=:@.0-9{}\"~ms-]{0,40}") {
            let _ = MethodRule::parse(&rule, |_| Err(io::ErrorKind::NotFound.into()));
        }
    }

    /// What a rule makes of one call.
    fn answer(rule: &MethodRule, payload: &Value, count: u64) -> Answer {
        let id = TwinId::device("d".parse().unwrap());
        let individual = Individual { seed: Seed::new(42).of("d"), id: &id, number: 1 };
        rule.answer(&Call { individual: &individual, name: "m", payload, count })
    }

    #[test]
    fn shares_of_the_calls_hang_and_fail() {
        let failures = Failures {
            share: "10%".parse().unwrap(),
            status: NonZeroI64::new(418).unwrap(),
            payload: Payload::Fixed("{}".into()),
        };
        let rule = MethodRule { failures: Some(failures), hangs: "20%".parse().unwrap(), ..MethodRule::default() };
        let answers = || (1..=1_000).map(|count| answer(&rule, &json!(1), count)).collect::<Vec<_>>();
        let first = answers();
        let hangs = first.iter().filter(|answer| **answer == Answer::Never).count();
        let failed = first.iter().filter(|answer| matches!(answer, Answer::Given { status: 418, .. })).count();
        assert!((160..240).contains(&hangs) && (55..105).contains(&failed), "{hangs} {failed}");
        assert_eq!(first, answers(), "decided once and for all");
    }

    #[test]
    fn a_template_that_outgrows_the_limit_is_an_error_of_the_device() {
        let template = PayloadTemplate::of_answer(&json!(["${request}", "${request}"])).unwrap();
        let rule = MethodRule { payload: Payload::of_template(template).unwrap(), ..MethodRule::default() };
        let given = |payload: &Value| {
            let Answer::Given { status, payload, .. } = answer(&rule, payload, 1) else { panic!() };
            (status, String::from_utf8_lossy(&payload).into_owned())
        };
        assert_eq!(given(&json!(1)), (200, "[1,1]".to_owned()));
        let (status, words) = given(&json!("x".repeat(METHOD_PAYLOAD_BYTES_MAX - 2)));
        assert!(status == 500 && words.contains("131072"), "{status} {words}");
    }

    #[test]
    fn an_echo_never_outgrows_the_limit() {
        let large = json!("x".repeat(METHOD_PAYLOAD_BYTES_MAX - 2));
        let Answer::Given { payload, .. } = answer(&MethodRule::default(), &large, 1) else { panic!() };
        assert_eq!(payload, r#"{"method":"m"}"#);
    }
}
