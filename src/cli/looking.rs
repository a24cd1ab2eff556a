//! Looks at what runs would do to a hub's devices, shows it as a plan, and saves it.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;

use super::failure::Failure;
use super::hub_target::failure;
use super::json_line::to_json_line;
use super::prepared::{located, refused_starts, steps};
use super::printer::Printer;
use super::problems::{self, placed};
use crate::client::HubClient;
use crate::manifest::Manifest;
use crate::model::Clock;
use crate::model::tier::{Edition, Tier};
use crate::plan::{Change, DeviceOutlook, Outlook, SAVED_VERSION, SavedPlan, SavedRun, Source, digest};
use crate::report::{Paint, plan_lines, plan_markdown};
use crate::run::{Budget, HubLife, Located, Pace, Rerun};
use crate::survey::{Finding, Names, Scope, Subject, Survey, TierChoice, Watcher};

/// How closely a plan looks.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LookArgs {
    /// Read each twin itself instead of the hub's index, which is behind by seconds or minutes
    #[arg(long)]
    exact: bool,
    /// Name every target, with what would change on it
    #[arg(long)]
    list_devices: bool,
    /// Look at no more than so many targets of each run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Tier of the hub, for forecasts: F1, S1, S2, S3, with units as in S1:2 [default: S1]
    #[arg(long, value_name = "TIER[:UNITS]")]
    tier: Option<Tier>,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// For a pull request, at most 65,536 characters.
    Markdown,
}

/// What a plan was asked for.
pub struct Asked<'a> {
    /// How closely to look.
    pub look: &'a LookArgs,
    /// Whether ended runs are run again.
    pub rerun: Rerun,
    /// How long the hub lives: one that ends with this command has no use for starts.
    pub hub: HubLife,
    /// How to write it.
    pub output: PlanFormat,
    /// Where to save it.
    pub out: Option<&'a Path>,
}

impl Asked<'_> {
    /// Surveys the hub and shows the plan; `None` when a manifest's start is out of reach, which is shown then.
    ///
    /// # Errors
    /// [`Failure`] when the hub cannot be asked, or the plan not be saved.
    pub async fn show(
        &self,
        client: &HubClient,
        manifests: &[Manifest],
        pace: Pace,
        printer: &Printer,
    ) -> Result<Option<Outlook>, Failure> {
        let clock = Clock::system();
        let steps = steps(manifests, self.hub, printer);
        let located = located(client, steps, (pace, self.rerun), &clock).await?;
        let problems = refused_starts(manifests, &located, &clock);
        if !problems.is_empty() {
            problems::show(&placed(&problems), printer);
            return Ok(None);
        }
        let names = if self.look.list_devices || self.out.is_some() { Names::All } else { Names::Some };
        let mut watcher = Kept::new(printer, Keeps { devices: self.look.list_devices, digests: self.out.is_some() });
        let mut outlook = survey(client, manifests, &located, (self.look, names, pace), &mut watcher).await?;
        if let Some(path) = self.out {
            save(path, client, manifests, &located, &watcher)?;
            printer.say(&format!("saved to `{}`: `iotjob apply --plan` takes it", path.display()));
        }
        for run in outlook.runs.iter_mut().filter(|_| self.look.list_devices) {
            run.devices = Some(watcher.devices.remove(&run.name).unwrap_or_default());
        }
        match self.output {
            PlanFormat::Json => printer.data(&to_json_line(&outlook)),
            PlanFormat::Markdown => printer.data(plan_markdown(&outlook).trim_end()),
            PlanFormat::Text => {
                let paint = if printer.colours_stdout() { Paint::Colours } else { Paint::Plain };
                plan_lines(&outlook, paint).iter().for_each(|line| printer.data(line));
            }
        }
        Ok(Some(outlook))
    }
}

