//! The fleet's figures for Prometheus.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::{Failure, chain};
use crate::cli::printer::Printer;
use crate::metrics::{MetricsPort, MetricsSource};
use crate::report::{FleetWatch, openmetrics};

struct FleetSource(Arc<FleetWatch>);

#[async_trait]
impl MetricsSource for FleetSource {
    async fn text(&self) -> Option<String> {
        openmetrics(&self.0.picture()).ok()
    }
}

/// Serves the figures until `stop`.
pub(super) async fn serve(
    address: SocketAddr,
    watch: Arc<FleetWatch>,
    stop: CancellationToken,
    printer: &Printer,
) -> Result<(), Failure> {
    let port = MetricsPort::bind(address).await.map_err(|error| Failure::usage(chain(&error)))?;
    printer.say(&format!("Metrics: http://{}/metrics", port.address()));
    if !port.address().ip().is_loopback() {
        printer.warn("whoever reaches that address reads the metrics: they want no credentials");
    }
    tokio::spawn(port.serve(FleetSource(watch), stop));
    Ok(())
}
