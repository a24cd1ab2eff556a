//! Which hub a command talks to, by flag or environment, and how patiently.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::exit::Exit;
use super::failure::Failure;
use super::printer::Printer;
use super::secret_arg::SecretArg;
use crate::auth::{HubHost, ServiceConnectionString, parse_service};
use crate::client::{
    ClientError, EntraSignIn, ErrorClass, ErrorKind, HubAccess, HubClient, HubClientConfig, Notify, Patience, SignIn,
    Unreached, Waiting,
};
use crate::model::{Clock, JobId, Rng};
use crate::tls::TrustAnchors;

/// Environment variable with a hub's service connection string, or `@FILE`.
pub const CONNECTION_STRING_VARIABLE: &str = "IOTHUB_CONNECTION_STRING";
/// Environment variable with a hub's host name, for Entra ID.
pub const HOST_VARIABLE: &str = "IOTHUB_HOST";
/// Environment variable that says how to sign in with Entra ID, as Azure's SDKs know it.
const SIGN_IN_VARIABLE: &str = "AZURE_TOKEN_CREDENTIALS";
/// Environment variable with a file of PEM certificates to trust.
pub const CA_FILE_VARIABLE: &str = "SSL_CERT_FILE";

/// How often the same trouble is mentioned again.
const REMINDER: Duration = Duration::from_secs(30);

/// Flags that name the hub. The environment is read here and not by clap: a variable that a pipeline leaves empty
/// names no hub, and `--local` must be able to tell a flag from a variable.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which hub")]
pub struct HubArgs {
    /// Service connection string of the hub, or @FILE to read it from a file. Other users of the machine can see
    /// arguments: better set IOTHUB_CONNECTION_STRING
    #[arg(long, value_name = "STRING")]
    hub_connection_string: Option<SecretArg>,
    /// Host name of the hub, to sign in with Entra ID instead of a key [env: IOTHUB_HOST]
    #[arg(long, value_name = "HOST", conflicts_with = "hub_connection_string")]
    hub_host: Option<HubHost>,
    /// How to sign in with Entra ID: environment (client secret), workload-identity, github-actions, azure-pipelines,
    /// managed-identity or azure-cli [env: AZURE_TOKEN_CREDENTIALS] [default: what the environment is set up for, else
    /// the machine's identity, else azure-cli]
    #[arg(long, value_name = "WAY", conflicts_with = "hub_connection_string")]
    entra_sign_in: Option<SignIn>,
    /// File of PEM certificates to trust besides the machine's own [env: SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Give up on a hub that never answered [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    give_up_after: Option<Duration>,
    /// Give up on a hub that answered before and is silent, or keeps throttling [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_silence: Option<Duration>,
    /// Give up on one request and count its answer as lost [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    request_timeout: Option<Duration>,
}

/// Reads `90s`, `5m`, `1h 30m` or `PT90S`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|_| "write it as 20s, 5m or 1h 30m".to_owned())?;
    match Duration::try_from(span) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be longer than nothing".to_owned()),
    }
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The variable that names a hub, if one does.
#[must_use]
pub fn hub_in_environment() -> Option<&'static str> {
    [CONNECTION_STRING_VARIABLE, HOST_VARIABLE].into_iter().find(|name| variable(name).is_some())
}

