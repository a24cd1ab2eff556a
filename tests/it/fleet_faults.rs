//! Simulated devices on a real hub, through the library: what they do, how they prove themselves, what carries them, and
//! how their connections fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use iotjob::auth::{HubHost, parse_service};
use iotjob::device::{
    Apply, Behaviour, Connectivity, Credentials, DesiredRule, DeviceConfig, DeviceEvent, DeviceEventKind, Endpoint,
    Failures, Flapping, Fleet, FleetOptions, HalfOpen, Hears, KeepAlive, Listener, LossKind, LossReason, MethodRule,
    Payload, PayloadTemplate, Ramp, Slow, Takeover, Telemetry, Transport, ValueTemplate,
};
use iotjob::hub::Hub;
use iotjob::hub::registry::{Authentication, IdentityDraft, IfMatch};
use iotjob::model::{
    Clock, JsonObject, Latency, MethodRequest, SectionPatch, Seed, Share, SymmetricKeyPair, TwinId, TwinPatch,
    X509Thumbprints,
};
use iotjob::mqtt::PropertyBag;
use iotjob::tls::{ClientIdentity, FleetCa, OfferedIdentity, client_config};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::raw_mqtt::{hub_config, start_hub, trust, within};

fn twin_id(text: &str) -> TwinId {
    match text.split_once('/') {
        Some((device, module)) => TwinId::module(device.parse().expect("an id"), module.parse().expect("an id")),
        None => TwinId::device(text.parse().expect("an id")),
    }
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().expect("an object")
}

fn endpoint(hub: &Hub, transport: Transport) -> Endpoint {
    let host = HubHost { name: "localhost".to_owned(), port: None };
    let port = match transport {
        Transport::Mqtt => hub.ready().mqtt_port,
        Transport::WebSocket => hub.ready().https_port,
    };
    Endpoint::of_hub(&host, transport, port, Arc::new(client_config(&trust(hub)).expect("TLS")))
}

/// The key of the policy that devices may use.
fn policy_key(hub: &Hub) -> Credentials {
    let string = parse_service(&hub.ready().connection_strings["device"]).expect("the hub prints what it reads").value;
    Credentials::PolicyKey { policy: string.policy.into(), key: Arc::new(string.key) }
}

fn device(endpoint: &Endpoint, id: &str, credentials: Credentials, behaviour: &Behaviour) -> DeviceConfig {
    let (endpoint, behaviour) = (Arc::new(endpoint.clone()), Arc::new(behaviour.clone()));
    DeviceConfig::new(endpoint, twin_id(id), credentials, behaviour).expect("an id that fits MQTT")
}

/// A fleet and what it tells.
struct Running {
    fleet: Fleet,
    events: mpsc::Receiver<DeviceEvent>,
}

impl Running {
    fn start(devices: Vec<DeviceConfig>) -> Self {
        let (send, events) = mpsc::channel(64);
        let options = FleetOptions { clock: Clock::system(), seed: Seed::new(42), ramp: Ramp::AtOnce };
        Self {
            fleet: Fleet::start(devices, options, Some(Listener { sender: send, hears: Hears::Everything })),
            events,
        }
    }

    /// Waits for an event of a kind, and gives what it was of.
    async fn event(&mut self, wanted: impl Fn(&DeviceEventKind) -> bool) -> DeviceEvent {
        within(async {
            loop {
                let event = self.events.recv().await.expect("the fleet runs");
                if wanted(&event.kind) {
                    return event;
                }
                assert!(!matches!(event.kind, DeviceEventKind::GaveUp { .. }), "{event:?}");
            }
        })
        .await
    }

    async fn ready(&mut self, count: usize) {
        for _ in 0..count {
            self.event(|kind| matches!(kind, DeviceEventKind::Ready { .. })).await;
        }
    }
}

async fn call(hub: &Hub, id: &str, payload: Value) -> Result<(i64, Value), String> {
    let request = MethodRequest {
        method_name: "lockDoor".to_owned(),
        payload,
        response_timeout_in_seconds: 5,
        connect_timeout_in_seconds: 0,
    };
    match hub.engine().invoke_method(twin_id(id), request).await {
        Ok(response) => Ok((response.status, response.payload)),
        Err(error) => Err(error.to_string()),
    }
}

