//! `iotjob plan PATH...`: what apply would do, to which devices, for how long. Creates nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::cmd::apply::{Warnings, pace_for, refused_starts, steps, valid_manifests};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::guarded::{GuardArgs, refuse_forbidden, refuse_too_many};
use crate::cli::hub_target::{HubArgs, failure};
use crate::cli::json_line::to_json_line;
use crate::cli::local_hub::LocalArgs;
use crate::cli::printer::Printer;
use crate::cli::problems::{self, placed};
use crate::cli::var_args::VarArgs;
use crate::cli::watched::exit_of;
use crate::client::HubClient;
use crate::manifest::{Action, Manifest};
use crate::model::Clock;
use crate::model::tier::{Edition, Tier};
use crate::plan::{
    Change, DeviceOutlook, Outlook, RunOutlook, SAVED_VERSION, SavedPlan, SavedRun, Source, Step, digest,
};
use crate::report::{Paint, plan_lines, plan_markdown};
use crate::run::{
    Budget, Context, Equipment, HubLife, Located, NoTargets, Options, Pace, Rerun, Waiting, event_channel, locate,
};
use crate::survey::{Finding, Names, Scope, Subject, Survey, TierChoice, Watcher};

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
