//! Run events in, output out.
