//! HTTP/1.1 in bytes written by hand, over real TLS, with tokens signed by hand: neither our client nor our signing code
//! can hide a fault of the hub's.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use iotjob::model::Clock;
use iotjob::tls::{ServerName, TrustAnchors, client_config};
use ring::hmac;
use serde_json::Value;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::process::Ready;

/// How long the hub may be silent before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a hub's HTTPS port, and the credentials that go with each request.
pub(crate) struct RawHttp {
    stream: StreamOwned<ClientConnection, TcpStream>,
    token: String,
}

/// An answer as it came: nothing is made up for what is missing.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl RawHttp {
    /// Connects with a token of `policy`.
    pub(crate) fn connect(ready: &Ready, policy: &str) -> Self {
        let (name, key) = policy_of(ready, policy);
        Self { stream: dial(ready), token: sign("localhost", &key, Some(&name), 3_600) }
    }

    /// Another `Authorization` for what follows; an empty one sends no such header.
    pub(crate) fn with_token(mut self, token: String) -> Self {
        self.token = token;
        self
    }

    /// Sends `VERB target` with further header lines and a body, and reads the answer.
    pub(crate) fn ask_with(&mut self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
        if !self.token.is_empty() {
            request += &format!("Authorization: {}\r\n", self.token);
        }
        for header in headers {
            request += &format!("{header}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.send(request.as_bytes());
        self.answer()
    }

    /// Sends `VERB path` with the usual api-version.
    pub(crate) fn ask(&mut self, line: &str, body: &str) -> Answer {
        self.ask_with(&versioned(line), &[], body)
    }

    /// The same under a precondition.
    pub(crate) fn ask_if(&mut self, line: &str, if_match: &str, body: &str) -> Answer {
        self.ask_with(&versioned(line), &[&format!("If-Match: {if_match}")], body)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the hub takes bytes");
        self.stream.flush().expect("the hub takes bytes");
    }

    /// Sends what the hub may close on before it has read it all, and says that nothing follows.
    pub(crate) fn send_in_vain(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        self.stream.conn.send_close_notify();
        drop(sent.and_then(|()| self.stream.flush()));
    }

    /// The bytes of `Authorization`'s line, for requests that are written whole.
    pub(crate) fn authorization(&self) -> String {
        format!("Authorization: {}\r\n", self.token)
    }

    /// Sends `VERB path`; no answer when the hub is gone before it has given one whole.
    pub(crate) fn ask_while_it_lives(&mut self, line: &str, body: &str) -> Option<Answer> {
        let request = format!(
            "{} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{body}",
            versioned(line),
            self.authorization(),
            body.len()
        );
        self.stream.write_all(request.as_bytes()).and_then(|()| self.stream.flush()).ok()?;
        self.read_answer().ok()
    }

    /// Reads one answer and not a byte more.
    pub(crate) fn answer(&mut self) -> Answer {
        self.read_answer().expect("a whole answer")
    }

    fn read_answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a first line");
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|n| n.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let status = status.unwrap_or_else(|| panic!("no status in {status_line}"));
        let mut answer = Answer { status, headers, text: String::new() };
        assert_eq!(answer.header("transfer-encoding"), None, "bodies come with their length: {head}");
        let mut body = vec![0; answer.header("content-length").map_or(0, |length| length.parse().expect("a length"))];
        self.stream.read_exact(&mut body)?;
        answer.text = String::from_utf8(body).expect("text");
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<String> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        Ok(String::from_utf8(head).expect("a head is text"))
    }

    /// Reads until the hub closes.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A reset is a close too: the hub need not read what it closes on.
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8(rest).expect("text")
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; none is null.
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `status iothub-errorcode`, a dash for no code.
    pub(crate) fn verdict(&self) -> String {
        format!("{} {}", self.status, self.header("iothub-errorcode").unwrap_or("-"))
    }

    /// The body of a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        self.json()
    }
}

fn versioned(line: &str) -> String {
    format!("{line}{}api-version=2021-04-12", if line.contains('?') { '&' } else { '?' })
}

fn dial(ready: &Ready) -> StreamOwned<ClientConnection, TcpStream> {
    let ca = std::fs::read(&ready.ca_file).expect("the CA's file");
    let config = client_config(&TrustAnchors::Pem(ca)).expect("a CA");
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a TLS connection");
    let tcp = TcpStream::connect(("127.0.0.1", ready.https_port)).expect("the hub listens");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    StreamOwned::new(tls, tcp)
}

/// Name and key of a policy, cut out of its connection string.
pub(crate) fn policy_of(ready: &Ready, policy: &str) -> (String, Vec<u8>) {
    (policy.to_owned(), key_of(ready.policy(policy)))
}

/// The key in a connection string.
pub(crate) fn key_of(connection_string: &str) -> Vec<u8> {
    let (_, key) = connection_string.split_once("SharedAccessKey=").expect("a key");
    BASE64.decode(key.as_bytes()).expect("base64")
}

/// A token for `resource`, written as it is, that ends `seconds` from now (REST.md 2.2).
pub(crate) fn sign(resource: &str, key: &[u8], policy: Option<&str>, seconds: i64) -> String {
    let expiry = Clock::system().now().as_second() + seconds;
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{resource}\n{expiry}").as_bytes());
    let signature = BASE64.encode(signed.as_ref()).replace('+', "%2B").replace('=', "%3D");
    let policy = policy.map(|name| format!("&skn={name}")).unwrap_or_default();
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{policy}")
}

/// A GET in plain HTTP, with head and body.
pub(crate) fn get_plain(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and closes");
    answer
}
