//! One method job over connected devices, beside a ping-pong of the same bytes over as many bare connections.

use bytes::BytesMut;
use iotjob::model::TwinId;
use iotjob::mqtt::{ClientPacket, Downstream, Encode, Publish, ServerPacket, Upstream};

use crate::bare_devices::{BareDevices, make_room};
use crate::bare_hub::{BareHub, PingPong};
use crate::figures::{Figures, median_ratio, paces};
use crate::processes::{Fleet, Hub, device_id, method_job};

/// Devices started in a second: about what two cores shake hands with.
const RAMP: usize = 1_500;
const ROUNDS: usize = 21;
const LIMIT: f64 = 1.5;
const LIMITED_FROM: usize = 10_000;
const ANSWER: &str = r#"{"locked":true}"#;

pub(crate) async fn run(devices: usize, figures: &mut Figures) {
    make_room(devices);
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &[]);
    let _fleet = Fleet::start_silent(&hub, devices, RAMP, &format!("ping=200:{ANSWER}"));
    let client = hub.client();
    // Who starts a fleet registers it; a job that comes before that finds nobody.
    while client.query_pages("SELECT COUNT() AS n FROM devices", 1).next_page().await.unwrap().unwrap().rows[0]["n"]
        != devices
    {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Ends when the last device is there and has answered.
    method_job(&client, "warm-up", "ping").await;

    let (ping, pong) = messages();
    let lengths = (ping.len(), pong);
    let bare = BareHub::listen(dir.path(), PingPong { ping, pong }).await;
    let _bare_devices = BareDevices::dial_bare(&bare, devices, lengths);
    bare.ping(devices).await;

    let (mut jobs, mut pings) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        pings.push(bare.ping(devices).await);
        jobs.push(method_job(&client, &format!("round-{round}"), "ping").await);
    }
    figures.show("devices", devices.to_string());
    figures.show("bytes of a call and of its answer", format!("{} and {}", lengths.0, lengths.1));
    figures.show("bare ping-pong over TLS", paces(devices, &pings));
    figures.show("method job, submit to last result", paces(devices, &jobs));
    let ratio = median_ratio(&jobs, &pings);
    figures.show_limited_from((devices, LIMITED_FROM), "method job, of the bare ping-pong", ratio, (LIMIT, "x"));
}

/// A call as the hub writes it, and how long the device's answer is.
fn messages() -> (Vec<u8>, usize) {
    let (id, rid) = (TwinId::device(device_id(1)), "10000002a".to_owned());
    let call = Downstream::MethodRequest { name: "ping".to_owned(), rid: rid.clone() };
    let call = ServerPacket::Publish(Publish::at_most_once(call.format(&id), "null"));
    let answer = Upstream::MethodResponse { status: 200, rid }.format(&id);
    let answer = ClientPacket::Publish(Publish::at_most_once(answer, ANSWER));
    let (mut ping, mut pong) = (BytesMut::new(), BytesMut::new());
    call.encode(&mut ping).unwrap();
    answer.encode(&mut pong).unwrap();
    (ping.to_vec(), pong.len())
}