impl HubArgs {
    /// Whether a flag names the hub.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.hub_connection_string.is_some() || self.hub_host.is_some()
    }

    /// Whose certificates are believed.
    #[must_use]
    pub fn trust(&self) -> TrustAnchors {
        match self.ca_file.clone().or_else(|| variable(CA_FILE_VARIABLE).map(PathBuf::from)) {
            Some(path) => TrustAnchors::PemFile(path),
            None => TrustAnchors::Platform,
        }
    }

    /// How long to keep trying.
    #[must_use]
    pub fn patience(&self) -> Patience {
        let mut patience = Patience::standard();
        if let Some(limit) = self.give_up_after {
            patience.first_contact = limit;
        }
        if let Some(limit) = self.max_silence {
            patience.silence = limit;
            patience.throttled = limit;
        }
        if let Some(limit) = self.request_timeout {
            patience.request = limit;
        }
        patience
    }

    /// Which hub, and how to prove who asks, from flag or environment; `no_hub` says what to write when none is named.
    ///
    /// # Errors
    /// Exit 2 when no hub is named, or what names it cannot be read.
    fn access(&self, printer: &Printer, no_hub: fn() -> Failure) -> Result<HubAccess, Failure> {
        let from_environment = || variable(CONNECTION_STRING_VARIABLE).and_then(|text| text.parse::<SecretArg>().ok());
        let host = match (&self.hub_connection_string, &self.hub_host) {
            (Some(flag), _) => return connection(flag, printer).map(HubAccess::Policy),
            (None, Some(host)) => host.clone(),
            (None, None) => match (from_environment(), variable(HOST_VARIABLE)) {
                (Some(given), host) => {
                    if host.is_some() {
                        printer.warn(&format!(
                            "{HOST_VARIABLE} is passed over, since {CONNECTION_STRING_VARIABLE} is set"
                        ));
                    }
                    return connection(&given, printer).map(HubAccess::Policy);
                }
                (None, Some(host)) => {
                    host.parse().map_err(|error| Failure::usage(format!("{HOST_VARIABLE}: {error}")))?
                }
                (None, None) => return Err(no_hub()),
            },
        };
        Ok(HubAccess::Entra { host, sign_in: EntraSignIn { way: self.way()?, variables: Arc::new(variable) } })
    }

    /// The way to sign in that was asked for, if one was.
    fn way(&self) -> Result<Option<SignIn>, Failure> {
        let named = || match variable(SIGN_IN_VARIABLE).as_deref() {
            // Groups of ways, which Azure's SDKs try one by one: here the environment decides.
            None | Some("dev" | "prod") => Ok(None),
            Some(name) => {
                name.parse().map(Some).map_err(|error| Failure::usage(format!("{SIGN_IN_VARIABLE}: {error}")))
            }
        };
        self.entra_sign_in.map_or_else(named, |way| Ok(Some(way)))
    }

    /// The hub's connection string, for what a policy's key is needed for.
    ///
    /// # Errors
    /// Exit 2 when no hub is named, or by its host only.
    pub fn connection(&self, printer: &Printer) -> Result<ServiceConnectionString, Failure> {
        match self.access(printer, no_connection)? {
            HubAccess::Policy(connection) => Ok(connection),
            HubAccess::Entra { .. } => Err(Failure::usage("devices of a fleet sign with the key of a policy")
                .hint(format!("set {CONNECTION_STRING_VARIABLE}, instead of a host name alone"))),
        }
    }

    /// A client of the hub that says on stderr why it waits.
    ///
    /// # Errors
    /// Exit 2 when no hub is named, what names it cannot be read, or a CA file cannot be used.
    pub fn client(&self, printer: &Printer) -> Result<HubClient, Failure> {
        self.client_with(printer, announce(printer))
    }

    /// A client of the hub that tells `notify` why it waits.
    ///
    /// # Errors
    /// As [`HubArgs::client`].
    pub fn client_with(&self, printer: &Printer, notify: Notify) -> Result<HubClient, Failure> {
        HubClient::new(HubClientConfig {
            access: self.access(printer, no_hub)?,
            trust: self.trust(),
            clock: Clock::system(),
            rng: Rng::from_entropy(),
            patience: self.patience(),
            notify: Some(notify),
        })
        .map_err(|error| failure(&error))
    }
}

fn unnamed() -> Failure {
    Failure::usage("no hub is named")
        .hint(format!("set {CONNECTION_STRING_VARIABLE} to the hub's service connection string, or to @FILE"))
}

/// For who needs the key of a policy.
fn no_connection() -> Failure {
    unnamed().hint("`iotjob hub` runs one on this machine")
}

fn no_hub() -> Failure {
    unnamed()
        .hint(format!("or {HOST_VARIABLE} to its host name, to sign in with Entra ID"))
        .hint("`iotjob hub` runs one on this machine; `iotjob apply --local` brings its own")
}

/// Reads a connection string; what it says beside what is needed is told.
fn connection(given: &SecretArg, printer: &Printer) -> Result<ServiceConnectionString, Failure> {
    let parsed = parse_service(&given.reveal()?).map_err(|error| {
        Failure::usage(error.to_string())
            .hint("it reads HostName=...;SharedAccessKeyName=...;SharedAccessKey=..., in quotes for the shell")
    })?;
    for key in &parsed.unknown_keys {
        printer.warn(&format!("`{key}` in the connection string means nothing here"));
    }
    Ok(parsed.value)
}

