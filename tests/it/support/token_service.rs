//! What stands in for Entra ID and its relatives on loopback: answers every request alike and remembers what was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use iotjob::model::Clock;
use iotjob::tls::{DevCa, server_config};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Verb and target.
    pub(crate) line: String,
    /// Header lines, lower-cased.
    pub(crate) headers: String,
    /// The body.
    pub(crate) body: String,
}

/// A service on a free port of loopback.
pub(crate) struct TokenService {
    pub(crate) port: u16,
    /// Its CA as PEM; empty when it speaks plain HTTP.
    pub(crate) ca: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What a request is answered with: a status and a JSON text.
type Respond = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

impl TokenService {
    /// A service behind TLS.
    pub(crate) fn https(respond: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let ca = DevCa::in_memory(&["localhost".to_owned()], Clock::system().now()).expect("a CA");
        let tls = server_config(&ca).expect("TLS settings");
        Self::start(Some(tls), ca.ca_pem().to_owned(), respond)
    }

    /// A service without TLS, as the endpoints of managed identities are.
    pub(crate) fn http(respond: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(None, String::new(), respond)
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        ca: String,
        respond: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (memory, respond): (_, Arc<Respond>) = (Arc::clone(&asked), Arc::new(respond));
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let (tls, memory, respond) = (tls.clone(), Arc::clone(&memory), Arc::clone(&respond));
                std::thread::spawn(move || match tls {
                    Some(tls) => {
                        let session = ServerConnection::new(tls).expect("a session");
                        serve(StreamOwned::new(session, tcp), &memory, &*respond);
                    }
                    None => serve(tcp, &memory, &*respond),
                });
            }
        });
        Self { port, ca, asked }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers one request and closes; a caller that breaks off is no concern.
fn serve<S: Read + Write>(stream: S, memory: &Mutex<Vec<Asked>>, respond: &Respond) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    memory.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let (status, body) = respond(&asked);
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let stream = reader.get_mut();
    // The caller's test says what is wrong when this does not arrive.
    drop(stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()));
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        headers += &header.to_ascii_lowercase();
    }
    let length = headers.lines().find_map(|header| header.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().expect("a length"))];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, headers, body: String::from_utf8(body).expect("text") })
}
