//! What can go wrong between us and the hub, typed for those who act on it and worded for those who read it.

use std::fmt;
use std::time::Duration;

use crate::model::ErrorCode;

/// What was asked of the hub; decides which right a 401 is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Building the client: nothing was asked yet.
    Connect,
    /// `PUT /jobs/v2/{id}`.
    CreateJob,
    /// `GET /jobs/v2/{id}`.
    ReadJob,
    /// `POST /jobs/v2/{id}/cancel`.
    CancelJob,
    /// `GET /jobs/v2/query`.
    ListJobs,
    /// `POST /devices/query`.
    Query,
    /// `GET /twins/...`.
    ReadTwin,
    /// `PATCH /twins/...`.
    PatchTwin,
    /// `POST /twins/.../methods`.
    InvokeMethod,
    /// `GET /devices/{id}`.
    ReadDevice,
    /// Bulk creation.
    CreateDevice,
    /// Bulk replacement.
    UpdateDevice,
    /// `DELETE /devices/{id}` and bulk deletion.
    DeleteDevice,
}

impl Operation {
    /// The rights of a policy that allow it (REST.md 2.3).
    #[must_use]
    pub fn rights_needed(self) -> &'static str {
        match self {
            Self::CreateJob | Self::ReadJob | Self::CancelJob | Self::ListJobs => "RegistryRead and RegistryWrite",
            Self::Query | Self::ReadTwin | Self::PatchTwin | Self::InvokeMethod => "ServiceConnect",
            Self::Connect | Self::ReadDevice => "RegistryRead",
            Self::CreateDevice | Self::UpdateDevice | Self::DeleteDevice => "RegistryWrite",
        }
    }

    /// Whether it changes anything on the hub or a device.
    fn changes_something(self) -> bool {
        use Operation::{CancelJob, CreateDevice, CreateJob, DeleteDevice, InvokeMethod, PatchTwin, UpdateDevice};
        matches!(self, CreateJob | CancelJob | PatchTwin | InvokeMethod | CreateDevice | UpdateDevice | DeleteDevice)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "prepare the connection",
            Self::CreateJob => "create the job",
            Self::ReadJob => "read the job",
            Self::CancelJob => "cancel the job",
            Self::ListJobs => "list the jobs",
            Self::Query => "query the hub",
            Self::ReadTwin => "read the twin",
            Self::PatchTwin => "change the twin",
            Self::InvokeMethod => "call the method",
            Self::ReadDevice => "read the device",
            Self::CreateDevice => "create the device",
            Self::UpdateDevice => "change the device",
            Self::DeleteDevice => "delete the device",
        })
    }
}

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{}{kind}{}", beginning(*operation, kind), consequence(*operation, kind))]
pub struct ClientError {
    /// What was asked.
    pub operation: Operation,
    /// What happened.
    pub kind: Box<ErrorKind>,
}

fn beginning(operation: Operation, kind: &ErrorKind) -> String {
    match kind {
        // Nothing was asked yet, and the kind says it all.
        ErrorKind::Setup(_) => String::new(),
        _ => format!("cannot {operation}: "),
    }
}

fn consequence(operation: Operation, kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Lost { .. } if operation.changes_something() => "; it may have been carried out",
        _ => "",
    }
}

/// How far a call came.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The client could not be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// An id that no URL can name: empty, `.` or `..`.
    #[error("no hub has anything under the id `{id}`")]
    Unaddressable {
        /// The id.
        id: String,
    },
    /// Nothing was sent.
    #[error("{host} cannot be reached: {cause} ({detail})")]
    NotReached {
        /// Host and port.
        host: String,
        /// Where it stopped.
        cause: Unreached,
        /// The machine's own words.
        detail: String,
    },
    /// The request left us, its answer did not come whole.
    #[error("the answer of {host} was lost ({detail})")]
    Lost {
        /// Host and port.
        host: String,
        /// The machine's own words.
        detail: String,
    },
    /// The hub answered with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The answer is none that an IoT Hub would give.
    #[error("{host} does not answer as an IoT Hub does: {problem}")]
    BadAnswer {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        problem: BadAnswer,
    },
}

