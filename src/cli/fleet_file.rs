//! Reading a fleet file for a command that runs it.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::printer::Printer;
use super::problems;
use crate::fleet::{self, FleetSpec};

/// Reads a fleet file and shows all its problems.
///
/// # Errors
/// Exit 2 when it cannot be read, 3 when it has errors.
pub fn fleet_file(path: &Path, printer: &Printer) -> Result<FleetSpec, Failure> {
    let loaded = fleet::load(path)
        .map_err(|error| Failure::usage(format!("the fleet file {} cannot be read: {error}", path.display())))?;
    problems::show(&problems::placed(&loaded.problems), printer);
    loaded.spec.ok_or_else(|| Failure::new(Exit::InvalidManifest, "nothing was started: the fleet file has problems"))
}
