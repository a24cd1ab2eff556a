//! Another way to a hub than TCP and TLS: a simulation hands devices pipes whose faults it plans.

use std::fmt;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::model::TwinId;

/// A stream of bytes to a hub.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// Opens streams to a hub in place of TCP and TLS; see [`Endpoint::over`](crate::device::Endpoint::over).
#[async_trait]
pub trait Dial: fmt::Debug + Send + Sync {
    /// Opens a stream for an identity.
    ///
    /// # Errors
    /// Whatever says that the hub is not reached; the device tries again later.
    async fn dial(&self, id: &TwinId) -> io::Result<Box<dyn ByteStream>>;
}
