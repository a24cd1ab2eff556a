//! Clients that are slow, mute or greedy: whatever they do, a device beside them goes on answering and new callers get in.

use std::net::SocketAddr;
use std::sync::Arc;

use iotjob::hub::Hub;
use iotjob::hub::registry::IfMatch;
use iotjob::model::{SectionPatch, TwinId, TwinPatch};
use iotjob::tls::client_config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::rustls;

use crate::support::bystander::Bystander;
use crate::support::raw_caller::RawCaller;
use crate::support::raw_mqtt::{
    ConnectBytes, FRESH, RawDevice, connection_string, publish, sign, start_hub, suback, subscribe, token, trust,
    within,
};

const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

fn owner(hub: &Hub) -> String {
    let string = &hub.ready().connection_strings["iothubowner"];
    let key = iotjob::auth::parse_service(string).expect("the hub prints what it reads").value.key;
    sign("localhost", &key, Some("iothubowner"), 3_600)
}

/// The device that was there answers, and a new caller and a new device get in.
async fn everybody_else_is_served(hub: &Hub, bystander: &Bystander, during: &str) {
    bystander.answers(hub, during).await;
    let mut caller = RawCaller::dial(hub).await;
    let answer = caller.ask("GET", "/devices/late", Some(&owner(hub)), "").await;
    assert_eq!(answer.status, 200, "{during}");
    let mut late = RawDevice::dial(hub).await;
    let token = token(hub, "late");
    late.send(&ConnectBytes::new("late", "localhost/late/?api-version=2021-04-12", &token).clean().bytes()).await;
    late.expect(FRESH).await;
    late.expect_silence().await;
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The first bytes of a ClientHello of 512 bytes, whose rest does not come.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, 7, 7, 7];

// conformance: DEVICE.md 8.3: more half-open TLS handshakes than the hub does at a time keep nobody out
#[tokio::test]
async fn half_open_handshakes_keep_nobody_out() {
    // Each connection is two files of this process.
    rlimit::increase_nofile_limit(16_384).unwrap();
    let hub = start_hub(&["beside", "late"]).await;
    let bystander = Bystander::connect(&hub, "beside").await;
    let mut mute = Vec::new();
    for number in 0..1_100 {
        for port in [hub.ready().mqtt_port, hub.ready().https_port] {
            let mut tcp = within(TcpStream::connect(address(port))).await.unwrap();
            if number % 2 == 0 {
                within(tcp.write_all(HALF_A_HELLO)).await.unwrap();
            }
            mute.push(tcp);
        }
    }
    everybody_else_is_served(&hub, &bystander, "half-open handshakes").await;
    drop(mute);
    hub.stop().await;
}

/// A ClientHello that a server answers, and waits for what follows.
fn whole_hello(hub: &Hub) -> Vec<u8> {
    let config = client_config(&trust(hub)).expect("the hub's own trust makes a configuration");
    let name = "localhost".try_into().expect("localhost is a server name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client connection");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a vector takes every byte");
    hello
}

// conformance: DEVICE.md 8.3: more clients that fall silent after their ClientHello than the hub shakes hands with at a time keep nobody out
#[tokio::test]
async fn handshakes_that_stall_after_the_hello_keep_nobody_out() {
    rlimit::increase_nofile_limit(16_384).unwrap();
    let hub = start_hub(&["beside", "late"]).await;
    let bystander = Bystander::connect(&hub, "beside").await;
    let hello = whole_hello(&hub);
    let mut silent = Vec::new();
    for _ in 0..1_100 {
        for port in [hub.ready().mqtt_port, hub.ready().https_port] {
            let mut tcp = within(TcpStream::connect(address(port))).await.unwrap();
            within(tcp.write_all(&hello)).await.unwrap();
            silent.push(tcp);
        }
    }
    // Each was answered, so each has had its turn.
    for tcp in &mut silent {
        within(tcp.read_u8()).await.unwrap();
    }
    everybody_else_is_served(&hub, &bystander, "stalled handshakes").await;
    drop(silent);
    hub.stop().await;
}

