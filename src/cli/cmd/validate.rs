//! `iotjob validate`: checks manifests and fleet files offline.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::guarded::GuardArgs;
use crate::cli::output::ProblemsFormat;
use crate::cli::printer::Printer;
use crate::cli::problems::{self, counted, placed, unreadable};
use crate::cli::sarif::to_sarif;
use crate::cli::var_args::VarArgs;
use crate::fleet;
use crate::manifest::{self, Loaded};
use crate::source::{Placed, Severity};

/// Arguments of `iotjob validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Files, directories (searched for *.yaml and *.yml), globs, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Exit 3 on warnings, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Where variables get their values.
    #[command(flatten)]
    pub variables: VarArgs,
    /// Where guardrails come from.
    #[command(flatten)]
    pub guard: GuardArgs,
    /// How problems are written: text on stderr; one JSON object a line, or one SARIF log, on stdout
    #[arg(short, long, value_enum, default_value_t = ProblemsFormat::Text, value_name = "text|json|sarif", hide_possible_values = true)]
    pub output: ProblemsFormat,
}

/// Checks everything under the paths and reports all of it at once.
///
/// # Errors
/// Exit 2 when a path names nothing that can be read, or the guardrails cannot be used.
pub fn run(args: &ValidateArgs, printer: &Printer) -> Result<Exit, Failure> {
    let variables = args.variables.variables(printer)?;
    let guardrails = args.guard.guardrails()?;
    let stdin = io::stdin().lock();
    let (mut loaded, fleet_files) =
        manifest::load_beside_fleets(&args.paths, stdin, &variables).map_err(|error| unreadable(&error))?;
    args.variables.warn_of_unused(&loaded.variables_used, printer);
    let fleets: Vec<fleet::Loaded> = fleet_files.into_iter().map(fleet::parse).collect();
    let has_problems = !loaded.problems.is_empty() || fleets.iter().any(|fleet| !fleet.problems.is_empty());
    let has_errors = loaded.has_errors() || fleets.iter().any(|fleet| fleet.spec.is_none());
    let is_invalid = has_errors || (args.deny_warnings && has_problems);
    let forbidden: Vec<_> =
        loaded.manifests.iter().flat_map(|manifest| guardrails.violations(manifest, None)).collect();
    let is_forbidden = !forbidden.is_empty();
    loaded.add_in_order(forbidden);
    let all = in_file_order(&loaded, &fleets);
    match args.output {
        ProblemsFormat::Text => problems::show(&all, printer),
        ProblemsFormat::Json => problems::print_json(&all, printer),
        ProblemsFormat::Sarif => printer.data(&to_sarif(&all)),
    }
    printer.say(&summary(&loaded, &fleets, &all));
    Ok(match (is_invalid, is_forbidden) {
        (true, _) => Exit::InvalidManifest,
        (false, true) => Exit::Refused,
        (false, false) => Exit::Success,
    })
}

/// The problems of manifests and fleets, in the order in which their files were read.
fn in_file_order<'l>(loaded: &'l Loaded, fleets: &'l [fleet::Loaded]) -> Vec<&'l dyn Placed> {
    let mut all = placed(&loaded.problems);
    if !fleets.is_empty() {
        all.extend(fleets.iter().flat_map(|fleet| placed(&fleet.problems)));
        let place_of =
            |problem: &&dyn Placed| loaded.sources.iter().position(|file| Arc::ptr_eq(file, &problem.place().file));
        all.sort_by_key(place_of);
    }
    all
}

fn summary(loaded: &Loaded, fleets: &[fleet::Loaded], all: &[&dyn Placed]) -> String {
    let count = |severity| all.iter().filter(|problem| Severity::of(**problem) == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let files = counted(loaded.sources.len(), "file");
    let manifests = counted(loaded.manifests.len(), "manifest");
    let read = match (fleets.len(), loaded.manifests.len()) {
        (0, _) => manifests,
        (fleets, 0) => counted(fleets, "fleet"),
        (fleets, _) => format!("{manifests} and {}", counted(fleets, "fleet")),
    };
    match (errors, warnings) {
        (0, 0) => format!("{read} in {files}: no problems"),
        (0, _) => format!("{read} in {files}: {}", counted(warnings, "warning")),
        (_, 0) => format!("{} in {files}", counted(errors, "error")),
        _ => format!("{} and {} in {files}", counted(errors, "error"), counted(warnings, "warning")),
    }
}
