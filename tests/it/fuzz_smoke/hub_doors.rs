//! The doors of a running hub: an HTTP request through its router, and packets behind a good CONNECT.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request, Response, StatusCode, Uri};
use bytes::BytesMut;
use iotjob::auth::{AcceptedHosts, Resource, SasToken, generate_key_pair};
use iotjob::hub::Manner;
use iotjob::hub::engine::{EngineHandle, EngineOptions};
use iotjob::hub::http::{HttpState, router};
use iotjob::hub::mqtt::{DeviceEdge, DeviceStream, Telemetry, serve};
use iotjob::hub::policies::{Policies, Policy};
use iotjob::hub::registry::{Authentication, IdentityDraft};
use iotjob::hub::store::Store;
use iotjob::model::{Clock, Rng, SymmetricKey, TwinId};
use iotjob::mqtt::{ClientPacket, ConnAckCode, Connect, Encode, Login, Password, ServerPacket};
use iotjob::tls::CertificateDer;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A hub takes so many inputs; then a new one does, so that memory stays flat and a find can be found again.
const INPUTS_PER_HUB: usize = 2_000;

/// A hub in memory without sockets, at a time that goes on by a second whenever anybody looks: no wait is real.
struct Hub {
    runtime: Runtime,
    engine: EngineHandle,
    router: Router,
    edge: Arc<DeviceEdge>,
    token: String,
    device_token: String,
    inputs_left: usize,
}

impl Hub {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let looks = AtomicU64::new(0);
        let start: Timestamp = "2026-02-03T04:05:06Z".parse().expect("a time");
        let clock = Clock::driven(start, move || Duration::from_secs(looks.fetch_add(1, Ordering::Relaxed)));
        let rng = Rng::seeded(1);
        let drafts = Policies::drafts(&[]).expect("the default policies");
        let with_keys = |(name, rights)| Policy { name, rights, keys: generate_key_pair().expect("keys") };
        let policies: Vec<Policy> = drafts.into_iter().map(|draft| with_keys((draft.name, draft.rights))).collect();
        let policies = Arc::new(Policies::new(policies));
        let hosts = Arc::new(AcceptedHosts::of(["localhost"]));
        let options = EngineOptions::instant(clock.clone(), rng.clone());
        let engine = EngineHandle::start(Store::in_memory().expect("a store"), options).expect("an engine");
        let owner = &policies.get("iothubowner").expect("a default policy").keys.primary_key;
        let token = sign("localhost", owner, Some("iothubowner"));
        let device_token = sign("localhost/devices/d1", &runtime.block_on(register(&engine)), None);
        let edge = DeviceEdge::new(
            engine.clone(),
            Arc::clone(&policies),
            Arc::clone(&hosts),
            Arc::default(),
            clock.clone(),
            rng.clone(),
            Arc::new(Telemetry::default()),
        );
        let router = router(HttpState {
            engine: engine.clone(),
            policies,
            hosts,
            entra: None,
            manner: Manner::instant(),
            clock,
            rng,
        });
        Self { runtime, engine, router, edge: Arc::new(edge), token, device_token, inputs_left: INPUTS_PER_HUB }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.runtime.block_on(self.engine.stop());
    }
}

async fn register(engine: &EngineHandle) -> SymmetricKey {
    let keys = generate_key_pair().expect("keys");
    let key = keys.primary_key.clone();
    let draft = IdentityDraft::enabled(TwinId::device("d1".parse().expect("an id")), Authentication::Sas(keys));
    engine.create_identity(draft).await.expect("a new device");
    key
}

fn sign(resource: &str, key: &SymmetricKey, policy: Option<&str>) -> String {
    SasToken::sign(&Resource::parse(resource), key, policy, Timestamp::MAX).expose().to_owned()
}

/// Runs `door` on the hub of its own that `place` keeps.
fn with_hub(place: &'static Mutex<Option<Hub>>, door: impl FnOnce(&Hub)) {
    // An input that panicked left a hub in an unknown state: the next one gets another.
    let mut place = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut hub = place.take().filter(|hub| hub.inputs_left > 0).unwrap_or_else(Hub::start);
    hub.inputs_left -= 1;
    door(&hub);
    *place = Some(hub);
}

