//! `iotjob schema`: prints the JSON Schema of manifests.

use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::manifest;

/// Prints the schema, as `schema/job.schema.json` holds it.
#[must_use]
pub fn run(printer: &Printer) -> Exit {
    printer.data(manifest::schema_text().trim_end());
    Exit::Success
}
