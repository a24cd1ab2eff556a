//! A plan over many twins, from exec to exit, beside a client that fetches the same pages and throws them away.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bare_pages::fetch_and_forget;
use crate::doors::fill;
use crate::figures::{Figures, mebi, median_ratio, paces};
use crate::processes::{Ended, Hub};

const ROUNDS: usize = 7;
const LIMIT: f64 = 1.5;
const LOOK_EVERY: Duration = Duration::from_millis(5);
const MANIFEST: &str = "type: scheduleUpdateTwin\nquery: tags.fleet = 'doors'\npatch: { tags: { floor: 3 } }\n";
/// What a plan of it asks the hub for.
const QUERY: &str = "SELECT deviceId, connectionState, tags FROM devices WHERE tags.fleet = 'doors'";

pub(crate) async fn run(twins: usize, figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fill(&data, twins);
    let manifest = dir.path().join("floor.yaml");
    fs::write(&manifest, MANIFEST).unwrap();
    let hub = Hub::start(dir.path(), &["--data", data.to_str().unwrap()]);

    let (mut bare, mut plans, mut peak, mut pages) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..ROUNDS {
        let fetched = fetch_and_forget(&hub, QUERY).await;
        pages = fetched.1;
        bare.push(fetched.0);
        let (took, memory) = plan(&hub, manifest.to_str().unwrap());
        peak = memory.max(peak);
        plans.push(took);
    }
    figures.show("twins", format!("{twins}, {pages} pages"));
    figures.show("bare client, the same pages", paces(twins, &bare));
    figures.show("plan, exec to exit", paces(twins, &plans));
    figures.show("plan, most resident memory", mebi(peak));
    figures.show_limited("plan, of the bare client", median_ratio(&plans, &bare), LIMIT, "x");
}

/// From exec to exit, and the most memory.
fn plan(hub: &Hub, manifest: &str) -> (Duration, u64) {
    let began = Instant::now();
    let mut process = Ended::spawn(hub.command(&["plan", manifest, "--quiet"]).stdout(Stdio::null()));
    let mut peak = 0;
    let status = loop {
        peak = process.peak_bytes().max(peak);
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    assert!(status.success(), "plan ended with {status}");
    (began.elapsed(), peak)
}
