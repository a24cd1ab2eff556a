//! The devices of a simulation: who they are, how they behave, and what they tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use iotjob::auth::HubHost;
use iotjob::client::{NewAuthentication, NewIdentity};
use iotjob::device::{
    Apply, Behaviour, Credentials, DesiredRule, DeviceConfig, DeviceEvent, DeviceEventKind, Endpoint, Fleet,
    FleetOptions, Hears, KeepAlive, Listener, MethodRule, Ramp, Transport,
};
use iotjob::model::limits::MQTT_PORT;
use iotjob::model::{Clock, DeviceId, JsonObject, Seed, TwinId};
use iotjob::tls::ClientConfig;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::hub::{HOST, Hub, fixed_keys};
use crate::ledger::Ledger;

/// How many there are.
pub(crate) const DEVICES: usize = 50;
/// The method that jobs call.
pub(crate) const METHOD: &str = "act";

pub(crate) fn device_id(number: usize) -> DeviceId {
    format!("d{number:02}").parse().expect("a device id")
}

/// Half of the devices are in the north.
pub(crate) fn site(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "north" } else { "south" }
}

/// What a device answers: one in ten refuses.
pub(crate) fn status(number: usize) -> i64 {
    if number % 10 == 3 { 500 } else { 200 }
}

/// What is registered. The devices sign with a policy's key, since the hub draws those of identities.
pub(crate) fn registrations() -> Vec<NewIdentity> {
    let new = |number| NewIdentity {
        id: TwinId::device(device_id(number)),
        authentication: NewAuthentication::Sas,
        status_reason: None,
        tags: JsonObject::from_iter([("site".to_owned(), json!(site(number)))]),
    };
    (0..DEVICES).map(new).collect()
}

/// Starts the devices; the receiver says how many have been ready.
pub(crate) fn start(
    hub: &Hub,
    tls: Arc<ClientConfig>,
    (clock, seed): (Clock, u64),
    ledger: Ledger,
) -> (Fleet, watch::Receiver<usize>) {
    let host: HubHost = HOST.parse().expect("a host name");
    let mut endpoint = Endpoint::of_hub(&host, Transport::Mqtt, MQTT_PORT, tls).over(Arc::new(hub.clone()));
    // As seldom as the service allows: the pings of idle devices show nothing.
    endpoint.keep_alive = KeepAlive::of_seconds(u16::MAX);
    let endpoint = Arc::new(endpoint);
    let devices: Vec<DeviceConfig> = (0..DEVICES).map(|number| device(&endpoint, number)).collect();
    let (sender, mut news) = mpsc::channel::<DeviceEvent>(64);
    let (counted, ready) = watch::channel(0);
    tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while let Some(event) = news.recv().await {
            ledger.device(&event.id, &event.kind);
            if matches!(event.kind, DeviceEventKind::Ready { .. }) && seen.insert(event.id.to_string()) {
                counted.send_replace(seen.len());
            }
        }
    });
    let options = FleetOptions { clock, seed: Seed::new(seed), ramp: Ramp::AtOnce };
    (Fleet::start(devices, options, Some(Listener { sender, hears: Hears::Everything })), ready)
}

fn device(endpoint: &Arc<Endpoint>, number: usize) -> DeviceConfig {
    // One in ten is slow.
    let delay = if number % 10 == 7 { "@8s" } else { "" };
    let no_file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let rule = format!("{METHOD}={}{delay}", status(number));
    let (name, rule) = MethodRule::parse(&rule, no_file).expect("a rule");
    let behaviour = Behaviour {
        methods: [(name.to_string(), rule)].into(),
        desired: DesiredRule { apply: Apply::Echo, ..DesiredRule::default() },
        ..Behaviour::default()
    };
    let credentials = Credentials::PolicyKey { policy: "device".into(), key: Arc::new(fixed_keys().primary_key) };
    let id = TwinId::device(device_id(number));
    DeviceConfig::new(Arc::clone(endpoint), id, credentials, Arc::new(behaviour)).expect("an id without wildcards")
}
