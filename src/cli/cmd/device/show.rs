//! What is seen of devices that run: a story of few, figures of a crowd, events for programs, and a summary at the end.

use std::sync::Arc;
use std::time::Duration;

use super::Why;
use super::lines::{Lines, NAMED_MAX};
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::device::{DeviceConfig, DeviceEvent, Hears};
use crate::model::Clock;
use crate::model::limits::FLEET_HEARTBEAT_S;
use crate::report::{FleetPicture, FleetScreen, FleetWatch, GroupPicture, Paint, Rates, heartbeat, summary_lines};

/// Shows devices that run.
pub(super) struct Show {
    lines: Lines,
    crowd: Option<CrowdView>,
    watch: Arc<FleetWatch>,
    printer: Printer,
    /// How devices stood when they were told to stop.
    at_the_stop: Option<FleetPicture>,
}

/// What so many devices must tell for what is shown of them: of a crowd, figures are shown, which nobody has to tell.
pub(super) fn hears(format: OutputFormat, devices: usize) -> Hears {
    match format {
        OutputFormat::Text if devices > NAMED_MAX => Hears::ComingAndGoing,
        OutputFormat::Text | OutputFormat::Json => Hears::Everything,
    }
}

/// How a crowd is seen while it runs.
enum CrowdView {
    Screen(FleetScreen),
    Heartbeat { rates: Rates, next: Duration },
}

impl Show {
    pub(super) fn new(
        printer: &Printer,
        format: OutputFormat,
        devices: &[DeviceConfig],
        watch: Arc<FleetWatch>,
        clock: Clock,
    ) -> Self {
        let lines = Lines::new(printer.clone(), format, devices.len(), clock);
        lines.introduce(devices);
        let paint = if printer.colours_stderr() { Paint::Colours } else { Paint::Plain };
        let crowd = (devices.len() > NAMED_MAX).then(|| match printer.is_interactive() {
            true => CrowdView::Screen(FleetScreen::new(&printer.bars(), paint)),
            false => CrowdView::Heartbeat { rates: Rates::default(), next: Duration::from_secs(FLEET_HEARTBEAT_S) },
        });
        Self { lines, crowd, watch, printer: printer.clone(), at_the_stop: None }
    }

    /// Tells what happened; data waits for [`Show::flush`].
    pub(super) fn tell(&mut self, event: &DeviceEvent) {
        self.watch.note_online();
        self.lines.tell(event);
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        self.lines.flush();
    }

    /// Shows how the devices stand now; called a few times a second.
    pub(super) fn tick(&mut self) {
        let Some(crowd) = &mut self.crowd else { return };
        match crowd {
            CrowdView::Screen(screen) => screen.draw(&self.watch.picture()),
            CrowdView::Heartbeat { rates, next } => {
                let picture = self.watch.picture();
                rates.take_in(&picture);
                if picture.elapsed >= *next {
                    *next = picture.elapsed + Duration::from_secs(FLEET_HEARTBEAT_S);
                    self.printer.say(&heartbeat(&picture, rates));
                }
            }
        }
    }

    /// Whether the fleet wants every device that is left to stay away.
    pub(super) fn stays_offline(&self) -> bool {
        self.watch.picture().total().figures.stay_offline > 0
    }

    /// Notices that the devices are told to stop.
    pub(super) fn stop(&mut self, why: &Why) {
        self.lines.flush();
        self.at_the_stop = Some(self.watch.picture());
        if let Some(CrowdView::Screen(screen)) = &self.crowd {
            screen.clear();
        }
        if matches!(why, Why::Wanted) {
            self.printer.say("stopping");
        }
    }

    /// Says what it all came to.
    pub(super) fn finish(&mut self) {
        self.lines.flush();
        let last = self.watch.picture();
        let summary = match self.at_the_stop.take() {
            Some(at_the_stop) => standing_as(last, at_the_stop),
            None => last,
        };
        summary_lines(&summary).iter().for_each(|line| self.printer.say(line));
        self.lines.summarise(&summary);
    }
}

/// The last picture, in which nobody is left, with devices where they stood before they were told to stop.
fn standing_as(mut last: FleetPicture, before: FleetPicture) -> FleetPicture {
    for (group, before) in last.groups.iter_mut().zip(before.groups) {
        let GroupPicture { figures: stood, .. } = before;
        let figures = &mut group.figures;
        figures.connecting = stood.connecting;
        figures.online = stood.online;
        figures.waiting = stood.waiting;
        figures.stay_offline = stood.stay_offline;
        figures.gave_up = stood.gave_up;
    }
    FleetPicture { elapsed: before.elapsed, ..last }
}
