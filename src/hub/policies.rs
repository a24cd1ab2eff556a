//! Shared access policies: the five that every hub has and those of `--policy` (REST.md 2.3).

use std::str::FromStr;

use crate::auth::{DefaultPolicy, Right, Rights, UnknownRight};
use crate::model::SymmetricKeyPair;
use crate::model::limits::{POLICIES_MAX, POLICY_NAME_CHARS_MAX, SERVICE_POLICIES_MAX};

/// A policy as somebody asks for it: `NAME=right,right`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDraft {
    /// Its name; one of the service's own five changes that policy's rights.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
}

/// Says why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// No `=`.
    #[error("`{text}` is not of the form NAME=right,right, as in `reader=RegistryRead,ServiceConnect`")]
    NotAPair {
        /// The text.
        text: String,
    },
    /// A name that a connection string could not carry.
    #[error("`{name}` is not a policy name; use 1 to {POLICY_NAME_CHARS_MAX} ASCII letters, digits and - _ .")]
    Name {
        /// The name.
        name: String,
    },
    /// A word that is no right.
    #[error("policy `{name}`: {source}")]
    Right {
        /// The policy.
        name: String,
        /// The word.
        source: UnknownRight,
    },
}

impl FromStr for PolicyDraft {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let (name, rights) = text.split_once('=').ok_or_else(|| InvalidPolicy::NotAPair { text: text.to_owned() })?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > POLICY_NAME_CHARS_MAX || !name.chars().all(legal) {
            return Err(InvalidPolicy::Name { name: name.to_owned() });
        }
        let rights = rights.parse().map_err(|source| InvalidPolicy::Right { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), rights })
    }
}

/// A policy of the running hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name that a token's `skn` gives.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// Its keys; tokens signed with either are good.
    pub keys: SymmetricKeyPair,
}

impl Policy {
    /// Whether the policy grants `right`.
    #[must_use]
    pub fn allows(&self, right: Right) -> bool {
        self.rights.allows(right)
    }
}

/// Says that a hub would have more policies than the service allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyPolicies {
    /// Of all kinds.
    #[error("the hub would have {count} policies with its own five; the service has at most {POLICIES_MAX}")]
    All {
        /// How many it would have.
        count: usize,
    },
    /// Of those with the right ServiceConnect.
    #[error(
        "the hub would have {count} policies with ServiceConnect, its own two among them; the service has at most {SERVICE_POLICIES_MAX}"
    )]
    Service {
        /// How many it would have.
        count: usize,
    },
}

/// The policies of one hub, the service's own first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// The names and rights of a hub that was asked for `custom` policies. A later draft of a name wins.
    ///
    /// # Errors
    /// [`TooManyPolicies`] past [`POLICIES_MAX`] or [`SERVICE_POLICIES_MAX`].
    pub fn drafts(custom: &[PolicyDraft]) -> Result<Vec<PolicyDraft>, TooManyPolicies> {
        let defaults =
            DefaultPolicy::ALL.iter().map(|policy| PolicyDraft { name: policy.name.to_owned(), rights: policy.rights });
        let mut drafts: Vec<PolicyDraft> = defaults.collect();
        for draft in custom {
            match drafts.iter_mut().find(|known| known.name == draft.name) {
                Some(known) => known.rights = draft.rights,
                None => drafts.push(draft.clone()),
            }
        }
        if drafts.len() > POLICIES_MAX {
            return Err(TooManyPolicies::All { count: drafts.len() });
        }
        let serving = drafts.iter().filter(|draft| draft.rights.allows(Right::ServiceConnect)).count();
        if serving > SERVICE_POLICIES_MAX {
            return Err(TooManyPolicies::Service { count: serving });
        }
        Ok(drafts)
    }

    /// Takes policies that have their keys.
    #[must_use]
    pub fn new(policies: Vec<Policy>) -> Self {
        Self(policies)
    }

    /// The policy of a name; names are case-sensitive.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name == name)
    }

    /// All of them, the service's own first.
    pub fn iter(&self) -> std::slice::Iter<'_, Policy> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_a_name_and_rights() {
        let draft: PolicyDraft = "reader=RegistryRead,ServiceConnect".parse().unwrap();
        assert_eq!((draft.name.as_str(), draft.rights.to_string().as_str()), ("reader", "RegistryRead,ServiceConnect"));
        for bad in ["reader", "=RegistryRead", "a;b=RegistryRead", "a=", "a=Everything"] {
            assert!(bad.parse::<PolicyDraft>().is_err(), "{bad}");
        }
    }

    #[test]
    fn custom_policies_come_after_the_five_and_may_change_them() {
        let custom = ["device=RegistryRead".parse().unwrap(), "mine=ServiceConnect".parse().unwrap()];
        let drafts = Policies::drafts(&custom).unwrap();
        let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
        assert_eq!(names, ["iothubowner", "service", "device", "registryRead", "registryReadWrite", "mine"]);
        assert!(!drafts[2].rights.allows(Right::DeviceConnect));
    }

    // conformance: REST.md 2.3: a hub has 16 policies at most, and 10 with ServiceConnect
    #[test]
    fn the_seventeenth_policy_is_refused_and_the_eleventh_with_service_connect() {
        let custom =
            |right: &str| -> Vec<PolicyDraft> { (0..12).map(|n| format!("p{n}={right}").parse().unwrap()).collect() };
        assert_eq!(Policies::drafts(&custom("RegistryRead")[..11]).unwrap().len(), 16);
        assert_eq!(Policies::drafts(&custom("RegistryRead")), Err(TooManyPolicies::All { count: 17 }));
        assert_eq!(Policies::drafts(&custom("ServiceConnect")[..8]).unwrap().len(), 13);
        assert_eq!(Policies::drafts(&custom("ServiceConnect")[..9]), Err(TooManyPolicies::Service { count: 11 }));
    }
}
