//! Direct methods (REST.md 7).

use std::time::Duration;

use reqwest::Method;

use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::retry::Repeat;
use super::transport::Call;
use super::twins::twin_path;
use crate::model::{MethodRequest, MethodResponse, TwinId};

impl HubClient {
    /// Calls a method and waits for the device's answer: up to its time-outs longer than for other calls. Only a 429 is
    /// tried again, since in every other case the device may have acted, or would act later than the caller thinks.
    ///
    /// # Errors
    /// [`ClientError`]; `DeviceNotOnline`, `GatewayTimeout` and the like by its `code`.
    pub async fn invoke_method(&self, id: &TwinId, request: &MethodRequest) -> Result<MethodResponse, ClientError> {
        let mut path = twin_path(id);
        path.push("methods");
        let mut call = Call::new(Operation::InvokeMethod, Repeat::IfThrottled, Method::POST, &path)?.json(request);
        call.held_open =
            Duration::from_secs(request.response_timeout_in_seconds.saturating_add(request.connect_timeout_in_seconds));
        self.send(&call).await?.json("a method's answer")
    }
}
