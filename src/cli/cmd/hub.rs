//! `iotjob hub`: the local hub in the foreground; `iotjob hub env`: how to talk to one that runs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use crate::cli::printer::Printer;
use crate::cli::signals::StopSignals;
use crate::hub::listen::ListenError;
use crate::hub::policies::PolicyDraft;
use crate::hub::ready_file::{ReadyFile, ReadyFileError, ReadyInfo};
use crate::hub::running::{Announcement, RunningError, RunningHubs, user_data_folder};
use crate::hub::store::StoreError;
use crate::hub::{CaPlace, Hub, HubConfig, HubStartError, Listen};
use crate::local::{HubPlace, make_room};
use crate::model::{Clock, DeviceId, Rng};

/// `iotjob hub`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HubArgs {
    /// What to do instead of running a hub.
    #[command(subcommand)]
    pub command: Option<HubCommand>,
    /// How to run it.
    #[command(flatten)]
    pub serve: HubServeArgs,
}

/// What `iotjob hub` can do besides running.
#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Print the lines that point iotjob and the Azure SDKs at a running hub
    ///
    /// Use it as: eval "$(iotjob hub env)"
    Env(HubEnvArgs),
}

/// How to run a local hub.
#[derive(Debug, clap::Args)]
pub struct HubServeArgs {
    /// Port of the service API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub https_port: u16,
    /// Port of MQTT over TLS; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    pub mqtt_port: u16,
    /// Name that clients dial, for certificate and connection strings
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub host_name: String,
    /// Address to listen on instead of both loopbacks; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<IpAddr>,
    /// Folder in which the hub keeps its state and its CA
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Device to register at the start when it is missing; may be repeated
    #[arg(long = "device", value_name = "ID")]
    pub devices: Vec<DeviceId>,
    /// File to write, with ports, CA and connection strings, once everything listens
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Policy besides the five of every hub: RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect; may be repeated
    #[arg(long = "policy", value_name = "NAME=RIGHT,RIGHT")]
    pub policies: Vec<PolicyDraft>,
    /// File of PEM certificates of CAs that may vouch for devices of the type certificateAuthority; may be repeated
    #[arg(long = "trust-ca", value_name = "FILE")]
    pub trust_cas: Vec<PathBuf>,
    /// File to append every device-to-cloud message to, as JSON lines with deviceId, moduleId, bag and body (base64). A device
    /// whose message has to wait for the file waits for its PUBACK
    #[arg(long, value_name = "FILE")]
    pub telemetry_tap: Option<PathBuf>,
}

/// `iotjob hub env`.
#[derive(Debug, clap::Args)]
pub struct HubEnvArgs {
    /// File that the hub was told to write; without it, the newest running hub of this user
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Shell to write for
    #[arg(long, value_enum, value_name = "SHELL", default_value_t = Shell::DEFAULT)]
    pub shell: Shell,
}

/// Shells that differ in how they set variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, zsh, sh.
    Bash,
    /// PowerShell.
    Powershell,
}

impl Shell {
    /// The one that most people of this system use.
    pub const DEFAULT: Self = if cfg!(windows) { Self::Powershell } else { Self::Bash };
}

/// The policy whose connection string people want first.
const OWNER: &str = "iothubowner";

/// Runs the command.
///
/// # Errors
/// Exit 2 for what the flags get wrong, 1 for what the machine refuses.
pub async fn run(args: HubArgs, printer: &Printer) -> Result<Exit, Failure> {
    match args.command {
        Some(HubCommand::Env(env)) => show_environment(&env, printer),
        None => serve(args.serve, printer).await,
    }
}

