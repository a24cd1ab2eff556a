//! Connections that say nothing: what each costs a hub, and what a new caller waits beside them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iotjob::tls::{ClientConfig, TrustAnchors, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::bare_devices::{AT_ONCE, dial, make_room};
use crate::figures::{Figures, kibi_each, pace};
use crate::processes::Hub;

const CALLS: u32 = 100;

pub(crate) async fn run(connections: usize, figures: &mut Figures) {
    make_room(connections);
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &[]);
    let port = hub.ready.https_port;
    let tls = Arc::new(client_config(&TrustAnchors::Pem(hub.ca_pem())).unwrap());

    let alone = call(&tls, port).await;
    let before = hub.process.resident_bytes();
    let connecting = Instant::now();
    let mut idle = Vec::with_capacity(connections);
    let mut dialling = JoinSet::new();
    while idle.len() < connections {
        while dialling.len() < AT_ONCE && idle.len() + dialling.len() < connections {
            dialling.spawn(dial(Arc::clone(&tls), port));
        }
        idle.push(dialling.join_next().await.unwrap().unwrap());
    }
    let connected = connecting.elapsed();
    let beside = call(&tls, port).await;
    let after = hub.process.resident_bytes();
    // The oldest and the newest still stand: each takes a request.
    for connection in [0, connections - 1] {
        ask(&mut idle[connection]).await;
    }
    figures.show("idle connections", connections.to_string());
    figures.show("made in", pace(connections, connected));
    figures.show("hub, for each", format!("{:.1} KiB", kibi_each(after.saturating_sub(before), connections)));
    figures.show("a new caller's answer, alone", format!("{alone:.2?}"));
    figures.show("a new caller's answer, beside them", format!("{beside:.2?}"));
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
        ask(&mut *dial(Arc::clone(tls), port).await).await;
    }
    calling.elapsed() / CALLS
}
