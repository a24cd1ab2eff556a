//! Hub engine, MQTT sessions, HTTP API, fifty devices and the runner in one thread, on a paused clock, under faults that a
//! seed plans: answers are lost and late, calls throttled, frames cut in half, lines break and stall, the hub is killed
//! between write and commit and runners at any moment. What was acknowledged must stay, versions only grow, no method is
//! delivered twice, every target has one outcome, counts add up, and a run that was resumed ends like one that was not.
//!
//! `cargo test --locked --test sim` runs some dozens of seeds. `IOTJOB_SEED=17` replays one and prints what happened;
//! `IOTJOB_SEEDS=2000` runs that many.

mod chance;
mod disk;
mod faults;
mod fleet;
mod hub;
mod ledger;
mod line;
mod runner;
mod steps;
mod wire;
mod world;

use std::env;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use world::{Constants, Verdict, simulate};

/// Seeds of an ordinary run.
const SEEDS: u64 = 40;
/// Lines of the trace that a failure shows.
const LAST_LINES: usize = 40;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Simulates a seed; what went wrong, if anything.
fn failure_of(seed: u64, constants: &Constants) -> Option<String> {
    let Verdict { violations, trace, .. } = match catch_unwind(AssertUnwindSafe(|| simulate(seed, constants))) {
        Ok(verdict) => verdict,
        Err(_) => return Some(format!("seed {seed}: a panic, see above")),
    };
    let asked_for = env::var_os("IOTJOB_SEED").is_some();
    let shown = if asked_for { trace.len() } else { LAST_LINES.min(trace.len()) };
    let story = trace[trace.len() - shown..].join("\n");
    if violations.is_empty() {
        if asked_for {
            show(&story);
        }
        return None;
    }
    Some(format!("seed {seed}:\n{story}\n=> {}", violations.join("\n=> ")))
}

#[expect(clippy::print_stdout, reason = "a replay is asked for to be read")]
fn show(story: &str) {
    println!("{story}");
}

/// Runs seeds on all cores, each whole in one thread; the failures.
fn failures(seeds: RangeInclusive<u64>) -> Vec<String> {
    let constants = Constants::new();
    let (next, failed) = (AtomicU64::new(*seeds.start()), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > *seeds.end() {
                        return;
                    }
                    if let Some(failure) = failure_of(seed, &constants) {
                        failed.lock().expect("nobody panics with it").push((seed, failure));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort();
    failed.into_iter().map(|(_, failure)| failure).collect()
}

#[test]
fn whatever_fails_every_promise_is_kept() {
    let seeds = match number("IOTJOB_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("IOTJOB_SEEDS").unwrap_or(SEEDS),
    };
    let failures = failures(seeds);
    assert!(
        failures.is_empty(),
        "{}\n{} seeds failed; replay one with IOTJOB_SEED=N cargo test --locked --test sim",
        failures.join("\n\n"),
        failures.len()
    );
}

#[test]
fn a_seed_replays() {
    let constants = Constants::new();
    for seed in [3, 116] {
        let (first, second) = (simulate(seed, &constants), simulate(seed, &constants));
        let parted = first.trace.iter().zip(&second.trace).position(|(first, second)| first != second);
        let at = parted.map(|line| (&first.trace[line], &second.trace[line]));
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed} parts at line {parted:?}: {at:?}");
    }
}
