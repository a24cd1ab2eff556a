//! The hub's one error: a code of the service with words for the caller and words for the log.

use serde_json::Value;

use crate::model::ErrorCode;

/// Why the hub refuses. The HTTP and MQTT edges turn it into the service's shapes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct HubError {
    /// The service's code; decides the HTTP status.
    pub code: ErrorCode,
    /// What the caller reads, as the service would say it.
    pub message: String,
    /// What only our log says: the reason that the real hub would hide. Boxed: errors travel in every `Result`.
    pub reason: Option<Box<str>>,
    /// The `info` member of nested method errors (REST.md 3.1), for instance `{"timeout":"00:00:00"}`.
    pub info: Option<Value>,
}

impl HubError {
    /// An error with the caller's text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reason: None, info: None }
    }

    /// Adds the reason that only the log shows.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Box<str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds the `info` member of a direct method's error.
    #[must_use]
    pub fn with_info(mut self, info: Value) -> Self {
        self.info = Some(info);
        self
    }

    /// The hub is stopping, or its store failed and nothing can be promised any more.
    #[must_use]
    pub fn unavailable(reason: impl Into<Box<str>>) -> Self {
        Self::new(ErrorCode::ServiceUnavailable, "The service is unavailable.").because(reason)
    }
}
