//! The texts of a survey's queries: as narrow as what is compared, and never longer than the service takes.

use crate::manifest::{Action, Target, devices_condition};
use crate::model::DeviceId;
use crate::model::limits::QUERY_CHARS_MAX;
use crate::query::Collection;

/// The targets of a run, as one or more sources that queries read from.
pub(super) fn sources(target: &Target) -> Vec<SourceOfRows> {
    match target {
        Target::Condition { text, condition } if condition.collection() == Collection::Modules => {
            vec![SourceOfRows { from: text.clone(), identity: "deviceId, moduleId" }]
        }
        Target::Condition { condition, .. } if condition.is_everything() => {
            vec![SourceOfRows { from: "FROM devices".to_owned(), identity: "deviceId" }]
        }
        Target::Condition { text, .. } => {
            vec![SourceOfRows { from: format!("FROM devices WHERE {text}"), identity: "deviceId" }]
        }
        Target::Devices(ids) => lists(ids),
    }
}

/// Cuts a list so that the longest of our queries fits.
fn lists(ids: &[DeviceId]) -> Vec<SourceOfRows> {
    /// What stands before the condition at most, with room to spare.
    const HEAD_CHARS: usize = 200;
    let (mut sources, mut start, mut chars) = (Vec::new(), 0, HEAD_CHARS);
    let mut cut = |from: usize, to: usize| {
        let from = format!("FROM devices WHERE {}", devices_condition(&ids[from..to]));
        sources.push(SourceOfRows { from, identity: "deviceId" });
    };
    for (index, id) in ids.iter().enumerate() {
        let more = id.as_str().chars().count() + 3;
        if chars + more > QUERY_CHARS_MAX && index > start {
            cut(start, index);
            (start, chars) = (index, HEAD_CHARS);
        }
        chars += more;
    }
    cut(start, ids.len());
    sources
}

/// Something to select from: `FROM ...` and all that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceOfRows {
    from: String,
    identity: &'static str,
}

impl SourceOfRows {
    /// Counts rows by connectionState; `None` when the text would be too long.
    pub(super) fn count(&self) -> Option<String> {
        let text = format!("SELECT connectionState, COUNT() AS n {} GROUP BY connectionState", self.from);
        // Grouping is documented for devices only (GRAMMAR.md 5).
        (self.identity == "deviceId" && fits(&text)).then_some(text)
    }

    /// The rows with nothing but who they are; whole rows when saying so would make the text too long.
    pub(super) fn identities(&self) -> String {
        let text = format!("SELECT {} {}", self.identity, self.from);
        if fits(&text) { text } else { format!("SELECT * {}", self.from) }
    }

    /// The rows with the sections that `action` compares; whole rows when naming them would make the text too long.
    pub(super) fn rows(&self, action: &Action) -> String {
        let sections = match action {
            Action::Method { .. } => "",
            Action::Twin { tags: Some(_), desired: Some(_) } => ", tags, properties.desired AS desired",
            Action::Twin { desired: Some(_), .. } => ", properties.desired AS desired",
            Action::Twin { .. } => ", tags",
        };
        let text = format!("SELECT {}, connectionState{sections} {}", self.identity, self.from);
        if fits(&text) { text } else { format!("SELECT * {}", self.from) }
    }
}

fn fits(text: &str) -> bool {
    text.chars().count() <= QUERY_CHARS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_text;

    fn asked(job: &str) -> Vec<(Option<String>, String)> {
        let loaded = parse_text("j.yaml", job);
        assert_eq!(loaded.problems.len(), 0, "{:?}", loaded.problems);
        let manifest = &loaded.manifests[0];
        sources(&manifest.target).iter().map(|source| (source.count(), source.rows(&manifest.action))).collect()
    }

    const METHOD: &str = "type: scheduleDeviceMethod\nmethod: { name: m }\n";

    #[test]
    fn queries_name_what_is_compared_and_no_more() {
        let twin = "type: scheduleUpdateTwin\nquery: tags.a = 1\npatch: ";
        assert_eq!(
            asked(&format!("{twin}{{ desired: {{ x: 1 }} }}\n")),
            [(
                Some(
                    "SELECT connectionState, COUNT() AS n FROM devices WHERE tags.a = 1 GROUP BY connectionState"
                        .into()
                ),
                "SELECT deviceId, connectionState, properties.desired AS desired FROM devices WHERE tags.a = 1".into()
            )]
        );
        assert_eq!(asked(&format!("{METHOD}query: '*'\n"))[0].1, "SELECT deviceId, connectionState FROM devices");
        let modules = asked(&format!("{METHOD}query: FROM devices.modules WHERE moduleId = 'm'\n"));
        assert_eq!(modules[0].0, None);
        assert!(modules[0].1.starts_with("SELECT deviceId, moduleId, connectionState FROM devices.modules WHERE"));
    }

    #[test]
    fn every_text_is_a_query_that_fits() {
        let ids: Vec<String> = (0..2_000).map(|number| format!("door-{number:04}")).collect();
        let texts = asked(&format!("{METHOD}devices: [{}]\n", ids.join(", ")));
        assert!(texts.len() > 2);
        let long = asked(&format!("{METHOD}query: tags.a = '{}'\n", "x".repeat(8_140)));
        assert!(long[0].0.is_none() && long[0].1.starts_with("SELECT * "), "{long:?}");
        for text in texts.into_iter().chain(long).flat_map(|(count, rows)| count.into_iter().chain([rows])) {
            assert!(text.chars().count() <= QUERY_CHARS_MAX);
            crate::query::parse(&text).unwrap();
        }
    }
}
