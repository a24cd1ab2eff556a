//! MQTT over WebSocket: the bytes that binary messages carry, as a stream like any other (DEVICE.md 1.1).
//!
//! Where messages begin and end means nothing: a packet may lie in several, and several in one [MQTT-6.0.0-2].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::model::limits::MQTT_PACKET_BYTES_MAX;

/// Where devices ask for a WebSocket; what follows a `?` means nothing (DEVICE.md 1.1).
pub const WEBSOCKET_PATH: &str = "/$iothub/websocket";

/// The subprotocol that a device must offer; the C SDK writes it in capitals.
pub const WEBSOCKET_SUBPROTOCOL: &str = "mqtt";

/// What every WebSocket server adds to a client's key before it takes the SHA-1 of it (RFC 6455, 1.3).
pub const WEBSOCKET_KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Read buffer of either end, in bytes: each holds one for as long as it lives, and a fleet has many of them. It grows for
/// longer messages; most are short.
const READ_BUFFER_BYTES: usize = 1_024;

/// One end of a WebSocket whose HTTP part is over.
pub struct WebSocketBytes<S> {
    socket: WebSocketStream<S>,
    /// What is left of the last message.
    unread: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketBytes<S> {
    /// Takes over a hub's end after its upgrade; `read_ahead` is what the HTTP part read past its own end.
    pub async fn of_server(stream: S, read_ahead: Bytes) -> Self {
        Self::after_upgrade(stream, read_ahead, Role::Server).await
    }

    /// The same for a device's end.
    pub async fn of_client(stream: S, read_ahead: Bytes) -> Self {
        Self::after_upgrade(stream, read_ahead, Role::Client).await
    }

    /// The stream underneath.
    pub fn io(&self) -> &S {
        self.socket.get_ref()
    }

    async fn after_upgrade(stream: S, read_ahead: Bytes, role: Role) -> Self {
        // Nothing is held back: whoever writes flushes when it is time. Room for one message more than is under way
        // keeps pongs from being refused.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MQTT_PACKET_BYTES_MAX)
            .max_message_size(Some(MQTT_PACKET_BYTES_MAX))
            .max_frame_size(Some(MQTT_PACKET_BYTES_MAX));
        let socket = WebSocketStream::from_partially_read(stream, read_ahead.into(), role, Some(config)).await;
        Self { socket, unread: Bytes::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(no_text())),
                // Pings are answered, and a close is returned, by the WebSocket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Poll::Ready(end_or_error(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..taken]);
        self.unread.advance(taken);
        if self.unread.is_empty() {
            // An empty handle would still hold on to its message.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.socket.poll_ready_unpin(cx)).map_err(broken)?;
        let taken = bytes.len().min(MQTT_PACKET_BYTES_MAX);
        let message = Message::Binary(Bytes::copy_from_slice(&bytes[..taken]));
        Poll::Ready(self.socket.start_send_unpin(message).map(|()| taken).map_err(broken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_unpin(cx).map_err(broken)
    }

    /// Says goodbye in WebSocket's way, then in that of the stream underneath.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.socket.poll_close_unpin(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {}
            Err(error) => return Poll::Ready(Err(broken(error))),
        }
        Pin::new(self.socket.get_mut()).poll_shutdown(cx)
    }
}

/// MQTT is binary [MQTT-6.0.0-1].
fn no_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a text message; MQTT over WebSocket is binary")
}

/// A closed WebSocket is the end of the stream, also when the peer says no goodbye.
fn end_or_error(error: Error) -> io::Result<()> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ok(()),
        Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => Ok(()),
        error => Err(broken(error)),
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, format!("WebSocket: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A frame of a client, masked with zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short payloads only");
        assert!(length < 126, "one byte of length is enough for tests");
        [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
    }

    async fn pair(read_ahead: &[u8]) -> (DuplexStream, WebSocketBytes<DuplexStream>) {
        let (near, far) = duplex(64 * 1024);
        (near, WebSocketBytes::of_server(far, Bytes::copy_from_slice(read_ahead)).await)
    }

    async fn read_all(stream: &mut WebSocketBytes<DuplexStream>) -> (Vec<u8>, io::Result<usize>) {
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).await;
        (bytes, end)
    }

    #[tokio::test]
    async fn message_borders_mean_nothing() {
        let (mut near, mut stream) = pair(&frame(0x82, b"ab")).await;
        // Fragments with a ping between them, an empty message, and the end.
        let frames =
            [frame(0x02, b"c"), frame(0x89, b"?"), frame(0x80, b"de"), frame(0x82, b""), frame(0x88, &[])].concat();
        near.write_all(&frames).await.unwrap();
        let (bytes, end) = read_all(&mut stream).await;
        assert_eq!((&bytes[..], end.unwrap()), (&b"abcde"[..], 5));
        let mut answers = [0; 5];
        near.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers, [0x8A, 1, b'?', 0x88, 0], "a pong, and the close given back");
    }

    #[tokio::test]
    async fn what_is_written_together_is_one_binary_message() {
        let (mut near, mut stream) = pair(&[]).await;
        stream.write_all(b"xyz").await.unwrap();
        stream.flush().await.unwrap();
        stream.shutdown().await.unwrap();
        let mut sent = Vec::new();
        near.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, [0x82, 3, b'x', b'y', b'z', 0x88, 0]);
    }

    #[tokio::test]
    async fn a_reader_that_is_slow_gets_everything() {
        let (near, far) = duplex(100);
        let mut stream = WebSocketBytes::of_server(far, Bytes::new()).await;
        let sent: Vec<u8> = (0..3 * MQTT_PACKET_BYTES_MAX).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut received = Vec::new();
        while let Some(Ok(Message::Binary(bytes))) = client.next().await {
            received.extend_from_slice(&bytes);
        }
        assert!(received == expected, "{} bytes arrived of {}", received.len(), expected.len());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn text_unmasked_frames_and_frames_past_the_limit_are_errors() {
        let mut too_long = vec![0x82, 0xFF];
        too_long.extend((MQTT_PACKET_BYTES_MAX as u64 + 1).to_be_bytes());
        too_long.extend([0; 4]);
        let cases = [
            (frame(0x81, b"text"), "text"),
            (vec![0x82, 1, b'x'], "mask"),
            (too_long, "too long"),
            (frame(0xC2, b"x"), "reserved"),
        ];
        for (bytes, word) in cases {
            let (mut near, mut stream) = pair(&[]).await;
            near.write_all(&bytes).await.unwrap();
            let error = read_all(&mut stream).await.1.unwrap_err();
            assert!(error.to_string().to_lowercase().contains(word), "{word}: {error}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_just_leaves_is_an_end() {
        let (near, mut stream) = pair(&[]).await;
        drop(near);
        assert_eq!(read_all(&mut stream).await.1.unwrap(), 0);
    }
}