/// Says why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The trusted certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The HTTP client refuses its settings.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(String),
}

/// Where the way to the hub ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// Nobody listens there.
    Refused,
    /// The name means no address.
    UnknownName,
    /// Nobody answered in time.
    TimedOut,
    /// The hub's certificate comes from a CA that is not trusted.
    UnknownCa,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is unusable for another reason.
    BadCertificate,
    /// TLS failed otherwise.
    Tls,
    /// Anything else on the way.
    Network,
}

impl Unreached {
    /// Whether trying again is idle: a certificate stays what it is.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::UnknownCa | Self::WrongName | Self::BadCertificate)
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nobody listens there",
            Self::UnknownName => "the name is not known",
            Self::TimedOut => "nobody answered in time",
            Self::UnknownCa => "its certificate is signed by a CA that is not trusted",
            Self::WrongName => "its certificate is for another name",
            Self::BadCertificate => "its certificate cannot be used",
            Self::Tls => "TLS failed",
            Self::Network => "the network failed",
        })
    }
}

/// An error of the service, read from whichever envelope it came in (REST.md 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The code, when it is one that we know.
    pub code: Option<ErrorCode>,
    /// The code's name or number as the service wrote it.
    pub code_text: Option<String>,
    /// The service's words; may be empty.
    pub message: String,
    /// What Microsoft's support asks for.
    pub tracking_id: Option<String>,
    /// `Retry-After`, if there ever is one (REST.md 3.3 saw none).
    pub retry_after: Option<Duration>,
}

impl std::error::Error for ServiceError {}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code_text {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.tracking_id {
            Some(id) => write!(f, " (tracking id {id})"),
            None => Ok(()),
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// A status that the service does not use, a redirect for instance.
    #[error("status {0}")]
    Status(u16),
    /// More bytes than any answer of the service has.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Not the JSON that this call answers.
    #[error("the body is not {expected} ({detail})")]
    Body {
        /// What the body should be.
        expected: &'static str,
        /// Where the reading stopped.
        detail: String,
    },
    /// Pages that never end.
    #[error("{0} empty pages in a row")]
    EndlessPages(usize),
}

/// What kind of failure an error is to the person who called (product.md 2, exit codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// What was named cannot be: wrong usage.
    Usage,
    /// Not authenticated, or not permitted.
    NotPermitted,
    /// The hub cannot be reached or keeps refusing.
    Unavailable,
    /// Anything else.
    Unexpected,
}

impl ClientError {
    pub(super) fn new(operation: Operation, kind: impl Into<ErrorKind>) -> Self {
        Self { operation, kind: Box::new(kind.into()) }
    }

    /// The service's error, when the service answered.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match &*self.kind {
            ErrorKind::Service(error) => Some(error),
            _ => None,
        }
    }

    /// The service's code, when it answered one that we know.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.service().and_then(|error| error.code)
    }

    fn has_status(&self, status: u16) -> bool {
        self.service().is_some_and(|error| error.status == status)
    }

    /// Whether the hub does not know what was named (404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.has_status(404)
    }

    /// Whether it exists already (409).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.has_status(409)
    }

    /// Whether the hub asks for less (429), job slots included.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.has_status(429)
    }

    /// Whether every job slot is taken (REST.md 4.7). The client does not wait for a slot: that may take hours.
    #[must_use]
    pub fn is_without_job_slot(&self) -> bool {
        self.code() == Some(ErrorCode::ThrottlingMaxActiveJobCountExceeded)
    }

    /// Whether the token or its rights were refused (401).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.has_status(401)
    }

    /// Whether the object's state forbids it (405), for instance cancelling what runs.
    #[must_use]
    pub fn is_forbidden_by_state(&self) -> bool {
        self.has_status(405)
    }

    /// Whether the hub may have done what was asked although no success was seen: a lost or unreadable answer, or a 5xx.
    #[must_use]
    pub fn may_have_been_carried_out(&self) -> bool {
        match &*self.kind {
            ErrorKind::Lost { .. } | ErrorKind::BadAnswer { .. } => true,
            ErrorKind::Service(error) => error.status >= 500,
            ErrorKind::Setup(_) | ErrorKind::Unaddressable { .. } | ErrorKind::NotReached { .. } => false,
        }
    }

    /// Whether nobody at the other end was heard.
    pub(super) fn is_without_contact(&self) -> bool {
        matches!(&*self.kind, ErrorKind::NotReached { .. } | ErrorKind::Setup(_) | ErrorKind::Unaddressable { .. })
    }

    /// What kind of failure this is to the person who called.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match &*self.kind {
            ErrorKind::Setup(_) | ErrorKind::Unaddressable { .. } => ErrorClass::Usage,
            ErrorKind::NotReached { .. } | ErrorKind::Lost { .. } => ErrorClass::Unavailable,
            ErrorKind::BadAnswer { .. } => ErrorClass::Unexpected,
            ErrorKind::Service(error) => error.class(),
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &*self.kind {
            ErrorKind::NotReached { host, cause, .. } => cause.hint(host),
            ErrorKind::Service(error) => error.hint(self.operation),
            ErrorKind::BadAnswer { .. } => {
                Some("check the HostName of the connection string; a proxy may stand in between".to_owned())
            }
            ErrorKind::Lost { .. } | ErrorKind::Setup(_) | ErrorKind::Unaddressable { .. } => None,
        }
    }
}

