//! What `iotjob device` prints: data to stdout a line each, the state of affairs to stderr.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::device::{DesiredOrigin, DeviceConfig, DeviceEvent, DeviceEventKind, LossReason};
use crate::model::{Clock, TwinId};
use crate::report::{FleetPicture, summary_json};

/// Devices up to which each is spoken of by name; of more, only the number is.
pub(super) const NAMED_MAX: usize = 10;

/// Prints the events of a fleet.
pub(super) struct Lines {
    printer: Printer,
    format: OutputFormat,
    clock: Clock,
    total: usize,
    ready: HashSet<Arc<TwinId>>,
    tenths_told: usize,
    gave_up: usize,
    /// Lines for stdout that wait for [`Lines::flush`].
    data: String,
}

impl Lines {
    pub(super) fn new(printer: Printer, format: OutputFormat, total: usize, clock: Clock) -> Self {
        Self { printer, format, clock, total, ready: HashSet::new(), tenths_told: 0, gave_up: 0, data: String::new() }
    }

    pub(super) fn introduce(&self, devices: &[DeviceConfig]) {
        let who = match devices {
            [one] => format!("`{}`", one.id()),
            many => format!("{} devices", many.len()),
        };
        let Some(first) = devices.first() else { return };
        self.printer.say(&format!("{who} on {}; press Ctrl-C to stop", first.address()));
    }

    /// Tells what happened; data waits for [`Lines::flush`].
    pub(super) fn tell(&mut self, event: &DeviceEvent) {
        let data = match self.format {
            OutputFormat::Json => Some(json_line(event, &self.clock)),
            OutputFormat::Text if self.total <= NAMED_MAX => text_line(event),
            OutputFormat::Text => None,
        };
        if let Some(line) = data {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(&line);
        }
        self.count(event);
        if self.total <= NAMED_MAX {
            // Few devices are read as a story: what is said of a call comes after the call.
            self.flush();
            self.comment(event);
        } else {
            self.tell_number();
        }
        if let DeviceEventKind::GaveUp { reason } = &event.kind
            && self.total > 1
        {
            self.gave_up += 1;
            match self.gave_up {
                ..=NAMED_MAX => self.printer.warn(&format!("`{}` gave up: {reason}", event.id)),
                number if number == NAMED_MAX + 1 => self.printer.warn("more devices give up; the summary counts them"),
                _ => {}
            }
        }
    }

    /// Writes what all devices came to, for programs.
    pub(super) fn summarise(&mut self, picture: &FleetPicture) {
        if self.format == OutputFormat::Json {
            let mut line = json!({ "v": 1, "event": "summary", "time": self.clock.now().to_string() });
            if let (Value::Object(line), Value::Object(members)) = (&mut line, summary_json(picture)) {
                line.extend(members);
            }
            self.printer.data(&line.to_string());
        }
    }

    /// Writes what waits in one go: a crowd has tens of thousands of lines a second.
    pub(super) fn flush(&mut self) {
        if !self.data.is_empty() {
            self.printer.data(&self.data);
            self.data.clear();
        }
    }

    fn count(&mut self, event: &DeviceEvent) {
        match event.kind {
            DeviceEventKind::Ready { .. } => {
                self.ready.insert(Arc::clone(&event.id));
            }
            DeviceEventKind::Disconnected { .. } | DeviceEventKind::GaveUp { .. } => {
                self.ready.remove(&event.id);
            }
            _ => {}
        }
    }

