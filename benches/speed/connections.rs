//! Connections a second: TLS, CONNECT and CONNACK, beside bare TLS handshakes.

use std::time::Duration;

use crate::bare_devices::{BareDevices, make_room};
use crate::bare_hub::{BareHub, PingPong};
use crate::figures::{Figures, kibi_each, median_ratio, paces};
use crate::processes::{Hub, connected, register};

const ROUNDS: usize = 5;
const LIMIT: f64 = 1.3;

pub(crate) async fn run(connections: usize, figures: &mut Figures) {
    make_room(connections);
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &[]);
    let client = hub.client();
    register(&client, connections).await;

    let (mut shaken, mut let_in, mut memory) = (Vec::new(), Vec::new(), 0);
    for round in 0..=ROUNDS {
        let bare = BareHub::listen(dir.path(), PingPong { ping: vec![b'p'], pong: 1 }).await;
        let hands = BareDevices::dial_bare(&bare, connections, (1, 1)).dialling;
        drop(bare);
        let before = hub.process.resident_bytes();
        let devices = BareDevices::dial_hub(&hub, connections);
        let dialling = devices.dialling;
        if round == 0 {
            // The first round warms up both, and tells what a connection costs before anything was there before.
            memory = hub.process.resident_bytes().saturating_sub(before);
        } else {
            shaken.push(hands);
            let_in.push(dialling);
        }
        drop(devices);
        while connected(&client).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    figures.show("connections", connections.to_string());
    figures.show("bare TLS handshakes", paces(connections, &shaken));
    figures.show("TLS, CONNECT, CONNACK", paces(connections, &let_in));
    figures.show("hub, for each connection", format!("{:.1} KiB", kibi_each(memory, connections)));
    figures.show_limited("connecting, of bare handshakes", median_ratio(&let_in, &shaken), LIMIT, "x");
}
