//! `iotjob apply PATH...`: makes the hub do what the manifests say, once, and tells how every device took it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cli::args::OutputFormat;
use crate::cli::cmd::validate::unreadable;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, duration};
use crate::cli::local_hub::LocalArgs;
use crate::cli::printer::Printer;
use crate::cli::problems;
use crate::cli::signals::StopSignals;
use crate::manifest::{self, Loaded, Manifest, Problem, ProblemKind};
use crate::model::{Clock, JobResponse, JobStatus, Rng};
use crate::plan::{self, StartOutOfReach, Step};
use crate::report::{Bars, JsonLines, Lines, Paint, Reporter, Summary, Voice, deliver};
use crate::run::{
    Context, Ended, Equipment, Events, Found, HubLife, Jobs, Located, NoTargets, Options, Pace, Rerun, RunEvent,
    Verdict, Waiting, carry_out, check_new_start, event_channel, locate,
};

/// What `apply` takes.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// Files, directories (searched for *.yaml and *.yml), globs, or - for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Run a manifest again whose run has ended
    #[arg(long)]
    rerun: bool,
    /// Exit 6 when a job finds no target
    #[arg(long)]
    require_targets: bool,
    /// Exit 3 on warnings, too, and send nothing
    #[arg(long)]
    deny_warnings: bool,
    /// Leave as soon as the hub has the job
    #[arg(long, conflicts_with = "wait_timeout")]
    no_wait: bool,
    /// Leave after so long, with exit 8; the job goes on [default: wait to the end]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait_timeout: Option<Duration>,
    /// How to write to stdout: a table at the end, or one JSON event a line
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
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
    let Some(manifests) = valid_manifests(&args.paths, deny(args.deny_warnings), printer)? else {
        return Ok(Exit::InvalidManifest);
    };
    if args.local.local {
        let local = args.local.start(&manifests, &args.hub, printer).await?;
        let settings = args.settings(Pace::local(), HubLife::WithCommand);
        let applied = apply_with(local.client(), &manifests, settings, printer).await;
        local.stop().await;
        return applied;
    }
    let client = args.hub.client(printer)?;
    let pace = pace_for(client.host_name());
    let settings = args.settings(pace, HubLife::Lasting);
    apply_with(client, &manifests, settings, printer).await
}

impl ApplyArgs {
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

/// Whether warnings stop a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warnings {
    /// They are shown.
    Show,
    /// They count like errors.
    Deny,
}

fn deny(deny_warnings: bool) -> Warnings {
    if deny_warnings { Warnings::Deny } else { Warnings::Show }
}

/// Reads every manifest and shows every problem; `None` when any of them is in the way.
///
/// # Errors
/// Exit 2 when a path names nothing that can be read.
pub fn valid_manifests(
    paths: &[PathBuf],
    warnings: Warnings,
    printer: &Printer,
) -> Result<Option<Vec<Manifest>>, Failure> {
    let loaded = manifest::load(paths, io::stdin().lock()).map_err(|error| unreadable(&error))?;
    problems::show(&loaded, printer);
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
    printer: &Printer,
) -> Result<Exit, Failure> {
    let Some(steps) = steps(manifests, settings.options.hub, printer) else {
        return Ok(Exit::InvalidManifest);
    };
    let clock = Clock::system();
    let watched = Watched::new(settings.output, &clock, printer);
    let context = Context::new(hub, equipment(settings.pace, settings.options, &clock, watched.events.clone()));
    watched
        .until_done(async move |stop| {
            let located = tokio::select! {
                located = locate(&context, steps, settings.rerun) => located,
                () = stop.cancelled() => return Exit::Interrupted,
            };
            let problems = refused_starts(manifests, &located, &clock);
            if !problems.is_empty() {
                problems::show(&Loaded { problems, ..Loaded::default() }, printer);
                printer.failure(&Failure::new(Exit::InvalidManifest, "nothing was sent: a start is out of reach"));
                return Exit::InvalidManifest;
            }
            for run_id in ended_before(&located) {
                printer.say(&format!("{run_id}: has ended before, so nothing is sent; --rerun runs it again"));
            }
            exit_of_runs(&carry_out(&context, located, &stop).await)
        })
        .await
}

/// Makes the manifests' steps; `None` when one of them fits no job, which is then said.
fn steps(manifests: &[Manifest], hub: HubLife, printer: &Printer) -> Option<Vec<Step>> {
    let (mut steps, mut refused) = (Vec::with_capacity(manifests.len()), false);
    for manifest in manifests {
        match plan::build(manifest) {
            Ok(step) if hub == HubLife::WithCommand && step.start.is_some() => {
                printer.say(&format!("{}: starts at once, since the local hub ends with this command", step.name));
                steps.push(step.starting_at_once());
            }
            Ok(step) => steps.push(step),
            Err(error) => {
                printer.failure(&Failure::new(Exit::InvalidManifest, error.to_string()));
                refused = true;
            }
        }
    }
    (!refused).then_some(steps)
}

