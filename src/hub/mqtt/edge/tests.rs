//! Deadlines of a connection, with tokio's time paused: hours pass in no time, and only when nothing else can happen.

use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::auth::{Resource, SasToken, generate_key_pair};
use crate::hub::Fidelity;
use crate::hub::accept::Accepted;
use crate::hub::engine::EngineOptions;
use crate::hub::registry::{Authentication, IdentityDraft};
use crate::hub::store::Store;
use crate::hub::throttle::Operation;
use crate::model::{SymmetricKey, TwinId};
use crate::mqtt::{
    ClientPacket, ConnAckCode, Connect, Delivery, Login, PacketId, Password, Publish, QoS, RequestedSubscription,
    ServerPacket,
};

mod slow;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A clock that goes as tokio's does.
#[expect(clippy::disallowed_methods, reason = "the paused time of tokio is what this clock shows")]
fn paused_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    Clock::driven(START, move || tokio::time::Instant::now().duration_since(origin))
}

struct Bench {
    edge: Arc<DeviceEdge>,
    key: SymmetricKey,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Manner::instant()).await
    }

    async fn of_tier(tier: &str) -> Self {
        let fidelity = Fidelity { tier: Some(tier.parse().unwrap()), ..Fidelity::INSTANT };
        Self::with(Manner::of(&fidelity, &paused_clock(), &CancellationToken::new())).await
    }

    async fn with(manner: Manner) -> Self {
        // The engine has a thread and a clock of its own: paused time belongs to this one.
        let options = EngineOptions::instant(Clock::system(), Rng::seeded(1));
        let engine = EngineHandle::start(Store::in_memory().unwrap(), options).unwrap();
        let keys = generate_key_pair().unwrap();
        let draft = IdentityDraft::enabled(TwinId::device("d1".parse().unwrap()), Authentication::Sas(keys.clone()));
        engine.create_identity(draft).await.unwrap();
        let edge = DeviceEdge::new(
            engine,
            Arc::new(Policies::new(Vec::new())),
            Arc::new(AcceptedHosts::of(["localhost"])),
            Arc::default(),
            paused_clock(),
            Rng::seeded(2),
            Arc::new(Telemetry::default()),
        );
        Self { edge: Arc::new(edge.with_manner(manner)), key: keys.primary_key }
    }

    /// Does an operation so often that the next has to wait its turn.
    fn use_up(&self, operation: Operation, count: usize) {
        for _ in 0..count {
            let _ = self.edge.manner.throttle.admit(operation, 0).now_or_never();
        }
    }

    /// A device whose token is good for `token_s` seconds, connected.
    async fn connect(&self, keep_alive_s: u16, token_s: i64) -> PacketStream<DuplexStream> {
        let mut device = self.dial_and_connect(keep_alive_s, token_s).await;
        let accepted = ServerPacket::ConnAck { session_present: false, code: ConnAckCode::Accepted };
        assert_eq!(device.read_server_packet().await.unwrap(), Some(accepted));
        device
    }

    async fn dial_and_connect(&self, keep_alive_s: u16, token_s: i64) -> PacketStream<DuplexStream> {
        let mut device = self.dial(CancellationToken::new());
        let expiry = Timestamp::from_second(START.as_second() + token_s).unwrap();
        let token = SasToken::sign(&Resource::parse("localhost/devices/d1"), &self.key, None, expiry);
        let connect = Connect {
            client_id: "d1".to_owned(),
            clean_session: true,
            keep_alive_s,
            login: Some(Login {
                user_name: "localhost/d1/?api-version=2021-04-12".to_owned(),
                password: Some(Password::new(token.expose().to_owned())),
            }),
            will: None,
        };
        device.write(&[ClientPacket::Connect(Box::new(connect))]).await.unwrap();
        device
    }

    fn dial(&self, stop: CancellationToken) -> PacketStream<DuplexStream> {
        let (near, far) = duplex(64 * 1024);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        tokio::spawn(serve(far, peer, Arc::clone(&self.edge), stop));
        PacketStream::new(near)
    }

    fn elapsed_s(&self) -> u64 {
        (self.edge.clock.now().as_second() - START.as_second()).unsigned_abs()
    }
}

// conformance: DEVICE.md 1.5: silence of one and a half intervals ends a connection, of 1,767 s at the latest
#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_after_one_and_a_half_intervals_and_never_later_than_the_cap() {
    let token_s = 1_000_000;
    for (keep_alive_s, seconds) in [(10, 15), (1_177, 1_765), (1_178, 1_767), (u16::MAX, 1_767), (0, 1_767)] {
        let bench = Bench::new().await;
        let mut device = bench.connect(keep_alive_s, token_s).await;
        assert_eq!(device.read_server_packet().await.unwrap(), None);
        assert_eq!(bench.elapsed_s(), seconds, "keep-alive {keep_alive_s}");
    }
}

// conformance: DEVICE.md 1.5: a ping in time keeps a connection
#[tokio::test(start_paused = true)]
async fn a_ping_in_time_keeps_a_connection() {
    let bench = Bench::new().await;
    let mut device = bench.connect(10, 1_000_000).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(14)).await;
        device.write(&[ClientPacket::PingReq]).await.unwrap();
        assert_eq!(device.read_server_packet().await.unwrap(), Some(ServerPacket::PingResp));
    }
    assert_eq!(bench.elapsed_s(), 280);
}

