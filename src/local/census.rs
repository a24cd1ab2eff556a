//! Who must live in the local fleet so that every manifest finds its devices; pure.

use serde_json::{Value, json};

use crate::manifest::{Manifest, Target};
use crate::model::{DeviceId, JsonObject};
use crate::query::Collection;

/// A device of the local fleet, with what its twin must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Resident {
    /// Its id.
    pub id: DeviceId,
    /// Its tags.
    pub tags: JsonObject,
    /// What it reports when it connects.
    pub reported: JsonObject,
}

/// Why no local fleet fits a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CensusError {
    /// The condition is more than equalities, so that nobody can make devices up for it.
    #[error("`{name}`: no local device can be made up for `{clause}`")]
    Clause {
        /// The manifest's name.
        name: String,
        /// The part of its condition.
        clause: String,
    },
    /// The condition picks modules.
    #[error("`{name}`: the local fleet has devices only, and the condition picks modules")]
    Modules {
        /// The manifest's name.
        name: String,
    },
    /// Two demands on one member exclude each other.
    #[error("`{name}`: no device can have a `{path}` that fits every demand on it")]
    Contradiction {
        /// The manifest's name.
        name: String,
        /// The member, such as `tags.building`.
        path: String,
    },
    /// An id that the condition names is no device id.
    #[error("`{name}`: `{id}` is not a device id")]
    Id {
        /// The manifest's name.
        name: String,
        /// What stands there.
        id: String,
    },
}

/// What one manifest demands of its devices.
struct Demand<'m> {
    name: &'m str,
    /// The ids it names; `None` when any will do.
    ids: Option<Vec<DeviceId>>,
    /// Members of the twin and the values each may have.
    members: Vec<Member>,
}

struct Member {
    path: Vec<String>,
    values: Vec<Value>,
}

/// The smallest fleet in which every manifest finds `devices` targets, and every device that it names.
///
/// # Errors
/// A manifest for which no device can be made up.
pub fn census(manifests: &[Manifest], devices: usize) -> Result<Vec<Resident>, CensusError> {
    let mut demands = manifests.iter().map(Demand::of).collect::<Result<Vec<_>, _>>()?;
    // Who names ids comes first and who takes anybody last, so that the fleet stays small.
    demands.sort_by_key(|demand| (demand.ids.is_none(), demand.members.is_empty()));
    let mut fleet = Vec::new();
    for demand in &demands {
        demand.settle(&mut fleet, devices)?;
    }
    Ok(fleet)
}

impl<'m> Demand<'m> {
    fn of(manifest: &'m Manifest) -> Result<Self, CensusError> {
        let name = manifest.name.as_str();
        let condition = match &manifest.target {
            Target::Devices(ids) => return Ok(Self { name, ids: Some(ids.clone()), members: Vec::new() }),
            Target::Condition { condition, .. } => condition,
        };
        if condition.collection() != Collection::Devices {
            return Err(CensusError::Modules { name: name.to_owned() });
        }
        let mut demand = Self { name, ids: None, members: Vec::new() };
        for equality in condition
            .conjunction()
            .map_err(|unfit| CensusError::Clause { name: name.to_owned(), clause: unfit.text })?
        {
            match equality.path.as_slice() {
                [only] if only == "deviceId" => demand.name_ids(&equality.values)?,
                _ => demand.add(equality.path, equality.values)?,
            }
        }
        Ok(demand)
    }

