//! The client against a hub that misbehaves on purpose.

mod answers;
mod paging;
mod patience;
mod scripted_hub;
mod wire;
