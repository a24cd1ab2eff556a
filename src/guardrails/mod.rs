//! What jobs may not do, as a file beside them says: methods, patch paths, and how many devices a run may touch.

mod file;

pub use file::GuardrailsError;

use std::fmt;
use std::path::PathBuf;

use glob::Pattern;
use serde_json::Value;

use crate::manifest::{Action, Manifest, Problem, ProblemKind};

/// What the file is called.
pub const FILE_NAME: &str = "iotjob.toml";

/// The rules of one file; none when there is no file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guardrails {
    path: PathBuf,
    general: Rules,
    hubs: Vec<(Pattern, Rules)>,
}

/// Rules of one section.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rules {
    max_devices: Option<MaxDevices>,
    forbidden_methods: Vec<Pattern>,
    forbidden_patch_paths: Vec<Vec<String>>,
}

/// The most devices that a run may touch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxDevices {
    /// So many.
    Count(u64),
    /// So many of a hundred of the hub's devices.
    Percent(f64),
}

impl MaxDevices {
    /// How many that is for a hub with so many devices.
    #[must_use]
    pub fn of(self, hub_devices: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            #[expect(clippy::cast_precision_loss, reason = "a share of a fleet")]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the fleet")]
            Self::Percent(percent) => (hub_devices as f64 * percent / 100.0).floor() as u64,
        }
    }
}

impl fmt::Display for MaxDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}% of the hub's devices"),
        }
    }
}

impl Guardrails {
    /// What `manifest` does that is forbidden on the hub called `host`; without a host, on any hub.
    #[must_use]
    pub fn violations(&self, manifest: &Manifest, host: Option<&str>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (scope, rules) in self.rules_for(host) {
            let forbidden = |what: String, path: &[&str]| {
                let kind = ProblemKind::Forbidden { what, by: format!("{}{scope}", self.path.display()) };
                Problem::new(manifest.place_of(path), kind)
            };
            match &manifest.action {
                Action::Method { name, .. } => {
                    if rules.forbidden_methods.iter().any(|pattern| pattern.matches(name.as_str())) {
                        problems.push(forbidden(format!("the method `{name}`"), &["method", "name"]));
                    }
                }
                Action::Twin { tags, desired } => {
                    for path in &rules.forbidden_patch_paths {
                        let (section, below) =
                            path.split_first().map_or(("", path.as_slice()), |(s, b)| (s.as_str(), b));
                        let patch = match section {
                            "tags" => tags.as_ref(),
                            _ => desired.as_ref(),
                        };
                        let touched = patch.and_then(|patch| touched(&Value::Object(patch.clone()), below));
                        if let Some(depth) = touched {
                            let mut at = vec!["patch", section];
                            at.extend(below[..depth].iter().map(String::as_str));
                            problems.push(forbidden(format!("a patch of `{}`", path.join(".")), &at));
                        }
                    }
                }
            }
        }
        problems
    }

    /// The limits on a run's devices on the hub called `host`; a run keeps all of them.
    #[must_use]
    pub fn max_devices(&self, host: &str) -> Vec<MaxDevices> {
        self.rules_for(Some(host)).filter_map(|(_, rules)| rules.max_devices).collect()
    }

    /// Where the rules stand, for messages.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The general rules and those of each section whose pattern fits the host, with or without its port.
    fn rules_for(&self, host: Option<&str>) -> impl Iterator<Item = (String, &Rules)> {
        let bare = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        let fits = move |pattern: &Pattern| {
            host.is_some_and(|host| pattern.matches(host)) || bare.is_some_and(|bare| pattern.matches(bare))
        };
        let hubs = self.hubs.iter().filter(move |(pattern, _)| fits(pattern));
        let hubs = hubs.map(|(pattern, rules)| (format!(" for the hub `{pattern}`"), rules));
        std::iter::once((String::new(), &self.general)).chain(hubs)
    }
}

/// How far down `path` a patch reaches when it touches what lies there: all the way, or to a value that replaces or
/// removes everything below it.
fn touched(patch: &Value, path: &[String]) -> Option<usize> {
    let mut node = patch;
    for (depth, key) in path.iter().enumerate() {
        match node {
            Value::Object(members) => node = members.get(key)?,
            _ => return Some(depth),
        }
    }
    Some(path.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse_text;

    fn guardrails() -> Guardrails {
        Guardrails::parse(
            PathBuf::from("iotjob.toml"),
            "[guardrails]\nmax-devices = 500\nforbidden-methods = ['factoryReset', 'wipe*']\n\
             forbidden-patch-paths = ['desired.network', 'tags.owner.name']\n\
             [[hub]]\nhost = 'prod-*.azure-devices.net'\nmax-devices = '10%'\nforbidden-methods = ['reboot']\n",
        )
        .unwrap()
    }

    fn said(job: &str, host: Option<&str>) -> Vec<String> {
        let loaded = parse_text("j.yaml", job);
        assert_eq!(loaded.problems.len(), 0, "{:?}", loaded.problems);
        let violations = guardrails().violations(&loaded.manifests[0], host);
        violations
            .iter()
            .map(|problem| format!("{} | {problem}", &problem.place.file.text()[problem.place.span.clone()]))
            .collect()
    }

    #[test]
    fn methods_and_paths_are_refused_at_their_place() {
        let method = |name: &str| format!("type: scheduleDeviceMethod\nquery: '*'\nmethod: {{ name: {name} }}\n");
        assert_eq!(said(&method("wipeDisk"), None), ["wipeDisk | the method `wipeDisk` is forbidden by iotjob.toml"]);
        assert_eq!(said(&method("reboot"), None), Vec::<String>::new());
        assert_eq!(
            said(&method("reboot"), Some("prod-eu.azure-devices.net")),
            ["reboot | the method `reboot` is forbidden by iotjob.toml for the hub `prod-*.azure-devices.net`"]
        );
        let patch = |patch: &str| format!("type: scheduleUpdateTwin\nquery: '*'\npatch: {patch}\n");
        assert_eq!(
            said(&patch("{ desired: { network: { wifi: off }, other: 1 } }"), None),
            ["network | a patch of `desired.network` is forbidden by iotjob.toml"]
        );
        assert_eq!(said(&patch("{ tags: { owner: null } }"), None).len(), 1, "it removes what is forbidden");
        assert_eq!(said(&patch("{ tags: { owner: { phone: 1 } } }"), None), Vec::<String>::new());
        assert_eq!(said(&patch("{ desired: { net: 1 } }"), None), Vec::<String>::new());
    }

    #[test]
    fn every_limit_that_fits_the_hub_holds() {
        let limits = |host| guardrails().max_devices(host).iter().map(|limit| limit.of(1_000)).collect::<Vec<_>>();
        assert_eq!(limits("test.azure-devices.net"), [500]);
        assert_eq!(limits("prod-eu.azure-devices.net:443"), [500, 100]);
    }
}
