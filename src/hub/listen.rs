//! Binding: one port on every address, or a clear word about why not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::config::Listen;
use crate::model::limits::{FREE_PORT_ATTEMPTS_MAX, LISTEN_BACKLOG};

/// Which of the hub's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The service API.
    Https,
    /// Devices.
    Mqtt,
}

impl Port {
    /// The flag that sets it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Https => "--https-port",
            Self::Mqtt => "--mqtt-port",
        }
    }
}

/// Says why a hub cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error(
        "port {} of {} is in use; choose another with {} (0 takes a free one)",
        address.port(),
        address.ip(),
        port.flag()
    )]
    InUse {
        /// Which port.
        port: Port,
        /// Where.
        address: SocketAddr,
    },
    /// The system refuses otherwise; privileged ports, mostly.
    #[error("cannot listen on {address} ({})", port.flag())]
    Refused {
        /// Which port.
        port: Port,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The sockets of one port.
#[derive(Debug)]
pub struct Listeners {
    /// The port that all of them share.
    pub port: u16,
    /// One socket for each address.
    pub sockets: Vec<TcpListener>,
}

/// Whether an address may be missing on this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    /// Containers often come without IPv6.
    IfPresent,
}

/// Listens on `number` of every address; 0 finds a number that is free on all of them.
///
/// # Errors
/// [`ListenError`] naming address, port and flag.
pub fn listen(on: &Listen, port: Port, number: u16) -> Result<Listeners, ListenError> {
    let addresses: Vec<(IpAddr, Need)> = match on {
        Listen::Loopback => {
            vec![(Ipv4Addr::LOCALHOST.into(), Need::Must), (Ipv6Addr::LOCALHOST.into(), Need::IfPresent)]
        }
        Listen::Addresses(addresses) => addresses.iter().map(|&address| (address, Need::Must)).collect(),
    };
    for _ in 1..FREE_PORT_ATTEMPTS_MAX {
        match listen_once(&addresses, port, number) {
            // The number that was free on the first address is taken on another: draw again.
            Err(ListenError::InUse { .. }) if number == 0 => {}
            other => return other,
        }
    }
    listen_once(&addresses, port, number)
}

fn listen_once(addresses: &[(IpAddr, Need)], port: Port, number: u16) -> Result<Listeners, ListenError> {
    let mut listeners = Listeners { port: number, sockets: Vec::with_capacity(addresses.len()) };
    for &(ip, need) in addresses {
        let address = SocketAddr::new(ip, listeners.port);
        let bound = bind(address).and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
        match bound {
            Ok((number, socket)) => {
                listeners.port = number;
                listeners.sockets.push(socket);
            }
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                return Err(ListenError::InUse { port, address });
            }
            Err(error) if need == Need::IfPresent && is_missing(&error) => {
                tracing::debug!(target: "iotjob::hub", %address, %error, "this machine has no such address");
            }
            Err(source) => return Err(ListenError::Refused { port, address, source }),
        }
    }
    Ok(listeners)
}

/// Whether the machine has no such address or no such address family.
fn is_missing(error: &io::Error) -> bool {
    // `Uncategorized` hides EAFNOSUPPORT (Linux 97, macOS 47) and WSAEAFNOSUPPORT.
    error.kind() == io::ErrorKind::AddrNotAvailable || matches!(error.raw_os_error(), Some(97 | 47 | 10_047))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere than on Windows this only skips the wait after a restart; there it would share the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Else `::` and `0.0.0.0` would exclude each other.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_free_port_is_the_same_on_every_address() {
        let listeners = listen(&Listen::Loopback, Port::Mqtt, 0).unwrap();
        assert_ne!(listeners.port, 0);
        for socket in &listeners.sockets {
            assert_eq!(socket.local_addr().unwrap().port(), listeners.port);
            assert!(socket.local_addr().unwrap().ip().is_loopback());
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_its_flag() {
        let first = listen(&Listen::Loopback, Port::Mqtt, 0).unwrap();
        let error = listen(&Listen::Loopback, Port::Https, first.port).unwrap_err();
        let expected = format!(
            "port {} of 127.0.0.1 is in use; choose another with --https-port (0 takes a free one)",
            first.port
        );
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn an_address_that_was_named_must_be_there() {
        let elsewhere = Listen::Addresses(vec!["192.0.2.1".parse().unwrap()]);
        assert!(matches!(listen(&elsewhere, Port::Mqtt, 0), Err(ListenError::Refused { .. })));
    }
}
