//! Entra ID tokens, and what those who hold them may do (REST.md 2.3, 2.4).
//!
//! The service looks roles up in Azure; here the command line assigns them. Without any assignment every principal of
//! the trusted issuer is a Data Contributor.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::auth::{JwtError, KeySet};
use crate::model::JsonObject;
use crate::model::limits::SAS_SKEW_S;

/// Whom tokens for IoT Hub are meant for (REST.md 2.4).
pub const AUDIENCE: &str = "https://iothubs.azure.net";

/// The data actions of the endpoints that this hub serves, without `Microsoft.Devices/IotHubs/` (REST.md 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataAction {
    /// Reads identities.
    DevicesRead,
    /// Creates and replaces identities.
    DevicesWrite,
    /// Deletes identities.
    DevicesDelete,
    /// Reads and queries twins.
    TwinsRead,
    /// Writes twins.
    TwinsWrite,
    /// Calls direct methods.
    MethodsInvoke,
    /// Reads jobs.
    JobsRead,
    /// Creates jobs.
    JobsWrite,
    /// Cancels jobs.
    JobsDelete,
    /// Reads counts.
    StatisticsRead,
}

impl DataAction {
    /// The name, without the provider.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DevicesRead => "devices/read",
            Self::DevicesWrite => "devices/write",
            Self::DevicesDelete => "devices/delete",
            Self::TwinsRead => "twins/read",
            Self::TwinsWrite => "twins/write",
            Self::MethodsInvoke => "directMethods/invoke/action",
            Self::JobsRead => "jobs/read",
            Self::JobsWrite => "jobs/write",
            Self::JobsDelete => "jobs/delete",
            Self::StatisticsRead => "statistics/read",
        }
    }
}

/// The built-in roles for a hub's data (REST.md 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntraRole {
    /// IoT Hub Data Reader: reads everything.
    Reader,
    /// IoT Hub Data Contributor: everything.
    Contributor,
    /// IoT Hub Registry Contributor: identities.
    RegistryContributor,
    /// IoT Hub Twin Contributor: twins.
    TwinContributor,
}

impl EntraRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Contributor, Self::RegistryContributor, Self::TwinContributor];

    /// The name on the command line: Azure's without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "Reader",
            Self::Contributor => "Contributor",
            Self::RegistryContributor => "RegistryContributor",
            Self::TwinContributor => "TwinContributor",
        }
    }

    /// Whether the role holds `action`.
    #[must_use]
    pub fn allows(self, action: DataAction) -> bool {
        let name = action.name();
        match self {
            Self::Contributor => true,
            Self::Reader => name.ends_with("/read"),
            Self::RegistryContributor => name.starts_with("devices/"),
            Self::TwinContributor => name.starts_with("twins/"),
        }
    }
}

/// A role that a principal has: `OID=Role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// The principal's object id, as the token's `oid` claim has it.
    pub principal: String,
    /// What it may do.
    pub role: EntraRole,
}

/// Says why a text is no role assignment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not of the form OID=Role; the roles are Reader, Contributor, RegistryContributor, TwinContributor"
)]
pub struct InvalidRoleAssignment {
    /// The text.
    pub text: String,
}

impl FromStr for RoleAssignment {
    type Err = InvalidRoleAssignment;

    fn from_str(text: &str) -> Result<Self, InvalidRoleAssignment> {
        let invalid = || InvalidRoleAssignment { text: text.to_owned() };
        let (principal, role) = text.split_once('=').ok_or_else(invalid)?;
        let role = EntraRole::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(role.trim()));
        match (principal.trim(), role) {
            ("", _) | (_, None) => Err(invalid()),
            (principal, Some(role)) => Ok(Self { principal: principal.to_owned(), role }),
        }
    }
}

/// Whose tokens a hub takes, and what each holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraTrust {
    /// What a token's `iss` must be.
    pub issuer: String,
    /// What it must be signed with.
    pub keys: KeySet,
    /// Who may do what; empty lets everybody do everything.
    pub assignments: Vec<RoleAssignment>,
}

/// Says why a token opens nothing; for the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// It proves nothing.
    #[error("the Entra ID token is refused: {0}")]
    Token(#[from] JwtError),
    /// Issued by somebody else.
    #[error("the Entra ID token was issued by `{found}`, not by `{trusted}`")]
    Issuer {
        /// The `iss` claim.
        found: String,
        /// The one of `--entra-issuer`.
        trusted: String,
    },
    /// Meant for another service.
    #[error("the Entra ID token is for {found}, not for `{AUDIENCE}`")]
    Audience {
        /// The `aud` claim.
        found: String,
    },
    /// A time that is missing.
    #[error("the Entra ID token has no readable `{claim}`")]
    NoTime {
        /// Which.
        claim: &'static str,
    },
    /// Too old.
    #[error("the Entra ID token expired {seconds} s ago")]
    Expired {
        /// How long.
        seconds: i64,
    },
    /// Too young.
    #[error("the Entra ID token becomes good only in {seconds} s; do the clocks agree?")]
    NotYet {
        /// How long.
        seconds: i64,
    },
    /// Assignments exist, and none for this principal.
    #[error(
        "the principal `{principal}` of the Entra ID token has no --entra-role; on the service too it needs a data role"
    )]
    NoRole {
        /// The `oid` claim.
        principal: String,
    },
    /// A role that is not enough.
    #[error("the roles of the principal `{principal}` lack the data action `Microsoft.Devices/IotHubs/{}`", action.name())]
    Action {
        /// The `oid` claim.
        principal: String,
        /// What they lack.
        action: DataAction,
    },
}

