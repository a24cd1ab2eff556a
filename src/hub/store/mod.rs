//! The embedded, crash-safe database: identities, twins, jobs, rows and sessions.

/// The database file, or memory.
pub struct Store {}

impl Store {
    pub fn open(dir: &std::path::Path) -> Result<Self, StoreError>;
    pub fn in_memory() -> Result<Self, StoreError>;
}

/// A consistent read view (redb read transaction + live connection states).
pub struct Snapshot {}

impl Snapshot {
    pub fn identity(&self, id: &TwinId) -> Result<Option<Identity>, StoreError>;
    /// Identities after `after`, in id order, devices or modules (of one device) as asked, at most `limit`.
    pub fn identities(
        &self,
        scope: IdentityScope,
        after: Option<&TwinId>,
        limit: usize,
    ) -> Result<Vec<Identity>, StoreError>;
    /// connectionState, its change time and lastActivityTime of an identity (in memory only).
    pub fn presence(&self, id: &TwinId) -> Presence;
    pub fn twin(&self, id: &TwinId) -> Result<Option<Twin>, StoreError>;
    /// The whole twin as GET /twins and queries show it (REST.md 6.2).
    pub fn twin_document(&self, id: &TwinId) -> Result<Option<serde_json::Value>, StoreError>;
    /// Walks twin documents in id order from `range`, devices or modules; the closure says whether to go on.
    pub fn scan_twins(
        &self,
        collection: TwinCollection,
        range: &KeyRange,
        after: Option<&TwinId>,
        visit: &mut dyn FnMut(&TwinId, serde_json::Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
    pub fn job(&self, id: &JobId) -> Result<Option<JobResponse>, StoreError>;
    /// All jobs, newest first by createdTime.
    pub fn jobs(&self) -> Result<Vec<JobResponse>, StoreError>;
    /// Walks rows of `devices.jobs` in (job id, device, module) order, of one job or of all.
    pub fn scan_rows(
        &self,
        job: Option<&JobId>,
        after: Option<&RowKey>,
        visit: &mut dyn FnMut(&RowKey, serde_json::Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
    pub fn counts(&self) -> Result<Counts, StoreError>; // statistics endpoints: devices total/enabled/disabled; connected
}
