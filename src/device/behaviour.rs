//! How a device behaves: what it answers, reports and sends, and how well it is connected.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::connectivity::Connectivity;
use super::method_rule::{Answer, Call, MethodRule};
use super::template::{Individual, PayloadTemplate, ValueTemplate};
use crate::model::limits::{TELEMETRY_BYTES_MAX, TELEMETRY_EVERY_MS_MIN};
use crate::model::{IdentitySeed, JsonObject, Latency, Share};
use crate::mqtt::PropertyBag;

/// How a device behaves. The default answers every method with 200 and what was called, and does nothing else.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behaviour {
    /// Methods that are answered by a rule of their own.
    pub methods: BTreeMap<String, MethodRule>,
    /// How every other method is answered.
    pub other: MethodRule,
    /// Properties reported after each connect, unless the twin holds them already.
    pub reported: Option<ValueTemplate>,
    /// What follows from desired properties.
    pub desired: DesiredRule,
    /// Messages that it sends.
    pub telemetry: Option<Telemetry>,
    /// What is wrong with its connection.
    pub connectivity: Connectivity,
}

impl Behaviour {
    /// Decides what becomes of a call.
    pub(super) fn answer(&self, call: &Call<'_>) -> Answer {
        self.methods.get(call.name).unwrap_or(&self.other).answer(call)
    }
}

/// What a device makes of new desired properties.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DesiredRule {
    /// What it reports of them.
    pub apply: Apply,
    /// After how long.
    pub delay: Latency,
}

/// Which of the desired properties that are new to a device it reports as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Apply {
    /// None, and it says nothing.
    #[default]
    Ignore,
    /// All.
    Echo,
    /// Each member of the top level with this probability.
    Partial(Share),
    /// None; it reports `{"rejected": {"version": N}}`, where N is the version of the desired properties.
    Reject,
}

impl DesiredRule {
    /// What is reported of desired properties of that version, and after how long; nothing when there is nothing to say.
    pub(super) fn report(
        &self,
        seed: IdentitySeed,
        version: u64,
        desired: &JsonObject,
    ) -> Option<(JsonObject, Duration)> {
        let report = match self.apply {
            Apply::Ignore => return None,
            Apply::Echo => desired.clone(),
            Apply::Partial(share) => {
                let applied = |key: &str| seed.draw(&format!("desired/{key}"), version).hits(share);
                desired
                    .iter()
                    .filter(|(key, _)| applied(key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect()
            }
            Apply::Reject => JsonObject::from_iter([("rejected".to_owned(), json!({"version": version}))]),
        };
        let delay = self.delay.drawn(&mut seed.draw("desired delay", version));
        Some((report, delay)).filter(|(report, _)| !report.is_empty())
    }
}

/// Messages that a device sends at quality 1, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    every: Duration,
    jitter: Share,
    body: PayloadTemplate,
    properties: PropertyBag,
}

/// Says why telemetry cannot be sent so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTelemetry {
    /// Too often.
    #[error("a device sends at most every {TELEMETRY_EVERY_MS_MIN} ms, not every {every:?}")]
    TooOften {
        /// The time between two messages.
        every: Duration,
    },
    /// A message could be too large.
    #[error("the message has {bytes} bytes; the service takes at most {TELEMETRY_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Telemetry {
    /// A message every so often, give or take the jitter's share of that time.
    ///
    /// # Errors
    /// [`InvalidTelemetry`].
    pub fn new(
        every: Duration,
        jitter: Share,
        body: PayloadTemplate,
        properties: PropertyBag,
    ) -> Result<Self, InvalidTelemetry> {
        if every < Duration::from_millis(TELEMETRY_EVERY_MS_MIN) {
            return Err(InvalidTelemetry::TooOften { every });
        }
        match body.largest().to_string().len() + properties.to_string().len() {
            bytes if bytes > TELEMETRY_BYTES_MAX => Err(InvalidTelemetry::TooLarge { bytes }),
            _ => Ok(Self { every, jitter, body, properties }),
        }
    }

    /// The time between message `count` and the one before; the first comes somewhere within one such time, so that a
    /// fleet does not send in step.
    pub(super) fn pause_before(&self, seed: IdentitySeed, count: u64) -> Duration {
        let fraction = seed.draw("telemetry time", count).fraction();
        if count <= 1 {
            return self.every.mul_f64(fraction);
        }
        self.every.mul_f64(1.0 + self.jitter.fraction() * (2.0 * fraction - 1.0))
    }

    /// The body of message `count`: the same whenever it is sent.
    pub(super) fn body(&self, individual: &Individual<'_>, count: u64) -> Value {
        self.body.fill(individual, "telemetry", count, None)
    }

    /// The properties of each message.
    pub(super) fn properties(&self) -> &PropertyBag {
        &self.properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seed;

    fn rule(apply: Apply) -> DesiredRule {
        DesiredRule { apply, delay: "2s".parse().unwrap() }
    }

    #[test]
    fn desired_properties_are_echoed_refused_or_taken_in_part() {
        let seed = Seed::new(1).of("d");
        let desired: JsonObject = (0..100).map(|n| (format!("k{n}"), json!(n))).collect();
        let report = |apply| rule(apply).report(seed, 7, &desired);
        assert_eq!(report(Apply::Ignore), None);
        assert_eq!(report(Apply::Echo), Some((desired.clone(), Duration::from_secs(2))));
        let rejected = json!({"rejected": {"version": 7}}).as_object().cloned().unwrap();
        assert_eq!(report(Apply::Reject), Some((rejected, Duration::from_secs(2))));
        let (part, _) = report(Apply::Partial("50%".parse().unwrap())).unwrap();
        assert!((30..70).contains(&part.len()) && part.iter().all(|(key, value)| desired[key] == *value));
        assert_eq!(report(Apply::Partial(Share::NONE)), None);
    }

    #[test]
    fn messages_come_every_so_often_and_not_in_step() {
        let body = PayloadTemplate::of_message(&json!({"n": "${count}"})).unwrap();
        let telemetry =
            Telemetry::new(Duration::from_secs(10), "20%".parse().unwrap(), body.clone(), PropertyBag::default())
                .unwrap();
        let pause = |id: &str, count| telemetry.pause_before(Seed::new(1).of(id), count).as_secs_f64();
        assert!((2..100).all(|count| (8.0..12.0).contains(&pause("d", count))));
        assert!(
            (0..100).any(|n| pause(&format!("d{n}"), 1) < 2.0) && (0..100).any(|n| pause(&format!("d{n}"), 1) > 8.0)
        );
        let too_often = Telemetry::new(Duration::from_millis(1), Share::NONE, body, PropertyBag::default());
        assert!(matches!(too_often, Err(InvalidTelemetry::TooOften { .. })));
        let large = PayloadTemplate::of_message(&json!("x".repeat(TELEMETRY_BYTES_MAX))).unwrap();
        let too_large = Telemetry::new(Duration::from_secs(1), Share::NONE, large, PropertyBag::default());
        assert!(matches!(too_large, Err(InvalidTelemetry::TooLarge { .. })));
    }
}
