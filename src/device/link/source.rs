//! Source addresses on loopback: one address has some 28,000 ports, and 127.0.0.0/8 has many addresses.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// The last part of the last source address; the one after it is for broadcasts.
const LAST: u8 = 254;

/// Where connections to loopback come from; a fleet shares one, so that each device begins where ports were left.
#[derive(Debug, Default)]
pub(in crate::device) struct LoopbackSources {
    /// The last part of the address in use; 0 while the system chooses.
    current: AtomicU8,
}

impl LoopbackSources {
    /// Connects as usual, and from other addresses of loopback when the usual one has no port left.
    pub(in crate::device) async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        if self.current.load(Relaxed) == 0 {
            match TcpStream::connect((host, port)).await {
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => self.move_on(0),
                outcome => return outcome,
            }
        }
        let target = lookup_host((host, port)).await?.find(|target| target.is_ipv4() && target.ip().is_loopback());
        match target {
            Some(target) => self.spread(|source| from(source, target)).await,
            // Nothing to spread over: the system's word is the last.
            None => TcpStream::connect((host, port)).await,
        }
    }

    /// Tries one source after the other, as long as ports are what is missing.
    async fn spread<T, F: Future<Output = io::Result<T>>>(&self, connect: impl Fn(Ipv4Addr) -> F) -> io::Result<T> {
        let mut tried = 0;
        loop {
            let current = self.current.load(Relaxed).max(1);
            match connect(Ipv4Addr::new(127, 0, 0, current)).await {
                Err(error) if is_out_of_ports(&error) && tried < LAST => {
                    self.move_on(current);
                    tried += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Goes on to the next address, unless another device did already.
    fn move_on(&self, from: u8) {
        let next = if from >= LAST { 1 } else { from + 1 };
        let _ = self.current.compare_exchange(from, next, Relaxed, Relaxed);
    }
}

/// A source that is bound says that ports are in use where the system's choice says that no address is available.
fn is_out_of_ports(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse)
}

async fn from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(target).await
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sources_are_taken_in_turn_when_ports_run_out() {
        let sources = LoopbackSources { current: AtomicU8::new(253) };
        let full = |last: u8| {
            move |source: Ipv4Addr| async move {
                let no_port = io::Error::from(io::ErrorKind::AddrNotAvailable);
                if source.octets()[3] == last { Ok(source) } else { Err(no_port) }
            }
        };
        assert_eq!(sources.spread(full(2)).await.unwrap(), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(sources.spread(full(2)).await.unwrap(), Ipv4Addr::new(127, 0, 0, 2), "where the last one was left");
        let nowhere = sources.spread(full(255)).await.unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::AddrNotAvailable);
        let refused = sources.spread(|_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) }).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_comes_from_the_source_that_is_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let source = |current| LoopbackSources { current: AtomicU8::new(current) };
        for (sources, expected) in [(source(0), 1), (source(1), 1), (source(7), 7)] {
            let _client = sources.connect("localhost", port).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, expected));
        }
    }
}
