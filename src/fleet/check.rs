//! What a schema cannot say of a fleet: counts that add up, ids that differ, names that are legal. Types become domain
//! types here.
//!
//! Each check reports what it finds and gives what it could build; a fleet comes out when every part did. A member that
//! was already refused is not here any more, and its absence is nobody's fault.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::name::Name;
use super::share_out::share_out;
use super::spec::{Authentication, FleetSpec, Group, Module};
use super::template::{Section, section};
use super::{Finding, ProblemKind, v1};
use crate::device::{IdTemplate, Transport};
use crate::model::limits::FLEET_DEVICES_MAX;
use crate::model::{DeviceId, ModuleId, Seed, Share};
use crate::source::suggest::{any_of, nearest};
use crate::source::{At, Pointer, Step};

/// Checks `fleet`, which is what `document` holds less what is already among `findings`; adds what it finds. `stem`
/// names a fleet without a name.
pub(super) fn check(
    fleet: v1::Fleet,
    document: &Value,
    stem: Option<&str>,
    findings: &mut Vec<Finding>,
) -> Option<FleetSpec> {
    let mut check = Check { document, findings };
    let name = check.fleet_name(fleet.name.as_deref(), stem);
    let written = fleet.groups.unwrap_or_default();
    let counts = check.counts(fleet.devices, &written);
    let mut groups = Vec::with_capacity(written.len());
    let mut first = 1;
    for (index, (group, count)) in written.into_iter().zip(counts).enumerate() {
        let group = check.group(group, index, (first, count));
        first += count.unwrap_or(0);
        groups.push(group);
    }
    check.groups_differ(&groups);
    let groups: Option<Vec<Group>> = groups.into_iter().collect();
    Some(FleetSpec { name: name?, seed: Seed::new(fleet.seed.unwrap_or(0)), groups: groups? })
}

/// The document and what was found in it so far.
pub(super) struct Check<'c> {
    document: &'c Value,
    pub(super) findings: &'c mut Vec<Finding>,
}

/// The member `key` of what stands at `at`.
pub(super) fn below(at: &Pointer, step: impl Into<Step>) -> Vec<Step> {
    let mut pointer = at.to_vec();
    pointer.push(step.into());
    pointer
}

