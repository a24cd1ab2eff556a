//! The command line: clap types and nothing else.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::exit;
use super::hub_target::HubArgs;

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
    /// Print the JSON Schema of manifests
    Schema,
    /// Write a commented manifest to start from
    Init(InitArgs),
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
}

/// What `validate` takes.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Files, directories (searched for *.yaml and *.yml), globs, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Exit 3 on warnings, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// How problems are written: text on stderr, or one JSON object a line on stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Name of the job; the file is NAME.yaml. - writes to standard output [default: my-job]
    #[arg(value_name = "NAME")]
    pub name: Option<PathBuf>,
}

/// What `list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Show jobs of this type only
    #[arg(long = "type", value_name = "TYPE", value_enum, ignore_case = true)]
    pub job_type: Option<TypeFilter>,
    /// Show jobs in this status only
    #[arg(long, value_enum, ignore_case = true)]
    pub status: Option<StatusFilter>,
    /// How to write the jobs to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Which hub.
    #[command(flatten)]
    pub hub: HubArgs,
}

/// The types of jobs that `list` can be narrowed to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TypeFilter {
    /// Jobs that call a method; `method` for short.
    #[value(name = "scheduleDeviceMethod", alias = "method")]
    Method,
    /// Jobs that patch twins; `twin` for short.
    #[value(name = "scheduleUpdateTwin", alias = "twin")]
    Twin,
}

/// The statuses that `list` can be narrowed to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StatusFilter {
    /// Accepted, not yet processed.
    Queued,
    /// Waits for its start.
    Scheduled,
    /// Its devices are being worked on.
    Running,
    /// Over, whatever became of its devices.
    Completed,
    /// Could not run as a whole.
    Failed,
    /// Cancelled before it began.
    #[value(alias = "canceled")]
    Cancelled,
}

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to write the job to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Which hub.
    #[command(flatten)]
    pub hub: HubArgs,
}

/// What `results` takes.
#[derive(Debug, clap::Args)]
pub struct ResultsArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    pub id: String,
    /// Show only devices that ended without success, also those that answered a method with a status outside 2xx
    #[arg(long)]
    pub failed: bool,
    /// How to write the rows to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Which hub.
    #[command(flatten)]
    pub hub: HubArgs,
}

/// What `cancel` takes.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// Id of a run, or of any job of the hub
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to write the job to stdout
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Which hub.
    #[command(flatten)]
    pub hub: HubArgs,
}

/// What `query` takes.
#[derive(Debug, clap::Args)]
pub struct QueryArgs {
    /// The query, for instance "SELECT deviceId, tags.building FROM devices WHERE tags.building = 43"
    #[arg(value_name = "SELECT")]
    pub text: String,
    /// How to write the rows to stdout; as text, columns become a table and whole documents stay JSON
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// Which hub.
    #[command(flatten)]
    pub hub: HubArgs,
}