async fn register(hub: &Hub, id: &str, authentication: Authentication) {
    let draft = IdentityDraft::enabled(twin_id(id), authentication);
    hub.engine().create_identity(draft).await.expect("the identity is registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_modules_answer_report_and_send_as_their_behaviour_says() {
    let hub = start_hub(&["d1", "d2"]).await;
    let key = || "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().expect("a key");
    let keys = SymmetricKeyPair { primary_key: key(), secondary_key: key() };
    register(&hub, "d1/cam", Authentication::Sas(keys)).await;
    let template = |json| Payload::of_template(PayloadTemplate::of_answer(&json).unwrap()).unwrap();
    let rule = MethodRule {
        payload: template(json!({"asked": "${request.lockTime}", "of": "${device.id}", "module": "${module.id}"})),
        ..MethodRule::default()
    };
    let body = PayloadTemplate::of_message(&json!({"temperature": {"$range": [15.0, 25.0]}, "n": "${count}"})).unwrap();
    let every = Duration::from_millis(50);
    let behaviour = Behaviour {
        methods: [("lockDoor".to_owned(), rule)].into(),
        reported: Some(ValueTemplate::parse(&object(json!({"firmware": {"$pattern": "1.{0-9}"}}))).unwrap()),
        desired: DesiredRule { apply: Apply::Echo, delay: Latency::NONE },
        telemetry: Some(Telemetry::new(every, Share::NONE, body, PropertyBag::from_iter([("level", "info")])).unwrap()),
        ..Behaviour::default()
    };
    let endpoint = endpoint(&hub, Transport::Mqtt);
    let start = |id| device(&endpoint, id, policy_key(&hub), &behaviour);
    let mut running = Running::start(vec![start("d1"), start("d1/cam"), start("d2")]);
    running.ready(3).await;

    let asked = |of: &str, module: Value| json!({"asked": "10m", "of": of, "module": module});
    let payload = json!({"lockTime": "10m"});
    assert_eq!(call(&hub, "d1", payload.clone()).await, Ok((200, asked("d1", Value::Null))));
    assert_eq!(call(&hub, "d1/cam", payload).await, Ok((200, asked("d1", json!("cam")))));

    for _ in 0..3 {
        running.event(|kind| matches!(kind, DeviceEventKind::TelemetrySent { count: 2 })).await;
    }
    let patch = TwinPatch { tags: None, desired: Some(SectionPatch::Merge(object(json!({"building": 43})))) };
    hub.engine().patch_twin(twin_id("d1/cam"), patch, IfMatch::Any).await.unwrap();
    let patched = running.event(|kind| matches!(kind, DeviceEventKind::DesiredPatch { .. })).await;
    assert_eq!(*patched.id, twin_id("d1/cam"));
    running.event(|kind| matches!(kind, DeviceEventKind::Reported { .. })).await;
    let twin = hub.engine().snapshot().unwrap().twin(&twin_id("d1/cam")).unwrap().unwrap();
    assert_eq!(twin.reported.values["building"], 43);
    assert!(twin.reported.values["firmware"].as_str().is_some_and(|text| text.starts_with("1.")));

    let figures = running.fleet.stats().figures();
    assert_eq!((figures.online, figures.online_most, figures.calls, figures.desired), (3, 3, 2, 1));
    assert_eq!(figures.answered["lockDoor"][&200], 2);
    assert!(figures.telemetry >= 6 && figures.reports >= 4, "{figures:?}");
    running.fleet.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_and_hang_as_the_hub_sees_them() {
    let hub = start_hub(&["fails", "hangs"]).await;
    let failures = Failures {
        share: Share::ALL,
        status: 500.try_into().unwrap(),
        payload: Payload::fixed(&json!({"error": "jammed"})).unwrap(),
    };
    let endpoint = endpoint(&hub, Transport::Mqtt);
    let with = |other| Behaviour { other, ..Behaviour::default() };
    let fails = with(MethodRule { failures: Some(failures), ..MethodRule::default() });
    let hangs = with(MethodRule { hangs: Share::ALL, ..MethodRule::default() });
    let mut running = Running::start(vec![
        device(&endpoint, "fails", policy_key(&hub), &fails),
        device(&endpoint, "hangs", policy_key(&hub), &hangs),
    ]);
    running.ready(2).await;
    let (failed, hung) = tokio::join!(call(&hub, "fails", Value::Null), call(&hub, "hangs", Value::Null));
    assert_eq!(failed, Ok((500, json!({"error": "jammed"}))));
    assert!(hung.as_ref().is_err_and(|error| error.contains("Timed out")), "{hung:?}");
    let figures = running.fleet.stats().figures();
    assert_eq!((figures.calls, figures.answers, figures.hangs), (2, 1, 1));
    running.fleet.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_a_fleets_own_open_over_both_transports() {
    let folder = tempfile::tempdir().unwrap();
    let now = Clock::system().now();
    let (ca, file) = (FleetCa::in_memory().unwrap(), folder.path().join("fleet-ca.pem"));
    std::fs::write(&file, ca.pem()).unwrap();
    let mut config = hub_config(&[]);
    config.trust_cas = vec![file];
    let hub = Hub::start(config).await.unwrap();

    let mut devices = Vec::new();
    for (name, transport) in [("mqtt", Transport::Mqtt), ("websocket", Transport::WebSocket)] {
        let endpoint = endpoint(&hub, transport);
        let mut own = |id: &str, identity: ClientIdentity| {
            let credentials = Credentials::OwnCertificate(OfferedIdentity::new(identity).unwrap());
            devices.push(device(&endpoint, id, credentials, &Behaviour::default()));
        };
        let id = format!("self-signed-{name}");
        let identity = ClientIdentity::self_signed(&id, now).unwrap();
        let [sha1, _] = identity.thumbprints();
        let thumbprints = X509Thumbprints { primary_thumbprint: Some(sha1), secondary_thumbprint: None };
        register(&hub, &id, Authentication::SelfSigned(thumbprints)).await;
        own(&id, identity);
        let id = format!("issued-{name}");
        register(&hub, &id, Authentication::CertificateAuthority).await;
        own(&id, ca.issue(&id, now).unwrap());
    }
    let ids: Vec<String> = devices.iter().map(|device| device.id().to_string()).collect();
    let mut running = Running::start(devices);
    running.ready(4).await;
    for id in &ids {
        assert_eq!(call(&hub, id, json!(1)).await, Ok((200, json!({"method": "lockDoor", "payload": 1}))), "{id}");
    }
    running.fleet.stop().await;
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_carries_large_answers_and_a_goodbye() {
    let hub = start_hub(&["d1"]).await;
    let mut running = Running::start(vec![device(
        &endpoint(&hub, Transport::WebSocket),
        "d1",
        policy_key(&hub),
        &Behaviour::default(),
    )]);
    running.ready(1).await;
    let large = json!("x".repeat(100_000));
    assert_eq!(call(&hub, "d1", large.clone()).await, Ok((200, json!({"method": "lockDoor", "payload": large}))));
    running.fleet.stop().await;
    hub.stop().await;

    // Whoever is no WebSocket is told so, and tried again.
    let hub = start_hub(&["d1"]).await;
    let mut wrong = endpoint(&hub, Transport::WebSocket);
    wrong.dial_port = hub.ready().mqtt_port;
    let mut running = Running::start(vec![device(&wrong, "d1", policy_key(&hub), &Behaviour::default())]);
    let lost = running.event(|kind| matches!(kind, DeviceEventKind::Disconnected { .. })).await;
    assert!(
        matches!(lost.kind, DeviceEventKind::Disconnected { reason: LossReason::Unreachable(_), .. }),
        "{:?}",
        lost.kind
    );
    running.fleet.stop().await;
    hub.stop().await;
}

fn faulty(connectivity: Connectivity) -> Behaviour {
    Behaviour { connectivity, ..Behaviour::default() }
}

fn milliseconds(count: u64) -> Latency {
    Latency::fixed(Duration::from_millis(count)).expect("within the limit")
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_connections_look_like_faults_to_the_hub() {
    let hub = start_hub(&["flaps", "half-open", "taken-over", "slow", "offline", "well"]).await;
    let mut endpoint = endpoint(&hub, Transport::Mqtt);
    // The hub throws a silent device out after one and a half of these.
    endpoint.keep_alive = KeepAlive::of_seconds(2);
    let share = Share::ALL;
    let (online, offline) = (milliseconds(200), milliseconds(100));
    let connectivity: BTreeMap<&str, Connectivity> = [
        ("flaps", Connectivity { flapping: Some(Flapping { share, online, offline }), ..Connectivity::default() }),
        (
            "half-open",
            Connectivity { half_open: Some(HalfOpen { share, after: milliseconds(100) }), ..Connectivity::default() },
        ),
        (
            "taken-over",
            Connectivity { takeover: Some(Takeover { share, every: milliseconds(300) }), ..Connectivity::default() },
        ),
        ("slow", Connectivity { slow: Some(Slow { share, delay: milliseconds(150) }), ..Connectivity::default() }),
        ("offline", Connectivity { offline: share, ..Connectivity::default() }),
        ("well", Connectivity::default()),
    ]
    .into();
    let devices =
        connectivity.iter().map(|(id, faults)| device(&endpoint, id, policy_key(&hub), &faulty(faults.clone())));
    let mut running = Running::start(devices.collect());

    let mut seen: BTreeMap<String, Vec<DeviceEventKind>> = BTreeMap::new();
    let count = |seen: &BTreeMap<String, Vec<DeviceEventKind>>, id: &str, wanted: fn(&DeviceEventKind) -> bool| {
        seen.get(id).map_or(0, |events| events.iter().filter(|kind| wanted(kind)).count())
    };
    let connected = |kind: &DeviceEventKind| matches!(kind, DeviceEventKind::Connected);
    let silent = |kind: &DeviceEventKind| matches!(kind, DeviceEventKind::WentSilent);
    within(async {
        while count(&seen, "flaps", connected) < 4
            || count(&seen, "half-open", connected) < 2
            || count(&seen, "taken-over", connected) < 4
            || count(&seen, "slow", |kind| matches!(kind, DeviceEventKind::Ready { .. })) < 1
            || !seen.contains_key("offline")
        {
            let event = running.events.recv().await.expect("the fleet runs");
            seen.entry(event.id.to_string()).or_default().push(event.kind);
        }
    })
    .await;

    let lost = |kind: &DeviceEventKind| matches!(kind, DeviceEventKind::Disconnected { .. });
    assert!(
        seen["flaps"]
            .iter()
            .filter(|kind| lost(kind))
            .all(|kind| { matches!(kind, DeviceEventKind::Disconnected { reason: LossReason::Flapping, .. }) })
    );
    assert_eq!(count(&seen, "half-open", silent), 1, "{:?}", seen["half-open"]);
    assert!(
        seen["half-open"]
            .iter()
            .any(|kind| matches!(kind, DeviceEventKind::Disconnected { reason: LossReason::Closed, .. })),
        "the hub ended it: {:?}",
        seen["half-open"]
    );
    assert_eq!(count(&seen, "taken-over", lost), 0, "it knows what it does: {:?}", seen["taken-over"]);
    assert_eq!(seen["offline"], [DeviceEventKind::StaysOffline]);
    assert_eq!(call(&hub, "slow", json!(1)).await.map(|(status, _)| status), Ok(200));
    assert_eq!(call(&hub, "well", json!(1)).await.map(|(status, _)| status), Ok(200));
    let figures = running.fleet.stats().figures();
    assert_eq!((figures.stay_offline, figures.lost(LossKind::NoAnswer)), (1, 0), "{figures:?}");
    assert!(figures.takeovers >= 3 && figures.silences >= 1 && figures.lost(LossKind::Flapping) >= 3, "{figures:?}");
    // Devices that nobody listens to any more must not hold up the stop.
    drop(running.events);
    within(running.fleet.stop()).await;
    hub.stop().await;
}
