//! Figures on their way to the terminal: a line each, ratios with their limits.

use std::process::ExitCode;
use std::time::Duration;

/// Prints figures and remembers which limits were broken.
pub(crate) struct Figures {
    broken: Vec<String>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self { broken: Vec::new() }
    }

    pub(crate) fn show(&self, what: &str, figure: impl AsRef<str>) {
        println!("{what:<44} {}", figure.as_ref());
    }

    /// A figure that must stay within a limit.
    pub(crate) fn show_limited(&mut self, what: &str, figure: f64, limit: f64, unit: &str) {
        let verdict = if figure <= limit { "kept" } else { "BROKEN" };
        self.show(what, format!("{figure:.2} {unit}, limit {limit}: {verdict}"));
        if figure > limit {
            self.broken.push(what.to_owned());
        }
    }

    /// The same from a size on; what is fixed weighs more below it.
    pub(crate) fn show_limited_from(
        &mut self,
        (size, from): (usize, usize),
        what: &str,
        figure: f64,
        (limit, unit): (f64, &str),
    ) {
        if size < from {
            self.show(what, format!("{figure:.2} {unit}"));
        } else {
            self.show_limited(what, figure, limit, unit);
        }
    }

    /// Tells which limits were broken, if any.
    pub(crate) fn verdict(&self) -> ExitCode {
        if self.broken.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\nlimits broken: {}", self.broken.join(", "));
        ExitCode::FAILURE
    }
}

/// The middle one: a lucky or unlucky run does not move it.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The ratio of runs that took turns, pair by pair: a machine that slows down does so to both of a pair.
pub(crate) fn median_ratio(these: &[Duration], those: &[Duration]) -> f64 {
    let mut ratios: Vec<f64> = these.iter().zip(those).map(|(&this, &that)| ratio(this, that)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

pub(crate) fn ratio(this: Duration, that: Duration) -> f64 {
    this.as_secs_f64() / that.as_secs_f64()
}

/// A time and what it makes a second.
pub(crate) fn pace(count: usize, time: Duration) -> String {
    if time.is_zero() {
        // The hub's clock stands still while its engine takes a turn.
        return "within one turn of the hub".to_owned();
    }
    format!("{time:.2?} ({:.0}/s)", count as f64 / time.as_secs_f64())
}

/// The median of several times, its pace, and between what they lay.
pub(crate) fn paces(count: usize, times: &[Duration]) -> String {
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    format!("{}, of {} from {least:.2?} to {most:.2?}", pace(count, median(times)), times.len())
}

pub(crate) fn mebi(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

/// KiB for each of so many.
pub(crate) fn kibi_each(bytes: u64, count: usize) -> f64 {
    bytes as f64 / 1024.0 / count as f64
}
