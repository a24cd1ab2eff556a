//! `iotjob device`: one simulated device, or a fleet of them, in the foreground.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use self::lines::Lines;
use crate::auth::{DeviceProof, ServiceConnectionString, parse_device};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use crate::cli::hub_target::{HubArgs, failure, variable};
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::secret_arg::SecretArg;
use crate::cli::signals::StopSignals;
use crate::client::{ErrorClass, NewAuthentication, NewIdentity};
use crate::device::{
    Behaviour, Credentials, DeviceConfig, DeviceEvent, DeviceEventKind, Endpoint, Fleet, FleetOptions, IdTemplate,
    LossReason, MethodRule, Ramp, Transport, ValueTemplate,
};
use crate::local::{HubPlace, Room, make_room};
use crate::model::limits::{DEVICE_EVENTS_PRINTED_MAX, MQTT_PORT};
use crate::model::{Clock, DeviceId, ErrorCode, JsonObject, Rng, Seed, TwinId, reported_violations};
use crate::tls::{ClientConfig, ClientIdentity, client_config, client_config_with_identity};

mod lines;

/// Environment variable with a device's connection string, or `@FILE`.
const CONNECTION_STRING_VARIABLE: &str = "IOTHUB_DEVICE_CONNECTION_STRING";

/// Events that wait to be printed before devices wait for the printer.
const EVENTS_QUEUED_MAX: usize = 1_024;

/// What `device` takes.
#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
    /// Connection string of the device, or @FILE to read it from a file. Other users of the machine can see arguments:
    /// better set IOTHUB_DEVICE_CONNECTION_STRING
    #[arg(long, value_name = "STRING", conflicts_with_all = ["count", "hub_connection_string"])]
    connection_string: Option<SecretArg>,
    /// PEM file with the device's X.509 certificate, for a connection string with x509=true; certificates that lead to its CA
    /// may follow in it
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "count")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, not encrypted
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with = "count")]
    key: Option<PathBuf>,
    /// Run so many devices of the hub, and register those that are missing. Takes the hub's service connection string,
    /// whose policy needs DeviceConnect, and RegistryWrite to register
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU32>,
    /// Ids of a fleet: {n:05} stands for the device's number from 1, in five digits
    #[arg(long, value_name = "TEMPLATE", default_value = "device-{n:05}", requires = "count")]
    id_template: IdTemplate,
    /// Devices of a fleet to start in a second
    #[arg(long, value_name = "N", default_value = "100", requires = "count")]
    ramp: NonZeroU32,
    /// Port of MQTT over TLS for a fleet; a device's connection string names its own after the host
    #[arg(long, value_name = "PORT", default_value_t = MQTT_PORT)]
    mqtt_port: u16,
    /// How to answer a method: name=status[:JSON][@delay], as in lockDoor=200:{"ok":true}@1s..3s; JSON may be @FILE. May be
    /// repeated. Other methods are answered 200 with what was called
    #[arg(long = "method", value_name = "RULE")]
    methods: Vec<String>,
    /// Properties to report after each connect, as a JSON object or @FILE
    #[arg(long, value_name = "JSON")]
    report: Option<String>,
    /// How to write what happens to stdout: method calls and desired properties as text, or every event as JSON
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command until Ctrl-C or SIGTERM, or until every device has given up.
///
/// # Errors
/// Exit 2 for what the arguments get wrong, 4 when the hub refuses every device, 5 when its certificate is not trusted.
pub async fn run(args: DeviceArgs, printer: &Printer) -> Result<Exit, Failure> {
    let mut signals = StopSignals::listen()
        .map_err(|error| Failure::unexpected(format!("signals cannot be listened for: {error}")))?;
    let behaviour = Arc::new(behaviour(&args)?);
    let tls = tls(&args)?;
    let prepared = async {
        match args.count {
            Some(count) => fleet(&args, count, Arc::new(tls), behaviour, printer).await,
            None => Ok(vec![single(&args, Arc::new(tls), behaviour, printer)?]),
        }
    };
    let devices = tokio::select! {
        devices = prepared => devices?,
        () = signals.recv() => return Ok(Exit::Success),
    };
    let mut lines = Lines::new(printer.clone(), args.output, devices.len(), Clock::system());
    lines.introduce(&devices);

    let (send, mut events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let ramp = Ramp::PerSecond(args.ramp);
    let fleet = Fleet::start(
        devices,
        FleetOptions { clock: Clock::system(), seed: Seed::drawn(&Rng::from_entropy()), ramp },
        send,
    );
    let (mut last_words, mut news) = (None, Vec::new());
    loop {
        tokio::select! {
            count = events.recv_many(&mut news, DEVICE_EVENTS_PRINTED_MAX) => if count == 0 {
                return Err(all_gave_up(last_words));
            },
            () = signals.recv() => break,
        }
        for event in news.drain(..) {
            lines.tell(&event);
            if let DeviceEventKind::GaveUp { .. } = &event.kind {
                last_words = Some(event);
            }
        }
        lines.flush();
    }
    printer.say("stopping");
    tokio::select! {
        () = fleet.stop() => {}
        () = signals.recv() => {}
    }
    Ok(Exit::Success)
}

/// TLS settings, with the device's certificate if it has one.
fn tls(args: &DeviceArgs) -> Result<ClientConfig, Failure> {
    let config = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => ClientIdentity::from_pem_files(cert, key)
            .and_then(|identity| client_config_with_identity(&args.hub.trust(), identity)),
        _ => client_config(&args.hub.trust()),
    };
    config.map_err(|error| Failure::usage(chain(&error)))
}

