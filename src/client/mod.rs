//! The hub's service API over HTTPS.
