//! `iotjob plan PATH...`: what apply would do, to which devices, for how long. Creates nothing.

use std::path::PathBuf;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::guarded::{GuardArgs, refuse_forbidden, refuse_too_many};
use crate::cli::hub_target::HubArgs;
use crate::cli::local_hub::LocalArgs;
use crate::cli::looking::{Asked, LookArgs, PlanFormat};
use crate::cli::prepared::{Warnings, pace_for, valid_manifests};
use crate::cli::printer::Printer;
use crate::cli::var_args::VarArgs;
use crate::manifest::{Action, Manifest};
use crate::plan::RunOutlook;
use crate::run::{HubLife, Pace, Rerun};

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Files, directories (searched for *.yaml and *.yml), globs, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Exit 10 when applying would create a run, or twins no longer hold the patch of a run that has ended
    #[arg(long)]
    detailed_exitcode: bool,
    /// Look at twin patches only, and exit 10 when a twin does not hold its patch; runs that are new or forgotten do
    /// not count. For a check at night
    #[arg(long, conflicts_with_all = ["detailed_exitcode", "out"])]
    drift: bool,
    /// Exit 3 on warnings of the manifests, too
    #[arg(long)]
    deny_warnings: bool,
    /// Manifests that `after` may name and that are left alone, since they were applied before
    #[arg(long, value_name = "PATH")]
    applied_before: Vec<PathBuf>,
    #[command(flatten)]
    variables: VarArgs,
    #[command(flatten)]
    guard: GuardArgs,
    #[command(flatten)]
    look: LookArgs,
    /// Save the plan to a file that `apply --plan` takes
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    out: Option<PathBuf>,
    /// How to write the plan to stdout
    #[arg(short, long, value_enum, default_value_t = PlanFormat::Text, value_name = "text|json|markdown", hide_possible_values = true)]
    output: PlanFormat,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for a path or a hub that cannot be used. Invalid manifests are shown, exit 3.
pub async fn run(args: PlanArgs, printer: &Printer) -> Result<Exit, Failure> {
    let warnings = if args.deny_warnings { Warnings::Deny } else { Warnings::Show };
    let Some(manifests) = valid_manifests(&args.paths, (&args.variables, &args.applied_before), warnings, printer)?
    else {
        return Ok(Exit::InvalidManifest);
    };
    let guardrails = args.guard.guardrails()?;
    refuse_forbidden(&guardrails, &manifests, None, printer)?;
    let manifests = if args.drift { twin_patches(manifests, printer) } else { manifests };
    let hub = if args.local.local { HubLife::WithCommand } else { HubLife::Lasting };
    let asked = Asked { look: &args.look, rerun: Rerun::No, hub, output: args.output, out: args.out.as_deref() };
    let outlook = if args.local.local {
        let local = args.local.start(&manifests, &args.hub, printer).await?;
        let outlook = asked.show(&local.client(), &manifests, Pace::local(), printer).await;
        local.stop().await;
        outlook?
    } else {
        let client = args.hub.client(printer)?;
        let pace = pace_for(client.host_name());
        refuse_forbidden(&guardrails, &manifests, Some(client.host_name()), printer)?;
        let outlook = asked.show(&client, &manifests, pace, printer).await?;
        // After the plan, which shows what there is too much of.
        refuse_too_many(&guardrails, &client, &manifests, (pace, Rerun::No)).await?;
        outlook
    };
    Ok(match outlook {
        None => Exit::InvalidManifest,
        Some(outlook) if args.detailed_exitcode && outlook.asks_for_changes() => Exit::Changes,
        Some(outlook) if args.drift && outlook.runs.iter().any(RunOutlook::differs) => Exit::Changes,
        Some(_) => Exit::Success,
    })
}

/// The manifests that say what twins hold; a method leaves nothing behind that could be looked at.
fn twin_patches(manifests: Vec<Manifest>, printer: &Printer) -> Vec<Manifest> {
    let count = manifests.len();
    let twins: Vec<Manifest> =
        manifests.into_iter().filter(|manifest| matches!(manifest.action, Action::Twin { .. })).collect();
    if twins.len() < count {
        printer.say(&format!("{} of {count} manifests call methods and are not looked at", count - twins.len()));
    }
    twins
}
