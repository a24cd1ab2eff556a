//! The hub's synchronous core and the handle through which the edges reach it.

mod handle;
mod session;

pub use handle::{EngineHandle, EngineOptions};
pub use session::{SessionKind, SessionOpened};
