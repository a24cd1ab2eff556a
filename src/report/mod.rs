//! Run events in, output out: one file a format.
//!
//! A reporter hears every event in order and writes through what the command line gave it; it never sees a hub. A new
//! format is a new file here with a [`Reporter`] in it, and one line where the command chooses its reporters.

mod bars;
mod jsonl;
mod layout;
mod lines;
mod plan_markdown;
mod plan_text;
mod roster;
mod table;
mod words;

pub use bars::Bars;
pub use jsonl::JsonLines;
pub use lines::Lines;
pub use plan_markdown::plan_markdown;
pub use plan_text::plan_lines;
pub use table::{Paint, Summary};

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
