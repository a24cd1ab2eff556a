//! What a person or a script waits for: a list, a hub that listens; and how large an idle hub and the binary are.

use std::fs;

use crate::figures::{Figures, mebi, median, paces};
use crate::processes::{Hub, binary, timed};

const RUNS: usize = 21;
const LIST_LIMIT_MS: f64 = 20.0;
const READY_LIMIT_MS: f64 = 25.0;
const IDLE_LIMIT_MIB: f64 = 13.0;
const BINARY_LIMIT_MB: f64 = 25.0;

pub(crate) fn run(figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    // The first makes the CA, which the others find.
    drop(Hub::start(dir.path(), &[]));
    let ready: Vec<_> = (0..RUNS).map(|_| Hub::start(dir.path(), &[]).start).collect();
    let hub = Hub::start(dir.path(), &[]);
    let idle = hub.process.resident_bytes();
    let version: Vec<_> = (0..RUNS).map(|_| timed(&mut hub.command(&["--version"]))).collect();
    let list: Vec<_> = (0..RUNS).map(|_| timed(&mut hub.command(&["list"]))).collect();

    figures.show("a process that only starts: --version", paces(1, &version));
    figures.show("list, exec to exit", paces(1, &list));
    figures.show_limited("list", median(&list).as_secs_f64() * 1e3, LIST_LIMIT_MS, "ms");
    figures.show("hub with its CA there, exec to ready", paces(1, &ready));
    figures.show_limited("hub, ready", median(&ready).as_secs_f64() * 1e3, READY_LIMIT_MS, "ms");
    figures.show_limited("hub, idle memory", idle as f64 / (1024.0 * 1024.0), IDLE_LIMIT_MIB, "MiB");
    let binary = fs::metadata(binary()).unwrap().len();
    figures.show("binary", mebi(binary));
    figures.show_limited("binary", binary as f64 / 1e6, BINARY_LIMIT_MB, "MB");
}