    /// A line on stderr for one of few devices.
    fn comment(&self, event: &DeviceEvent) {
        let id = &event.id;
        let line = match &event.kind {
            DeviceEventKind::Ready { .. } => format!("{id} is ready"),
            DeviceEventKind::MethodAnswered { name, status } => format!("{id} answered {name} with {status}"),
            DeviceEventKind::Reported { .. } => format!("{id} reported its properties"),
            DeviceEventKind::ReportRefused { status, body } => {
                self.printer.warn(&format!("the hub refused what `{id}` reported: {status} {body}"));
                return;
            }
            // Routine, and over in a moment.
            DeviceEventKind::Disconnected { reason: LossReason::TokenRenewal, .. } => return,
            DeviceEventKind::Disconnected { reason, retry_after } => {
                format!("{id}: {reason}; trying again in {:.1} s", retry_after.as_secs_f64())
            }
            DeviceEventKind::MethodHung { name } => format!("{id} will never answer {name}"),
            DeviceEventKind::WentSilent => format!("{id} has fallen silent and holds its connection"),
            DeviceEventKind::TakingOver => format!("{id} connects a second time"),
            DeviceEventKind::StaysOffline => format!("{id} stays offline"),
            DeviceEventKind::Connected
            | DeviceEventKind::TelemetrySent { .. }
            | DeviceEventKind::MethodCalled { .. }
            | DeviceEventKind::DesiredPatch { .. }
            | DeviceEventKind::GaveUp { .. } => return,
        };
        self.printer.say(&line);
    }

    /// How many of a crowd are up, each time a tenth of them more or less is.
    fn tell_number(&mut self) {
        let tenths = self.ready.len() * 10 / self.total;
        // A live screen shows as much.
        if tenths != self.tenths_told && !self.printer.is_interactive() {
            self.tenths_told = tenths;
            self.printer.say(&format!("{} of {} devices are ready", self.ready.len(), self.total));
        }
    }
}

/// Method calls and desired properties: what people start a device for.
fn text_line(event: &DeviceEvent) -> Option<String> {
    let id = &event.id;
    match &event.kind {
        DeviceEventKind::MethodCalled { name, payload } => Some(format!("{id} method {name} {payload}")),
        DeviceEventKind::DesiredPatch { version, patch, origin } => {
            let how = match origin {
                DesiredOrigin::Notification => "",
                DesiredOrigin::Read => " (read)",
            };
            Some(format!("{id} desired v{version}{how} {}", json!(patch)))
        }
        _ => None,
    }
}