/// Runs that are only reported, since the hub has carried them out already.
fn ended_before(located: &[Located]) -> impl Iterator<Item = String> {
    let is_over =
        |job: &JobResponse| matches!(job.status, JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled);
    let over = located.iter().filter(move |run| matches!(&run.found, Ok(Found::Job(job)) if is_over(job)));
    over.map(|run| run.step.run_id.to_string())
}

/// Starts that new runs cannot have, each at its place. `manifests` and `located` run in parallel.
fn refused_starts(manifests: &[Manifest], located: &[Located], clock: &Clock) -> Vec<Problem> {
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

/// What runs need besides their steps.
pub(super) fn equipment(pace: Pace, options: Options, clock: &Clock, events: Events) -> Equipment {
    Equipment { pace, clock: clock.clone(), rng: Rng::from_entropy(), events, options }
}

/// Runs whose events are reported until all of them are gone or the user insists.
pub(super) struct Watched {
    pub(super) events: Events,
    receiver: mpsc::Receiver<RunEvent>,
    reporters: Vec<Box<dyn Reporter>>,
    clock: Clock,
}

impl Watched {
    pub(super) fn new(output: OutputFormat, clock: &Clock, printer: &Printer) -> Self {
        let (events, receiver) = event_channel(clock.clone());
        Self { events, receiver, reporters: reporters(output, printer), clock: clock.clone() }
    }

    /// Does the work and reports it. The first signal cancels the work's token, the second leaves at once.
    ///
    /// The work must drop every sender of events when it is done.
    ///
    /// # Errors
    /// [`Failure`] when signals cannot be listened to.
    pub(super) async fn until_done<W>(self, work: impl FnOnce(CancellationToken) -> W) -> Result<Exit, Failure>
    where
        W: Future<Output = Exit>,
    {
        let Self { events, receiver, mut reporters, clock } = self;
        let mut signals = StopSignals::listen()
            .map_err(|error| Failure::unexpected(format!("signals cannot be listened to: {error}")))?;
        let stop = CancellationToken::new();
        let work = work(stop.clone());
        drop(events);
        let reported = async { tokio::join!(work, deliver(receiver, &mut reporters, &clock)).0 };
        let insisted = async {
            signals.recv().await;
            stop.cancel();
            signals.recv().await;
        };
        tokio::select! {
            exit = reported => Ok(exit),
            () = insisted => Ok(Exit::Interrupted),
        }
    }
}

/// Who reports: somebody for people on stderr, and what was asked for on stdout.
fn reporters(output: OutputFormat, printer: &Printer) -> Vec<Box<dyn Reporter>> {
    let paint = |colours: bool| if colours { Paint::Colours } else { Paint::Plain };
    let people: Box<dyn Reporter> = if printer.is_interactive() {
        Box::new(Bars::new(printer.bars(), paint(printer.colours_stderr()), Aloud(printer.clone())))
    } else {
        Box::new(Lines::new(Aloud(printer.clone())))
    };
    let stdout = printer.clone();
    let data: crate::report::Data = Box::new(move |line| stdout.data(line));
    let programs: Box<dyn Reporter> = match output {
        OutputFormat::Json => Box::new(JsonLines::new(data)),
        OutputFormat::Text => Box::new(Summary::new(data, printer.width(), paint(printer.colours_stdout()))),
    };
    // The last screen comes below the bars.
    vec![people, programs]
}

/// The printer as the reporters' voice.
struct Aloud(Printer);

impl Voice for Aloud {
    fn say(&self, line: &str) {
        self.0.say(line);
    }

    fn warn(&self, line: &str) {
        self.0.warn(line);
    }

    fn fail(&self, message: &str, hints: &[String]) {
        let failure = Failure { exit: Exit::Unexpected, message: message.to_owned(), hints: hints.to_vec() };
        self.0.failure(&failure);
    }
}

/// The exit of all runs together.
pub(super) fn exit_of_runs(ended: &[Ended]) -> Exit {
    let exits: Vec<Exit> = ended.iter().map(|ended| exit_of(ended.verdict)).collect();
    Exit::of_runs(&exits)
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Done => Exit::Success,
        Verdict::Unexpected => Exit::Unexpected,
        Verdict::Usage => Exit::Usage,
        Verdict::NotPermitted => Exit::NotPermitted,
        Verdict::HubUnavailable => Exit::HubUnavailable,
        Verdict::DevicesFailed => Exit::DevicesFailed,
        Verdict::Stopped => Exit::Stopped,
        Verdict::StillRunning => Exit::StillRunning,
        Verdict::Interrupted => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_the_process_end_with_the_same_codes() {
        for verdict in Verdict::ALL {
            assert_eq!(exit_of(verdict).code(), verdict.exit_code(), "{verdict:?}");
        }
    }

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
