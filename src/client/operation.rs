//! What a client asks of a hub, and who may ask for it.

use std::fmt;

use crate::auth::Right;

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
    pub fn rights_needed(self) -> &'static [Right] {
        match self {
            Self::CreateJob | Self::ReadJob | Self::CancelJob | Self::ListJobs => {
                &[Right::RegistryRead, Right::RegistryWrite]
            }
            Self::Query | Self::ReadTwin | Self::PatchTwin | Self::InvokeMethod => &[Right::ServiceConnect],
            Self::Connect | Self::ReadDevice => &[Right::RegistryRead],
            Self::CreateDevice | Self::UpdateDevice | Self::DeleteDevice => &[Right::RegistryWrite],
        }
    }

    /// The data action of a role in Entra ID that allows it, without `Microsoft.Devices/IotHubs/` (REST.md 2.3).
    #[must_use]
    pub fn data_action_needed(self) -> &'static str {
        match self {
            Self::CreateJob => "jobs/write",
            Self::ReadJob | Self::ListJobs => "jobs/read",
            Self::CancelJob => "jobs/delete",
            Self::Query | Self::ReadTwin => "twins/read",
            Self::PatchTwin => "twins/write",
            Self::InvokeMethod => "directMethods/invoke/action",
            Self::Connect | Self::ReadDevice => "devices/read",
            Self::CreateDevice | Self::UpdateDevice => "devices/write",
            Self::DeleteDevice => "devices/delete",
        }
    }

    /// Whether it changes anything on the hub or a device.
    pub(super) fn changes_something(self) -> bool {
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
