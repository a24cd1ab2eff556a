//! Events as JSON, one a line, for programs.

use super::{Data, Reporter};
use crate::run::RunEvent;

/// Writes each event on a line of its own.
pub struct JsonLines {
    data: Data,
}

impl JsonLines {
    /// Writes to `data`.
    #[must_use]
    pub fn new(data: Data) -> Self {
        Self { data }
    }
}

impl Reporter for JsonLines {
    fn on(&mut self, event: &RunEvent) {
        match serde_json::to_string(event) {
            Ok(line) => (self.data)(&inert(line)),
            Err(error) => tracing::error!(%error, "an event cannot be written as JSON"),
        }
    }
}

/// A line of JSON that says the same and holds no command for a CI system that reads logs (`##vso[...]`): devices may
/// say whatever they like.
#[must_use]
pub fn inert(line: String) -> String {
    // `##` can stand inside of texts only, where `\u0023` is the same.
    if line.contains("##") { line.replace("##", r"#\u0023") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{Heard, story};

    #[test]
    fn commands_for_log_readers_are_spelled_another_way() {
        let said = serde_json::json!({"a": "##vso[task.x]", "b": r"\##", "c": "###"});
        let line = inert(said.to_string());
        assert!(!line.contains("##"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), said);
    }

    #[test]
    fn a_line_is_an_event_and_the_last_is_the_end() {
        let heard = Heard::default();
        let mut reporter = JsonLines::new(heard.data());
        for event in story() {
            reporter.on(&event);
        }
        let lines = heard.lines();
        assert_eq!(lines.len(), story().len());
        for line in &lines {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let members: Vec<&str> = value.as_object().unwrap().keys().take(4).map(String::as_str).collect();
            assert_eq!(members, ["v", "event", "time", "runId"]);
        }
        assert!(lines.last().unwrap().contains(r#""event":"runEnded""#));
    }
}
