//! What a hub is measured against: a listener that shakes hands with the hub's own TLS settings and moves bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use iotjob::model::Clock;
use iotjob::tls::{DevCa, server_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What tells a client that it was let in: as long as a CONNACK.
pub(crate) const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

/// A message there and its answer back.
pub(crate) struct PingPong {
    pub(crate) ping: Vec<u8>,
    pub(crate) pong: usize,
}

/// The listener with its connections.
pub(crate) struct BareHub {
    pub(crate) port: u16,
    pub(crate) ca_file: PathBuf,
    rounds: watch::Sender<u64>,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    ping_pong: PingPong,
    answered: AtomicUsize,
    wanted: AtomicUsize,
    done: Notify,
}

impl BareHub {
    /// Listens; its CA goes into `dir`.
    pub(crate) async fn listen(dir: &Path, ping_pong: PingPong) -> Self {
        let ca = DevCa::in_memory(&[], Clock::system().now()).unwrap();
        let ca_file = dir.join("bare-ca.pem");
        std::fs::write(&ca_file, ca.ca_pem()).unwrap();
        let tls = TlsAcceptor::from(server_config(&ca).unwrap());
        let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (rounds, round) = watch::channel(0);
        let counters = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let shared = Arc::new(Shared { ping_pong, answered: counters.0, wanted: counters.1, done: Notify::new() });
        let accepting = tokio::spawn(accept(socket, tls, round, Arc::clone(&shared))).abort_handle();
        Self { port, ca_file, rounds, shared, accepting }
    }

    /// Sends the ping over so many connections, all there are, and waits for every pong.
    pub(crate) async fn ping(&self, connections: usize) -> Duration {
        self.shared.answered.store(0, Ordering::SeqCst);
        self.shared.wanted.store(connections, Ordering::SeqCst);
        let began = Instant::now();
        self.rounds.send_modify(|round| *round += 1);
        self.shared.done.notified().await;
        began.elapsed()
    }
}

impl Drop for BareHub {
    /// Connections end by themselves when there are no more rounds.
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(socket: TcpListener, tls: TlsAcceptor, round: watch::Receiver<u64>, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = socket.accept().await {
        let (tls, round, shared) = (tls.clone(), round.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            tcp.set_nodelay(true).unwrap();
            let stream = Box::pin(tls.accept(tcp)).await?;
            serve(Box::new(stream), round, &shared).await
        });
    }
}

async fn serve(
    mut stream: Box<TlsStream<TcpStream>>,
    mut round: watch::Receiver<u64>,
    shared: &Shared,
) -> std::io::Result<()> {
    round.mark_unchanged();
    stream.write_all(&WELCOME).await?;
    stream.flush().await?;
    let mut pong = vec![0; shared.ping_pong.pong];
    while round.changed().await.is_ok() {
        stream.write_all(&shared.ping_pong.ping).await?;
        stream.flush().await?;
        stream.read_exact(&mut pong).await?;
        if shared.answered.fetch_add(1, Ordering::SeqCst) + 1 == shared.wanted.load(Ordering::SeqCst) {
            shared.done.notify_one();
        }
    }
    Ok(())
}
