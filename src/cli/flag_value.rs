//! Values that several flags take, refused in words that say what to write.

use std::net::SocketAddr;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::model::Seed;

/// Reads an address and its port.
///
/// # Errors
/// What to write.
pub fn address_and_port(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:9464 or [::1]:9464")
}

/// Reads a number of things, of which there is at least one.
///
/// # Errors
/// What to write.
pub fn one_or_more<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "write a whole number, 1 or more")
}

/// Reads a fleet's seed.
///
/// # Errors
/// What to write.
pub fn seed(text: &str) -> Result<Seed, &'static str> {
    text.parse().map_err(|_| "write a whole number from 0 to 18446744073709551615")
}
