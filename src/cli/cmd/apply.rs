//! `iotjob apply PATH...`: makes the hub do what the manifests say, once, and tells how every device took it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::guarded::{GuardArgs, refuse_forbidden, refuse_too_many};
use crate::cli::hub_target::{HubArgs, duration};
use crate::cli::local_hub::LocalArgs;
use crate::cli::looking::{Asked, LookArgs, PlanFormat};
use crate::cli::output::OutputFormat;
use crate::cli::prepared::{Warnings, located, pace_for, refused_starts, steps, valid_manifests};
use crate::cli::printer::Printer;
use crate::cli::problems::{self, placed};
use crate::cli::report_args::{ReportArgs, ReportFiles};
use crate::cli::saved_plan;
use crate::cli::var_args::VarArgs;
use crate::cli::watched::{Watched, equipment, exit_of_runs};
use crate::client::HubClient;
use crate::manifest::Manifest;
use crate::model::{Clock, JobResponse, JobStatus, WireTime};
use crate::plan::{self, Step, Tolerance};
use crate::run::{Context, Found, HubLife, Jobs, Located, NoTargets, Options, Pace, Rerun, Waiting, carry_out, locate};

/// What `apply` takes.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// Files, directories (searched for *.yaml and *.yml), globs, or - for standard input
    #[arg(value_name = "PATH", required_unless_present = "plan", conflicts_with = "plan")]
    paths: Vec<PathBuf>,
    /// Apply exactly a plan that `iotjob plan --out` saved, or refuse with exit 9 when the fleet has moved
    #[arg(long, value_name = "FILE", conflicts_with_all = ["vars", "files", "rerun", "local", "dry_run"])]
    plan: Option<PathBuf>,
    /// How many targets may have come, gone or changed since the plan was saved: a number, or a share such as 5%
    /// [default: 0]
    #[arg(long, value_name = "N|N%", conflicts_with = "paths")]
    tolerance: Option<Tolerance>,
    /// Show the plan and send nothing
    #[arg(long, conflicts_with_all = ["no_wait", "wait_timeout", "reports"])]
    dry_run: bool,
    /// Run a manifest again whose run has ended
    #[arg(long)]
    rerun: bool,
    /// Exit 6 when a job finds no target
    #[arg(long)]
    require_targets: bool,
    /// Exit 3 on warnings, too, and send nothing
    #[arg(long)]
    deny_warnings: bool,
    /// Manifests that `after` may name and that are left alone, since they were applied before
    #[arg(long, value_name = "PATH", conflicts_with = "plan")]
    applied_before: Vec<PathBuf>,
    #[command(flatten)]
    variables: VarArgs,
    #[command(flatten)]
    guard: GuardArgs,
    /// Leave as soon as the hub has the job
    #[arg(long, conflicts_with_all = ["wait_timeout", "local"])]
    no_wait: bool,
    /// Leave after so long, with exit 8; the job goes on [default: wait to the end]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait_timeout: Option<Duration>,
    /// How to write to stdout: a table at the end, or one JSON event a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    reports: ReportArgs,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for a path or a hub that cannot be used. Invalid manifests are shown, exit 3.
pub async fn run(args: ApplyArgs, printer: &Printer) -> Result<Exit, Failure> {
    let saved = args.plan.as_deref().map(|path| saved_plan::read(path).map(|plan| (plan, path))).transpose()?;
    let manifests = match &saved {
        Some((plan, path)) => saved_plan::manifests(plan, path, printer)?,
        None => {
            valid_manifests(&args.paths, (&args.variables, &args.applied_before), deny(args.deny_warnings), printer)?
        }
    };
    let Some(manifests) = manifests else {
        return Ok(Exit::InvalidManifest);
    };
    args.refuse_to_leave_early(&manifests)?;
    let guardrails = args.guard.guardrails()?;
    refuse_forbidden(&guardrails, &manifests, None, printer)?;
    let files = args.reports.open()?;
    if args.local.local {
        let local = args.local.start(&manifests, &args.hub, printer).await?;
        let settings = args.settings(Pace::local(), HubLife::WithCommand);
        let applied = if args.dry_run {
            args.show(&local.client(), &manifests, (Pace::local(), HubLife::WithCommand), printer).await
        } else {
            apply_with(local.client(), &manifests, settings, files, printer).await
        };
        local.stop().await;
        return applied;
    }
    let client = args.hub.client(printer)?;
    let pace = pace_for(client.host_name());
    refuse_forbidden(&guardrails, &manifests, Some(client.host_name()), printer)?;
    let rerun = if args.rerun { Rerun::Yes } else { Rerun::No };
    refuse_too_many(&guardrails, &client, &manifests, (pace, rerun)).await?;
    if args.dry_run {
        return args.show(&client, &manifests, (pace, HubLife::Lasting), printer).await;
    }
    if let Some((plan, _)) = &saved {
        let steps = manifests.iter().map(plan::build).collect();
        let located = located(&client, steps, (pace, Rerun::No), &Clock::system()).await?;
        let look = (&LookArgs::default(), args.tolerance.unwrap_or(Tolerance::Count(0)), pace);
        saved_plan::refuse_moved(&client, (plan, &manifests, &located), look, printer).await?;
    }
    let settings = args.settings(pace, HubLife::Lasting);
    apply_with(client, &manifests, settings, files, printer).await
}

impl ApplyArgs {
    /// A run that comes after another has to be waited for.
    fn refuse_to_leave_early(&self, manifests: &[Manifest]) -> Result<(), Failure> {
        let ordered = manifests.iter().filter(|_| self.no_wait).find(|manifest| !manifest.after.is_empty());
        let Some(manifest) = ordered else { return Ok(()) };
        Err(Failure::usage(format!("`--no-wait` leaves too early for `{}`, which comes after others", manifest.name))
            .hint("leave `--no-wait` out, bound the wait with `--wait-timeout`, or apply the manifests one by one"))
    }

