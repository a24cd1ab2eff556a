//! How the devices behave that no fleet file describes.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::device::{Behaviour, MethodRule, Transport, ValueTemplate};
use crate::model::{JsonObject, reported_violations};

/// What devices without a fleet file do.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How devices behave that no fleet file describes")]
pub(super) struct BehaviourArgs {
    /// How to answer a method: name=status[:JSON][@delay], as in lockDoor=200:{"ok":true}@2s or reboot=200@1s..3s; JSON may
    /// be @FILE. May be repeated. Other methods are answered 200 with what was called
    #[arg(long = "method", value_name = "RULE", conflicts_with_all = ["fleet", "prune"])]
    methods: Vec<String>,
    /// Properties to report after each connect, as a JSON object or @FILE
    #[arg(long, value_name = "JSON", conflicts_with_all = ["fleet", "prune"])]
    report: Option<String>,
    /// What carries MQTT: mqtt is TLS on port 8883, websocket goes through the HTTPS port
    #[arg(long, value_enum, default_value_t = TransportName::Mqtt, value_name = "mqtt|websocket", hide_possible_values = true, conflicts_with_all = ["fleet", "prune"])]
    transport: TransportName,
}

/// A transport by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TransportName {
    Mqtt,
    Websocket,
}

impl BehaviourArgs {
    /// What carries MQTT.
    pub(super) fn transport(&self) -> Transport {
        match self.transport {
            TransportName::Mqtt => Transport::Mqtt,
            TransportName::Websocket => Transport::WebSocket,
        }
    }

    /// What the flags say.
    pub(super) fn behaviour(&self) -> Result<Behaviour, Failure> {
        let mut behaviour = Behaviour::default();
        for text in &self.methods {
            let (name, rule) = MethodRule::parse(text, |path| std::fs::read_to_string(path))
                .map_err(|error| Failure::usage(format!("--method: {error}")))?;
            if behaviour.methods.insert(name.to_string(), rule).is_some() {
                return Err(Failure::usage(format!("--method: `{name}` has two rules")));
            }
        }
        behaviour.reported = self.report.as_deref().map(reported).transpose()?;
        Ok(behaviour)
    }
}

fn reported(text: &str) -> Result<ValueTemplate, Failure> {
    let read = text.strip_prefix('@').map(|path| {
        std::fs::read_to_string(Path::new(path))
            .map_err(|error| Failure::usage(format!("--report: `{path}` cannot be read: {error}")))
    });
    let text = read.transpose()?.unwrap_or_else(|| text.to_owned());
    let object: JsonObject = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("--report is not a JSON object: {error}")))?;
    match reported_violations(&object).first() {
        Some(violation) => Err(Failure::usage(format!("--report: {violation}"))),
        None => Ok(ValueTemplate::fixed(object)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::cmd::device::DeviceArgs;
    use crate::cli::exit::Exit;

    #[derive(Debug, Parser)]
    struct Probe {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn behaviour(line: &[&str]) -> Result<Behaviour, Failure> {
        Probe::try_parse_from([&["probe"], line].concat()).unwrap().device.behaviour.behaviour()
    }

    #[test]
    fn behaviour_comes_from_the_flags() {
        let behaviour =
            behaviour(&["--method", "a=200:{}@1s", "--method", "b=500", "--report", r#"{"fw": 1}"#]).unwrap();
        assert_eq!(behaviour.methods.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(behaviour.reported.unwrap().largest()["fw"], 1);
    }

    #[test]
    fn mistakes_in_flags_are_wrong_usage() {
        for line in [
            &["--method", "a"][..],
            &["--method", "a=1", "--method", "a=2"],
            &["--report", "[1]"],
            &["--report", r#"{"a.b": 1}"#],
            &["--report", "@/no/such/file"],
        ] {
            assert_eq!(behaviour(line).unwrap_err().exit, Exit::Usage, "{line:?}");
        }
    }
}
