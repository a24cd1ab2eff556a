//! The local hub.
