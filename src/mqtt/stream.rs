//! Packets over any stream of bytes.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{ClientPacket, Encode, FrameError, ServerPacket};

/// Bytes read at a time. They lie on the stack of the poll, so a connection that waits holds no read buffer.
const READ_BYTES: usize = 4096;

/// Says why a stream of packets ended early.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The other end broke the protocol.
    #[error("MQTT: {0}")]
    Frame(#[from] FrameError),
    /// The other end closed in the middle of a packet.
    #[error("the connection was closed in the middle of a packet")]
    Truncated,
}

/// Reads and writes packets; holds no buffer while it is idle, so that an idle connection stays small (DEVICE.md 8.3).
#[derive(Debug)]
pub struct PacketStream<S> {
    io: S,
    received: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    /// Speaks MQTT over `io`.
    pub fn new(io: S) -> Self {
        Self { io, received: BytesMut::new() }
    }

    /// The stream underneath.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// Waits for the next packet of a client; `None` when it closed between two. Nothing is lost when the wait is dropped.
    ///
    /// # Errors
    /// [`StreamError`] when the connection or the protocol broke.
    pub async fn read_client_packet(&mut self) -> Result<Option<ClientPacket>, StreamError> {
        self.read(ClientPacket::decode).await
    }

    /// Waits for the next packet of a server; `None` when it closed between two. Nothing is lost when the wait is dropped.
    ///
    /// # Errors
    /// [`StreamError`] when the connection or the protocol broke.
    pub async fn read_server_packet(&mut self) -> Result<Option<ServerPacket>, StreamError> {
        self.read(ServerPacket::decode).await
    }

    async fn read<P>(
        &mut self,
        decode: fn(&mut BytesMut) -> Result<Option<P>, FrameError>,
    ) -> Result<Option<P>, StreamError> {
        loop {
            if let Some(packet) = decode(&mut self.received)? {
                if self.received.is_empty() {
                    // An empty handle would still hold on to its memory.
                    self.received = BytesMut::new();
                }
                return Ok(Some(packet));
            }
            let read = poll_fn(|cx| self.poll_fill(cx)).await;
            match read {
                Ok(0) if self.received.is_empty() => return Ok(None),
                Ok(0) => return Err(StreamError::Truncated),
                Ok(_) => {}
                // A peer that drops TCP without TLS's farewell is closed like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.received.is_empty() => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        self.received.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes packets, all of them in one go, and flushes. A dropped write leaves half a packet: close then.
    ///
    /// # Errors
    /// [`StreamError::Frame`] when a packet cannot be written (nothing is sent then), else [`StreamError::Io`].
    pub async fn write<P: Encode>(&mut self, packets: &[P]) -> Result<(), StreamError> {
        let mut buffer = BytesMut::new();
        for packet in packets {
            packet.encode(&mut buffer)?;
        }
        if buffer.is_empty() {
            return Ok(());
        }
        self.io.write_all(&buffer).await?;
        self.io.flush().await?;
        Ok(())
    }

    /// Closes the sending side, with TLS's farewell when there is TLS.
    ///
    /// # Errors
    /// What the stream underneath says.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn packets_arrive_however_the_bytes_are_cut() {
        let (mut near, far) = duplex(1);
        let mut stream = PacketStream::new(far);
        let writer = tokio::spawn(async move {
            near.write_all(&[0xC0, 0, 0xC0, 0, 0xE0, 0]).await.unwrap();
        });
        assert_eq!(stream.read_client_packet().await.unwrap(), Some(ClientPacket::PingReq));
        assert_eq!(stream.read_client_packet().await.unwrap(), Some(ClientPacket::PingReq));
        assert_eq!(stream.read_client_packet().await.unwrap(), Some(ClientPacket::Disconnect));
        writer.await.unwrap();
        assert_eq!(stream.read_client_packet().await.unwrap(), None);
        assert_eq!(stream.received.capacity(), 0, "an idle stream holds no buffer");
    }

    #[tokio::test]
    async fn a_close_in_mid_packet_is_an_error() {
        let (mut near, far) = duplex(64);
        near.write_all(&[0x30, 10, 0]).await.unwrap();
        drop(near);
        let read = PacketStream::new(far).read_client_packet().await;
        assert!(matches!(read, Err(StreamError::Truncated)), "{read:?}");
    }

    #[tokio::test]
    async fn a_dropped_wait_loses_nothing() {
        let (mut near, far) = duplex(64);
        let mut stream = PacketStream::new(far);
        near.write_all(&[0xC0]).await.unwrap();
        tokio::select! {
            biased;
            _ = stream.read_client_packet() => panic!("half a packet is none"),
            () = std::future::ready(()) => {}
        }
        near.write_all(&[0]).await.unwrap();
        assert_eq!(stream.read_client_packet().await.unwrap(), Some(ClientPacket::PingReq));
    }
}