/// Every event as one JSON object, as docs/device-events.md says; `v` grows when the meaning of a member changes.
fn json_line(event: &DeviceEvent, clock: &Clock) -> String {
    let (name, members) = match &event.kind {
        DeviceEventKind::Connected => ("connected", json!({})),
        DeviceEventKind::Ready { desired_version } => ("ready", json!({ "desiredVersion": desired_version })),
        DeviceEventKind::MethodCalled { name, payload } => {
            ("methodCalled", json!({ "methodName": name, "payload": payload }))
        }
        DeviceEventKind::MethodAnswered { name, status } => {
            ("methodAnswered", json!({ "methodName": name, "status": status }))
        }
        DeviceEventKind::MethodHung { name } => ("methodHung", json!({ "methodName": name })),
        DeviceEventKind::TelemetrySent { count } => ("telemetrySent", json!({ "count": count })),
        DeviceEventKind::WentSilent => ("wentSilent", json!({})),
        DeviceEventKind::TakingOver => ("takingOver", json!({})),
        DeviceEventKind::StaysOffline => ("staysOffline", json!({})),
        DeviceEventKind::DesiredPatch { version, patch, origin } => {
            let origin = match origin {
                DesiredOrigin::Notification => "notification",
                DesiredOrigin::Read => "read",
            };
            ("desiredPatch", json!({ "version": version, "patch": patch, "origin": origin }))
        }
        DeviceEventKind::Reported { version } => ("reported", json!({ "version": version })),
        DeviceEventKind::ReportRefused { status, body } => {
            ("reportRefused", json!({ "status": status, "message": body }))
        }
        DeviceEventKind::Disconnected { reason, retry_after } => {
            let (kind, seconds) = (reason.kind().word(), retry_after.as_secs_f64());
            ("disconnected", json!({ "reason": reason.to_string(), "kind": kind, "retryAfterSeconds": seconds }))
        }
        DeviceEventKind::GaveUp { reason } => {
            ("gaveUp", json!({ "reason": reason.to_string(), "kind": reason.kind().word() }))
        }
    };
    let mut line = json!({ "v": 1, "event": name, "time": clock.now().to_string(), "deviceId": event.id.device });
    if let (Some(module), Value::Object(line)) = (&event.id.module, &mut line) {
        line.insert("moduleId".to_owned(), json!(module));
    }
    if let (Value::Object(line), Value::Object(members)) = (&mut line, members) {
        line.extend(members);
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::global_args::{ColorChoice, GlobalArgs};
    use crate::model::JsonObject;

    fn event(kind: DeviceEventKind) -> DeviceEvent {
        DeviceEvent { id: Arc::new(TwinId::device("door".parse().unwrap())), kind }
    }

    fn patch() -> DeviceEventKind {
        let patch = json!({"building": 43, "old": null}).as_object().cloned().unwrap();
        DeviceEventKind::DesiredPatch { version: 2, patch, origin: DesiredOrigin::Notification }
    }

    #[test]
    fn text_is_a_line_for_each_call_and_patch() {
        let called = DeviceEventKind::MethodCalled { name: "lock".to_owned(), payload: json!({"time": "10m"}) };
        assert_eq!(text_line(&event(called)).unwrap(), r#"door method lock {"time":"10m"}"#);
        assert_eq!(text_line(&event(patch())).unwrap(), r#"door desired v2 {"building":43,"old":null}"#);
        assert_eq!(text_line(&event(DeviceEventKind::Connected)), None);
    }

    #[test]
    fn data_waits_to_be_written_together() {
        let printer = Printer::from_args(&GlobalArgs { verbose: 0, quiet: true, color: ColorChoice::Never });
        let mut lines = Lines::new(printer, OutputFormat::Json, NAMED_MAX + 1, Clock::system());
        for _ in 0..2 {
            lines.tell(&event(DeviceEventKind::MethodCalled { name: "m".to_owned(), payload: json!(1) }));
        }
        let waiting: Vec<Value> = lines.data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(waiting.len() == 2 && waiting.iter().all(|line| line["payload"] == 1), "{waiting:?}");
    }

    #[test]
    fn a_crowd_is_no_story() {
        let printer = Printer::from_args(&GlobalArgs { verbose: 0, quiet: true, color: ColorChoice::Never });
        let mut lines = Lines::new(printer, OutputFormat::Text, NAMED_MAX + 1, Clock::system());
        lines.tell(&event(DeviceEventKind::MethodCalled { name: "m".to_owned(), payload: json!(1) }));
        assert_eq!(lines.data, "");
    }

    #[test]
    fn every_event_and_member_is_documented() {
        let documented =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/device-events.md")).unwrap();
        let name = || "m".to_owned();
        let reason = || LossReason::Closed;
        let clock = Clock::driven(jiff::Timestamp::UNIX_EPOCH, || Duration::ZERO);
        for kind in [
            DeviceEventKind::Connected,
            DeviceEventKind::Ready { desired_version: 1 },
            DeviceEventKind::MethodCalled { name: name(), payload: json!(null) },
            DeviceEventKind::MethodAnswered { name: name(), status: 200 },
            DeviceEventKind::MethodHung { name: name() },
            patch(),
            DeviceEventKind::Reported { version: None },
            DeviceEventKind::ReportRefused { status: 400, body: name() },
            DeviceEventKind::TelemetrySent { count: 1 },
            DeviceEventKind::Disconnected { reason: reason(), retry_after: Duration::ZERO },
            DeviceEventKind::GaveUp { reason: reason() },
            DeviceEventKind::WentSilent,
            DeviceEventKind::TakingOver,
            DeviceEventKind::StaysOffline,
        ] {
            let line: JsonObject = serde_json::from_str(&json_line(&event(kind), &clock)).unwrap();
            let name = line["event"].as_str().unwrap();
            let row = documented.lines().find(|row| row.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("{name} is not documented"));
            for member in line.keys().filter(|key| !["v", "event", "time", "deviceId"].contains(&key.as_str())) {
                assert!(row.contains(&format!("`{member}`")), "{name} has an undocumented `{member}`");
            }
        }
    }

    #[test]
    fn json_names_event_time_and_device() {
        let clock = Clock::driven(jiff::Timestamp::UNIX_EPOCH, || Duration::ZERO);
        let line = json_line(&event(patch()), &clock);
        let expected = r#"{"v":1,"event":"desiredPatch","time":"1970-01-01T00:00:00Z","deviceId":"door","version":2,"patch":{"building":43,"old":null},"origin":"notification"}"#;
        assert_eq!(line, expected);
    }
}
