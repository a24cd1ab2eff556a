//! Which way to sign in: the one that was asked for, else the one that the environment is set up for; pure.

use std::fmt;
use std::str::FromStr;

/// A way to sign in with Entra ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// A service principal and its secret, from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
    Environment,
    /// A token that the platform keeps in the file `AZURE_FEDERATED_TOKEN_FILE`, as Kubernetes does.
    WorkloadIdentity,
    /// The token that GitHub Actions gives a job with `id-token: write`.
    GithubActions,
    /// A service connection of Azure Pipelines.
    AzurePipelines,
    /// The identity of the virtual machine or app that this runs on.
    ManagedIdentity,
    /// Whoever is logged in with `az login`.
    AzureCli,
}

impl SignIn {
    /// Every way, in the order in which [`SignIn::of_environment`] looks for it.
    pub const ALL: [Self; 6] = [
        Self::Environment,
        Self::WorkloadIdentity,
        Self::GithubActions,
        Self::AzurePipelines,
        Self::ManagedIdentity,
        Self::AzureCli,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload-identity",
            Self::GithubActions => "github-actions",
            Self::AzurePipelines => "azure-pipelines",
            Self::ManagedIdentity => "managed-identity",
            Self::AzureCli => "azure-cli",
        }
    }

    /// What Azure's SDKs call it in `AZURE_TOKEN_CREDENTIALS`; GitHub's way has no name there.
    const fn sdk_name(self) -> Option<&'static str> {
        match self {
            Self::Environment => Some("EnvironmentCredential"),
            Self::WorkloadIdentity => Some("WorkloadIdentityCredential"),
            Self::GithubActions => None,
            Self::AzurePipelines => Some("AzurePipelinesCredential"),
            Self::ManagedIdentity => Some("ManagedIdentityCredential"),
            Self::AzureCli => Some("AzureCliCredential"),
        }
    }

    /// The variables without which it cannot work.
    #[must_use]
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Environment => &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"],
            Self::WorkloadIdentity => &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"],
            Self::GithubActions => &[
                "AZURE_TENANT_ID",
                "AZURE_CLIENT_ID",
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            ],
            Self::AzurePipelines => &[
                "AZURESUBSCRIPTION_TENANT_ID",
                "AZURESUBSCRIPTION_CLIENT_ID",
                "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
                "SYSTEM_OIDCREQUESTURI",
                "SYSTEM_ACCESSTOKEN",
            ],
            Self::ManagedIdentity | Self::AzureCli => &[],
        }
    }

    /// The way that the environment is set up for: the first whose variables are all there. Without any it is the
    /// managed identity where a platform announces one, and nothing where only a look outside can tell.
    #[must_use]
    pub fn of_environment(is_set: impl Fn(&str) -> bool) -> Option<Self> {
        let announces_identity = || is_set("IDENTITY_ENDPOINT") || is_set("MSI_ENDPOINT");
        Self::ALL
            .into_iter()
            .find(|way| !way.variables().is_empty() && way.variables().iter().all(|name| is_set(name)))
            .or_else(|| announces_identity().then_some(Self::ManagedIdentity))
    }

    /// The variables that it needs and that are not set.
    #[must_use]
    pub fn missing(self, is_set: impl Fn(&str) -> bool) -> Vec<&'static str> {
        self.variables().iter().copied().filter(|name| !is_set(name)).collect()
    }
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says that a text names no way to sign in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no way to sign in; there are environment, workload-identity, github-actions, azure-pipelines, \
     managed-identity and azure-cli"
)]
pub struct UnknownSignIn {
    /// The text.
    pub text: String,
}

impl FromStr for SignIn {
    type Err = UnknownSignIn;

    /// Takes our names and those of Azure's SDKs.
    fn from_str(text: &str) -> Result<Self, UnknownSignIn> {
        let is_named = |way: &Self| {
            way.name().eq_ignore_ascii_case(text) || way.sdk_name().is_some_and(|name| name.eq_ignore_ascii_case(text))
        };
        Self::ALL.into_iter().find(is_named).ok_or_else(|| UnknownSignIn { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_by_what_is_whole() {
        let chosen = |set: &[&str]| SignIn::of_environment(|name| set.contains(&name));
        let principal = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
        let with = |more: &[&'static str]| chosen(&[&principal[..], more].concat());
        assert_eq!(with(&["AZURE_CLIENT_SECRET"]), Some(SignIn::Environment));
        assert_eq!(with(&["AZURE_FEDERATED_TOKEN_FILE"]), Some(SignIn::WorkloadIdentity));
        let github = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
        assert_eq!(with(&github), Some(SignIn::GithubActions));
        assert_eq!(with(&github[..1]), None, "half of it is nothing");
        assert_eq!(chosen(SignIn::AzurePipelines.variables()), Some(SignIn::AzurePipelines));
        assert_eq!(chosen(&["IDENTITY_ENDPOINT"]), Some(SignIn::ManagedIdentity));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn ways_are_known_by_both_their_names() {
        for way in SignIn::ALL {
            assert_eq!(way.name().parse(), Ok(way));
            if let Some(name) = way.sdk_name() {
                assert_eq!(name.parse(), Ok(way));
            }
        }
        let unknown = "visual-studio".parse::<SignIn>().unwrap_err();
        for way in SignIn::ALL {
            assert!(unknown.to_string().contains(way.name()), "{way} is not offered: {unknown}");
        }
    }
}
