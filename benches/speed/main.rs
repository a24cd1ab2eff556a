//! The speed benches: what a piece of work takes beside what the same work takes bare, in one run, against its limit.
//!
//! `cargo bench --bench speed` names the topics, `cargo bench --bench speed -- methods` runs one, and
//! `cargo bench --bench speed -- methods 2000` runs it at another size. A ratio above its limit is said and ends the
//! command with 1. Both sides of a ratio take turns, so that a noisy machine is noisy to both; compare ratios between
//! machines, never times. `IOTJOB_BINARY` names another binary to measure, such as a released one.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at what fails")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod bare_devices;
mod bare_hub;
mod bare_pages;
mod connections;
mod doors;
mod figures;
mod fleet;
mod idle;
mod manifests;
mod methods;
mod plan;
mod processes;
mod start;
mod store;

use std::process::ExitCode;

use figures::Figures;

const TOPICS: &str = "\
cargo bench --bench speed -- TOPIC [N]

methods      a method job over N connected devices (10,000), beside a bare ping-pong of the same bytes
connections  N connections to the hub (5,000), beside bare TLS handshakes
store        scans and twin jobs over N twins on the disk (1,000,000), beside the database alone
validate     N manifests (1,000), beside other checkers that are installed
plan         a plan over N twins (100,000), beside a client that fetches the same pages and throws them away
start        from exec to a list, from exec to a hub that listens, idle memory, size of the binary
fleet        N devices in one process (1,000, 4,000 and 16,000): memory and time at both ends
fleet N --restart   the same through a method job, a twin job, the hub's kill -9 and restart, and another job
idle         N connections that say nothing (15,000), and what a new caller waits beside them";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (topic, rest) = args.split_first().map_or(("", &[][..]), |(topic, rest)| (topic.as_str(), rest));
    if topic == bare_devices::ROLE {
        bare_devices::play(rest).await;
        return ExitCode::SUCCESS;
    }
    let size = rest.iter().filter_map(|arg| arg.replace([',', '_'], "").parse::<usize>().ok()).next();
    let mut figures = Figures::new();
    match topic {
        "methods" => methods::run(size.unwrap_or(10_000), &mut figures).await,
        "connections" => connections::run(size.unwrap_or(5_000), &mut figures).await,
        "store" => store::run(size.unwrap_or(1_000_000), &mut figures).await,
        "validate" => manifests::run(size.unwrap_or(1_000), &mut figures),
        "plan" => plan::run(size.unwrap_or(100_000), &mut figures).await,
        "start" => start::run(&mut figures),
        "fleet" if rest.iter().any(|arg| arg == "--restart") => {
            fleet::run_with_restart(size.unwrap_or(15_000), &mut figures).await;
        }
        "fleet" => fleet::run(size.as_ref().map_or(&[1_000, 4_000, 16_000], std::slice::from_ref), &mut figures).await,
        "idle" => idle::run(size.unwrap_or(15_000), &mut figures).await,
        // Under `cargo test --all-targets` a bench is only to compile.
        _ => println!("{TOPICS}"),
    }
    figures.verdict()
}
