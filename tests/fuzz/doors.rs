//! The doors of the smoke test, for the fuzzers.

#[path = "../it/fuzz_smoke/doors.rs"]
mod doors;
#[path = "../it/fuzz_smoke/hub_doors.rs"]
mod hub_doors;

/// Sends `data` through the door of that name.
pub fn enter(name: &str, data: &[u8]) {
    let (_, door) = doors::DOORS.iter().find(|(known, _)| *known == name).expect("a door");
    door(data);
}
