//! What a device connection runs over.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::hub::accept::Accepted;

use crate::mqtt::WebSocketBytes;
use crate::tls::CertificateDer;

/// A byte stream from a device.
pub trait DeviceStream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Asks the system to acknowledge what was just read without delay, where it can.
    ///
    /// SDKs write small packets one after the other, and the second waits for the acknowledgement of the first: delayed,
    /// that takes 40 ms (CLIENTS.md 3.16). The system forgets the wish by itself, so it is repeated. It costs a packet,
    /// which is saved where an answer goes out at once, and after a method's answer, which is mostly the last word.
    fn acknowledge_at_once(&self);

    /// The certificates that the device sent in its TLS handshake, its own first; nobody has checked whose they are.
    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]>;
}

impl DeviceStream for Accepted {
    fn acknowledge_at_once(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = socket2::SockRef::from(self.get_ref().0).set_tcp_quickack(true) {
            tracing::trace!(target: "iotjob::hub::mqtt", %error, "no quick acknowledgement on this socket");
        }
    }

    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.get_ref().1.peer_certificates()
    }
}

impl<S: DeviceStream> DeviceStream for WebSocketBytes<S> {
    fn acknowledge_at_once(&self) {
        self.io().acknowledge_at_once();
    }

    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.io().client_certificates()
    }
}

#[cfg(test)]
impl DeviceStream for tokio::io::DuplexStream {
    fn acknowledge_at_once(&self) {}

    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        None
    }
}
