//! The one device of a connection string.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use super::{DeviceArgs, Prepared};
use crate::auth::{DeviceProof, parse_device};
use crate::cli::failure::{Failure, chain};
use crate::cli::hub_target::{HubArgs, variable};
use crate::cli::printer::Printer;
use crate::cli::secret_arg::SecretArg;
use crate::device::{DeviceConfig, Ramp};
use crate::report::WatchedGroup;
use crate::tls::{ClientConfig, ClientIdentity, client_config, client_config_with_identity};

/// Environment variable with a device's connection string, or `@FILE`.
const CONNECTION_STRING_VARIABLE: &str = "IOTHUB_DEVICE_CONNECTION_STRING";

/// Which device.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "One device")]
pub(super) struct SingleArgs {
    /// Connection string of the device, or @FILE to read it from a file. Other users of the machine can see arguments:
    /// better set IOTHUB_DEVICE_CONNECTION_STRING
    #[arg(long, value_name = "STRING", conflicts_with_all = ["crowd", "hub_connection_string"])]
    connection_string: Option<SecretArg>,
    /// PEM file with the device's X.509 certificate, for a connection string with x509=true; certificates that lead to its CA
    /// may follow in it
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "crowd")]
    cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, not encrypted
    #[arg(long, value_name = "FILE", requires = "cert", conflicts_with = "crowd")]
    key: Option<PathBuf>,
}

/// Makes the device ready.
pub(super) fn prepare(args: &DeviceArgs, printer: &Printer) -> Result<Prepared, Failure> {
    let behaviour = Arc::new(args.behaviour.behaviour()?);
    let tls = Arc::new(tls(&args.single, &args.hub)?);
    let single = &args.single;
    let from_environment = || variable(CONNECTION_STRING_VARIABLE).and_then(|text| text.parse::<SecretArg>().ok());
    let given = single.connection_string.clone().or_else(from_environment).ok_or_else(|| no_device(&args.hub))?;
    let parsed = parse_device(&given.reveal()?).map_err(|error| {
        Failure::usage(error.to_string())
            .hint("it reads HostName=...;DeviceId=...;SharedAccessKey=..., in quotes for the shell")
    })?;
    for key in &parsed.unknown_keys {
        printer.warn(&format!("`{key}` in the connection string means nothing here"));
    }
    match (&parsed.value.proof, &single.cert) {
        (DeviceProof::Certificate, None) => {
            return Err(Failure::usage("the connection string has x509=true, and no certificate is named")
                .hint("name its PEM files with --cert and --key"));
        }
        (DeviceProof::Key(_) | DeviceProof::PolicyKey { .. }, Some(_)) => {
            return Err(Failure::usage("--cert is for a connection string with x509=true; this one has a key"));
        }
        (DeviceProof::Certificate, Some(_)) | (DeviceProof::Key(_) | DeviceProof::PolicyKey { .. }, None) => {}
    }
    let stats = Arc::default();
    let device = DeviceConfig::of_connection_string(parsed.value, args.behaviour.transport(), tls, behaviour)
        .map_err(|error| Failure::usage(error.to_string()))?
        .counted_in(Arc::clone(&stats));
    Ok(Prepared {
        groups: vec![WatchedGroup { name: device.id().to_string(), devices: 1, stats }],
        devices: vec![device],
        seed: args.crowd.seed.unwrap_or_default(),
        ramp: Ramp::PerSecond(NonZeroU32::MIN),
    })
}

/// TLS settings, with the device's certificate if it has one.
fn tls(single: &SingleArgs, hub: &HubArgs) -> Result<ClientConfig, Failure> {
    let config = match (&single.cert, &single.key) {
        (Some(cert), Some(key)) => ClientIdentity::from_pem_files(cert, key)
            .and_then(|identity| client_config_with_identity(&hub.trust(), identity)),
        _ => client_config(&hub.trust()),
    };
    config.map_err(|error| Failure::usage(chain(&error)))
}

fn no_device(hub: &HubArgs) -> Failure {
    if hub.is_explicit() {
        return Failure::usage("a hub's connection string alone names no device")
            .hint("add --fleet FILE or --count N to run a fleet");
    }
    Failure::usage("no device is named")
        .hint(format!("set {CONNECTION_STRING_VARIABLE} to the device's connection string, or to @FILE"))
        .hint("or give the hub's connection string, and --fleet FILE or --count N, to run a fleet")
}
