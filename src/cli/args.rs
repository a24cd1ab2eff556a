//! The command line: clap types and nothing else.

use clap::{Parser, Subcommand};

use super::cmd::apply::ApplyArgs;
use super::cmd::cancel::CancelArgs;
use super::cmd::completions::CompletionsArgs;
use super::cmd::device::DeviceArgs;
use super::cmd::hub::HubArgs;
use super::cmd::init::InitArgs;
use super::cmd::list::ListArgs;
use super::cmd::man::ManArgs;
use super::cmd::plan::PlanArgs;
use super::cmd::query::QueryArgs;
use super::cmd::report::ReportCommand;
use super::cmd::results::ResultsArgs;
use super::cmd::schema::SchemaArgs;
use super::cmd::status::StatusArgs;
use super::cmd::validate::ValidateArgs;
use super::cmd::watch::WatchArgs;
use super::global_args::GlobalArgs;
use super::help;

/// Device jobs as code for Azure IoT Hub.
#[derive(Debug, Parser)]
#[command(
    name = "iotjob",
    version = VERSION,
    about = "Device jobs as code for Azure IoT Hub",
    after_help = help::program(),
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

/// What iotjob can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check manifests and fleet files offline: schema, limits of the service, queries
    #[command(after_help = help::validate())]
    Validate(ValidateArgs),
    /// Show what apply would do, to which devices and for how long; creates nothing
    #[command(after_help = help::plan())]
    Plan(Box<PlanArgs>),
    /// Do what manifests say, once, and tell how every device took it
    #[command(after_help = help::apply())]
    Apply(Box<ApplyArgs>),
    /// Follow a job of the hub to its end
    #[command(after_help = help::watch())]
    Watch(Box<WatchArgs>),
    /// Show again what runs came to, from the events that --output json wrote
    #[command(after_help = help::report())]
    Report(ReportCommand),
    /// List the hub's jobs
    #[command(after_help = help::list())]
    List(ListArgs),
    /// Show where a job stands
    #[command(after_help = help::status())]
    Status(StatusArgs),
    /// Show what a job did on each device
    #[command(after_help = help::results())]
    Results(ResultsArgs),
    /// Cancel a job that has not begun
    #[command(after_help = help::cancel())]
    Cancel(CancelArgs),
    /// Query twins, modules and device jobs
    #[command(after_help = help::query())]
    Query(QueryArgs),
    /// Print the JSON Schema of manifests, fleet files or events
    #[command(after_help = help::schema())]
    Schema(SchemaArgs),
    /// Write a commented manifest to start from
    #[command(after_help = help::init())]
    Init(InitArgs),
    /// Simulate devices: one by its connection string, or a fleet of a hub
    #[command(after_help = help::device())]
    Device(Box<DeviceArgs>),
    /// Print the script that completes iotjob in a shell
    #[command(after_help = help::completions())]
    Completions(CompletionsArgs),
    /// Write the manual as man pages
    #[command(after_help = help::man())]
    Man(ManArgs),
    /// Run a local IoT hub until Ctrl-C
    #[command(after_help = help::hub())]
    Hub(Box<HubArgs>),
}
