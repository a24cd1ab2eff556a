//! The words of the domain: ids, jobs, twins, patches, methods, limits, time and chance.
//!
//! Layer 0. No I/O, no async, no wire library. Everything above may use it; it uses nobody.

mod clock;
mod error_code;
mod identity;
mod ids;
mod job;
mod key;
mod latency;
pub mod limits;
mod method;
mod patch;
mod rng;
mod seed;
mod share;
pub mod tier;
mod twin;
mod wire_time;

pub use clock::Clock;
pub use error_code::ErrorCode;
pub use identity::{AuthenticationType, ConnectionState, IdentityStatus, SymmetricKeyPair, X509Thumbprints};
pub use ids::{DeviceId, InvalidId, JobId, MethodName, ModuleId, TwinId};
pub use job::{
    DeviceJob, DeviceJobError, DeviceJobOutcome, DeviceJobStatus, JobRequest, JobResponse, JobStatistics, JobStatus,
    JobType, MethodJob, TwinJob, TwinJobProperties,
};
pub use key::{InvalidKey, SymmetricKey};
pub use latency::{InvalidLatency, Latency};
pub use method::{MethodRequest, MethodResponse};
pub use patch::{PatchViolation, desired_violations, merge, reported_violations, tags_violations};
pub use rng::Rng;
pub use seed::{Draw, IdentitySeed, Seed};
pub use share::{InvalidShare, Share};
pub use twin::{SectionPatch, Twin, TwinPatch, TwinProperties};
pub use wire_time::WireTime;

/// A JSON object, in the order in which it was written.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;