/// A client's error as a command's failure.
#[must_use]
pub fn failure(error: &ClientError) -> Failure {
    let exit = match error.class() {
        ErrorClass::Usage => Exit::Usage,
        ErrorClass::NotPermitted => Exit::NotPermitted,
        ErrorClass::Unavailable => Exit::HubUnavailable,
        ErrorClass::Unexpected => Exit::Unexpected,
    };
    let failure = Failure::new(exit, error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A failed question about a job: exit 2 when the answer means that the hub knows no such id.
#[must_use]
pub fn job_failure(id: &str, error: &ClientError) -> Failure {
    // What is no id of a job at all may be refused as an argument instead of not found (REST.md 4.3).
    let refused_as_id = error.service().is_some_and(|answer| answer.status == 400) && id.parse::<JobId>().is_err();
    let unaddressable = matches!(*error.kind, ErrorKind::Unaddressable { .. });
    if error.is_not_found() || refused_as_id || unaddressable { unknown_job(id) } else { failure(error) }
}

/// The failure of an id that the hub does not know.
#[must_use]
pub fn unknown_job(id: &str) -> Failure {
    Failure::usage(format!("the hub does not know a job `{id}`"))
        .hint("`iotjob list` shows the hub's jobs; it forgets them after 30 days")
}

/// Says on stderr why nothing happens: once for each kind of trouble, and again when it lasts.
#[must_use]
pub fn announce(printer: &Printer) -> Notify {
    let printer = printer.clone();
    let said = Mutex::new(Said::default());
    Arc::new(move |waiting| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_news(waiting) {
            printer.say(&format!("{}; trying again", waiting.error));
        }
    })
}

/// What was said last, and how long ago by the pauses since.
#[derive(Default)]
struct Said {
    trouble: Option<Trouble>,
    quiet_for: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NotReached(Unreached),
    Status(u16),
    Other,
}

impl Said {
    fn is_news(&mut self, waiting: &Waiting<'_>) -> bool {
        let trouble = match &*waiting.error.kind {
            ErrorKind::NotReached { cause, .. } => Trouble::NotReached(*cause),
            ErrorKind::Service(answer) => Trouble::Status(answer.status),
            _ => Trouble::Other,
        };
        let is_news = self.trouble != Some(trouble) || self.quiet_for >= REMINDER;
        self.quiet_for = if is_news { waiting.delay } else { self.quiet_for + waiting.delay };
        self.trouble = Some(trouble);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::{Asker, Operation, ServiceError};

    #[derive(Parser)]
    struct Probe {
        #[command(flatten)]
        hub: HubArgs,
    }

    fn args(line: &[&str]) -> Result<HubArgs, clap::Error> {
        Probe::try_parse_from([&["probe"], line].concat()).map(|probe| probe.hub)
    }

    #[test]
    fn patience_comes_from_the_flags() {
        let hub = args(&["--give-up-after", "1s", "--max-silence", "1h 30m", "--request-timeout", "PT5S"]).unwrap();
        let patience = hub.patience();
        let seconds =
            [patience.first_contact, patience.silence, patience.throttled, patience.request].map(|d| d.as_secs());
        assert_eq!(seconds, [1, 5_400, 5_400, 5]);
        for bad in ["0s", "-1s", "soon", "20"] {
            assert!(args(&["--max-silence", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flag_names_the_hub_and_never_shows_its_key() {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let text = format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={key}");
        let hub = args(&["--hub-connection-string", &text]).unwrap();
        assert!(hub.is_explicit());
        assert!(!format!("{hub:?}").contains(key));
        assert!(args(&["--hub-connection-string", &text, "--hub-host", "h"]).is_err());
        assert!(!args(&[]).unwrap().is_explicit());
    }

    #[test]
    fn the_same_trouble_is_said_once_and_again_when_it_lasts() {
        let error = |status| {
            let answer = ServiceError {
                status,
                code: None,
                code_text: None,
                message: String::new(),
                tracking_id: None,
                retry_after: None,
                asker: Asker::Principal,
            };
            ClientError { operation: Operation::ReadJob, kind: Box::new(ErrorKind::Service(answer)) }
        };
        let mut said = Said::default();
        let news: Vec<bool> = [(429, 10), (429, 10), (429, 10), (429, 10), (503, 1), (429, 1)]
            .map(|(status, seconds)| {
                said.is_news(&Waiting { error: &error(status), delay: Duration::from_secs(seconds) })
            })
            .to_vec();
        assert_eq!(news, [true, false, false, true, true, true]);
    }

    #[test]
    fn failures_carry_exit_and_hint() {
        let kind = ErrorKind::NotReached { host: "h".to_owned(), cause: Unreached::UnknownCa, detail: "x".to_owned() };
        let failure = failure(&ClientError { operation: Operation::ListJobs, kind: Box::new(kind) });
        assert_eq!(failure.exit, Exit::HubUnavailable);
        assert!(failure.hints[0].contains("--ca-file"), "{failure:?}");
    }
}
