use std::sync::Arc;

use jiff::Timestamp;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::device::fake_hub::{FakeHub, device, text};
use crate::device::{DeviceEvent, Endpoint, Hears, Transport};
use crate::model::Seed;
use crate::tls::{DevCa, TrustAnchors, client_config};

/// A clock that runs with tokio's, which tests pause.
#[expect(clippy::disallowed_methods, reason = "paused time is tokio's")]
fn tokio_clock() -> Clock {
    let origin = tokio::time::Instant::now();
    Clock::driven(Timestamp::UNIX_EPOCH, move || tokio::time::Instant::now().duration_since(origin))
}

struct Running {
    hub: FakeHub<DuplexStream>,
    events: mpsc::Receiver<DeviceEvent>,
    stop: CancellationToken,
    task: JoinHandle<Next>,
}

impl Running {
    fn start() -> Self {
        Self::heard(Hears::Everything)
    }

    fn heard(hears: Hears) -> Self {
        let (near, far) = duplex(4096);
        let ca = DevCa::in_memory(&[], Clock::system().now()).unwrap();
        let tls = Arc::new(client_config(&TrustAnchors::Pem(ca.ca_pem().as_bytes().to_vec())).unwrap());
        let endpoint = Arc::new(Endpoint::of_hub(&"hub.local".parse().unwrap(), Transport::Mqtt, 8883, tls));
        let machine = Machine::new(device(&endpoint, "dev1"), Seed::new(1));
        let mut driven = Driven { machine, counted: Counted::new(Arc::default(), Standing::Connecting) };
        let (sender, events) = mpsc::channel(16);
        let listener = Listener { sender, hears };
        let stop = CancellationToken::new();
        let surroundings = Surroundings {
            clock: tokio_clock(),
            listener: Some(listener),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        let task =
            tokio::spawn(async move { converse(&mut PacketStream::new(near), &mut driven, &surroundings).await });
        Self { hub: FakeHub(far), events, stop, task }
    }

    async fn event(&mut self) -> DeviceEventKind {
        self.events.recv().await.expect("the device runs").kind
    }

    async fn ready() -> Self {
        let mut running = Self::start();
        running.hub.welcome().await;
        assert_eq!(running.event().await, DeviceEventKind::Connected);
        assert_eq!(running.event().await, DeviceEventKind::Ready { desired_version: 1 });
        running
    }
}

#[tokio::test]
async fn the_bytes_of_connect_are_those_of_the_standard() {
    let mut running = Running::start();
    let body = running.hub.welcome().await;
    assert_eq!(&body[..10], b"\0\x04MQTT\x04\xC0\0\xF0", "3.1.1, user name and password, clean session 0, 240 s");
    assert!(body[10..].starts_with(&text("dev1")));
    let rest = String::from_utf8_lossy(&body[16..]);
    assert!(rest.contains("hub.local/dev1/?api-version=2021-04-12"), "{rest}");
    assert!(rest.contains("SharedAccessSignature sr=hub.local%2Fdevices%2Fdev1&sig="), "{rest}");
}

#[tokio::test]
async fn a_call_is_answered_on_the_wire() {
    let mut running = Running::ready().await;
    running.hub.publish("$iothub/methods/POST/lockDoor/?$rid=1f", r#"{"lockTime":"10m"}"#).await;
    let answer = r#"{"method":"lockDoor","payload":{"lockTime":"10m"}}"#;
    running.hub.expect(0x30, &[text("$iothub/methods/res/200/?$rid=1f").as_slice(), answer.as_bytes()].concat()).await;
    assert!(matches!(running.event().await, DeviceEventKind::MethodCalled { .. }));
}

#[tokio::test]
async fn who_hears_of_coming_and_going_hears_of_nothing_else() {
    let mut running = Running::heard(Hears::ComingAndGoing);
    running.hub.welcome().await;
    assert_eq!(running.event().await, DeviceEventKind::Connected);
    assert_eq!(running.event().await, DeviceEventKind::Ready { desired_version: 1 });
    running.hub.publish("$iothub/methods/POST/lockDoor/?$rid=1f", "").await;
    running.hub.receive().await.expect("an answer");
    running.hub = FakeHub(duplex(1).0);
    let next = running.event().await;
    assert!(matches!(next, DeviceEventKind::Disconnected { .. }), "{next:?}");
}

#[tokio::test]
async fn a_stopped_device_says_goodbye() {
    let mut running = Running::ready().await;
    running.stop.cancel();
    running.hub.expect(0xE0, &[]).await;
    assert_eq!(running.hub.receive().await, None);
    assert_eq!(running.task.await.unwrap(), Next::GiveUp);
}

#[tokio::test(start_paused = true)]
async fn an_idle_device_pings_in_time_and_leaves_a_silent_hub() {
    let mut running = Running::ready().await;
    running.hub.expect(0xC0, &[]).await;
    running.hub.send(&[0xD0, 0]).await;
    running.hub.expect(0xC0, &[]).await;
    let DeviceEventKind::Disconnected { reason, .. } = running.event().await else { panic!("no loss") };
    assert_eq!(reason, LossReason::NoAnswer("PINGREQ"));
    assert!(matches!(running.task.await.unwrap(), Next::Reconnect { .. }));
}

#[tokio::test]
async fn a_closed_connection_and_garbage_are_losses() {
    let mut running = Running::ready().await;
    drop(running.hub);
    let DeviceEventKind::Disconnected { reason, .. } = running.events.recv().await.unwrap().kind else { panic!() };
    assert_eq!(reason, LossReason::Closed);

    let mut running = Running::ready().await;
    running.hub.send(&[0x10, 0]).await;
    let DeviceEventKind::Disconnected { reason, .. } = running.event().await else { panic!("no loss") };
    assert!(matches!(reason, LossReason::Protocol(_)), "{reason}");
}

#[tokio::test]
async fn a_listener_that_has_gone_stops_nothing() {
    let mut running = Running::ready().await;
    drop(running.events);
    for rid in 0..40 {
        running.hub.publish(&format!("$iothub/methods/POST/m/?$rid={rid}"), "1").await;
        assert!(running.hub.receive().await.is_some());
    }
}
