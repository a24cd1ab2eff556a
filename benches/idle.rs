//! The idle bench: a hub in one process, fifteen thousand TLS connections from here that say nothing more.
//!
//! `cargo bench --bench idle` runs it; `cargo bench --bench idle -- 2000` takes another number of connections.
//! It prints how long they took to make, what each costs the hub, and what a new caller waits beside them.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at what fails")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iotjob::tls::{ClientConfig, ServerName, TrustAnchors, client_config};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// As many as fit where a process may open 20,000 files.
const CONNECTIONS_DEFAULT: usize = 15_000;
/// Handshakes under way at a time.
const AT_ONCE: usize = 64;
const CALLS: u32 = 100;

/// A child that is gone when the bench is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() {
    let number = std::env::args().filter_map(|arg| arg.parse::<usize>().ok()).next();
    // Under `cargo test --all-targets` a bench is only to compile.
    if std::env::args().any(|arg| arg == "--test") || (cfg!(debug_assertions) && number.is_none()) {
        return;
    }
    let number = number.unwrap_or(CONNECTIONS_DEFAULT);
    let files = rlimit::increase_nofile_limit(number as u64 + 512).unwrap();
    assert!(files > number as u64, "this process may open {files} files only");
    let dir = tempfile::tempdir().unwrap();
    let ready_file = dir.path().join("ready.json");
    let hub = start_hub(dir.path(), &ready_file);
    let ready: Value = serde_json::from_str(&fs::read_to_string(&ready_file).unwrap()).unwrap();
    let port = u16::try_from(ready["httpsPort"].as_u64().unwrap()).unwrap();
    let ca = fs::read(ready["caFile"].as_str().unwrap()).unwrap();
    let tls = Arc::new(client_config(&TrustAnchors::Pem(ca)).unwrap());

    let alone = call(&tls, port).await;
    let before = resident_bytes(hub.0.id());
    let connecting = Instant::now();
    let mut idle = Vec::with_capacity(number);
    let mut dialling = JoinSet::new();
    while idle.len() < number {
        while dialling.len() < AT_ONCE && idle.len() + dialling.len() < number {
            dialling.spawn(dial(Arc::clone(&tls), port));
        }
        idle.push(dialling.join_next().await.unwrap().unwrap());
    }
    let connected = connecting.elapsed();
    let beside = call(&tls, port).await;
    let after = resident_bytes(hub.0.id());
    // The oldest and the newest still stand: each takes a request.
    for connection in [0, number - 1] {
        ask(&mut idle[connection]).await;
    }

    println!("idle connections                     {number}");
    println!(
        "made in                              {connected:.2?}  ({:.0}/s)",
        number as f64 / connected.as_secs_f64()
    );
    println!(
        "hub, for each                        {:.1} KiB",
        (after.saturating_sub(before)) as f64 / 1024.0 / number as f64
    );
    println!("a new caller's answer, alone         {alone:.2?}");
    println!("a new caller's answer, beside them   {beside:.2?}");
}

fn start_hub(dir: &Path, ready_file: &Path) -> Ended {
    let mut hub = Ended(
        Command::new(env!("CARGO_BIN_EXE_iotjob"))
            .args(["hub", "--https-port", "0", "--mqtt-port", "0", "--quiet", "--ready-file"])
            .arg(ready_file)
            .env("HOME", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    // Its first word comes when it listens and the ready file lies there.
    let mut lines = BufReader::new(hub.0.stdout.take().unwrap()).lines();
    lines.next().expect("the hub starts").unwrap();
    // The rest of what it says must not meet a closed pipe.
    std::thread::spawn(move || lines.count());
    hub
}

async fn dial(tls: Arc<ClientConfig>, port: u16) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    TlsConnector::from(tls).connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// What a caller waits from dialling to its answer, on average.
async fn call(tls: &Arc<ClientConfig>, port: u16) -> Duration {
    let calling = Instant::now();
    for _ in 0..CALLS {
        ask(&mut dial(Arc::clone(tls), port).await).await;
    }
    calling.elapsed() / CALLS
}

/// Resident memory of a process; 0 where the system has no `/proc`.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
