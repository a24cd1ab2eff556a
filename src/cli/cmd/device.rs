//! `iotjob device`: one simulated device, or a fleet of them, in the foreground.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::behaviour::BehaviourArgs;
use self::crowd::CrowdArgs;
use self::show::Show;
use self::single::SingleArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::flag_value::{address_and_port, one_or_more};
use crate::cli::hub_target::{HubArgs, duration};
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::signals::StopSignals;
use crate::device::{
    DeviceConfig, DeviceEvent, DeviceEventKind, Fleet, FleetOptions, Hears, Listener, LossReason, Ramp,
};
use crate::model::limits::{DEVICE_EVENTS_PRINTED_MAX, FLEET_SCREEN_MS};
use crate::model::{Clock, Seed};
use crate::report::{FleetWatch, WatchedGroup};

mod behaviour;
mod crowd;
mod lines;
mod prune;
mod scrape;
mod show;
mod single;

/// Events that wait to be printed before devices wait for the printer.
const EVENTS_QUEUED_MAX: usize = 1_024;

/// What `device` takes.
#[derive(Debug, clap::Args)]
pub struct DeviceArgs {
    #[command(flatten)]
    single: SingleArgs,
    #[command(flatten)]
    crowd: CrowdArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
    #[command(flatten)]
    ending: EndingArgs,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    hub: HubArgs,
}

/// When to stop by itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For how long")]
struct EndingArgs {
    /// Stop after so long, counted from the first device's start [default: run until Ctrl-C]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "prune")]
    duration: Option<Duration>,
    /// Stop once so many method calls were answered
    #[arg(long, value_name = "CALLS", value_parser = one_or_more::<NonZeroU64>, conflicts_with = "prune")]
    stop_after: Option<NonZeroU64>,
}

/// What is seen of it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is shown")]
struct ShownArgs {
    /// How to write what happens to stdout: method calls and desired properties of up to ten devices as text, or every
    /// event of every device as JSON, with a summary at the end
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    /// Serve Prometheus metrics there at /metrics, in plain HTTP and without credentials; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address_and_port, conflicts_with = "prune")]
    metrics: Option<SocketAddr>,
}

/// Devices that are ready to be started.
struct Prepared {
    devices: Vec<DeviceConfig>,
    groups: Vec<WatchedGroup>,
    seed: Seed,
    ramp: Ramp,
}

/// Runs the command until Ctrl-C or SIGTERM, until its own end is reached, or until every device has given up.
///
/// # Errors
/// Exit 2 for what the arguments get wrong, 4 when the hub refuses every device, 5 when its certificate is not trusted.
pub async fn run(args: DeviceArgs, printer: &Printer) -> Result<Exit, Failure> {
    let mut signals = StopSignals::listen()
        .map_err(|error| Failure::unexpected(format!("signals cannot be listened for: {error}")))?;
    let prepared = async {
        if args.crowd.prune {
            return prune::run(&args.crowd, &args.hub, args.shown.output, printer).await.map(Begun::Done);
        }
        match args.crowd.is_wanted() {
            true => crowd::prepare(&args, printer).await,
            false => single::prepare(&args, printer),
        }
        .map(Begun::Ready)
    };
    let begun = tokio::select! {
        begun = prepared => begun?,
        () = signals.recv() => return Ok(interrupted(args.crowd.prune, printer)),
    };
    match begun {
        Begun::Done(exit) => Ok(exit),
        Begun::Ready(prepared) => run_devices(prepared, &args, signals, printer).await,
    }
}

/// What it means to be interrupted before devices run.
fn interrupted(while_pruning: bool, printer: &Printer) -> Exit {
    if !while_pruning {
        return Exit::Success;
    }
    printer.say("interrupted; what was deleted until now is gone, the rest is left");
    Exit::Interrupted
}

/// How far the command came before devices run.
enum Begun {
    /// There is nothing more to do.
    Done(Exit),
    /// Devices can be started.
    Ready(Prepared),
}