impl Unreached {
    fn hint(self, host: &str) -> Option<String> {
        let hint = match self {
            Self::UnknownCa => {
                "name the CA's file with --ca-file or SSL_CERT_FILE; `iotjob hub` says where its own lies".to_owned()
            }
            Self::WrongName => format!("the connection string says {host}: use the name that the certificate is for"),
            Self::Refused => "is the hub running there? `iotjob hub` starts a local one".to_owned(),
            Self::UnknownName => "check the HostName of the connection string".to_owned(),
            Self::TimedOut => "a firewall may stand in between; the service listens on port 443".to_owned(),
            Self::BadCertificate => "check this machine's clock and the certificate's dates".to_owned(),
            Self::Tls | Self::Network => return None,
        };
        Some(hint)
    }
}

impl ServiceError {
    fn class(&self) -> ErrorClass {
        match (self.status, self.code) {
            (401, _) => ErrorClass::NotPermitted,
            // Codes with a 403 speak of quota, tier and limits (REST.md 3.2); a bare one of rights.
            (403, None) if !self.names_a_limit() => ErrorClass::NotPermitted,
            (403 | 429, _) | (500.., _) => ErrorClass::Unavailable,
            _ => ErrorClass::Unexpected,
        }
    }

    /// Whether an unknown 403 code is one of a limit or of a hub that is off: all but `GenericForbidden` (REST.md 3.2).
    fn names_a_limit(&self) -> bool {
        let right = |text: &str| text == "403000" || text.eq_ignore_ascii_case("GenericForbidden");
        self.code_text.as_deref().is_some_and(|text| !right(text))
    }

    fn hint(&self, operation: Operation) -> Option<String> {
        let hint = match (self.status, self.code) {
            (_, Some(ErrorCode::IotHubNotFound)) => {
                "there is no such hub: check the HostName of the connection string".to_owned()
            }
            (401, _) => format!(
                "this needs a policy with {}, its current key, and a clock that is right to 5 minutes; \
                 jobs and their results together need iothubowner or RegistryRead, RegistryWrite and ServiceConnect",
                operation.rights_needed()
            ),
            (_, Some(ErrorCode::OperationNotAvailableInCurrentTier)) => {
                "jobs need a hub of tier F1, S1, S2 or S3".to_owned()
            }
            (_, Some(ErrorCode::ThrottlingMaxActiveJobCountExceeded)) => {
                "every job slot of the hub is taken, by scheduled jobs too: `iotjob list` shows them".to_owned()
            }
            (_, Some(ErrorCode::IotHubQuotaExceeded)) => "the hub's quota for the day is used up".to_owned(),
            (429, _) => "the hub asks for fewer calls: wait, or add units to it".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}
