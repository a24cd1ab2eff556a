//! `--local`: the embedded hub and its fleet, as the command line starts them.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::{Failure, chain};
use super::fleet_file::fleet_file;
use super::hub_target::{HubArgs, announce, hub_in_environment};
use super::printer::Printer;
use crate::local::{Local, LocalError, Residents};
use crate::manifest::Manifest;
use crate::model::{Clock, Rng};

/// Devices of the local fleet for each manifest when nobody says how many.
pub const DEVICES_DEFAULT: usize = 10;

/// Flags of a command that can bring its own hub.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Without a hub")]
pub struct LocalArgs {
    /// Run against a hub and simulated devices inside this process, made up to match and gone afterwards
    #[arg(long)]
    pub local: bool,
    /// Devices that each manifest finds on the local hub [default: 10]
    #[arg(long, value_name = "N", requires = "local", conflicts_with = "fleet")]
    pub devices: Option<usize>,
    /// Fleet file: exactly its devices live on the local hub, with their tags, and behave as it says
    #[arg(long, value_name = "FILE", requires = "local")]
    pub fleet: Option<PathBuf>,
}

impl LocalArgs {
    /// Starts the local hub, and the fleet of a file, or one in which every manifest finds its devices.
    ///
    /// # Errors
    /// Exit 2 when a hub is named by flag, too, and for manifests or numbers that no local fleet can serve; exit 3 for a
    /// fleet file with problems, which are shown.
    pub async fn start(&self, manifests: &[Manifest], hub: &HubArgs, printer: &Printer) -> Result<Local, Failure> {
        if hub.is_explicit() {
            return Err(Failure::usage("--local brings its own hub, and a flag names another one")
                .hint("leave out --local, or leave out --hub-connection-string and --hub-host"));
        }
        if let Some(variable) = hub_in_environment() {
            printer.warn(&format!("{variable} is set and not used: --local brings its own hub"));
        }
        let spec = self.fleet.as_deref().map(|path| fleet_file(path, printer)).transpose()?;
        let residents = match &spec {
            Some(spec) => Residents::Fleet(spec),
            None => Residents::MadeUp { manifests, devices: self.devices.unwrap_or(DEVICES_DEFAULT) },
        };
        let started = Local::start(residents, Clock::system(), Rng::from_entropy(), announce(printer)).await;
        let local = started.map_err(|error| failure(&error))?;
        printer.say(&format!("local hub with {} simulated devices, gone when this ends", local.devices()));
        Ok(local)
    }
}

fn failure(error: &LocalError) -> Failure {
    const TWO_COMMANDS: &str =
        "start `iotjob hub` and `iotjob device` yourself, each a process of its own, and apply without --local";
    match error {
        LocalError::Census(_) => Failure::usage(error.to_string())
            .hint("--local makes devices up for `*` and for `=` and `IN` over deviceId, tags and reported properties, joined by AND")
            .hint(TWO_COMMANDS),
        LocalError::NoRoom { .. } => Failure::usage(error.to_string()).hint(TWO_COMMANDS),
        LocalError::Unfit(_) | LocalError::Crew(_) | LocalError::Mark(_) => Failure::usage(chain(error)),
        _ => Failure::new(Exit::Unexpected, chain(error)),
    }
}
