//! What `apply` and `plan` begin with: manifests without a fault, their steps, and what a hub has of them already.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::printer::Printer;
use super::problems::{self, placed, unreadable};
use super::var_args::VarArgs;
use super::watched::exit_of;
use crate::client::HubClient;
use crate::manifest::{self, Manifest, Problem, ProblemKind};
use crate::model::Clock;
use crate::plan::{self, StartOutOfReach, Step};
use crate::run::{
    Context, Equipment, HubLife, Located, NoTargets, Options, Pace, Rerun, Waiting, check_new_start, event_channel,
    locate,
};

/// Whether warnings stop a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warnings {
    /// They are shown.
    Show,
    /// They count like errors.
    Deny,
}

/// Reads every manifest and shows every problem; `None` when any of them is in the way.
///
/// # Errors
/// Exit 2 when a path names nothing that can be read.
pub fn valid_manifests(
    paths: &[PathBuf],
    (var_args, applied_before): (&VarArgs, &[PathBuf]),
    warnings: Warnings,
    printer: &Printer,
) -> Result<Option<Vec<Manifest>>, Failure> {
    let variables = var_args.variables(printer)?;
    let applied = match applied_before {
        [] => BTreeSet::new(),
        // What is wrong with those is the business of whoever applies them.
        paths => manifest::load(paths, io::empty(), &variables)
            .map_err(|error| unreadable(&error))?
            .manifests
            .iter()
            .map(|manifest| manifest.name.to_string())
            .collect(),
    };
    let loaded =
        manifest::load_after(paths, io::stdin().lock(), &variables, &applied).map_err(|error| unreadable(&error))?;
    var_args.warn_of_unused(&loaded.variables_used, printer);
    problems::show(&placed(&loaded.problems), printer);
    let refused = loaded.has_errors() || (warnings == Warnings::Deny && !loaded.problems.is_empty());
    if refused {
        printer.failure(&Failure::new(Exit::InvalidManifest, "nothing was sent: the manifests have problems"));
        return Ok(None);
    }
    Ok(Some(loaded.manifests))
}

/// The pace for a hub: Azure's budgets, or none for a hub on this machine.
#[must_use]
pub fn pace_for(host_name: &str) -> Pace {
    if is_loopback(host_name) { Pace::local() } else { Pace::service() }
}

fn is_loopback(host_name: &str) -> bool {
    let bracketed = host_name.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let name = bracketed.unwrap_or_else(|| host_name.rsplit_once(':').map_or(host_name, |(name, _)| name));
    name.eq_ignore_ascii_case("localhost")
        || host_name == "::1"
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes the manifests' steps. A start means nothing to a hub that ends with this command.
pub fn steps(manifests: &[Manifest], hub: HubLife, printer: &Printer) -> Vec<Step> {
    let adapted = manifests.iter().map(plan::build).map(|step| match (hub, step.start) {
        (HubLife::WithCommand, Some(_)) => {
            printer.say(&format!("{}: starts at once, since the local hub ends with this command", step.name));
            step.starting_at_once()
        }
        _ => step,
    });
    adapted.collect()
}

/// Finds the runs of steps on a hub.
///
/// # Errors
/// [`Failure`] of the first that could not be looked for.
pub async fn located(
    client: &HubClient,
    steps: Vec<Step>,
    (pace, rerun): (Pace, Rerun),
    clock: &Clock,
) -> Result<Vec<Located>, Failure> {
    let options = Options { waiting: Waiting::No, no_targets: NoTargets::Warn, hub: HubLife::Lasting };
    // Looking says nothing, so nobody listens.
    let (events, _) = event_channel(clock.clone());
    let rng = crate::model::Rng::from_entropy();
    let equipment = Equipment { pace, clock: clock.clone(), rng, events, options };
    let context = Context::new(client.clone(), equipment);
    let located = locate(&context, steps, rerun).await;
    match located.iter().find_map(|run| run.found.as_ref().err()) {
        None => Ok(located),
        Some(error) => {
            let failure = Failure::new(exit_of(error.verdict()), error.message.clone());
            Err(error.hint.iter().fold(failure, Failure::hint))
        }
    }
}

/// Starts that new runs cannot have, each at its place. `manifests` and `located` run in parallel.
pub fn refused_starts(manifests: &[Manifest], located: &[Located], clock: &Clock) -> Vec<Problem> {
    let checked = manifests.iter().zip(located);
    let refused = checked.filter_map(|(manifest, located)| {
        let kind = match check_new_start(located, clock).err()? {
            StartOutOfReach::TooFar { hours } => ProblemKind::StartTooFar { hours },
            StartOutOfReach::Past { minutes } => ProblemKind::StartPast { minutes },
        };
        Some(Problem::new(manifest.start_place(), kind))
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hubs_on_this_machine_are_asked_without_a_budget() {
        for local in ["localhost", "LocalHost:8443", "127.0.0.1:8443", "[::1]:8443", "::1"] {
            assert!(is_loopback(local), "{local}");
        }
        for remote in ["my-hub.azure-devices.net", "localhost.example.com", "10.0.0.1:443", "[2001:db8::1]:443"] {
            assert!(!is_loopback(remote), "{remote}");
        }
    }
}