/// The device of a connection string.
fn single(
    args: &DeviceArgs,
    tls: Arc<ClientConfig>,
    behaviour: Arc<Behaviour>,
    printer: &Printer,
) -> Result<DeviceConfig, Failure> {
    let from_environment = || variable(CONNECTION_STRING_VARIABLE).and_then(|text| text.parse::<SecretArg>().ok());
    let given = args.connection_string.clone().or_else(from_environment).ok_or_else(|| no_device(&args.hub))?;
    let parsed = parse_device(&given.reveal()?).map_err(|error| {
        Failure::usage(error.to_string())
            .hint("it reads HostName=...;DeviceId=...;SharedAccessKey=..., in quotes for the shell")
    })?;
    for key in &parsed.unknown_keys {
        printer.warn(&format!("`{key}` in the connection string means nothing here"));
    }
    match (&parsed.value.proof, &args.cert) {
        (DeviceProof::Certificate, None) => {
            return Err(Failure::usage("the connection string has x509=true, and no certificate is named")
                .hint("name its PEM files with --cert and --key"));
        }
        (DeviceProof::Key(_) | DeviceProof::PolicyKey { .. }, Some(_)) => {
            return Err(Failure::usage("--cert is for a connection string with x509=true; this one has a key"));
        }
        (DeviceProof::Certificate, Some(_)) | (DeviceProof::Key(_) | DeviceProof::PolicyKey { .. }, None) => {}
    }
    DeviceConfig::of_connection_string(parsed.value, Transport::Mqtt, tls, behaviour)
        .map_err(|error| Failure::usage(error.to_string()))
}

fn no_device(hub: &HubArgs) -> Failure {
    if hub.is_explicit() {
        return Failure::usage("a hub's connection string alone names no device").hint("add --count N to run a fleet");
    }
    Failure::usage("no device is named")
        .hint(format!("set {CONNECTION_STRING_VARIABLE} to the device's connection string, or to @FILE"))
        .hint("or give the hub's connection string and --count N to run a fleet")
}

/// The devices of a fleet, registered; all sign with the policy's key.
async fn fleet(
    args: &DeviceArgs,
    count: NonZeroU32,
    tls: Arc<ClientConfig>,
    behaviour: Arc<Behaviour>,
    printer: &Printer,
) -> Result<Vec<DeviceConfig>, Failure> {
    check_room(count)?;
    let hub = args.hub.connection(printer)?;
    let ids: Vec<DeviceId> = (1..=u64::from(count.get()))
        .map(|number| args.id_template.id(number))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format!("--id-template: {error}")))?;
    register(args, &hub, &ids, printer).await?;

    let endpoint = Arc::new(Endpoint::of_hub(&hub.host, Transport::Mqtt, args.mqtt_port, tls));
    let credentials = Credentials::PolicyKey { policy: hub.policy.into(), key: Arc::new(hub.key) };
    let device = |id| {
        DeviceConfig::new(Arc::clone(&endpoint), TwinId::device(id), credentials.clone(), Arc::clone(&behaviour))
            .map_err(|error| Failure::usage(error.to_string()))
    };
    ids.into_iter().map(device).collect()
}

/// Registers what is missing. A policy that may not is no obstacle when nothing is missing, which the hub will show.
async fn register(
    args: &DeviceArgs,
    hub: &ServiceConnectionString,
    ids: &[DeviceId],
    printer: &Printer,
) -> Result<(), Failure> {
    let wanted: Vec<NewIdentity> = ids
        .iter()
        .map(|id| NewIdentity {
            id: TwinId::device(id.clone()),
            authentication: NewAuthentication::Sas,
            status_reason: None,
            tags: JsonObject::new(),
        })
        .collect();
    let refused = match args.hub.client(printer)?.create_identities(&wanted).await {
        Ok(refused) => refused,
        Err(error) if error.class() == ErrorClass::NotPermitted => {
            printer.warn(&format!(
                "the policy `{}` may not register devices; those that the hub does not know cannot connect",
                hub.policy
            ));
            return Ok(());
        }
        Err(error) => return Err(failure(&error)),
    };
    let existing = refused.iter().filter(|refusal| refusal.code == Some(ErrorCode::DeviceAlreadyExists)).count();
    if let Some(refusal) = refused.iter().find(|refusal| refusal.code != Some(ErrorCode::DeviceAlreadyExists)) {
        let message = format!("the hub did not register `{}`: {}", refusal.device_id, refusal.message);
        return Err(Failure::new(Exit::HubUnavailable, message));
    }
    printer.say(&format!("{} devices registered, {existing} were there", ids.len() - existing));
    Ok(())
}

