//! What the devices of a group or its modules do: methods, reports, messages and faults, checked and made.

use std::collections::BTreeMap;
use std::num::NonZeroI64;
use std::time::Duration;

use serde_json::Value;

use super::check::{Check, below, percent};
use super::explain::LOG_NORMAL;
use super::template::{Section, payload, section};
use super::{ProblemKind, v1};
use crate::device::{
    Apply, Behaviour, Connectivity, DesiredRule, Failures, Flapping, HalfOpen, InvalidTelemetry, MethodRule, Payload,
    PayloadTemplate, Slow, Takeover, Telemetry,
};
use crate::model::limits::{LATENCY_S_MAX, RESPONSE_TIMEOUT_S};
use crate::model::{InvalidLatency, JsonObject, Latency, MethodName, Share};
use crate::mqtt::PropertyBag;
use crate::source::suggest::nearest;
use crate::source::{At, Pointer, Step, TextProblem, duration, shape};

/// Stands for every method that is not named.
const OTHER_METHODS: &str = "*";
/// What devices may make of desired properties.
const APPLY: [&str; 3] = ["echo", "reject", "ignore"];

/// What devices and modules do alike, as written.
pub(super) struct Conduct {
    pub reported: Option<JsonObject>,
    pub methods: Option<BTreeMap<String, v1::Method>>,
    pub desired: Option<v1::Desired>,
    pub telemetry: Option<v1::Telemetry>,
    pub connectivity: Option<v1::Connectivity>,
}

