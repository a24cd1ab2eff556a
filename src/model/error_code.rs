//! The service's error codes: number, name and HTTP status always agree (REST.md 3.2).

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// An error of the service. The HTTP status is the first three digits of the number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, as in `iothub-errorcode` and `Message`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The six-digit number.
            #[must_use]
            pub fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }
        }
    };
}

error_codes! {
    /// A malformed request.
    GenericBadRequest = 400_000,
    /// An api-version that is missing or malformed.
    InvalidProtocolVersion = 400_001,
    /// An operation that this object does not take.
    InvalidOperation = 400_003,
    /// A value outside its rules.
    ArgumentInvalid = 400_004,
    /// A body that could not be read.
    IotHubFormatError = 400_006,
    /// Some items of a bulk call failed.
    BulkRegistryOperationFailure = 400_013,
    /// A conditional bulk item whose etag is stale.
    EtagDoesNotMatch = 400_023,
    /// The connection gave way to a new one of the same identity.
    ConnectionForcefullyClosedOnNewConnection = 400_027,
    /// A parent or scope that does not fit the device.
    InvalidDeviceScope = 400_028,
    /// Keys of some devices could not be regenerated.
    BulkRegenerateDeviceKeyOperationFailure = 400_036,
    /// No hub of that name.
    IotHubNotFound = 401_001,
    /// No token, a wrong one, or one without the right.
    IotHubUnauthorizedAccess = 401_002,
    /// A device's token was refused.
    IotHubUnauthorized = 401_003,
    /// The daily quota is used up.
    IotHubQuotaExceeded = 403_002,
    /// Too many import or export jobs.
    JobQuotaExceeded = 403_003,
    /// The hub's tier lacks the operation.
    OperationNotAvailableInCurrentTier = 403_010,
    /// The device is disabled.
    DeviceDisabled = 403_012,
    /// Too many direct methods under way for one device.
    DeviceMaximumInflightMethodExceeded = 403_800,
    /// No such resource.
    GenericNotFound = 404_000,
    /// No such device.
    DeviceNotFound = 404_001,
    /// No such job.
    JobNotFound = 404_002,
    /// No such module.
    ModuleNotFound = 404_010,
    /// The device is not connected, or takes no methods.
    DeviceNotOnline = 404_103,
    /// The device's connection ended.
    DeviceConnectionClosedRemotely = 404_104,
    /// The verb does not fit the resource.
    GenericMethodNotAllowed = 405_000,
    /// The job's state forbids it.
    OperationNotAllowedInCurrentState = 405_102,
    /// The device exists.
    DeviceAlreadyExists = 409_001,
    /// The job exists.
    JobAlreadyExists = 409_104,
    /// The module exists.
    ModuleAlreadyExistsOnDevice = 409_301,
    /// The etag is stale or missing.
    PreconditionFailed = 412_001,
    /// A device job whose device did not come before the deadline.
    JobRunPreconditionFailed = 412_003,
    /// The body is too large.
    MessageTooLarge = 413_001,
    /// More devices than one bulk call takes.
    TooManyDevices = 413_002,
    /// The device has all the modules it may have.
    TooManyModulesOnDevice = 413_003,
    /// The rate is too high.
    ThrottlingException = 429_001,
    /// The backlog of shaped requests waited too long.
    ThrottlingBacklogTimeout = 429_003,
    /// All job slots are taken.
    ThrottlingMaxActiveJobCountExceeded = 429_004,
    /// A fault of the hub's own.
    ServerError = 500_001,
    /// The hub is going down or not yet up.
    ServiceUnavailable = 503_001,
    /// The device did not answer in time.
    GatewayTimeout = 504_101,
}

impl ErrorCode {
    /// The HTTP status.
    #[must_use]
    pub fn http_status(self) -> u16 {
        u16::try_from(self.number() / 1_000).expect("every number above has six digits")
    }

    /// The code of a name, compared without case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }

    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 3.2: names, numbers and statuses of errors agree
    #[test]
    fn names_numbers_and_statuses_agree() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
            assert!((400..600).contains(&code.http_status()), "{code:?}");
        }
    }
}
