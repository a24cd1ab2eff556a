//! Who asks a hub, and what a refusal means for them.

use super::operation::Operation;
use crate::auth::{DefaultPolicy, Right};

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Who holds the key of the policy of this name.
    Policy(String),
    /// A principal of Entra ID.
    Principal,
}

impl Asker {
    /// What a 401 to `operation` asks for, in a sentence; it names the right that is missing where that is known.
    #[must_use]
    pub fn refused(&self, operation: Operation) -> String {
        match self {
            Self::Policy(name) => {
                let rights = said(operation.rights_needed());
                let lacks = lacking(name, operation.rights_needed());
                if lacks.is_empty() {
                    return format!(
                        "this needs a policy with {rights}, its current key, and a clock that is right to 5 minutes; \
                         jobs and their results together need iothubowner or RegistryRead, RegistryWrite and \
                         ServiceConnect"
                    );
                }
                format!(
                    "the policy `{name}` lacks {}, unless somebody changed it: use iothubowner or a policy of your own with {rights}",
                    said(&lacks)
                )
            }
            Self::Principal => format!(
                "this needs a role with the data action `Microsoft.Devices/IotHubs/{}`, such as IoT Hub Data \
                 Contributor, assigned on this hub; Owner and Contributor of the subscription have none",
                operation.data_action_needed()
            ),
        }
    }
}

/// What one of the service's own policies lacks of some rights; what others have is not known.
fn lacking(policy: &str, rights: &[Right]) -> Vec<Right> {
    let own = DefaultPolicy::ALL.into_iter().find(|own| own.name == policy);
    let lacks = |right: &&Right| own.as_ref().is_some_and(|own| !own.rights.allows(**right));
    rights.iter().filter(lacks).copied().collect()
}

fn said(rights: &[Right]) -> String {
    rights.iter().map(|right| right.name()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &str, operation: Operation) -> String {
        Asker::Policy(policy.to_owned()).refused(operation)
    }

    #[test]
    fn a_policy_of_the_service_is_told_what_it_lacks() {
        assert!(
            refused("service", Operation::CreateJob)
                .starts_with("the policy `service` lacks RegistryRead and RegistryWrite")
        );
        assert!(
            refused("registryRead", Operation::ReadJob).starts_with("the policy `registryRead` lacks RegistryWrite")
        );
        assert!(refused("registryReadWrite", Operation::Query).contains("lacks ServiceConnect"));
    }

    #[test]
    fn of_other_policies_only_the_need_is_known() {
        assert!(refused("ci", Operation::Query).starts_with("this needs a policy with ServiceConnect"));
        assert!(refused("iothubowner", Operation::Query).contains("its current key"));
        assert!(Asker::Principal.refused(Operation::CancelJob).contains("jobs/delete"));
    }
}