    /// Shows what would be done.
    async fn show(
        &self,
        client: &HubClient,
        manifests: &[Manifest],
        (pace, hub): (Pace, HubLife),
        printer: &Printer,
    ) -> Result<Exit, Failure> {
        let output = match self.output {
            OutputFormat::Json => PlanFormat::Json,
            OutputFormat::Text => PlanFormat::Text,
        };
        let rerun = if self.rerun { Rerun::Yes } else { Rerun::No };
        let asked = Asked { look: &LookArgs::default(), rerun, hub, output, out: None };
        let outlook = asked.show(client, manifests, pace, printer).await?;
        Ok(if outlook.is_some() { Exit::Success } else { Exit::InvalidManifest })
    }

    /// What the flags mean for runs on a hub that is asked at `pace`.
    fn settings(&self, pace: Pace, hub: HubLife) -> ApplySettings {
        let no_targets = if self.require_targets { NoTargets::Fail } else { NoTargets::Warn };
        let waiting = match (self.no_wait, self.wait_timeout) {
            (true, _) => Waiting::No,
            (false, limit) => limit.map_or(Waiting::UntilEnd, Waiting::AtMost),
        };
        ApplySettings {
            output: self.output,
            rerun: if self.rerun { Rerun::Yes } else { Rerun::No },
            pace,
            options: Options { waiting, no_targets, hub },
        }
    }
}

fn deny(deny_warnings: bool) -> Warnings {
    if deny_warnings { Warnings::Deny } else { Warnings::Show }
}

/// How `apply` goes about its runs.
#[derive(Debug, Clone, Copy)]
pub struct ApplySettings {
    /// What stdout gets.
    pub output: OutputFormat,
    /// Whether ended runs are run again.
    pub rerun: Rerun,
    /// How fast to ask the hub.
    pub pace: Pace,
    /// How runs are looked after.
    pub options: Options,
}

/// Applies valid manifests to a hub: finds their runs, refuses starts that a new run cannot have, and carries the rest
/// out.
///
/// # Errors
/// [`Failure`] when the signals of this process cannot be listened to.
pub async fn apply_with<J: Jobs>(
    hub: J,
    manifests: &[Manifest],
    settings: ApplySettings,
    files: ReportFiles,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let steps = steps(manifests, settings.options.hub, printer);
    let clock = Clock::system();
    let watched = Watched::new(settings.output, files, &clock, printer);
    let context = Context::new(hub, equipment(settings.pace, settings.options, &clock, watched.events.clone()));
    watched
        .until_done(async move |stop| {
            let located = tokio::select! {
                located = locate(&context, steps, settings.rerun) => located,
                () = stop.cancelled() => {
                    printer.say("interrupted; nothing was sent");
                    return Exit::Interrupted;
                }
            };
            let problems = refused_starts(manifests, &located, &clock);
            if !problems.is_empty() {
                problems::show(&placed(&problems), printer);
                printer.failure(&Failure::new(Exit::InvalidManifest, "nothing was sent: a start is out of reach"));
                return Exit::InvalidManifest;
            }
            for warning in slots_held(&located, &clock) {
                printer.warn(&warning);
            }
            for run_id in ended_before(&located) {
                printer.say(&format!("{run_id}: has ended before, so nothing is sent; --rerun runs it again"));
            }
            exit_of_runs(&carry_out(&context, located, &stop).await)
        })
        .await
}

/// Starts that lie ahead and hold a job slot until then, which others of this command may need (REST.md 4.7).
fn slots_held(located: &[Located], clock: &Clock) -> Vec<String> {
    let is_new = |run: &&Located| matches!(run.found, Ok(Found::New));
    let ahead = |run: &Located| run.step.start.filter(|start| *start > clock.now());
    let mut warnings = Vec::new();
    for (index, run) in located.iter().enumerate().filter(|(_, run)| is_new(run)) {
        let Some(start) = ahead(run) else { continue };
        // Immediate runs are submitted first, unless they come after others.
        let behind = |(other, step): (usize, &Step)| match step.start {
            Some(_) => other > index,
            None => !step.after.is_empty(),
        };
        let others = located.iter().enumerate().filter(|(other, run)| *other != index && is_new(run));
        let waiting: Vec<String> = others
            .filter(|(other, run)| behind((*other, &run.step)))
            .map(|(_, run)| format!("`{}`", run.step.name))
            .collect();
        if !waiting.is_empty() {
            let most = run.step.request().max_execution_time_in_seconds;
            let until = start.saturating_add(SignedDuration::from_secs(i64::try_from(most).unwrap_or(i64::MAX)));
            let until = until.map_or_else(|_| "its end".to_owned(), |until| WireTime::At(until).to_string());
            warnings.push(format!(
                "`{}` holds a job slot until its start at {} and to its end, at most until {until}: on F1 and S1, which have one slot, {} will wait that long",
                run.step.name,
                WireTime::At(start),
                waiting.join(", "),
            ));
        }
    }
    warnings
}

/// Runs that are only reported, since the hub has carried them out already.
fn ended_before(located: &[Located]) -> impl Iterator<Item = String> {
    let is_over =
        |job: &JobResponse| matches!(job.status, JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled);
    let over = located.iter().filter(move |run| matches!(&run.found, Ok(Found::Job(job)) if is_over(job)));
    over.map(|run| run.step.run_id.to_string())
}