/// Runs a hub until Ctrl-C or SIGTERM.
async fn serve(args: HubServeArgs, printer: &Printer) -> Result<Exit, Failure> {
    // Listened for from the start: whoever sees the ready file may signal at once.
    let mut signals = StopSignals::listen()
        .map_err(|error| Failure::unexpected(format!("signals cannot be listened for: {error}")))?;
    // Each connected device is a socket, and many systems start with 1,024 files a process.
    if let Err(error) = make_room(HubPlace::Elsewhere) {
        tracing::debug!(%error, "the file limit of this process is unknown");
    }
    for device in args.devices.iter().filter(|device| !device.fits_mqtt()) {
        printer.warn(&format!("`{device}` cannot connect: `#` and `+` are wildcards in MQTT"));
    }
    let ready_file = args.ready_file.as_ref().map(ReadyFile::at);
    if let Some(file) = &ready_file {
        file.remove().map_err(|error| ready_file_failure(&error))?;
    }
    let (clock, rng) = (Clock::system(), Rng::from_entropy());
    let config = config(args, clock.clone(), rng.clone())?;
    let hub = Hub::start(config).await.map_err(|error| start_failure(&error))?;

    let announcement = announce(hub.ready(), &clock, &rng, printer);
    if let Some(file) = &ready_file
        && let Err(error) = file.write(hub.ready())
    {
        hub.stop().await;
        return Err(ready_file_failure(&error));
    }
    introduce(hub.ready(), ready_file.as_ref().map(ReadyFile::path), printer);

    signals.recv().await;
    printer.say("stopping");
    drop(announcement);
    if let Some(file) = &ready_file
        && let Err(error) = file.remove()
    {
        printer.warn(&chain(&error));
    }
    tokio::select! {
        () = hub.stop() => Ok(Exit::Success),
        () = signals.recv() => Ok(Exit::Interrupted),
    }
}

fn config(args: HubServeArgs, clock: Clock, rng: Rng) -> Result<HubConfig, Failure> {
    let ca = match &args.data {
        Some(folder) => folder.clone(),
        None => user_data_folder().map_err(|error| {
            Failure::usage(error.to_string()).hint("name a folder for the hub's CA and data with --data DIR")
        })?,
    };
    Ok(HubConfig {
        host_name: args.host_name,
        https_port: args.https_port,
        mqtt_port: args.mqtt_port,
        listen: if args.listen.is_empty() { Listen::Loopback } else { Listen::Addresses(args.listen) },
        data: args.data,
        ca: CaPlace::Folder(ca),
        trust_cas: args.trust_cas,
        telemetry_tap: args.telemetry_tap,
        policies: args.policies,
        devices: args.devices,
        clock,
        rng,
    })
}

/// Lets `iotjob hub env` find the hub. A hub that nobody finds is still a hub.
fn announce(ready: &ReadyInfo, clock: &Clock, rng: &Rng, printer: &Printer) -> Option<Announcement> {
    match RunningHubs::of_this_user().and_then(|hubs| hubs.announce(ready, clock, rng)) {
        Ok(announcement) => Some(announcement),
        Err(error) => {
            printer.warn(&format!("`iotjob hub env` will not find this hub by itself: {}", chain(&error)));
            None
        }
    }
}

/// Says how to use the hub. The strings hold keys: showing them is what this command is for.
fn introduce(ready: &ReadyInfo, ready_file: Option<&Path>, printer: &Printer) {
    let ReadyInfo { host_name, https_port, mqtt_port, .. } = ready;
    printer.data(&format!("IoT hub `{host_name}`: service API on port {https_port}, devices on port {mqtt_port}"));
    if let Some(ca) = &ready.ca_file {
        printer.data(&format!("CA to trust: {}", ca.display()));
    }
    if let Some(owner) = ready.connection_strings.get(OWNER) {
        printer.data(&format!("\nservice ({OWNER}):\n  {owner}"));
    }
    for (id, string) in &ready.devices {
        printer.data(&format!("device {id}:\n  {string}"));
    }
    let env = match ready_file {
        Some(path) => {
            // The other terminal stands elsewhere.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            format!("iotjob hub env --ready-file {}", quoted(&path.display().to_string(), Shell::DEFAULT))
        }
        None => "iotjob hub env".to_owned(),
    };
    let line = match Shell::DEFAULT {
        Shell::Bash => format!("eval \"$({env})\""),
        Shell::Powershell => format!("{env} | Out-String | Invoke-Expression"),
    };
    printer.data("\nIn another terminal, so that iotjob and the Azure SDKs find and trust it:");
    printer.data(&format!("  {line}\n"));
    printer.say("The hub is ready; press Ctrl-C to stop");
}

fn show_environment(args: &HubEnvArgs, printer: &Printer) -> Result<Exit, Failure> {
    let ready = match &args.ready_file {
        Some(path) => ReadyFile::at(path).read().map_err(|error| {
            ready_file_failure(&error).hint("the file is there while `iotjob hub --ready-file FILE` runs")
        })?,
        None => newest()?,
    };
    for (name, value) in variables(&ready) {
        printer.data(&assignment(name, &value, args.shell));
    }
    Ok(Exit::Success)
}