/// Each device is a socket, and many systems start with 1,024 files a process. Better no fleet than half of one.
fn check_room(count: NonZeroU32) -> Result<(), Failure> {
    match make_room(HubPlace::Elsewhere) {
        Ok(room) if u64::from(count.get()) > room.devices as u64 => Err(no_room(count, room)),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "the file limit of this process is unknown");
            Ok(())
        }
    }
}

fn no_room(count: NonZeroU32, room: Room) -> Failure {
    let Room { files, devices } = room;
    Failure::usage(format!(
        "{count} devices do not fit into one process here: its file limit of {files} allows {devices}"
    ))
    .hint("raise the limit of this process and of the hub's, with `ulimit -n` for instance")
    .hint("or start several processes, each with an --id-template of its own")
}

fn behaviour(args: &DeviceArgs) -> Result<Behaviour, Failure> {
    let mut behaviour = Behaviour::default();
    for text in &args.methods {
        let (name, rule) = MethodRule::parse(text, |path| std::fs::read_to_string(path))
            .map_err(|error| Failure::usage(format!("--method: {error}")))?;
        if behaviour.methods.insert(name.to_string(), rule).is_some() {
            return Err(Failure::usage(format!("--method: `{name}` has two rules")));
        }
    }
    behaviour.reported = args.report.as_deref().map(reported).transpose()?.map(ValueTemplate::fixed);
    Ok(behaviour)
}

fn reported(text: &str) -> Result<JsonObject, Failure> {
    let read = text.strip_prefix('@').map(|path| {
        std::fs::read_to_string(Path::new(path))
            .map_err(|error| Failure::usage(format!("--report: `{path}` cannot be read: {error}")))
    });
    let text = read.transpose()?.unwrap_or_else(|| text.to_owned());
    let object: JsonObject = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("--report is not a JSON object: {error}")))?;
    match reported_violations(&object).first() {
        Some(violation) => Err(Failure::usage(format!("--report: {violation}"))),
        None => Ok(object),
    }
}

fn all_gave_up(last: Option<DeviceEvent>) -> Failure {
    let Some(DeviceEvent { id, kind: DeviceEventKind::GaveUp { reason } }) = last else {
        return Failure::unexpected("every device ended without a word");
    };
    let message = format!("`{id}` gave up: {reason}");
    match reason {
        LossReason::Refused(_) => Failure::new(Exit::NotPermitted, message)
            .hint("check that the device is registered and enabled, its key or certificate, and this machine's clock")
            .hint("the key of a policy needs the right DeviceConnect"),
        _ => Failure::new(Exit::HubUnavailable, message),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Probe {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn args(line: &[&str]) -> Result<DeviceArgs, clap::Error> {
        Probe::try_parse_from([&["probe"], line].concat()).map(|probe| probe.device)
    }

    #[test]
    fn behaviour_comes_from_the_flags() {
        let args = args(&["--method", "a=200:{}@1s", "--method", "b=500", "--report", r#"{"fw": 1}"#]).unwrap();
        let behaviour = behaviour(&args).unwrap();
        assert_eq!(behaviour.methods.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(behaviour.reported.unwrap().largest()["fw"], 1);
    }

    #[test]
    fn mistakes_in_flags_are_wrong_usage() {
        for line in [
            &["--method", "a"][..],
            &["--method", "a=1", "--method", "a=2"],
            &["--report", "[1]"],
            &["--report", r#"{"a.b": 1}"#],
            &["--report", "@/no/such/file"],
        ] {
            assert_eq!(behaviour(&args(line).unwrap()).unwrap_err().exit, Exit::Usage, "{line:?}");
        }
    }

    #[test]
    fn a_fleet_past_the_file_limit_is_told_both_numbers() {
        let failure = no_room(NonZeroU32::new(5_000).unwrap(), Room { files: 1_024, devices: 896 });
        let expected = "5000 devices do not fit into one process here: its file limit of 1024 allows 896";
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Usage, expected));
        assert_eq!(failure.hints.len(), 2);
    }

    #[test]
    fn one_device_and_a_fleet_exclude_each_other() {
        assert!(args(&["--connection-string", "x", "--count", "2"]).is_err());
        assert!(args(&["--cert", "c.pem", "--key", "k.pem", "--count", "2"]).is_err());
        assert!(args(&["--cert", "c.pem"]).is_err() && args(&["--key", "k.pem"]).is_err());
        assert!(args(&["--id-template", "d-{n}"]).is_err());
        assert!(args(&["--count", "0"]).is_err());
        assert!(args(&["--count", "2", "--id-template", "door"]).is_err());
        assert!(args(&["--count", "2", "--id-template", "door-{n:03}", "--mqtt-port", "1"]).is_ok());
    }
}
