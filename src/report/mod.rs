//! Run events in, output out: one file a format; and what people and programs see of a fleet.
//!
//! A reporter hears every event in order and writes through what the command line gave it; it never sees a hub. What is
//! shown while it happens is a file here with a [`Reporter`] in it, and one line where the command chooses its
//! reporters. What is written when all is over is made of an [`Account`]: a file with a rendering of it, and a line in
//! [`ReportFormat`].

mod account;
mod bars;
mod ci;
mod csv;
mod events_schema;
mod fleet;
mod groups;
mod json;
mod jsonl;
mod junit;
mod layout;
mod lines;
mod markdown;
mod plan_markdown;
mod plan_text;
mod roster;
mod stream;
mod table;
mod words;

pub use account::{Account, Planned, RunAccount};
pub use bars::Bars;
pub use ci::{Pipeline, upload_summary};
pub use events_schema::{events_schema, events_schema_text};
pub use fleet::{
    FleetPicture, FleetScreen, FleetWatch, GroupPicture, Rates, WatchedGroup, heartbeat, openmetrics, summary_json,
    summary_lines,
};
pub use jsonl::{JsonLines, inert};
pub use lines::Lines;
pub use markdown::text as markdown_text;
pub use plan_markdown::plan_markdown;
pub use plan_text::plan_lines;
pub use stream::{StreamError, Tail, read_events};
pub use table::{Paint, Summary};

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::model::Clock;
use crate::run::RunEvent;

/// How often reporters are told that time passes.
const TICK: Duration = Duration::from_secs(1);

/// One form of output.
pub trait Reporter: Send {
    /// Takes in what happened.
    fn on(&mut self, event: &RunEvent);

    /// Notices that time has passed; for those who want to say that nothing happened.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Writes what is left to say: no event follows.
    fn finish(&mut self) {}
}

/// A reporter that somebody looks into afterwards.
impl<R: Reporter> Reporter for Arc<Mutex<R>> {
    fn on(&mut self, event: &RunEvent) {
        self.lock().unwrap_or_else(PoisonError::into_inner).on(event);
    }

    fn tick(&mut self, now: Timestamp) {
        self.lock().unwrap_or_else(PoisonError::into_inner).tick(now);
    }

    fn finish(&mut self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).finish();
    }
}

/// A form of report on runs that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// JUnit XML.
    Junit,
    /// RFC 4180.
    Csv,
    /// One JSON document.
    Json,
    /// GitHub's Markdown.
    Markdown,
}

impl ReportFormat {
    /// Every form, with the name that users know it by.
    pub const NAMED: [(&'static str, Self); 4] =
        [("junit", Self::Junit), ("csv", Self::Csv), ("json", Self::Json), ("markdown", Self::Markdown)];

    /// Writes the report.
    ///
    /// # Errors
    /// What the writer says.
    pub fn render(self, account: &Account, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Junit => junit::render(account, out),
            Self::Csv => csv::render(account, out),
            Self::Json => json::render(account, out),
            Self::Markdown => markdown::render(account, out),
        }
    }
}

/// Where reporters speak to people. The command line decides where that is and how loud.
pub trait Voice: Send {
    /// Says something.
    fn say(&self, line: &str);
    /// Warns.
    fn warn(&self, line: &str);
    /// Says what went wrong, and what to do about it.
    fn fail(&self, message: &str, hints: &[String]);
}

/// Where data goes, a line at a time.
pub type Data = Box<dyn Fn(&str) + Send>;

/// Gives every event to every reporter until the last run is gone.
pub async fn deliver(mut events: mpsc::Receiver<RunEvent>, reporters: &mut [Box<dyn Reporter>], clock: &Clock) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => reporters.iter_mut().for_each(|reporter| reporter.on(&event)),
                None => break,
            },
            _ = ticks.tick() => reporters.iter_mut().for_each(|reporter| reporter.tick(clock.now())),
        }
    }
    reporters.iter_mut().for_each(|reporter| reporter.finish());
}

#[cfg(test)]
mod sample;