impl Check<'_> {
    /// The behaviour of what stands at `at`.
    pub(super) fn behaviour(&mut self, conduct: Conduct, at: &Pointer) -> Option<Behaviour> {
        let reported_at = below(at, "reported");
        let reported =
            conduct.reported.map(|reported| section(Section::Reported, &reported, &reported_at, self.findings));
        let (methods, other) = self.methods(conduct.methods.unwrap_or_default(), &below(at, "methods"));
        let desired = conduct.desired.map(|desired| self.desired(desired, &below(at, "desired")));
        let telemetry = conduct.telemetry.map(|telemetry| self.telemetry(telemetry, &below(at, "telemetry")));
        let connectivity = conduct.connectivity.map(|faults| self.connectivity(faults, &below(at, "connectivity")));
        Some(Behaviour {
            methods: methods?,
            other: other?,
            reported: reported.map_or(Some(None), |reported| reported.map(Some))?,
            desired: desired.unwrap_or_else(|| Some(DesiredRule::default()))?,
            telemetry: telemetry.map_or(Some(None), |telemetry| telemetry.map(Some))?,
            connectivity: connectivity.unwrap_or_else(|| Some(Connectivity::default()))?,
        })
    }

    fn methods(
        &mut self,
        written: BTreeMap<String, v1::Method>,
        at: &Pointer,
    ) -> (Option<BTreeMap<String, MethodRule>>, Option<MethodRule>) {
        let mut rules = BTreeMap::new();
        let mut other = Some(MethodRule::default());
        let mut all_right = true;
        for (name, method) in written {
            let at = below(at, name.as_str());
            let rule = self.method(method, &at);
            if name == OTHER_METHODS {
                other = rule;
                continue;
            }
            if let Err(error) = name.parse::<MethodName>() {
                self.refuse::<()>(At::Key(at), ProblemKind::MethodNameIllegal { error });
                all_right = false;
                continue;
            }
            all_right &= rule.is_some();
            rules.extend(rule.map(|rule| (name, rule)));
        }
        (all_right.then_some(rules), other)
    }

    fn method(&mut self, method: v1::Method, at: &Pointer) -> Option<MethodRule> {
        let usual = MethodRule::default();
        let status = self.status(method.status, usual.status, &below(at, "status"));
        let payload = self.payload(method.payload, &below(at, "payload"));
        let latency = self.answer_latency(method.latency.as_ref(), &below(at, "latency"));
        let failures = method.failures.map(|failures| self.failures(failures, &below(at, "failures")));
        let hangs = self.share(&below(at, "hangs"), method.hangs.as_deref(), Share::NONE);
        Some(MethodRule {
            status: status?,
            payload: payload?,
            latency: latency?,
            failures: failures.map_or(Some(None), |failures| failures.map(Some))?,
            hangs: hangs?,
        })
    }

    fn failures(&mut self, failures: v1::Failures, at: &Pointer) -> Option<Failures> {
        const FAULT: NonZeroI64 = NonZeroI64::new(500).expect("500 is not 0");
        let share = self.required_share(&below(at, "share"), failures.share.as_deref());
        let status = self.status(failures.status, FAULT, &below(at, "status"));
        let payload = self.payload(failures.payload, &below(at, "payload"));
        Some(Failures { share: share?, status: status?, payload: payload? })
    }

    fn status(&mut self, written: Option<i64>, usual: NonZeroI64, at: &Pointer) -> Option<NonZeroI64> {
        match written.map(NonZeroI64::new) {
            Some(Some(status)) => Some(status),
            Some(None) => self.refuse(At::Value(at.to_vec()), ProblemKind::StatusZero),
            None => (!self.refused(at)).then_some(usual),
        }
    }

    fn payload(&mut self, written: Option<Value>, at: &Pointer) -> Option<Payload> {
        let Some(value) = written else { return Some(Payload::Echo) };
        let template = payload(PayloadTemplate::of_answer, &value, at, self.findings)?;
        match Payload::of_template(template) {
            Ok(payload) => Some(payload),
            Err(error) => self.refuse(At::Key(at.to_vec()), ProblemKind::PayloadTooLarge { bytes: error.bytes }),
        }
    }

    fn desired(&mut self, desired: v1::Desired, at: &Pointer) -> Option<DesiredRule> {
        let apply = desired.apply.and_then(|apply| self.apply(&apply, &below(at, "apply")));
        let delay = self.latency(desired.delay.as_ref(), &below(at, "delay"));
        Some(DesiredRule { apply: apply?, delay: delay? })
    }

    fn apply(&mut self, written: &Value, at: &Pointer) -> Option<Apply> {
        let unknown = |found: String| {
            let help = match nearest(&found, APPLY.into_iter().chain(["partial"])) {
                Some("partial") => "write `{ partial: 50% }` for half of the keys".to_owned(),
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write `echo`, `reject`, `ignore` or `{ partial: 50% }`".to_owned(),
            };
            ProblemKind::UnknownValue { member: "apply".to_owned(), found, help }
        };
        match written {
            Value::String(text) => match text.as_str() {
                "echo" => Some(Apply::Echo),
                "reject" => Some(Apply::Reject),
                "ignore" => Some(Apply::Ignore),
                _ => self.refuse(At::Value(at.to_vec()), unknown(text.clone())),
            },
            Value::Object(members) => {
                let mut unknown_keys = members.keys().filter(|key| *key != "partial");
                if let Some(key) = unknown_keys.next() {
                    return self.refuse(At::Key(below(at, key.as_str())), unknown(key.clone()));
                }
                let at = below(at, "partial");
                match members.get("partial") {
                    Some(Value::String(text)) => self.share(&at, Some(text), Share::NONE).map(Apply::Partial),
                    Some(Value::Number(number)) => {
                        let kind =
                            ProblemKind::ShareWithoutUnit { key: "partial".to_owned(), written: number.to_string() };
                        self.refuse(At::Value(at), kind)
                    }
                    Some(other) => self.refuse(At::Value(at), ProblemKind::Share { text: other.to_string() }),
                    None => self.refuse(At::Key(at), unknown("{}".to_owned())),
                }
            }
            other => self.refuse(At::Value(at.to_vec()), unknown(other.to_string())),
        }
    }

    fn telemetry(&mut self, telemetry: v1::Telemetry, at: &Pointer) -> Option<Telemetry> {
        let every_at = below(at, "every");
        let every = telemetry.every.and_then(|text| self.span(&text, "every", &every_at));
        let jitter = self.share(&below(at, "jitter"), telemetry.jitter.as_deref(), Share::NONE);
        let body_at = below(at, "body");
        let body = telemetry.body.and_then(|body| payload(PayloadTemplate::of_message, &body, &body_at, self.findings));
        let written = telemetry.properties.unwrap_or_default();
        let properties: PropertyBag = written.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match Telemetry::new(every?, jitter?, body?, properties) {
            Ok(telemetry) => Some(telemetry),
            Err(InvalidTelemetry::TooOften { .. }) => self.refuse(At::Value(every_at), ProblemKind::TelemetryTooOften),
            Err(InvalidTelemetry::TooLarge { bytes }) => {
                self.refuse(At::Key(body_at), ProblemKind::TelemetryTooLarge { bytes })
            }
        }
    }

    fn connectivity(&mut self, faults: v1::Connectivity, at: &Pointer) -> Option<Connectivity> {
        let offline = self.share(&below(at, "offline"), faults.offline.as_deref(), Share::NONE);
        let flapping = faults.flapping.map(|fault| {
            let at = below(at, "flapping");
            let share = self.required_share(&below(&at, "share"), fault.share.as_deref());
            let online = self.required_latency(fault.online.as_ref(), &below(&at, "online"));
            let offline = self.required_latency(fault.offline.as_ref(), &below(&at, "offline"));
            Some(Flapping { share: share?, online: online?, offline: offline? })
        });
        let slow = faults.slow.map(|fault| {
            let at = below(at, "slow");
            let share = self.required_share(&below(&at, "share"), fault.share.as_deref());
            let delay = self.required_latency(fault.delay.as_ref(), &below(&at, "delay"));
            Some(Slow { share: share?, delay: delay? })
        });
        let half_open = faults.half_open.map(|fault| {
            let at = below(at, "halfOpen");
            let share = self.required_share(&below(&at, "share"), fault.share.as_deref());
            let after = self.required_latency(fault.after.as_ref(), &below(&at, "after"));
            Some(HalfOpen { share: share?, after: after? })
        });
        let takeover = faults.takeover.map(|fault| {
            let at = below(at, "takeover");
            let share = self.required_share(&below(&at, "share"), fault.share.as_deref());
            let every = self.required_latency(fault.every.as_ref(), &below(&at, "every"));
            Some(Takeover { share: share?, every: every? })
        });
        let connectivity = Connectivity {
            offline: offline?,
            flapping: flapping.map_or(Some(None), |fault| fault.map(Some))?,
            slow: slow.map_or(Some(None), |fault| fault.map(Some))?,
            half_open: half_open.map_or(Some(None), |fault| fault.map(Some))?,
            takeover: takeover.map_or(Some(None), |fault| fault.map(Some))?,
        };
        let sum = sum_of_shares(&connectivity);
        if sum > u64::from(Share::ALL.ppm()) {
            self.refuse::<()>(At::Key(at.to_vec()), ProblemKind::FaultsOverlap { sum: percent(sum) });
        }
        Some(connectivity)
    }

    /// The member's share, or the usual one when it is not written.
    pub(super) fn share(&mut self, at: &Pointer, text: Option<&str>, usual: Share) -> Option<Share> {
        match text.map(str::parse) {
            Some(Ok(share)) => Some(share),
            Some(Err(crate::model::InvalidShare { text })) => {
                self.refuse(At::Value(at.to_vec()), ProblemKind::Share { text })
            }
            None => (!self.refused(at)).then_some(usual),
        }
    }

    /// A share whose absence the schema has refused already.
    fn required_share(&mut self, at: &Pointer, text: Option<&str>) -> Option<Share> {
        text.and_then(|text| self.share(at, Some(text), Share::NONE))
    }

    /// A latency after which a caller still waits for the answer.
    fn answer_latency(&mut self, written: Option<&Value>, at: &Pointer) -> Option<Latency> {
        let latency = self.latency(written, at)?;
        if latency.most() > Duration::from_secs(RESPONSE_TIMEOUT_S.1) {
            let found = said(latency.most());
            return self.refuse(At::Value(at.to_vec()), ProblemKind::LatencyBeyondResponse { found });
        }
        Some(latency)
    }

    /// A latency whose absence the schema has refused already.
    fn required_latency(&mut self, written: Option<&Value>, at: &Pointer) -> Option<Latency> {
        written.and_then(|written| self.latency(Some(written), at))
    }

    /// The member's latency, or none when it is not written.
    fn latency(&mut self, written: Option<&Value>, at: &Pointer) -> Option<Latency> {
        let Some(written) = written else { return (!self.refused(at)).then_some(Latency::NONE) };
        let read = match written {
            Value::String(text) => text.parse::<Latency>(),
            Value::Object(members) => {
                let (median, p99) = self.log_normal(members, at)?;
                Latency::log_normal(median, p99)
            }
            Value::Number(number) => {
                let key = match at.last() {
                    Some(Step::Key(key)) => key.clone(),
                    _ => String::new(),
                };
                let kind = TextProblem::DurationWithoutUnit { key, written: number.to_string() };
                return self.refuse(At::Value(at.to_vec()), kind);
            }
            other => return self.refuse(At::Value(at.to_vec()), no_latency(at, other)),
        };
        read.or_else(|error| {
            let kind = match error {
                InvalidLatency::Text { text } => ProblemKind::Latency { text },
                InvalidLatency::Order { min, max } => ProblemKind::LatencyOrder { first: said(min), second: said(max) },
                InvalidLatency::NoMedian => ProblemKind::LatencyMedian,
                InvalidLatency::TooLong(time) => ProblemKind::LatencyTooLong { found: said(time) },
            };
            self.refuse::<Latency>(At::Value(at.to_vec()), kind).ok_or(())
        })
        .ok()
    }

    fn log_normal(&mut self, members: &JsonObject, at: &Pointer) -> Option<(Duration, Duration)> {
        let before = self.findings.len();
        let unknown = members.keys().filter(|key| !LOG_NORMAL.keys.contains(&key.as_str()));
        self.findings.extend(unknown.map(|key| LOG_NORMAL.unknown_key(at, key)));
        let mut time = |key: &str| match members.get(key) {
            Some(Value::String(text)) => self.span(text, key, &below(at, key)),
            Some(Value::Number(number)) => {
                let kind = TextProblem::DurationWithoutUnit { key: key.to_owned(), written: number.to_string() };
                self.refuse(At::Value(below(at, key)), kind)
            }
            Some(other) => self.refuse(At::Value(below(at, key)), no_latency(&below(at, key), other)),
            None => {
                let help = Some("write for instance `{ median: 300ms, p99: 4s }`".to_owned());
                self.findings.push(LOG_NORMAL.missing_key(at.to_vec(), key.to_owned(), help));
                None
            }
        };
        let (median, p99) = (time("median"), time("p99"));
        if self.findings.len() > before {
            return None;
        }
        Some((median?, p99?))
    }

    /// One duration, which may have parts of a second.
    fn span(&mut self, text: &str, key: &str, at: &Pointer) -> Option<Duration> {
        match duration::span(key, text) {
            Ok(time) if time > Duration::from_secs(LATENCY_S_MAX) => {
                self.refuse(At::Value(at.to_vec()), ProblemKind::LatencyTooLong { found: said(time) })
            }
            Ok(time) => Some(time),
            Err(problem) => self.refuse(At::Value(at.to_vec()), problem),
        }
    }
}

fn sum_of_shares(faults: &Connectivity) -> u64 {
    let shares = [
        Some(faults.offline),
        faults.flapping.map(|fault| fault.share),
        faults.slow.map(|fault| fault.share),
        faults.half_open.map(|fault| fault.share),
        faults.takeover.map(|fault| fault.share),
    ];
    shares.into_iter().flatten().map(|share| u64::from(share.ppm())).sum()
}

fn no_latency(at: &Pointer, value: &Value) -> TextProblem {
    let expected = "a duration, a span or a map with `median` and `p99`";
    TextProblem::WrongType { member: shape::said(at), expected, found: shape::shape(value), help: None }
}

/// A time as one writes it.
fn said(time: Duration) -> String {
    format!("{time:?}")
}