// conformance: DEVICE.md 1.7: a connection ends some minutes after its token
#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token_and_five_minutes_of_grace() {
    let bench = Bench::new().await;
    let mut device = bench.connect(600, 60).await;
    assert_eq!(device.read_server_packet().await.unwrap(), None);
    assert_eq!(bench.elapsed_s(), 360);
}

// conformance: DEVICE.md 1.1: a CONNECT that does not come in time closes
#[tokio::test(start_paused = true)]
async fn who_never_sends_connect_is_closed() {
    let bench = Bench::new().await;
    let mut device = bench.dial(CancellationToken::new());
    assert_eq!(device.read_server_packet().await.unwrap(), None);
    assert_eq!(bench.elapsed_s(), 30);
}

#[tokio::test]
async fn a_stopping_hub_closes_at_once() {
    let bench = Bench::new().await;
    let stop = CancellationToken::new();
    let mut device = bench.dial(stop.clone());
    stop.cancel();
    assert_eq!(device.read_server_packet().await.unwrap(), None);
}

// conformance: DEVICE.md 1.10: above the connect rate CONNACK comes late, and when it would come too late, not at all
#[tokio::test(start_paused = true)]
async fn a_throttled_connect_waits_for_connack_and_then_gets_none() {
    let bench = Bench::of_tier("S1").await;
    bench.use_up(Operation::Connection, 100 + 700);
    let mut device = bench.connect(100, 1_000_000).await;
    assert_eq!(bench.elapsed_s(), 7);
    device.write(&[ClientPacket::Disconnect]).await.unwrap();
    bench.use_up(Operation::Connection, 10_000);
    let mut device = bench.dial_and_connect(100, 1_000_000).await;
    assert_eq!(device.read_server_packet().await.unwrap(), None);
}

// conformance: DEVICE.md 6.1: a throttled message is acknowledged late
#[tokio::test(start_paused = true)]
async fn a_throttled_message_gets_its_puback_late_and_nobody_takes_the_device_for_silent() {
    let bench = Bench::of_tier("S1").await;
    let mut device = bench.connect(4, 1_000_000).await;
    bench.use_up(Operation::Message, 100 + 800);
    let id = PacketId::new(7).unwrap();
    let message = Publish {
        topic: "devices/d1/messages/events/".to_owned(),
        payload: "x".into(),
        delivery: Delivery::AtLeastOnce { id, dup: false },
        retain: false,
    };
    device.write(&[ClientPacket::Publish(message)]).await.unwrap();
    assert_eq!(device.read_server_packet().await.unwrap(), Some(ServerPacket::PubAck(id)));
    assert_eq!(bench.elapsed_s(), 8);
    device.write(&[ClientPacket::PingReq]).await.unwrap();
    assert_eq!(device.read_server_packet().await.unwrap(), Some(ServerPacket::PingResp));
}

// conformance: DEVICE.md 2.8: a throttled twin read is answered with 429 and an error body
#[tokio::test(start_paused = true)]
async fn a_throttled_twin_request_gets_429_with_a_body() {
    let bench = Bench::of_tier("S1").await;
    let mut device = bench.connect(100, 1_000_000).await;
    let filter = "$iothub/twin/res/#".to_owned();
    let filters = vec![RequestedSubscription { filter, qos: QoS::AtMostOnce }];
    device.write(&[ClientPacket::Subscribe { id: PacketId::new(1).unwrap(), filters }]).await.unwrap();
    assert!(matches!(device.read_server_packet().await.unwrap(), Some(ServerPacket::SubAck { .. })));
    bench.use_up(Operation::TwinRead, 2_000);
    let get = Publish::at_most_once("$iothub/twin/GET/?$rid=5".to_owned(), Vec::new());
    device.write(&[ClientPacket::Publish(get)]).await.unwrap();
    let Some(ServerPacket::Publish(answer)) = device.read_server_packet().await.unwrap() else { panic!("no answer") };
    assert_eq!(answer.topic, "$iothub/twin/res/429/?$rid=5");
    let body: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(body["errorCode"], 429_003);
}

// conformance: DEVICE.md 1.10: once the daily quota is used up, connecting succeeds and then the hub closes
#[tokio::test(start_paused = true)]
async fn without_quota_a_connection_is_accepted_and_closed() {
    let bench = Bench::of_tier("F1").await;
    bench.edge.manner.throttle.admit(Operation::Message, 8_000 * 512).await.unwrap();
    let mut device = bench.connect(100, 1_000_000).await;
    assert_eq!(device.read_server_packet().await.unwrap(), None);
}

#[test]
fn the_task_of_a_connection_is_small() {
    fn future_bytes<F>(_: impl Fn(Accepted, SocketAddr, Arc<DeviceEdge>, CancellationToken) -> F) -> usize {
        size_of::<F>()
    }
    // A stream, or an engine call, that is not boxed would show.
    let task = future_bytes(serve);
    assert!(task < 1_088, "the task has {task} bytes");
}
