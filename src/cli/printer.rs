//! The only place that writes to stdout and stderr: data to the one, words to the other.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, OnceLock};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::failure::Failure;
use super::global_args::{ColorChoice, GlobalArgs};
use crate::report::Pipeline;

/// Columns assumed where there is no terminal to ask.
const WIDTH_WITHOUT_TERMINAL: usize = 100;

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Volume {
    Quiet,
    Normal,
}

/// Writes what commands have to say. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Printer {
    volume: Volume,
    colour: Colour,
    stderr_is_terminal: bool,
    /// Why stdout takes nothing more, once it does not.
    stdout_end: Arc<OnceLock<io::Error>>,
    /// The bars on the screen: they make room for every line.
    bars: MultiProgress,
    /// Who reads along, and takes some lines for commands.
    pipeline: Option<Pipeline>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour {
    stdout: bool,
    stderr: bool,
}

impl Printer {
    /// Decides colour and volume from the flags and the environment.
    #[must_use]
    pub fn from_args(args: &GlobalArgs) -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour_on = |is_terminal: bool| match args.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !no_color,
        };
        let volume = if args.quiet { Volume::Quiet } else { Volume::Normal };
        let is_interactive = stderr_is_terminal && volume == Volume::Normal;
        let target = if is_interactive { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            volume,
            colour: Colour { stdout: colour_on(io::stdout().is_terminal()), stderr: colour_on(stderr_is_terminal) },
            stderr_is_terminal,
            stdout_end: Arc::default(),
            bars: MultiProgress::with_draw_target(target),
            pipeline: Pipeline::detect(|name| std::env::var(name).ok()),
        }
    }

    /// Writes a line of data to stdout. When that fails, nothing more is written; see [`Printer::data_lost`].
    pub fn data(&self, line: &str) {
        if self.stdout_end.get().is_some() {
            return;
        }
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{}", self.disarmed(line)).and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            // Whoever was first has said why.
            let _ = self.stdout_end.set(error);
        }
    }

    /// Why data could not be written. A reader that has gone (`| head`) has what it wanted: nothing is lost then.
    #[must_use]
    pub fn data_lost(&self) -> Option<&io::Error> {
        self.stdout_end.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Says something to the person at the terminal; `--quiet` silences it.
    pub fn say(&self, line: &str) {
        if self.volume == Volume::Normal {
            self.stderr_line(line);
        }
    }

    /// Warns; `--quiet` does not silence it.
    pub fn warn(&self, line: &str) {
        let label = self.paint("warning", "1;33");
        self.stderr_line(&format!("{label}: {line}"));
    }

    /// Writes a line to stderr whatever the volume.
    pub fn stderr_line(&self, line: &str) {
        self.pipeline_command(&self.disarmed(line));
    }

    /// Writes a line to stderr that the CI system may take for a command.
    pub fn pipeline_command(&self, line: &str) {
        // There is nobody left to tell when stderr is gone.
        let _ = self.bars.suspend(|| writeln!(io::stderr().lock(), "{line}"));
    }

    /// The CI system that reads along.
    #[must_use]
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.pipeline.as_ref()
    }

    /// What devices and manifests say must not become a command for the CI system.
    fn disarmed<'l>(&self, line: &'l str) -> Cow<'l, str> {
        self.pipeline.as_ref().map_or(Cow::Borrowed(line), |pipeline| pipeline.disarmed(line))
    }

    /// Writes to stderr, above what is drawn there.
    ///
    /// # Errors
    /// What the system says.
    pub fn stderr_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        match self.pipeline {
            Some(_) => {
                let text = String::from_utf8_lossy(bytes);
                let disarmed = self.disarmed(&text);
                self.bars.suspend(|| io::stderr().lock().write_all(disarmed.as_bytes()))
            }
            None => self.bars.suspend(|| io::stderr().lock().write_all(bytes)),
        }
    }

    /// Shows a failure with its hints.
    pub fn failure(&self, failure: &Failure) {
        let label = self.paint("error", "1;31");
        self.stderr_line(&format!("{label}: {failure}"));
        let label = self.paint("hint", "1;36");
        for hint in &failure.hints {
            self.stderr_line(&format!("{label}: {hint}"));
        }
    }

    /// Whether text on stdout may be coloured.
    #[must_use]
    pub fn colours_stdout(&self) -> bool {
        self.colour.stdout
    }

    /// Whether text on stderr may be coloured.
    #[must_use]
    pub fn colours_stderr(&self) -> bool {
        self.colour.stderr
    }

    /// Whether a person watches stderr, so that bars make sense.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.stderr_is_terminal && self.volume == Volume::Normal
    }

    /// The screen for progress bars: stderr on a terminal, nowhere otherwise. Every line of this printer goes above
    /// what is drawn there.
    #[must_use]
    pub fn bars(&self) -> MultiProgress {
        self.bars.clone()
    }

    /// Columns of the terminal, or 100 where there is none.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.stderr_is_terminal { usize::from(console::Term::stderr().size().1) } else { WIDTH_WITHOUT_TERMINAL }
    }

    fn paint(&self, text: &str, sgr: &str) -> String {
        if self.colour.stderr { format!("\u{1b}[{sgr}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