/// Why devices are stopped.
enum Why {
    /// Somebody, or the command line, wants it.
    Wanted,
    /// Every device has given up; the last words of one of them.
    AllGaveUp(Option<DeviceEvent>),
}

/// Runs devices to the end.
async fn run_devices(
    prepared: Prepared,
    args: &DeviceArgs,
    mut signals: StopSignals,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let clock = Clock::system();
    let watch = Arc::new(FleetWatch::new(prepared.groups, clock.clone()));
    let stop_metrics = CancellationToken::new();
    let _stopped_at_the_end = stop_metrics.clone().drop_guard();
    if let Some(address) = args.shown.metrics {
        scrape::serve(address, Arc::clone(&watch), stop_metrics, printer).await?;
    }
    let stop_after = args.ending.stop_after;
    let hears =
        if stop_after.is_some() { Hears::Everything } else { show::hears(args.shown.output, prepared.devices.len()) };
    let mut show = Show::new(printer, args.shown.output, &prepared.devices, Arc::clone(&watch), clock.clone());
    let (sender, mut events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let options = FleetOptions { clock, seed: prepared.seed, ramp: prepared.ramp };
    let fleet = Fleet::start(prepared.devices, options, Some(Listener { sender, hears }));

    let why = tokio::select! {
        why = watch_devices(&mut events, &mut show, stop_after) => why,
        () = signals.recv() => Why::Wanted,
        () = over(args.ending.duration) => Why::Wanted,
    };
    show.stop(&why);
    let farewell = async {
        let tell_the_rest = async {
            while let Some(event) = events.recv().await {
                show.tell(&event);
            }
        };
        tokio::join!(fleet.stop(), tell_the_rest);
    };
    tokio::select! {
        () = farewell => {}
        () = signals.recv() => {}
    }
    show.finish();
    match why {
        Why::Wanted => Ok(Exit::Success),
        Why::AllGaveUp(last) => Err(all_gave_up(last)),
    }
}

/// Shows what devices tell until so many calls were answered, or all of them are gone.
async fn watch_devices(
    events: &mut mpsc::Receiver<DeviceEvent>,
    show: &mut Show,
    stop_after: Option<NonZeroU64>,
) -> Why {
    let (mut last_words, mut answered, mut news, mut gone) = (None, 0, Vec::new(), false);
    let mut ticks = tokio::time::interval(Duration::from_millis(FLEET_SCREEN_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            count = events.recv_many(&mut news, DEVICE_EVENTS_PRINTED_MAX), if !gone => if count == 0 {
                if last_words.is_some() || !show.stays_offline() {
                    return Why::AllGaveUp(last_words);
                }
                // Nobody comes, because the fleet wants it so: whoever started it says for how long.
                gone = true;
            },
            _ = ticks.tick() => show.tick(),
        }
        for event in news.drain(..) {
            show.tell(&event);
            match event.kind {
                DeviceEventKind::MethodAnswered { .. } => answered += 1,
                DeviceEventKind::GaveUp { .. } => last_words = Some(event),
                _ => {}
            }
        }
        show.flush();
        if stop_after.is_some_and(|calls| answered >= calls.get()) {
            return Why::Wanted;
        }
    }
}

/// Waits for the end of a time; for ever without one.
async fn over(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn all_gave_up(last: Option<DeviceEvent>) -> Failure {
    let Some(DeviceEvent { id, kind: DeviceEventKind::GaveUp { reason } }) = last else {
        return Failure::unexpected("every device ended without a word");
    };
    let message = format!("`{id}` gave up: {reason}");
    match reason {
        LossReason::Refused(_) => Failure::new(Exit::NotPermitted, message)
            .hint("check that the device is registered and enabled, its key or certificate, and this machine's clock")
            .hint("the key of a policy needs the right DeviceConnect; the hub must trust the CA that issued a certificate"),
        _ => Failure::new(Exit::HubUnavailable, message),
    }
}
