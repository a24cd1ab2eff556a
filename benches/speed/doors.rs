//! A fleet of doors on the disk: identities and twins, written the fast way.

use std::path::Path;

use iotjob::hub::registry::{Authentication, Identity};
use iotjob::hub::store::{DeviceCounts, Store};
use iotjob::model::{IdentityStatus, JsonObject, SymmetricKey, SymmetricKeyPair, Twin, TwinId, TwinPatch, WireTime};
use serde_json::{Value, json};

/// Twins that are written with one commit, as a writer does that only wants to be done.
pub(crate) const BATCH: usize = 10_000;
/// A site that one twin in a thousand has.
pub(crate) const RARE_SITE: &str = "hammerfest";

pub(crate) fn door_id(number: usize) -> String {
    format!("door-{number:07}")
}

/// Writes the identities and twins of so many doors.
pub(crate) fn fill(data: &Path, twins: usize) {
    let store = Store::open(data).unwrap();
    let key = || SymmetricKey::from_bytes(vec![7; 32]).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    for start in (0..twins).step_by(BATCH) {
        let batch = store.begin().unwrap();
        {
            let mut tables = batch.tables(&store).unwrap();
            for number in start..(start + BATCH).min(twins) {
                let id: TwinId = TwinId::device(door_id(number).parse().unwrap());
                let identity = Identity {
                    id: id.clone(),
                    generation_id: 638_000_000_000_000_000,
                    etag: 1,
                    status: IdentityStatus::Enabled,
                    status_reason: None,
                    status_updated: WireTime::Never,
                    authentication: Authentication::Sas(SymmetricKeyPair { primary_key: key(), secondary_key: key() }),
                    iot_edge: false,
                    device_scope: None,
                    parent_scopes: Vec::new(),
                    managed_by: None,
                };
                tables.put_identity(&identity).unwrap();
                tables.put_twin(&id, &twin(number, now)).unwrap();
            }
            let enabled = (start + BATCH).min(twins) as u64;
            tables.put_counts(DeviceCounts { enabled, disabled: 0 }).unwrap();
        }
        batch.commit().unwrap();
    }
}

fn twin(number: usize, now: jiff::Timestamp) -> Twin {
    let object = |value: Value| -> JsonObject { value.as_object().cloned().unwrap() };
    let site = if number.is_multiple_of(1_000) { RARE_SITE } else { "oslo" };
    let tags = json!({"fleet": "doors", "site": site, "building": number % 100, "floor": number % 7});
    let desired = json!({"lockTime": "10m", "firmware": {"version": "1.4.2"}});
    let mut twin = Twin::new(now);
    twin.patch(TwinPatch { tags: Some(object(tags).into()), desired: Some(object(desired).into()) }, now);
    twin.report(&object(json!({"firmware": {"version": "1.4.1"}, "battery": 87, "locked": false})), now);
    twin
}