/// Reads `VERB target`, header lines, a blank line and a body, leniently: what is no request is no input.
fn request_of(data: &[u8], token: &str) -> Option<Request<Body>> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &b""[..]), |end| (&data[..end], &data[end + 2..]));
    let mut lines = head.split(|&byte| byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|&byte| byte == b' ')?;
    let uri = Uri::try_from(&first[space + 1..]).ok().filter(|uri| uri.path().starts_with('/'))?;
    let mut request = Request::builder().method(Method::from_bytes(&first[..space]).ok()?).uri(uri);
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    if !request.headers_ref()?.contains_key(AUTHORIZATION) {
        request = request.header(AUTHORIZATION, token);
    }
    request.body(Body::from(body.to_vec())).ok()
}

/// A request of a caller who may do everything: there is an answer, in the service's shape, and no fault of the hub's.
pub(super) fn http_request(data: &[u8]) {
    static HUB: Mutex<Option<Hub>> = Mutex::new(None);
    with_hub(&HUB, |hub| {
        let Some(request) = request_of(data, &hub.token) else { return };
        hub.runtime.block_on(async {
            let answer = hub.router.clone().oneshot(request);
            // Waking lets the hub look at its clock, which so goes on until any deadline is over.
            let time = async {
                loop {
                    hub.engine.wake().await;
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                answer = answer => check(answer.expect("the router always answers")).await,
                () = time => {}
            }
        });
    });
}

async fn check(answer: Response<Body>) {
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("the answer has an end");
    let shown = String::from_utf8_lossy(&bytes);
    let is_fault = parts.status.is_server_error() && parts.status != StatusCode::GATEWAY_TIMEOUT;
    assert!(!is_fault, "{}: {shown}", parts.status);
    assert!(parts.headers.contains_key("x-ms-request-id"), "{}: {shown}", parts.status);
    if bytes.is_empty() {
        return;
    }
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(parts.headers[CONTENT_TYPE], "application/json; charset=utf-8");
    if !parts.status.is_success() {
        let is_bulk = body.get("isSuccessful").is_some();
        assert!(is_bulk || body.get("Message").is_some() || body.get("errorCode").is_some(), "{shown}");
    }
}

/// A device's end of a link that is not TLS.
struct Link(DuplexStream);

impl DeviceStream for Link {
    fn acknowledge_at_once(&self) {}

    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        None
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Whatever a device sends after it was let in: its connection ends, and every byte that it got was a legal packet.
pub(super) fn mqtt_session(data: &[u8]) {
    static HUB: Mutex<Option<Hub>> = Mutex::new(None);
    with_hub(&HUB, |hub| {
        let answers = hub.runtime.block_on(converse(hub, data));
        let mut answers = BytesMut::from(&answers[..]);
        let first = ServerPacket::decode(&mut answers).expect("a packet");
        let is_let_in = matches!(first, Some(ServerPacket::ConnAck { code: ConnAckCode::Accepted, .. }));
        assert!(is_let_in, "the hub of the last input is still well: {first:?}");
        while ServerPacket::decode(&mut answers).expect("a packet").is_some() {}
        assert!(answers.is_empty(), "the last packet is whole");
    });
}

/// Connects, sends `data`, hangs up, and gives all that the hub said.
async fn converse(hub: &Hub, data: &[u8]) -> Vec<u8> {
    let login = Login { user_name: "localhost/d1".to_owned(), password: Some(Password::new(hub.device_token.clone())) };
    let connect = Connect {
        client_id: "d1".to_owned(),
        clean_session: data.first().is_some_and(|byte| byte % 2 == 0),
        keep_alive_s: 0,
        login: Some(login),
        will: None,
    };
    let mut bytes = BytesMut::new();
    ClientPacket::Connect(Box::new(connect)).encode(&mut bytes).expect("a CONNECT");
    bytes.extend_from_slice(data.get(1..).unwrap_or_default());
    let (near, far) = duplex(64 * 1024);
    let (mut reader, mut writer) = tokio::io::split(near);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let mut answers = Vec::new();
    let send = async {
        // The hub may close before it has read everything.
        let _ = writer.write_all(&bytes).await;
        let _ = writer.shutdown().await;
    };
    let hub_end = serve(Link(far), peer, Arc::clone(&hub.edge), CancellationToken::new());
    let (_, read, ()) = tokio::join!(send, reader.read_to_end(&mut answers), hub_end);
    read.expect("the hub closes");
    answers
}
