//! The command line: clap types and nothing else.

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::cmd::apply::ApplyArgs;
use super::cmd::cancel::CancelArgs;
use super::cmd::device::DeviceArgs;
use super::cmd::hub::HubArgs;
use super::cmd::init::InitArgs;
use super::cmd::list::ListArgs;
use super::cmd::query::QueryArgs;
use super::cmd::results::ResultsArgs;
use super::cmd::status::StatusArgs;
use super::cmd::validate::ValidateArgs;
use super::cmd::watch::WatchArgs;
use super::exit;

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
    /// Check manifests offline: the schema, the service's limits, the query's grammar
    Validate(ValidateArgs),
    /// Do what manifests say, once, and tell how every device took it
    Apply(Box<ApplyArgs>),
    /// Follow a job of the hub to its end
    Watch(Box<WatchArgs>),
    /// List the hub's jobs
    List(ListArgs),
    /// Show where a job stands
    Status(StatusArgs),
    /// Show what a job did on each device
    Results(ResultsArgs),
    /// Cancel a job that has not begun
    Cancel(CancelArgs),
    /// Query twins, modules and device jobs
    Query(QueryArgs),
    /// Print the JSON Schema of manifests
    Schema,
    /// Write a commented manifest to start from
    Init(InitArgs),
    /// Simulate devices: one by its connection string, or a fleet of a hub
    Device(Box<DeviceArgs>),
    /// Run a local IoT hub until Ctrl-C
    ///
    /// Serves the service API over HTTPS and devices over MQTT, prints connection strings and the CA to trust, and says in
    /// its log what it refused and why. Without --data it forgets everything when it stops.
    Hub(HubArgs),
}
