//! The client against a hub that misbehaves on purpose.

mod answers;
mod paging;
mod patience;
pub(crate) mod scripted_hub;
mod wire;
