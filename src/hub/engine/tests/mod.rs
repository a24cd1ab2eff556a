//! The engine's rules, one command at a time: no network, no thread, the time in the test's hand.

mod events;
mod handle;
mod job;
mod method;
mod pace;
mod registry;
mod restart;
mod rig;
mod session;
mod twin;
