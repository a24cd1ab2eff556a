//! The command line: clap types and nothing else.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::exit;
use crate::hub::policies::PolicyDraft;
use crate::model::DeviceId;

/// Device jobs as code for Azure IoT Hub.
#[derive(Debug, Parser)]
#[command(
    name = "iotjob",
    version = VERSION,
    about = "Device jobs as code for Azure IoT Hub",
    long_about = "Device jobs as code for Azure IoT Hub.\n\n\
        Write a job for a fleet in YAML, check it, apply it so that it happens once, and get an honest answer for \
        every device. With --local, or against `iotjob hub`, all of it runs on a laptop.",
    after_long_help = exit::help_table(),
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Args {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Version with the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("IOTJOB_COMMIT_SUFFIX"));

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct GlobalArgs {
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colour; NO_COLOR in the environment means never
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How results are written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What iotjob can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a local IoT hub until Ctrl-C
    ///
    /// Serves the service API over HTTPS and devices over MQTT, prints connection strings and the CA to trust, and says in
    /// its log what it refused and why. Without --data it forgets everything when it stops.
    Hub(HubArgs),
}

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