/// Surveys runs that were found.
///
/// # Errors
/// [`Failure`] when the hub cannot be asked.
pub async fn survey(
    client: &HubClient,
    manifests: &[Manifest],
    located: &[Located],
    (look, names, pace): (&LookArgs, Names, Pace),
    watcher: &mut dyn Watcher,
) -> Result<Outlook, Failure> {
    let clock = Clock::system();
    let source = if look.exact { Source::Twins } else { Source::Index };
    let scope = Scope { source, names, sample: look.sample };
    let subjects: Vec<Subject<'_>> = manifests
        .iter()
        .zip(located)
        .filter_map(|(manifest, located)| {
            Some(Subject { manifest, step: &located.step, found: located.found.as_ref().ok()? })
        })
        .collect();
    let assumed = Tier::new(Edition::S1, 1).map_err(|error| Failure::unexpected(error.to_string()))?;
    let choice = TierChoice { tier: look.tier.unwrap_or(assumed), is_assumed: look.tier.is_none() };
    let survey = Survey::new(client, Budget::new(pace.queries, clock.clone()), clock, scope);
    survey.outlook(&subjects, choice, watcher).await.map_err(|error| failure(&error))
}

/// What somebody needs of each target.
#[derive(Debug, Clone, Copy)]
pub struct Keeps {
    /// All that people asked to see.
    pub devices: bool,
    /// What a saved plan is compared by.
    pub digests: bool,
}

/// What is kept of the targets as they are read.
pub struct Kept {
    printer: Printer,
    keeps: Keeps,
    /// Targets by run, for people.
    devices: BTreeMap<String, Vec<DeviceOutlook>>,
    /// Digests of targets by run, for a saved plan.
    pub digests: BTreeMap<String, BTreeMap<String, String>>,
}

impl Kept {
    /// Nothing yet.
    #[must_use]
    pub fn new(printer: &Printer, keeps: Keeps) -> Self {
        Self { printer: printer.clone(), keeps, devices: BTreeMap::new(), digests: BTreeMap::new() }
    }
}

impl Watcher for Kept {
    fn begins(&mut self, run: &str, targets: u64, queries: u64, seconds: u64) {
        /// A wait that is worth a word.
        const LONG_S: u64 = 10;
        if seconds >= LONG_S {
            let minutes = seconds.div_ceil(60);
            self.printer.say(&format!(
                "{run}: looking at {targets} devices takes {queries} queries, about {minutes} min at the tier's rate; --sample N looks at fewer"
            ));
        }
    }

    fn found(&mut self, run: &str, finding: &Finding<'_>) {
        if self.keeps.digests {
            let digests = self.digests.entry(run.to_owned()).or_default();
            digests.insert(finding.name.clone(), digest(&finding.touched()));
        }
        if self.keeps.devices {
            let (changes, refused) = match &finding.change {
                Change::None => (None, None),
                Change::Some(differences) => (Some(differences.clone()), None),
                Change::Refused(violation) => (None, Some(violation.to_string())),
            };
            let device = DeviceOutlook { id: finding.name.clone(), connected: finding.is_connected, changes, refused };
            self.devices.entry(run.to_owned()).or_default().push(device);
        }
    }
}

/// Writes a saved plan, readable by its owner only: it names devices.
fn save(
    path: &Path,
    client: &HubClient,
    manifests: &[Manifest],
    located: &[Located],
    kept: &Kept,
) -> Result<(), Failure> {
    let runs = manifests.iter().zip(located).map(|(manifest, located)| SavedRun {
        run_id: located.step.run_id.to_string(),
        manifest: manifest.document(),
        targets: kept.digests.get(manifest.name.as_str()).cloned().unwrap_or_default(),
    });
    let plan = SavedPlan {
        iotjob_plan: SAVED_VERSION,
        hub: client.host_name().to_owned(),
        saved_at: Clock::system().now().into(),
        runs: runs.collect(),
    };
    let unwritable =
        |error: &dyn std::fmt::Display| Failure::usage(format!("`{}` cannot be written: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| unwritable(&error))?;
    serde_json::to_writer(std::io::BufWriter::new(&mut file), &plan).map_err(|error| unwritable(&error))?;
    file.persist(path).map_err(|error| unwritable(&error.error))?;
    Ok(())
}
