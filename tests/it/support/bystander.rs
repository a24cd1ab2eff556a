//! A device that answers while others misbehave.

use iotjob::hub::Hub;
use iotjob::model::{MethodRequest, TwinId};
use serde_json::json;
use tokio::task::JoinHandle;

use super::raw_mqtt::{FRESH, RawDevice, publish, suback, subscribe, within};

/// A device that answers every method for as long as it lives.
pub(crate) struct Bystander {
    id: TwinId,
    answering: JoinHandle<()>,
}

impl Bystander {
    pub(crate) async fn connect(hub: &Hub, id: &str) -> Self {
        let mut raw = RawDevice::connect(hub, id, FRESH).await;
        raw.send(&subscribe(1, &[("$iothub/methods/POST/#", 0)])).await;
        raw.expect(&suback(1, &[0])).await;
        let answering = tokio::spawn(async move {
            loop {
                let (topic, _) = raw.expect_publish().await;
                raw.send(&publish(&topic.replace("POST/check", "res/200"), "")).await;
            }
        });
        Self { id: TwinId::device(id.parse().expect("a device id")), answering }
    }

    /// Calls it and expects its answer.
    pub(crate) async fn answers(&self, hub: &Hub, during: &str) {
        let request = MethodRequest {
            method_name: "check".to_owned(),
            payload: json!(during),
            response_timeout_in_seconds: 30,
            connect_timeout_in_seconds: 0,
        };
        let call = within(hub.engine().invoke_method(self.id.clone(), request)).await;
        assert_eq!(call.map(|response| response.status).ok(), Some(200), "{during}");
        assert!(!self.answering.is_finished(), "its connection still stands: {during}");
    }
}
