//! The token that leads from one page to the next; opaque to callers (REST.md 9).

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::hub::store::RowKey;
use crate::model::limits::CONTINUATION_CHARS_MAX;
use crate::model::{JobId, TwinId};
use crate::query::Query;

/// Where a query stands after a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Continuation {
    /// Tells which query it belongs to.
    #[serde(rename = "q")]
    query: u64,
    /// Rows given on all pages so far, which TOP counts.
    #[serde(rename = "n")]
    pub(super) delivered: u64,
    /// The last row that was given.
    #[serde(rename = "k")]
    pub(super) after: Position,
}

/// A place in the rows of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Position {
    /// After that twin.
    Twin(TwinId),
    /// After that device job.
    Row(JobId, TwinId),
    /// After as many groups as were given: groups are made anew for each page.
    Group,
}

/// The place of a row that is being looked at; most rows don't match, and then it need not be kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Twin(&'a TwinId),
    Row(&'a RowKey),
}

impl From<Place<'_>> for Position {
    fn from(place: Place<'_>) -> Self {
        match place {
            Place::Twin(id) => Self::Twin(id.clone()),
            Place::Row(key) => Self::Row(key.job.clone(), key.target.clone()),
        }
    }
}

/// Says that a text is not a token that this hub gave out for this query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContinuation {
    /// No token of ours at all.
    #[error("the continuation token is damaged")]
    Damaged,
    /// The token of another query; it must come back with the same text (REST.md 9).
    #[error("the continuation token belongs to another query")]
    OtherQuery,
}

impl Continuation {
    pub(super) fn new(query: &Query, delivered: u64, after: Position) -> Self {
        Self { query: fingerprint(query), delivered, after }
    }

    pub(super) fn token(&self) -> String {
        let json = serde_json::to_vec(self).expect("ids and numbers are written to memory");
        BASE64URL_NOPAD.encode(&json)
    }

    /// Reads a token that came back with a query.
    pub(super) fn read(token: &str, query: &Query) -> Result<Self, InvalidContinuation> {
        if token.len() > CONTINUATION_CHARS_MAX {
            return Err(InvalidContinuation::Damaged);
        }
        let json = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| InvalidContinuation::Damaged)?;
        let read: Self = serde_json::from_slice(&json).map_err(|_| InvalidContinuation::Damaged)?;
        if read.query == fingerprint(query) { Ok(read) } else { Err(InvalidContinuation::OtherQuery) }
    }
}

/// FNV-1a over the query as we write it: it guards against mix-ups, not against forgery, and must be the same after a
/// restart, which the standard library's hashers don't promise.
fn fingerprint(query: &Query) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    query.to_string().bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    #[test]
    fn a_token_comes_back_as_it_was_and_for_its_query_only() {
        let query = parse("SELECT * FROM devices WHERE tags.a = 1").unwrap();
        let target = TwinId::module("d'$,:;1".parse().unwrap(), "m".parse().unwrap());
        for after in [Position::Twin(target.clone()), Position::Row("j".parse().unwrap(), target), Position::Group] {
            let token = Continuation::new(&query, 7, after.clone()).token();
            let read = Continuation::read(&token, &query).unwrap();
            assert_eq!((read.delivered, read.after), (7, after));
            let other = parse("SELECT * FROM devices WHERE tags.a = 2").unwrap();
            assert_eq!(Continuation::read(&token, &other), Err(InvalidContinuation::OtherQuery));
            let same = parse("select  * from devices where tags.a=1").unwrap();
            assert!(Continuation::read(&token, &same).is_ok());
        }
    }

    #[test]
    fn the_longest_ids_fit_and_garbage_does_not() {
        let query = parse("SELECT * FROM devices.jobs").unwrap();
        let target = TwinId::module("d".repeat(128).parse().unwrap(), "m".repeat(128).parse().unwrap());
        let longest =
            Continuation::new(&query, u64::MAX, Position::Row("j".repeat(64).parse().unwrap(), target)).token();
        assert!(Continuation::read(&longest, &query).is_ok(), "{} characters", longest.len());
        for garbage in ["", "x", "e30", "ø", &longest[1..], &"A".repeat(CONTINUATION_CHARS_MAX + 1)] {
            assert_eq!(Continuation::read(garbage, &query), Err(InvalidContinuation::Damaged), "{garbage}");
        }
    }
}
