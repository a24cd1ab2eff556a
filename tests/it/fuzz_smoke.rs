//! A few seconds of fuzzing in every build: seeds under `tests/golden/seeds`, mutated with a fixed seed, so that a
//! failure comes back. The fuzzers that search for longer are in `tests/fuzz`.

mod doors;
mod hub_doors;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use iotjob::model::Rng;

use crate::support::env::checkout;
use doors::{DOORS, Door};

/// Inputs for each door; those that start a hub take longer.
const INPUTS: usize = 400;

fn seeds(door: &str) -> Vec<Vec<u8>> {
    let folder = checkout().join("tests/golden/seeds").join(door);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}: {}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no seeds", folder.display());
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// What is below `end`.
fn below(rng: &Rng, end: usize) -> usize {
    usize::try_from(rng.next_u64() % u64::try_from(end.max(1)).expect("small")).expect("small")
}

/// One to four small changes, or the head of one seed with the tail of another.
fn mutated(rng: &Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    const ODD: &[&[u8]] = &[
        b"\0",
        b"\xff",
        b"'",
        b"\"",
        b"/",
        b"%",
        b"%2",
        b"&",
        b"$",
        b"{",
        b"[[",
        b"\n",
        b"\xc3\xa9",
        b"-1",
        b"99999999999999999999",
    ];
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    for _ in 0..=below(rng, 4) {
        let at = below(rng, bytes.len() + 1);
        match below(rng, 6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, ODD[below(rng, ODD.len())].iter().copied())),
            2 if at < bytes.len() => bytes[at] ^= 1 << below(rng, 8),
            3 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + below(rng, 8)).min(bytes.len()))),
            4 => bytes.extend_from_within(at..),
            _ => {
                let other = &seeds[below(rng, seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[below(rng, other.len() + 1)..]);
            }
        }
    }
    bytes
}

fn pass(name: &str, door: Door, input: &[u8]) {
    let passed = catch_unwind(AssertUnwindSafe(|| door(input)));
    assert!(passed.is_ok(), "the door `{name}` broke on {:?}", String::from_utf8_lossy(input));
}

#[test]
fn no_door_breaks_on_its_seeds_or_on_what_is_almost_them() {
    for (name, door) in DOORS {
        let rng = Rng::seeded(1);
        let seeds = seeds(name);
        seeds.iter().for_each(|seed| pass(name, *door, seed));
        for _ in 0..INPUTS {
            pass(name, *door, &mutated(&rng, &seeds));
        }
    }
}

#[test]
fn each_door_has_its_fuzz_target() {
    let targets = fs::read_to_string(checkout().join("tests/fuzz/Cargo.toml")).expect("the fuzz package");
    for (name, _) in DOORS {
        assert!(targets.contains(&format!("name = \"{name}\"")), "tests/fuzz/Cargo.toml lacks the target `{name}`");
        let path = checkout().join("tests/fuzz/fuzz_targets").join(format!("{name}.rs"));
        assert!(path.is_file(), "{} is missing", path.display());
    }
}