fn newest() -> Result<ReadyInfo, Failure> {
    let failed = |error: RunningError| Failure::unexpected(chain(&error));
    let found = RunningHubs::of_this_user().and_then(|hubs| hubs.newest()).map_err(failed)?;
    found.ok_or_else(|| {
        Failure::usage("no hub of this user is running")
            .hint("start one in another terminal: iotjob hub --device my-device")
    })
}

/// What iotjob and the SDKs read (CLIENTS.md 1).
fn variables(ready: &ReadyInfo) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    if let Some(owner) = ready.connection_strings.get(OWNER) {
        variables.push(("IOTHUB_CONNECTION_STRING", owner.clone()));
    }
    let mut devices = ready.devices.values();
    if let (Some(only), None) = (devices.next(), devices.next()) {
        variables.push(("IOTHUB_DEVICE_CONNECTION_STRING", only.clone()));
    }
    if let Some(ca) = &ready.ca_file {
        let ca = ca.display().to_string();
        variables.extend(["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"].map(|name| (name, ca.clone())));
    }
    variables
}

fn assignment(name: &str, value: &str, shell: Shell) -> String {
    let value = quoted(value, shell);
    match shell {
        Shell::Bash => format!("export {name}={value}"),
        Shell::Powershell => format!("$env:{name} = {value}"),
    }
}

/// Quotes a text so that the shell takes it as it stands.
fn quoted(text: &str, shell: Shell) -> String {
    match shell {
        Shell::Bash => format!("'{}'", text.replace('\'', r"'\''")),
        Shell::Powershell => format!("'{}'", text.replace('\'', "''")),
    }
}

fn start_failure(error: &HubStartError) -> Failure {
    let text = chain(error);
    match error {
        HubStartError::HostName(_)
        | HubStartError::TrustCa(_)
        | HubStartError::Tap(_)
        | HubStartError::Policies(_)
        | HubStartError::Listen(ListenError::InUse { .. })
        | HubStartError::Store(StoreError::InUse { .. }) => Failure::usage(text),
        HubStartError::Listen(ListenError::Refused { .. }) => {
            Failure::usage(text).hint("ports below 1024 may need rights that you do not have")
        }
        HubStartError::Store(_) | HubStartError::Tls(_) | HubStartError::Keys(_) | HubStartError::Register { .. } => {
            Failure::unexpected(text)
        }
    }
}

fn ready_file_failure(error: &ReadyFileError) -> Failure {
    Failure::usage(chain(error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn ready(devices: &[&str]) -> ReadyInfo {
        ReadyInfo {
            host_name: "localhost".to_owned(),
            https_port: 8443,
            mqtt_port: 8883,
            ca_file: Some(PathBuf::from("/home/o'neil/ca.pem")),
            connection_strings: BTreeMap::from([(OWNER.to_owned(), "HostName=h;K=a=".to_owned())]),
            devices: devices.iter().map(|id| ((*id).to_owned(), format!("DeviceId={id}"))).collect(),
        }
    }

    fn lines(devices: &[&str], shell: Shell) -> Vec<String> {
        variables(&ready(devices)).iter().map(|(name, value)| assignment(name, value, shell)).collect()
    }

    #[test]
    fn each_shell_gets_its_own_quotes() {
        assert_eq!(
            lines(&["d1"], Shell::Bash),
            [
                "export IOTHUB_CONNECTION_STRING='HostName=h;K=a='",
                "export IOTHUB_DEVICE_CONNECTION_STRING='DeviceId=d1'",
                r"export SSL_CERT_FILE='/home/o'\''neil/ca.pem'",
                r"export REQUESTS_CA_BUNDLE='/home/o'\''neil/ca.pem'",
                r"export NODE_EXTRA_CA_CERTS='/home/o'\''neil/ca.pem'",
            ]
        );
        assert_eq!(lines(&["d1"], Shell::Powershell)[2], "$env:SSL_CERT_FILE = '/home/o''neil/ca.pem'");
    }

    #[test]
    fn a_device_is_named_only_when_there_is_exactly_one() {
        for devices in [&[][..], &["d1", "d2"]] {
            assert!(!lines(devices, Shell::Bash).iter().any(|line| line.contains("DEVICE")), "{devices:?}");
        }
    }
}
