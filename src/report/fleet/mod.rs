//! A fleet of simulated devices, shown: live on a terminal, a line now and then elsewhere, to Prometheus, and what it came
//! to at the end.

mod openmetrics;
mod picture;
mod screen;
mod summary;
mod watch;

pub use openmetrics::openmetrics;
pub use picture::{FleetPicture, GroupPicture, Rates};
pub use screen::FleetScreen;
pub use summary::{heartbeat, summary_json, summary_lines};
pub use watch::{FleetWatch, WatchedGroup};
