//! `iotjob man DIR`: the manual as man pages, one a command.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::args::Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::printer::Printer;

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Folder to write the pages into; it is made when it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes every page.
///
/// # Errors
/// Exit 2 when the folder cannot be written.
pub fn run(args: &ManArgs, printer: &Printer) -> Result<Exit, Failure> {
    let folder = args.dir.display();
    let unwritable = |error: std::io::Error| Failure::usage(format!("`{folder}` cannot be written: {error}"));
    fs::create_dir_all(&args.dir).map_err(unwritable)?;
    let program = Args::command().disable_help_subcommand(true);
    clap_mangen::generate_to(program, &args.dir).map_err(unwritable)?;
    printer.say(&format!("the manual is in `{folder}`: iotjob.1 and a page for each command"));
    Ok(Exit::Success)
}