impl Check<'_> {
    pub(super) fn refuse<T>(&mut self, at: At, kind: impl Into<ProblemKind>) -> Option<T> {
        self.findings.push(Finding { at, kind: kind.into() });
        None
    }

    /// Whether something at or below the member was refused.
    pub(super) fn refused(&self, at: &Pointer) -> bool {
        self.findings.iter().any(|finding| finding.at.pointer().starts_with(at))
    }

    /// Whether the user wrote the member, right or wrong.
    fn wrote(&self, at: &Pointer) -> bool {
        self.value(at).is_some()
    }

    fn value(&self, at: &Pointer) -> Option<&Value> {
        at.iter().try_fold(self.document, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// What a problem of a group as a whole underlines: its name, or where it starts.
    fn name_of(&self, group: &Pointer) -> At {
        let name = below(group, "name");
        At::Value(if self.wrote(&name) { name } else { group.to_vec() })
    }

    fn fleet_name(&mut self, written: Option<&str>, stem: Option<&str>) -> Option<Name> {
        match (written, stem) {
            (Some(text), _) => self.name(text, &[Step::from("name")]),
            (None, _) if self.wrote(&[Step::from("name")]) => None,
            (None, Some(stem)) => {
                let name = Name::suggest(stem);
                match name.parse() {
                    Ok(name) => Some(name),
                    Err(error) => self.refuse(At::Document, ProblemKind::NameFromFile { name, error }),
                }
            }
            (None, None) => "fleet".parse().ok(),
        }
    }

    fn name(&mut self, text: &str, at: &Pointer) -> Option<Name> {
        let error = match text.parse() {
            Ok(name) => return Some(name),
            Err(error) => error,
        };
        let help = match Name::suggest(text).parse::<Name>() {
            Ok(name) => format!("write `{name}`"),
            Err(_) => "use lower-case letters, digits and dashes, a letter first, at most 40".to_owned(),
        };
        self.refuse(At::Value(at.to_vec()), ProblemKind::NameIllegal { error, help })
    }

    /// How many devices each group has, where that can be said.
    fn counts(&mut self, devices: Option<u64>, groups: &[v1::Group]) -> Vec<Option<u64>> {
        let mut shares: Vec<(usize, Share)> = Vec::new();
        let mut counts: Vec<Option<u64>> = vec![None; groups.len()];
        let mut sum = 0_u64;
        for (index, group) in groups.iter().enumerate() {
            let at = [Step::from("groups"), Step::from(index)];
            let (count_at, share_at) = (below(&at, "count"), below(&at, "share"));
            match (self.wrote(&count_at), self.wrote(&share_at)) {
                (true, true) => drop(self.refuse::<()>(At::Key(share_at), ProblemKind::CountTwice)),
                (false, false) => {
                    if self.value(&at).is_some_and(Value::is_object) {
                        self.refuse::<()>(self.name_of(&at), ProblemKind::CountMissing);
                    }
                }
                (true, false) => counts[index] = group.count,
                (false, true) => {
                    let share = self.share(&share_at, group.share.as_deref(), Share::NONE);
                    if devices.is_none() && !self.wrote(&[Step::from("devices")]) {
                        self.refuse::<()>(At::Value(share_at.clone()), ProblemKind::ShareWithoutDevices);
                    }
                    let Some(share) = share else { continue };
                    sum += u64::from(share.ppm());
                    if sum > u64::from(Share::ALL.ppm()) {
                        let sum = percent(sum);
                        self.refuse::<()>(At::Value(share_at), ProblemKind::SharesTooLarge { sum });
                    }
                    shares.push((index, share));
                }
            }
        }
        if let Some(devices) = devices {
            let of_shares: Vec<Share> = shares.iter().map(|(_, share)| *share).collect();
            for ((index, _), count) in shares.iter().zip(share_out(devices, &of_shares)) {
                counts[*index] = Some(count);
            }
        }
        let before = self.findings.len();
        if sum <= u64::from(Share::ALL.ppm()) && !groups.is_empty() {
            self.total(devices, &counts);
        }
        if self.findings.len() == before {
            for index in counts.iter().enumerate().filter(|(_, count)| **count == Some(0)).map(|(index, _)| index) {
                let at = self.name_of(&[Step::from("groups"), Step::from(index)]);
                self.refuse::<()>(at, ProblemKind::GroupEmpty);
            }
        }
        counts
    }

    /// Holds the devices of all groups against what the fleet says and what a hub has.
    fn total(&mut self, devices: Option<u64>, counts: &[Option<u64>]) {
        let Some(made) = counts.iter().copied().sum::<Option<u64>>() else { return };
        let at = |key: &str| At::Key(vec![Step::from(key)]);
        if made > FLEET_DEVICES_MAX {
            self.refuse::<()>(at("groups"), ProblemKind::TooManyDevices { devices: made });
            return;
        }
        let value = At::Value(vec![Step::from("devices")]);
        match devices {
            Some(devices) if made > devices => {
                self.refuse::<()>(value, ProblemKind::DevicesExceeded { made, devices });
            }
            Some(devices) if made < devices => {
                self.refuse::<()>(value, ProblemKind::DevicesLeft { made, devices });
            }
            _ => {}
        }
    }

    fn group(&mut self, group: v1::Group, index: usize, (first, count): (u64, Option<u64>)) -> Option<Group> {
        let at = [Step::from("groups"), Step::from(index)];
        let before = self.findings.len();
        let name = group.name.as_deref().and_then(|name| self.name(name, &below(&at, "name")));
        let ids = self.ids(group.id_template.as_deref(), name.as_ref(), &at, count);
        let tags = group.tags.and_then(|tags| section(Section::Tags, &tags, &below(&at, "tags"), self.findings));
        let conduct = super::behaviour::Conduct {
            reported: group.reported,
            methods: group.methods,
            desired: group.desired,
            telemetry: group.telemetry,
            connectivity: group.connectivity,
        };
        let behaviour = self.behaviour(conduct, &at);
        let authentication = self.word(&below(&at, "authentication"), group.authentication.as_deref(), AUTHENTICATIONS);
        let transport = self.word(&below(&at, "transport"), group.transport.as_deref(), TRANSPORTS);
        let modules = self.modules(group.modules.unwrap_or_default(), &below(&at, "modules"));
        let right = self.findings[before..].iter().all(|finding| is_warning(&finding.kind)) && !self.refused_badly(&at);
        let group = Group {
            name: name?,
            count: count?,
            first,
            behaviour: Arc::new(behaviour?),
            authentication: authentication?,
            transport: transport?,
            modules: modules?,
            ids: ids?,
            tags,
        };
        right.then_some(group)
    }

    /// Whether an error, and not only warnings, was found at or below the member.
    fn refused_badly(&self, at: &Pointer) -> bool {
        self.findings.iter().any(|finding| !is_warning(&finding.kind) && finding.at.pointer().starts_with(at))
    }

    fn ids(
        &mut self,
        written: Option<&str>,
        name: Option<&Name>,
        group: &Pointer,
        count: Option<u64>,
    ) -> Option<IdTemplate> {
        let at = below(group, "idTemplate");
        let (text, at) = match (written, name) {
            (Some(text), _) => (text.to_owned(), at),
            (None, Some(name)) if !self.wrote(&at) => (format!("{name}-{{n:05}}"), below(group, "name")),
            _ => return None,
        };
        let template: IdTemplate = match text.parse() {
            Ok(template) => template,
            Err(error) => return self.refuse(At::Value(at), ProblemKind::IdTemplate { error }),
        };
        match template.id(count.unwrap_or(1).max(1)) {
            Ok(id) if !id.fits_mqtt() => self.refuse(At::Value(at), ProblemKind::IdNotOnMqtt { id: id.to_string() }),
            Ok(_) => Some(template),
            Err(error) => self.refuse(At::Value(at), ProblemKind::IdIllegal { error }),
        }
    }

    fn modules(&mut self, written: Vec<v1::Module>, at: &Pointer) -> Option<Vec<Module>> {
        let mut modules = Vec::with_capacity(written.len());
        let mut seen = HashSet::new();
        for (index, module) in written.into_iter().enumerate() {
            let at = below(at, index);
            let id_at = below(&at, "moduleId");
            let id = module.module_id.and_then(|text| match text.parse::<ModuleId>() {
                Ok(_) if text.contains(['#', '+']) => {
                    self.refuse(At::Value(id_at.clone()), ProblemKind::IdNotOnMqtt { id: text })
                }
                Ok(id) if seen.insert(text.clone()) => Some(id),
                Ok(_) => self.refuse(At::Value(id_at.clone()), ProblemKind::ModuleTwice { id: text }),
                Err(error) => self.refuse(At::Value(id_at.clone()), ProblemKind::ModuleIdIllegal { error }),
            });
            let conduct = super::behaviour::Conduct {
                reported: module.reported,
                methods: module.methods,
                desired: module.desired,
                telemetry: module.telemetry,
                connectivity: None,
            };
            let behaviour = self.behaviour(conduct, &at);
            modules.push(id.zip(behaviour).map(|(id, behaviour)| Module { id, behaviour: Arc::new(behaviour) }));
        }
        modules.into_iter().collect()
    }

    /// Refuses names and ids that an earlier group has.
    fn groups_differ(&mut self, groups: &[Option<Group>]) {
        let mut names = HashSet::new();
        let known: Vec<(usize, &Group)> =
            groups.iter().enumerate().filter_map(|(index, group)| Some((index, group.as_ref()?))).collect();
        for (turn, (index, group)) in known.iter().enumerate() {
            let at = |key: &str| vec![Step::from("groups"), Step::from(*index), Step::from(key)];
            if !names.insert(&group.name) {
                let kind = ProblemKind::GroupTwice { name: group.name.to_string() };
                self.refuse::<()>(At::Value(at("name")), kind);
                continue;
            }
            let clash = known[..turn].iter().find_map(|(_, other)| Some((common_id(other, group)?, other)));
            if let Some((id, other)) = clash {
                let key = if self.wrote(&at("idTemplate")) { "idTemplate" } else { "name" };
                let kind = ProblemKind::IdsCollide { id: id.to_string(), other: other.name.to_string() };
                self.refuse::<()>(At::Value(at(key)), kind);
            }
        }
    }

    /// The value of a word, or the default when it is not written.
    fn word<T: Copy>(&mut self, at: &Pointer, text: Option<&str>, words: &[(&'static str, T)]) -> Option<T> {
        let Some(text) = text else {
            return if self.wrote(at) { None } else { words.first().map(|(_, value)| *value) };
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let meant = nearest(text.trim_start_matches("x509"), known.iter().copied()).or_else(|| {
            known.iter().copied().find(|word| text.to_ascii_lowercase().contains(&word.to_ascii_lowercase()))
        });
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", any_of(&known)),
        };
        let member = match at.last() {
            Some(Step::Key(key)) => key.clone(),
            _ => String::new(),
        };
        self.refuse(At::Value(at.to_vec()), ProblemKind::UnknownValue { member, found: text.to_owned(), help })
    }
}

const AUTHENTICATIONS: &[(&str, Authentication)] = &[
    ("sas", Authentication::Sas),
    ("selfSigned", Authentication::SelfSigned),
    ("certificateAuthority", Authentication::CertificateAuthority),
];
const TRANSPORTS: &[(&str, Transport)] = &[("mqtt", Transport::Mqtt), ("websocket", Transport::WebSocket)];

fn is_warning(kind: &ProblemKind) -> bool {
    crate::source::Severity::of(kind) == crate::source::Severity::Warning
}

/// Parts per million as a percentage.
pub(super) fn percent(ppm: u64) -> String {
    let (whole, rest) = (ppm / 10_000, ppm % 10_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:04}").trim_end_matches('0').to_owned() }
}

/// The first id of the smaller group that the larger makes, too.
fn common_id(one: &Group, other: &Group) -> Option<DeviceId> {
    if !one.ids.may_meet(&other.ids) {
        return None;
    }
    let (small, large) = if one.count <= other.count { (one, other) } else { (other, one) };
    let ids = (1..=small.count).filter_map(|number| small.ids.id(number).ok());
    ids.into_iter().find(|id| large.ids.number(id.as_str()).is_some_and(|number| (1..=large.count).contains(&number)))
}
