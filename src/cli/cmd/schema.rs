//! `iotjob schema`: prints the JSON Schema of manifests, of fleet files or of events.

use clap::ValueEnum;

use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::fleet;
use crate::manifest;
use crate::report;

/// What `schema` takes.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Of what: manifest, fleet, or events for the lines of --output json
    #[arg(value_enum, default_value_t = Subject::Manifest, value_name = "manifest|fleet|events", hide_possible_values = true, hide_default_value = true)]
    subject: Subject,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Jobs, as users write them.
    Manifest,
    /// Fleets, as users write them.
    Fleet,
    /// What `apply` and `watch` write with `--output json`.
    Events,
}

/// Prints the schema as the file in `schema/` holds it.
#[must_use]
pub fn run(args: &SchemaArgs, printer: &Printer) -> Exit {
    let text = match args.subject {
        Subject::Manifest => manifest::schema_text(),
        Subject::Fleet => fleet::schema_text(),
        Subject::Events => report::events_schema_text(),
    };
    printer.data(text.trim_end());
    Exit::Success
}