// conformance: DEVICE.md 8.3: hundreds of connections that say nothing, before and after CONNECT, cost nobody else anything
#[tokio::test]
async fn idle_connections_cost_nobody_else_anything() {
    rlimit::increase_nofile_limit(16_384).unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("idle-{number}")).collect();
    let mut devices: Vec<&str> = names.iter().map(String::as_str).collect();
    devices.extend(["beside", "late"]);
    let hub = start_hub(&devices).await;
    let bystander = Bystander::connect(&hub, "beside").await;
    let (mut connected, mut before_connect, mut callers) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names {
        connected.push(RawDevice::connect(&hub, name, FRESH).await);
        before_connect.push(RawDevice::dial(&hub).await);
        callers.push(RawCaller::dial(&hub).await);
    }
    everybody_else_is_served(&hub, &bystander, "idle connections").await;
    connected[0].expect_silence().await;
    hub.stop().await;
}

// conformance: REST.md 1.2: requests that come byte by byte or never end keep nobody waiting
#[tokio::test]
async fn slow_requests_keep_nobody_waiting() {
    let hub = start_hub(&["beside", "late"]).await;
    let bystander = Bystander::connect(&hub, "beside").await;
    let owner = owner(&hub);
    let head =
        format!("POST /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {owner}\r\n");
    let with_body = format!("{head}Content-Length: 1000\r\n\r\n[{{\"id\":");
    let mut slow = Vec::new();
    for number in 0..40 {
        let mut caller = RawCaller::dial(&hub).await;
        let whole = if number % 2 == 0 { head.as_bytes() } else { with_body.as_bytes() };
        caller.send(&whole[..whole.len() - 2]).await;
        slow.push((caller, &whole[whole.len() - 2..]));
    }
    everybody_else_is_served(&hub, &bystander, "slow requests").await;
    for (caller, rest) in &mut slow {
        caller.send(&rest[..1]).await;
    }
    everybody_else_is_served(&hub, &bystander, "slow requests with another byte").await;

    let mut caller = RawCaller::dial(&hub).await;
    caller.send(format!("{head}Content-Length: 268435456\r\n\r\n").as_bytes()).await;
    assert_eq!(within(caller.answer()).await.status, 413, "256 MiB are not waited for");
    hub.stop().await;
}

// conformance: DEVICE.md 10: a device that asks and never reads is not waited for by anybody else
#[tokio::test]
async fn a_reader_that_never_reads_is_not_waited_for() {
    let hub = start_hub(&["greedy", "beside", "late"]).await;
    let bystander = Bystander::connect(&hub, "beside").await;
    let large = json!({"x": "x".repeat(4_000)}).as_object().cloned().unwrap();
    let patch = || TwinPatch { tags: None, desired: Some(SectionPatch::Merge(large.clone())) };
    let greedy = TwinId::device("greedy".parse().unwrap());
    hub.engine().patch_twin(greedy.clone(), patch(), IfMatch::Absent).await.unwrap();

    // A small window, so that little of it hides in the kernel's buffers.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let tcp = within(socket.connect(address(hub.ready().mqtt_port))).await.unwrap();
    let mut raw = RawDevice::over(&hub, tcp).await;
    let key = connection_string(&hub, "greedy").key;
    let token = sign("localhost/devices/greedy", &key, None, 3_600);
    raw.send(&ConnectBytes::new("greedy", "localhost/greedy/?api-version=2021-04-12", &token).clean().bytes()).await;
    raw.expect(FRESH).await;
    raw.send(&subscribe(1, &[(TWIN_RESPONSES, 0), (DESIRED, 0)])).await;
    raw.expect(&suback(1, &[0, 0])).await;

    // Far more answers than any buffer holds; the hub stops reading long before they are all asked for.
    let questions = publish("$iothub/twin/GET/?$rid=1", "").repeat(8_000);
    let asking = tokio::spawn(async move {
        raw.send_in_vain(&questions).await;
        raw
    });
    for _ in 0..20 {
        bystander.answers(&hub, "twins asked for and not read").await;
    }
    // Patches that nobody takes fill its mailbox, and then it is out: nothing piles up for it.
    let connected = r#"{"query":"SELECT deviceId FROM devices WHERE connectionState = 'Connected'"}"#;
    let mut caller = RawCaller::dial(&hub).await;
    let owner = owner(&hub);
    loop {
        for _ in 0..100 {
            hub.engine().patch_twin(greedy.clone(), patch(), IfMatch::Absent).await.unwrap();
        }
        let answer = caller.ask("POST", "/devices/query", Some(&owner), connected).await;
        if answer.body == json!([{"deviceId": "beside"}]) {
            break;
        }
    }
    everybody_else_is_served(&hub, &bystander, "a reader that never reads").await;
    asking.abort();
    hub.stop().await;
}
