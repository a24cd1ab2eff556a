//! Clients that dial, are let in, and answer each message with one of a given length; in a process of their own.
//!
//! The process says how long dialling took and stays until its standard input ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use iotjob::auth::{Resource, SasToken, ServiceConnectionString, parse_service};
use iotjob::model::{Clock, TwinId};
use iotjob::mqtt::{ClientPacket, Connect, Encode, Login, Password, UserName};
use iotjob::tls::{ClientConfig, ServerName, TrustAnchors, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bare_hub::{BareHub, WELCOME};
use crate::processes::{Ended, Hub, device_id};

/// The argument that makes this program play them.
pub(crate) const ROLE: &str = "bare-devices";
/// Handshakes under way at a time.
pub(crate) const AT_ONCE: usize = 64;
/// Carries the hub's connection string to clients that say CONNECT.
const CONNECTION: &str = "BENCH_CONNECTION_STRING";

/// Many clients in one process.
pub(crate) struct BareDevices {
    /// Gone when this is.
    _process: Ended,
    /// From the first dial until the last was let in.
    pub(crate) dialling: Duration,
}

impl BareDevices {
    /// Dials the bare hub so many times; each client answers `ping` bytes with `pong`.
    pub(crate) fn dial_bare(hub: &BareHub, clients: usize, (ping, pong): (usize, usize)) -> Self {
        Self::start(hub.port, &hub.ca_file, clients, &[ping, pong], "")
    }

    /// Dials a hub so many times and says CONNECT for another device each time.
    pub(crate) fn dial_hub(hub: &Hub, clients: usize) -> Self {
        Self::start(hub.ready.mqtt_port, hub.ca_file(), clients, &[1, 0], hub.connection_text())
    }

    fn start(port: u16, ca: &Path, clients: usize, lengths: &[usize], connection: &str) -> Self {
        let mut process = Ended::spawn(
            Command::new(std::env::current_exe().unwrap())
                .arg(ROLE)
                .args([port.to_string(), clients.to_string()])
                .args(lengths.iter().map(ToString::to_string))
                .arg(ca)
                .env(CONNECTION, connection)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        );
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { _process: process, dialling: Duration::from_nanos(line.trim().parse().expect("the clients dial")) }
    }
}

/// Plays the clients.
pub(crate) async fn play(args: &[String]) {
    let [port, clients, ping, pong, ca] = args else { panic!("{args:?}") };
    let (port, clients) = (port.parse().unwrap(), clients.parse::<usize>().unwrap());
    let (ping, pong) = (ping.parse().unwrap(), pong.parse().unwrap());
    make_room(clients);
    let tls = Arc::new(client_config(&TrustAnchors::Pem(std::fs::read(ca).unwrap())).unwrap());
    let hub = std::env::var(CONNECTION).ok().filter(|text| !text.is_empty());
    let hub = hub.map(|text| Arc::new(parse_service(&text).unwrap().value));

    let began = Instant::now();
    let (mut dialling, mut up) = (JoinSet::new(), Vec::with_capacity(clients));
    for number in 1..=clients {
        if dialling.len() == AT_ONCE {
            up.push(dialling.join_next().await.unwrap().unwrap());
        }
        let (tls, hub) = (Arc::clone(&tls), hub.clone());
        dialling.spawn(async move {
            let mut stream = dial(tls, port).await;
            if let Some(hub) = hub {
                stream.write_all(&connect(&hub, number)).await.unwrap();
                stream.flush().await.unwrap();
            }
            let mut welcome = WELCOME;
            stream.read_exact(&mut welcome).await.unwrap();
            assert_eq!(welcome, WELCOME, "the hub lets everybody in");
            stream
        });
    }
    up.extend(dialling.join_all().await);
    println!("{}", began.elapsed().as_nanos());
    for stream in up {
        tokio::spawn(answer(stream, ping, pong));
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// Lets this process open as many files as its clients need.
pub(crate) fn make_room(clients: usize) {
    let files = rlimit::increase_nofile_limit(clients as u64 + 512).unwrap();
    assert!(files > clients as u64, "this process may open {files} files only");
}

/// TCP and TLS.
pub(crate) async fn dial(tls: Arc<ClientConfig>, port: u16) -> Box<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    Box::new(Box::pin(TlsConnector::from(tls).connect(name, tcp)).await.unwrap())
}

/// What a device of ours says first.
fn connect(hub: &ServiceConnectionString, number: usize) -> BytesMut {
    let id = TwinId::device(device_id(number));
    let expiry = Clock::system().now() + jiff::SignedDuration::from_hours(1);
    let mut host = hub.host.clone();
    host.port = None;
    let token = SasToken::sign(&Resource::twin(&host, &id), &hub.key, Some(&hub.policy), expiry);
    let packet = ClientPacket::Connect(Box::new(Connect {
        client_id: id.to_string(),
        // A session that was kept would be told of in CONNACK.
        clean_session: true,
        keep_alive_s: 240,
        login: Some(Login {
            user_name: UserName::new(&host.to_string(), id, "bench").to_string(),
            password: Some(Password::new(token.expose().to_owned())),
        }),
        will: None,
    }));
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes).unwrap();
    bytes
}

async fn answer(mut stream: Box<TlsStream<TcpStream>>, ping: usize, pong: usize) {
    let (mut ping, pong) = (vec![0; ping], vec![b'p'; pong]);
    while stream.read_exact(&mut ping).await.is_ok() {
        stream.write_all(&pong).await.unwrap();
        stream.flush().await.unwrap();
    }
}