impl EntraTrust {
    /// Checks that the holder of `token` may do all of `actions`.
    ///
    /// # Errors
    /// [`BearerError`] with the reason.
    pub fn authorize(&self, token: &str, actions: &[DataAction], now: Timestamp) -> Result<(), BearerError> {
        let claims = self.keys.claims(token)?;
        self.check_origin(&claims)?;
        check_times(&claims, now.as_second())?;
        if self.assignments.is_empty() {
            return Ok(());
        }
        let principal = text(&claims, "oid");
        let mut roles = self.assignments.iter().filter(|it| it.principal.eq_ignore_ascii_case(&principal)).peekable();
        if roles.peek().is_none() {
            return Err(BearerError::NoRole { principal });
        }
        let roles: Vec<EntraRole> = roles.map(|assignment| assignment.role).collect();
        match actions.iter().find(|&&action| !roles.iter().any(|role| role.allows(action))) {
            Some(&action) => Err(BearerError::Action { principal, action }),
            None => Ok(()),
        }
    }

    /// Issuer and audience; Entra ID's two token versions differ in the slash at the end.
    fn check_origin(&self, claims: &JsonObject) -> Result<(), BearerError> {
        let found = text(claims, "iss");
        if found.is_empty() || !is_same(&found, &self.issuer) {
            return Err(BearerError::Issuer { found, trusted: self.issuer.clone() });
        }
        let is_ours = |audience: &Value| audience.as_str().is_some_and(|audience| is_same(audience, AUDIENCE));
        match claims.get("aud") {
            Some(Value::Array(audiences)) if audiences.iter().any(is_ours) => Ok(()),
            Some(audience) if is_ours(audience) => Ok(()),
            other => Err(BearerError::Audience {
                found: other.map_or_else(|| "nobody".to_owned(), |other| format!("`{other}`")),
            }),
        }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn text(claims: &JsonObject, claim: &str) -> String {
    claims.get(claim).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// `exp` must lie ahead and `nbf`, where there is one, behind, with the tolerance that SAS tokens have.
fn check_times(claims: &JsonObject, now: i64) -> Result<(), BearerError> {
    let expiry = seconds(claims.get("exp")).ok_or(BearerError::NoTime { claim: "exp" })?;
    if now >= expiry.saturating_add(SAS_SKEW_S) {
        return Err(BearerError::Expired { seconds: now.saturating_sub(expiry) });
    }
    let Some(begins) = claims.get("nbf") else { return Ok(()) };
    let begins = seconds(Some(begins)).ok_or(BearerError::NoTime { claim: "nbf" })?;
    if now < begins.saturating_sub(SAS_SKEW_S) {
        return Err(BearerError::NotYet { seconds: begins.saturating_sub(now) });
    }
    Ok(())
}

/// Whole seconds; a time with a fraction is cut.
fn seconds(claim: Option<&Value>) -> Option<i64> {
    let number = claim?.as_number()?;
    #[expect(clippy::cast_possible_truncation, reason = "a time past 64 bits of seconds saturates, as it should")]
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> JsonObject {
        value.as_object().cloned().unwrap()
    }

    // conformance: REST.md 2.3: Reader, Registry Contributor and Twin Contributor hold their part of the data actions
    #[test]
    fn roles_hold_their_part_of_the_data_actions() {
        use DataAction::{DevicesDelete, DevicesRead, JobsWrite, MethodsInvoke, StatisticsRead, TwinsRead, TwinsWrite};
        for (role, may, may_not) in [
            ("Reader", vec![DevicesRead, TwinsRead, StatisticsRead], vec![TwinsWrite, MethodsInvoke, JobsWrite]),
            ("contributor", vec![DevicesDelete, TwinsWrite, MethodsInvoke, JobsWrite], vec![]),
            ("RegistryContributor", vec![DevicesRead, DevicesDelete], vec![TwinsRead, JobsWrite]),
            ("TwinContributor", vec![TwinsRead, TwinsWrite], vec![DevicesRead, MethodsInvoke]),
        ] {
            let role = format!("some-oid={role}").parse::<RoleAssignment>().unwrap().role;
            assert!(may.iter().all(|&action| role.allows(action)), "{role:?}");
            assert!(!may_not.iter().any(|&action| role.allows(action)), "{role:?}");
        }
        for bad in ["", "Reader", "=Reader", "oid=", "oid=Owner"] {
            assert!(bad.parse::<RoleAssignment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_the_tolerance_of_sas_tokens() {
        for (body, want) in [
            (json!({"exp": 1_000}), Ok(())),
            (json!({"exp": 701, "nbf": 1_300}), Ok(())),
            (json!({"exp": 700}), Err(BearerError::Expired { seconds: 300 })),
            (json!({"exp": 2_000.5, "nbf": 1_301}), Err(BearerError::NotYet { seconds: 301 })),
            (json!({"exp": "2000"}), Err(BearerError::NoTime { claim: "exp" })),
            (json!({"exp": 2_000, "nbf": null}), Err(BearerError::NoTime { claim: "nbf" })),
            (json!({}), Err(BearerError::NoTime { claim: "exp" })),
            (json!({"exp": i64::MIN}), Err(BearerError::Expired { seconds: i64::MAX })),
        ] {
            assert_eq!(check_times(&claims(body.clone()), 1_000), want, "{body}");
        }
    }
}
