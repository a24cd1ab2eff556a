//! Runs in front of an audience: their events reported, signals heard, their verdicts made the process's exit.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::exit::Exit;
use super::failure::Failure;
use super::output::OutputFormat;
use super::printer::Printer;
use super::report_args::ReportFiles;
use super::signals::StopSignals;
use crate::model::{Clock, Rng};
use crate::report::{Bars, Data, JsonLines, Lines, Paint, Reporter, Summary, Voice, deliver};
use crate::run::{Ended, Equipment, Events, Options, Pace, RunEvent, Verdict, event_channel};

/// What runs need besides their steps.
#[must_use]
pub fn equipment(pace: Pace, options: Options, clock: &Clock, events: Events) -> Equipment {
    Equipment { pace, clock: clock.clone(), rng: Rng::from_entropy(), events, options }
}

/// Runs whose events are reported until all of them are gone or the user insists.
pub struct Watched {
    /// Where runs say what happens.
    pub events: Events,
    receiver: mpsc::Receiver<RunEvent>,
    reporters: Vec<Box<dyn Reporter>>,
    answers: Answers,
    clock: Clock,
    printer: Printer,
}

impl Watched {
    /// Reports as `output` and `printer` say, and to `files` at the end.
    #[must_use]
    pub fn new(output: OutputFormat, files: ReportFiles, clock: &Clock, printer: &Printer) -> Self {
        let (events, receiver) = event_channel(clock.clone());
        let answers = Answers::new(files, printer);
        let mut reporters = reporters(output, printer);
        reporters.extend(answers.reporter());
        Self { events, receiver, reporters, answers, clock: clock.clone(), printer: printer.clone() }
    }

    /// Does the work and reports it. The first signal cancels the work's token, the second leaves at once; what is
    /// known by then is written in any case.
    ///
    /// The work must drop every sender of events when it is done.
    ///
    /// # Errors
    /// [`Failure`] when signals cannot be listened to.
    pub async fn until_done<W>(self, work: impl FnOnce(CancellationToken) -> W) -> Result<Exit, Failure>
    where
        W: Future<Output = Exit>,
    {
        let Self { events, receiver, mut reporters, answers, clock, printer } = self;
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
        let exit = tokio::select! {
            exit = reported => exit,
            () = insisted => Exit::Interrupted,
        };
        Ok(match answers.write(&clock) {
            Ok(()) => exit,
            Err(failure) => {
                printer.failure(&failure);
                Exit::of_runs(&[exit, failure.exit])
            }
        })
    }
}

/// Who reports: somebody for people on stderr, and what was asked for on stdout.
fn reporters(output: OutputFormat, printer: &Printer) -> Vec<Box<dyn Reporter>> {
    let people: Box<dyn Reporter> = if printer.is_interactive() {
        let screen = (printer.bars(), printer.width());
        Box::new(Bars::new(screen, paint(printer.colours_stderr()), Aloud(printer.clone())))
    } else {
        Box::new(Lines::new(Aloud(printer.clone())))
    };
    let programs: Box<dyn Reporter> = match output {
        OutputFormat::Json => Box::new(JsonLines::new(stdout(printer))),
        OutputFormat::Text => Box::new(summary(printer)),
    };
    // The last screen comes below the bars.
    vec![people, programs]
}

/// The last screen, on stdout.
#[must_use]
pub fn summary(printer: &Printer) -> Summary {
    Summary::new(stdout(printer), printer.width(), paint(printer.colours_stdout()))
}

fn stdout(printer: &Printer) -> Data {
    let printer = printer.clone();
    Box::new(move |line| printer.data(line))
}

fn paint(colours: bool) -> Paint {
    if colours { Paint::Colours } else { Paint::Plain }
}

/// The printer as the reporters' voice.
#[derive(Debug)]
pub struct Aloud(pub Printer);

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
#[must_use]
pub fn exit_of_runs(ended: &[Ended]) -> Exit {
    let exits: Vec<Exit> = ended.iter().map(|ended| exit_of(ended.verdict)).collect();
    Exit::of_runs(&exits)
}

/// The exit of a process whose only run ended so.
#[must_use]
pub fn exit_of(verdict: Verdict) -> Exit {
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
}
