use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::device::fake_hub::{FakeHub, device};
use crate::device::{DeviceEvent, DeviceEventKind, Endpoint, Hears, LossReason, Transport};
use crate::tls::{DevCa, TrustAnchors, client_config, server_config};

/// A listener with TLS and hand-written MQTT.
struct TlsListener {
    ca: DevCa,
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl TlsListener {
    async fn bind() -> Self {
        let ca = DevCa::in_memory(&[], Clock::system().now()).unwrap();
        let tls = TlsAcceptor::from(server_config(&ca).unwrap());
        Self { ca, tcp: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls }
    }

    async fn accept(&self) -> std::io::Result<FakeHub<TlsStream<TcpStream>>> {
        let (tcp, _) = self.tcp.accept().await.unwrap();
        Ok(FakeHub(Box::pin(self.tls.accept(tcp)).await?))
    }

    fn endpoint(&self, trusted: &DevCa) -> Arc<Endpoint> {
        let tls = client_config(&TrustAnchors::Pem(trusted.ca_pem().as_bytes().to_vec())).unwrap();
        let port = self.tcp.local_addr().unwrap().port();
        Arc::new(Endpoint::of_hub(&"127.0.0.1".parse().unwrap(), Transport::Mqtt, port, Arc::new(tls)))
    }
}

fn start(endpoint: &Arc<Endpoint>, ids: impl Iterator<Item = String>) -> (Fleet, mpsc::Receiver<DeviceEvent>) {
    let devices: Vec<_> = ids.map(|id| device(endpoint, &id)).collect();
    let (sender, events) = mpsc::channel(64);
    let options = FleetOptions { clock: Clock::system(), seed: Seed::new(1), ramp: Ramp::AtOnce };
    (Fleet::start(devices, options, Some(Listener { sender, hears: Hears::Everything })), events)
}

#[tokio::test]
async fn a_fleet_gets_ready_and_stops_with_a_goodbye_each() {
    let listener = TlsListener::bind().await;
    let (fleet, mut events) = start(&listener.endpoint(&listener.ca), (0..20).map(|n| format!("dev-{n}")));
    let mut links = Vec::new();
    for _ in 0..20 {
        let mut hub = listener.accept().await.unwrap();
        hub.welcome().await;
        links.push(hub);
    }
    let mut ready = BTreeSet::new();
    while ready.len() < 20 {
        let event = events.recv().await.unwrap();
        if matches!(event.kind, DeviceEventKind::Ready { .. }) {
            ready.insert(event.id.to_string());
        }
    }
    let goodbyes = async {
        for hub in &mut links {
            hub.expect(0xE0, &[]).await;
        }
    };
    tokio::join!(fleet.stop(), goodbyes);
}

#[tokio::test]
async fn a_device_comes_back_after_its_hub() {
    let listener = TlsListener::bind().await;
    let (fleet, mut events) = start(&listener.endpoint(&listener.ca), ["d".to_owned()].into_iter());
    listener.accept().await.unwrap().welcome().await;
    let mut again = listener.accept().await.unwrap();
    again.welcome().await;
    let mut kinds = Vec::new();
    while kinds.iter().filter(|kind| matches!(kind, DeviceEventKind::Ready { .. })).count() < 2 {
        kinds.push(events.recv().await.unwrap().kind);
    }
    assert!(kinds.iter().any(|kind| matches!(kind, DeviceEventKind::Disconnected { .. })), "{kinds:?}");
    drop(fleet);
}

#[tokio::test]
async fn an_unknown_ca_ends_the_fleet_with_a_hint() {
    let listener = TlsListener::bind().await;
    let stranger = DevCa::in_memory(&[], Clock::system().now()).unwrap();
    let (fleet, mut events) = start(&listener.endpoint(&stranger), ["d".to_owned()].into_iter());
    assert!(listener.accept().await.is_err());
    fleet.ended().await;
    let DeviceEventKind::GaveUp { reason: LossReason::Untrusted(why) } = events.recv().await.unwrap().kind else {
        panic!("not given up")
    };
    assert!(why.contains("--ca-file"), "{why}");
}

#[tokio::test]
async fn nobody_there_is_no_reason_to_give_up_and_a_stop_is_prompt() {
    let listener = TlsListener::bind().await;
    let endpoint = listener.endpoint(&listener.ca);
    drop(listener);
    let (fleet, mut events) = start(&endpoint, ["d".to_owned()].into_iter());
    let first = events.recv().await.unwrap().kind;
    assert!(matches!(&first, DeviceEventKind::Disconnected { reason: LossReason::Unreachable(_), .. }), "{first:?}");
    fleet.stop().await;
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "paused time is tokio's")]
async fn a_ramp_spreads_the_starts() {
    let listener = TlsListener::bind().await;
    let endpoint = listener.endpoint(&listener.ca);
    let devices = (0..10).map(move |n| device(&endpoint, &format!("d{n}")));
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let surroundings =
        Surroundings { clock: Clock::system(), listener: None, stop: stop.clone(), tasks: tasks.clone() };
    let start = Start {
        seed: Seed::new(1),
        ramp: Ramp::PerSecond(NonZeroU32::new(5).unwrap()),
        stats: Arc::default(),
        surroundings: Arc::new(surroundings),
    };
    let started = tokio::time::Instant::now();
    start.all(devices).await;
    let seconds = started.elapsed().as_secs_f64();
    assert!((1.7..=2.0).contains(&seconds), "ten devices at five a second took {seconds} s");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