    fn name_ids(&mut self, values: &[Value]) -> Result<(), CensusError> {
        let named = values.iter().map(|value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.parse().map_err(|_| CensusError::Id { name: self.name.to_owned(), id: text })
        });
        let named = named.collect::<Result<Vec<DeviceId>, _>>()?;
        let ids: Vec<DeviceId> = match self.ids.take() {
            None => named,
            Some(before) => before.into_iter().filter(|id| named.contains(id)).collect(),
        };
        if ids.is_empty() {
            return Err(self.contradiction("deviceId"));
        }
        self.ids = Some(ids);
        Ok(())
    }

    fn add(&mut self, path: Vec<String>, values: Vec<Value>) -> Result<(), CensusError> {
        let Some(known) = self.members.iter_mut().find(|member| member.path == path) else {
            self.members.push(Member { path, values });
            return Ok(());
        };
        known.values.retain(|value| values.contains(value));
        if known.values.is_empty() {
            return Err(self.contradiction(&path.join(".")));
        }
        Ok(())
    }

    fn contradiction(&self, path: &str) -> CensusError {
        CensusError::Contradiction { name: self.name.to_owned(), path: path.to_owned() }
    }

    /// Sees to it that the fleet holds enough devices that fit.
    fn settle(&self, fleet: &mut Vec<Resident>, devices: usize) -> Result<(), CensusError> {
        if let Some(ids) = &self.ids {
            for (index, id) in ids.iter().enumerate() {
                let at = fleet.iter().position(|resident| &resident.id == id).unwrap_or_else(|| {
                    fleet.push(Resident { id: id.clone(), tags: JsonObject::new(), reported: JsonObject::new() });
                    fleet.len() - 1
                });
                self.furnish(&mut fleet[at], index)?;
            }
            return Ok(());
        }
        let fitting = fleet.iter().filter(|resident| self.fits(resident)).count();
        for index in fitting..devices {
            let id = format!("{}-{:0width$}", self.name, index + 1, width = devices.to_string().len());
            let id = id.parse().map_err(|_| CensusError::Id { name: self.name.to_owned(), id })?;
            let mut resident = Resident { id, tags: JsonObject::new(), reported: JsonObject::new() };
            self.furnish(&mut resident, index)?;
            fleet.push(resident);
        }
        Ok(())
    }

    fn fits(&self, resident: &Resident) -> bool {
        let twin = json!({"tags": resident.tags, "properties": {"reported": resident.reported}});
        self.members.iter().all(|member| {
            let found = member.path.iter().try_fold(&twin, |value, key| value.get(key));
            found.is_some_and(|value| member.values.contains(value))
        })
    }

    /// Gives a device every member it lacks, the values in turn.
    fn furnish(&self, resident: &mut Resident, index: usize) -> Result<(), CensusError> {
        for member in &self.members {
            let (section, keys) = match member.path.split_first() {
                Some((root, keys)) if root == "tags" => (&mut resident.tags, keys),
                Some((_, [_reported, keys @ ..])) => (&mut resident.reported, keys),
                _ => return Err(self.contradiction(&member.path.join("."))),
            };
            let value = &member.values[index % member.values.len()];
            match place(section, keys, value) {
                Some(there) if member.values.contains(there) => {}
                _ => return Err(self.contradiction(&member.path.join("."))),
            }
        }
        Ok(())
    }
}

/// Puts `value` at `keys` unless something is there already, and gives what is there then; nothing when the way is
/// blocked by a value that is no object.
fn place<'s>(section: &'s mut JsonObject, keys: &[String], value: &Value) -> Option<&'s Value> {
    let (key, rest) = keys.split_first()?;
    if rest.is_empty() {
        return Some(section.entry(key.clone()).or_insert_with(|| value.clone()));
    }
    let inner = section.entry(key.clone()).or_insert_with(|| Value::Object(JsonObject::new()));
    place(inner.as_object_mut()?, rest, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    fn manifests(text: &str) -> Vec<Manifest> {
        let loaded = manifest::parse_text("test.yaml", text);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        loaded.manifests
    }

    fn one(name: &str, query: &str) -> String {
        format!("name: {name}\ntype: scheduleDeviceMethod\nquery: \"{query}\"\nmethod: {{ name: m }}\n")
    }

    fn ids(fleet: &[Resident]) -> Vec<&str> {
        fleet.iter().map(|resident| resident.id.as_str()).collect()
    }

    #[test]
    fn everybody_is_as_many_as_asked_for() {
        let fleet = census(&manifests(&one("lock", "*")), 3).unwrap();
        assert_eq!(ids(&fleet), ["lock-1", "lock-2", "lock-3"]);
    }

    #[test]
    fn members_are_furnished_with_the_values_in_turn() {
        let query = "tags.site.name IN ['oslo', 'rome'] AND properties.reported.fw = 2";
        let fleet = census(&manifests(&one("fw", query)), 3).unwrap();
        assert_eq!(Value::from(fleet[1].tags.clone()), json!({"site": {"name": "rome"}}));
        assert_eq!(Value::from(fleet[2].tags.clone()), json!({"site": {"name": "oslo"}}));
        assert!(fleet.iter().all(|resident| resident.reported["fw"] == 2));
    }

    #[test]
    fn named_devices_exist_beyond_the_number_asked_for() {
        let fleet = census(&manifests(&one("two", "DeviceId in ['b', 'a'] AND tags.x = true")), 1).unwrap();
        assert_eq!(ids(&fleet), ["b", "a"]);
        assert_eq!(fleet[1].tags["x"], true);
    }

    #[test]
    fn a_star_counts_those_who_are_there() {
        let text = format!("{}---\n{}", one("all", "*"), one("some", "tags.a = 1"));
        assert_eq!(ids(&census(&manifests(&text), 2).unwrap()), ["some-1", "some-2"]);
    }

    #[test]
    fn what_cannot_be_made_up_is_named() {
        let clause = census(&manifests(&one("old", "tags.a = 1 AND tags.n > 3")), 2).unwrap_err();
        assert_eq!(clause, CensusError::Clause { name: "old".to_owned(), clause: "tags.n > 3".to_owned() });
        let both = census(&manifests(&one("both", "tags.a = 1 AND tags.a = 2")), 2).unwrap_err();
        assert_eq!(both, CensusError::Contradiction { name: "both".to_owned(), path: "tags.a".to_owned() });
        let blocked = census(&manifests(&one("blocked", "tags.a = 1 AND tags.a.b = 2")), 2).unwrap_err();
        assert_eq!(blocked, CensusError::Contradiction { name: "blocked".to_owned(), path: "tags.a.b".to_owned() });
    }
}
