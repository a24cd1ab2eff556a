//! `iotjob hub`: the local hub in the foreground; `iotjob hub env`: how to talk to one that runs.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Subcommand;

mod fidelity;

use self::fidelity::FidelityArgs;
use crate::auth::KeySet;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use crate::cli::flag_value::address_and_port;
use crate::cli::help;
use crate::cli::hub_env::{OWNER, Shell, lines};
use crate::cli::printer::Printer;
use crate::cli::signals::StopSignals;
use crate::hub::entra::{EntraTrust, RoleAssignment};
use crate::hub::listen::ListenError;
use crate::hub::policies::PolicyDraft;
use crate::hub::ready_file::{ReadyFile, ReadyFileError, ReadyInfo};
use crate::hub::running::{Announcement, RunningError, RunningHubs, user_data_folder};
use crate::hub::store::StoreError;
use crate::hub::{CaPlace, Hub, HubConfig, HubStartError, Listen};
use crate::local::{HubPlace, make_room};
use crate::model::limits::KEY_SET_BYTES_MAX;
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
    #[command(after_help = help::hub_env())]
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
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
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
    /// How close to the real service.
    #[command(flatten)]
    pub fidelity: FidelityArgs,
    /// Serve Prometheus metrics there at /metrics, in plain HTTP and without credentials; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address_and_port)]
    pub metrics: Option<SocketAddr>,
    /// Whose Entra ID tokens to take: their `iss`. Without it all are refused
    #[arg(long, value_name = "URL", requires = "entra_jwks")]
    pub entra_issuer: Option<String>,
    /// The issuer's public keys, as its jwks_uri serves them
    #[arg(long, value_name = "FILE", requires = "entra_issuer")]
    pub entra_jwks: Option<PathBuf>,
    /// Role of a principal: Reader, Contributor, RegistryContributor, TwinContributor; may be repeated. Without any,
    /// everybody whom the issuer knows is a Contributor
    #[arg(long = "entra-role", value_name = "OID=ROLE", requires = "entra_issuer")]
    pub entra_roles: Vec<RoleAssignment>,
}

/// `iotjob hub env`.
#[derive(Debug, clap::Args)]
pub struct HubEnvArgs {
    /// File that the hub was told to write; without it, the newest running hub of this user
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// bash, fish, powershell or cmd; python, node or az for what that tool reads
    #[arg(long, value_enum, value_name = "SHELL", default_value_t = Shell::DEFAULT, hide_possible_values = true)]
    pub shell: Shell,
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address, as in 127.0.0.1 or ::1")
}

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
    let fidelity = args.fidelity.fidelity();
    let config = config(args, clock.clone(), rng.clone())?;
    let hub = Hub::start(config).await.map_err(|error| start_failure(&error))?;

    let announcement = announce(hub.ready(), &clock, &rng, printer);
    if let Some(file) = &ready_file
        && let Err(error) = file.write(hub.ready())
    {
        hub.stop().await;
        return Err(ready_file_failure(&error));
    }
    for line in fidelity::described(&fidelity) {
        printer.say(&line);
    }
    if let Some(address) = hub.metrics_address() {
        printer.say(&format!("Metrics: http://{address}/metrics"));
        if !address.ip().is_loopback() {
            printer.warn("whoever reaches that address reads the metrics: they want no credentials");
        }
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
        entra: entra_trust(args.entra_issuer, args.entra_jwks.as_deref(), args.entra_roles)?,
        policies: args.policies,
        fidelity: args.fidelity.fidelity(),
        metrics: args.metrics,
        devices: args.devices,
        clock,
        rng,
    })
}

/// Reads the keys of the issuer that the hub is to trust.
fn entra_trust(
    issuer: Option<String>,
    jwks: Option<&Path>,
    assignments: Vec<RoleAssignment>,
) -> Result<Option<EntraTrust>, Failure> {
    let (Some(issuer), Some(path)) = (issuer, jwks) else { return Ok(None) };
    let failed = |what: String| Failure::usage(format!("--entra-jwks {}: {what}", path.display()));
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(KEY_SET_BYTES_MAX + 1).read_to_string(&mut text));
    let bytes = read.map_err(|error| failed(error.to_string()))?;
    if bytes as u64 > KEY_SET_BYTES_MAX {
        return Err(failed(format!("the file has more than {KEY_SET_BYTES_MAX} bytes")));
    }
    let keys = KeySet::parse(&text).map_err(|error| failed(error.to_string()))?;
    Ok(Some(EntraTrust { issuer, keys, assignments }))
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
            format!("iotjob hub env --ready-file {}", Shell::DEFAULT.quoted(&path.display().to_string()))
        }
        None => "iotjob hub env".to_owned(),
    };
    let line = match Shell::DEFAULT {
        Shell::Powershell => format!("{env} | Out-String | Invoke-Expression"),
        _ => format!("eval \"$({env})\""),
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
    for line in lines(&ready, args.shell) {
        printer.data(&line);
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

fn start_failure(error: &HubStartError) -> Failure {
    let text = chain(error);
    match error {
        HubStartError::HostName(_)
        | HubStartError::TrustCa(_)
        | HubStartError::Tap(_)
        | HubStartError::Policies(_)
        | HubStartError::Metrics(_)
        | HubStartError::Listen(ListenError::InUse { .. })
        | HubStartError::Store(StoreError::InUse { .. }) => Failure::usage(text),
        HubStartError::Listen(ListenError::Refused { source, .. }) => match source.kind() {
            io::ErrorKind::PermissionDenied => {
                Failure::usage(text).hint("ports below 1024 may need rights that you do not have")
            }
            io::ErrorKind::AddrNotAvailable => Failure::usage(text).hint("--listen takes addresses of this machine"),
            _ => Failure::usage(text),
        },
        HubStartError::Store(StoreError::Format { .. }) => Failure::usage(text)
            .hint("name another folder with --data, or remove hub.redb from this one: what a hub of another version holds is not taken over"),
        HubStartError::Store(_) | HubStartError::Tls(_) => Failure::unexpected(text)
            .hint("CA and data lie in the folder of --data; without it, the CA lies in your data folder"),
        HubStartError::Keys(_) | HubStartError::Register { .. } => Failure::unexpected(text),
    }
}

fn ready_file_failure(error: &ReadyFileError) -> Failure {
    Failure::usage(chain(error))
}
