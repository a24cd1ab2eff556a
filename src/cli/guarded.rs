//! Guardrails on the command line: found, and everything that they forbid refused before anything is sent.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::hub_target::failure;
use super::prepared::located;
use super::printer::Printer;
use super::problems::{self, placed};
use crate::client::HubClient;
use crate::guardrails::{Guardrails, MaxDevices};
use crate::manifest::Manifest;
use crate::model::Clock;
use crate::plan;
use crate::run::{Budget, Found, Pace, Rerun};
use crate::survey::Survey;

/// Where guardrails come from.
#[derive(Debug, Clone, clap::Args)]
pub struct GuardArgs {
    /// File of guardrails: what jobs may not do, and to how many devices [default: iotjob.toml here or above]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl GuardArgs {
    /// Reads the file that was named, or that lies here or above.
    ///
    /// # Errors
    /// Exit 2 for a file that cannot be used.
    pub fn guardrails(&self) -> Result<Guardrails, Failure> {
        let read = match &self.config {
            Some(path) => Guardrails::read(path),
            None => match std::env::current_dir() {
                Ok(folder) => Guardrails::find(&folder),
                // Where there is no current directory, there is no file in it.
                Err(_) => Ok(Guardrails::default()),
            },
        };
        read.map_err(|error| Failure::usage(error.to_string()))
    }
}

/// Refuses manifests that do what is forbidden on a hub; without a host, on every hub.
///
/// # Errors
/// Exit 9, once each violation was shown at its place.
pub fn refuse_forbidden(
    guardrails: &Guardrails,
    manifests: &[Manifest],
    host: Option<&str>,
    printer: &Printer,
) -> Result<(), Failure> {
    let problems: Vec<_> = manifests.iter().flat_map(|manifest| guardrails.violations(manifest, host)).collect();
    if problems.is_empty() {
        return Ok(());
    }
    problems::show(&placed(&problems), printer);
    Err(Failure::new(Exit::Refused, "nothing was sent: a guardrail forbids it"))
}

/// Refuses new runs with more targets than the guardrails allow on the hub.
///
/// # Errors
/// Exit 9 for the first of them; as the hub's when it cannot be asked.
pub async fn refuse_too_many(
    guardrails: &Guardrails,
    client: &HubClient,
    manifests: &[Manifest],
    (pace, rerun): (Pace, Rerun),
) -> Result<(), Failure> {
    let limits = guardrails.max_devices(client.host_name());
    if limits.is_empty() {
        return Ok(());
    }
    let clock = Clock::system();
    let steps = manifests.iter().map(plan::build).collect();
    let located = located(client, steps, (pace, rerun), &clock).await?;
    let survey = Survey::new(client, Budget::new(pace.queries, clock.clone()), clock, crate::survey::Scope::counting());
    let is_share = |limit: &MaxDevices| matches!(limit, MaxDevices::Percent(_));
    let hub_devices = match limits.iter().any(is_share) {
        true => survey.count_hub().await.map_err(|error| failure(&error))?,
        false => 0,
    };
    for (manifest, located) in manifests.iter().zip(&located) {
        if !matches!(located.found, Ok(Found::New)) {
            continue;
        }
        let count = survey.count_targets(&manifest.target).await.map_err(|error| failure(&error))?;
        if let Some(limit) = limits.iter().find(|limit| count > limit.of(hub_devices)) {
            let run = &located.step.run_id;
            let message = format!(
                "`{run}` would touch {count} devices; {} allows {limit}; nothing was sent",
                guardrails.path().display()
            );
            return Err(Failure::new(Exit::Refused, message).hint("narrow the query, or raise `max-devices` there"));
        }
    }
    Ok(())
}
