//! A hub that says what a test told it to, byte by byte, over TLS. It shares no code with the client or the local hub.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::auth::parse_service;
use crate::client::{HubAccess, HubClient, HubClientConfig, Notify, Pace, Patience};
use crate::model::{Clock, Rng};
use crate::tls::TrustAnchors;

/// What the hub does once it has read a request whole.
pub(crate) enum Step {
    /// Writes these bytes and keeps the connection.
    Answer(String),
    /// Closes the connection.
    Close,
    /// Writes these bytes and closes the connection.
    AnswerAndClose(String),
    /// Never answers.
    Hang,
}

/// A 200 with a JSON body and further header lines.
pub(crate) fn ok(headers: &[&str], body: &str) -> Step {
    answer("200 OK", headers, body)
}

/// An answer with a status line, header lines and a body.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> Step {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    Step::Answer(format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\n{lines}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: String,
    head: String,
    pub(crate) body: String,
}

impl Request {
    /// The value of a header line.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }
}

pub(crate) struct ScriptedHub {
    port: u16,
    ca: Vec<u8>,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedHub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScriptedHub {
    /// Starts a hub with a certificate for `localhost`.
    pub(crate) async fn start(script: Vec<Step>) -> Self {
        Self::start_as("localhost", script).await
    }

    /// Starts a hub with a certificate for another name.
    pub(crate) async fn start_as(name: &str, script: Vec<Step>) -> Self {
        let (ca, config) = certificates(name);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), script, Arc::clone(&requests)));
        Self { port, ca, requests, task }
    }

    /// The requests that came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn ca(&self) -> Vec<u8> {
        self.ca.clone()
    }

    /// A client of this hub, without patience for pauses worth noticing.
    pub(crate) fn client(&self) -> HubClient {
        self.client_with(hasty(), None)
    }

    pub(crate) fn client_with(&self, patience: Patience, notify: Option<Notify>) -> HubClient {
        client_of(&self.host(), self.ca(), patience, notify)
    }
}

/// Patience in milliseconds instead of seconds; enough of it that a busy machine does not matter.
pub(crate) fn hasty() -> Patience {
    let brief = Duration::from_millis(1);
    Patience {
        first_contact: Duration::from_millis(50),
        silence: Duration::from_secs(10),
        throttled: Duration::from_secs(10),
        request: Duration::from_secs(10),
        pace: Pace { first: brief, longest: brief, throttled_least: brief },
    }
}

pub(crate) fn client_of(host: &str, ca: Vec<u8>, patience: Patience, notify: Option<Notify>) -> HubClient {
    let text = format!(
        "HostName={host};SharedAccessKeyName=iothubowner;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    );
    HubClient::new(HubClientConfig {
        access: HubAccess::Policy(parse_service(&text).unwrap().value),
        trust: TrustAnchors::Pem(ca),
        clock: Clock::system(),
        rng: Rng::seeded(1),
        patience,
        notify,
    })
    .unwrap()
}

/// A CA's certificate and the settings of a server whose certificate it signed.
fn certificates(name: &str) -> (Vec<u8>, ServerConfig) {
    let mut ca_params = CertificateParams::new(Vec::new()).unwrap();
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = ca_params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca_params, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    (ca.pem().into_bytes(), config)
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, script: Vec<Step>, requests: Arc<Mutex<Vec<Request>>>) {
    let mut script = script.into_iter();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { return };
        // A client that distrusts us leaves here.
        let Ok(mut stream) = tls.accept(tcp).await else { continue };
        while let Some(request) = read_request(&mut stream).await {
            requests.lock().unwrap().push(request);
            let step = script.next().unwrap_or_else(|| answer("418 The script has ended", &[], ""));
            match step {
                Step::Answer(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
                Step::AnswerAndClose(bytes) => {
                    stream.write_all(bytes.as_bytes()).await.unwrap();
                    break;
                }
                Step::Close => break,
                Step::Hang => std::future::pending().await,
            }
            stream.flush().await.unwrap();
        }
        // The client may have gone first.
        let _ = stream.shutdown().await;
    }
}

/// Reads a request with its body; `None` when the client has gone.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        bytes.push(stream.read_u8().await.ok()?);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut request = Request { line: head.lines().next().unwrap().to_owned(), head, body: String::new() };
    let length = request.header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0_u8; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
