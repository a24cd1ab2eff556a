//! The processes of a bench: started, asked for their memory, and gone when the bench is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use iotjob::auth::{ServiceConnectionString, parse_service};
use iotjob::client::{HubAccess, HubClient, HubClientConfig, NewAuthentication, NewIdentity, Patience};
use iotjob::hub::ReadyInfo;
use iotjob::model::{Clock, DeviceId, JobId, JobRequest, JobResponse, JsonObject, Rng, TwinId, WireTime};
use iotjob::tls::TrustAnchors;
use serde_json::{Value, json};

/// Names another binary to measure, such as a released one.
const BINARY_VARIABLE: &str = "IOTJOB_BINARY";
/// How often a job is looked at: rarely enough to cost it nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The program that is measured.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os(BINARY_VARIABLE).map_or_else(|| env!("CARGO_BIN_EXE_iotjob").into(), PathBuf::from)
}

/// A child that is gone when its owner is.
pub(crate) struct Ended(pub(crate) Child);

impl Ended {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Resident memory; 0 where the system has no `/proc`.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory there was; 0 where the system has no `/proc`, and once the process is gone.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, member: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(member)).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hub in a process of its own.
pub(crate) struct Hub {
    pub(crate) process: Ended,
    pub(crate) ready: ReadyInfo,
    /// From exec until it listened.
    pub(crate) start: Duration,
    home: PathBuf,
}

impl Hub {
    /// A hub on free ports whose CA lies in `home`.
    pub(crate) fn start(home: &Path, more: &[&str]) -> Self {
        Self::start_at(home, (0, 0), more)
    }

    /// A hub on these ports for HTTPS and MQTT.
    pub(crate) fn start_at(home: &Path, (https, mqtt): (u16, u16), more: &[&str]) -> Self {
        let ready_file = home.join("ready.json");
        let began = Instant::now();
        let mut process = Ended::spawn(
            Command::new(binary())
                .args(["hub", "--quiet", "--https-port", &https.to_string(), "--mqtt-port", &mqtt.to_string()])
                .arg("--ready-file")
                .arg(&ready_file)
                .args(more)
                .env("HOME", home)
                .stdout(Stdio::piped()),
        );
        // Its first word comes when it listens and the ready file lies there.
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        lines.next().expect("the hub starts").unwrap();
        let start = began.elapsed();
        // The rest of what it says must not meet a closed pipe.
        std::thread::spawn(move || lines.count());
        let ready = serde_json::from_str(&fs::read_to_string(&ready_file).unwrap()).unwrap();
        Self { process, ready, start, home: home.to_owned() }
    }

    /// A command that talks to this hub.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env("HOME", &self.home)
            .env("IOTHUB_CONNECTION_STRING", self.connection_text())
            .env("SSL_CERT_FILE", self.ca_file());
        command
    }

    pub(crate) fn connection_text(&self) -> &str {
        &self.ready.connection_strings["iothubowner"]
    }

    pub(crate) fn connection(&self) -> ServiceConnectionString {
        parse_service(self.connection_text()).unwrap().value
    }

    pub(crate) fn ca_file(&self) -> &Path {
        self.ready.ca_file.as_deref().unwrap()
    }

    pub(crate) fn ca_pem(&self) -> Vec<u8> {
        fs::read(self.ca_file()).unwrap()
    }

    pub(crate) fn client(&self) -> HubClient {
        let patience = Patience { request: Duration::from_secs(600), ..Patience::standard() };
        HubClient::new(HubClientConfig {
            access: HubAccess::Policy(self.connection()),
            trust: TrustAnchors::Pem(self.ca_pem()),
            clock: Clock::system(),
            rng: Rng::seeded(1),
            patience,
            notify: None,
        })
        .unwrap()
    }
}

/// A fleet of simulated devices in a process of its own.
pub(crate) struct Fleet {
    pub(crate) process: Ended,
    ready: Receiver<()>,
}

/// The id of the n-th device of a fleet, from 1.
pub(crate) fn device_id(number: usize) -> DeviceId {
    format!("bench-{number:06}").parse().unwrap()
}

impl Fleet {
    /// Starts so many devices of a hub, so many a second.
    pub(crate) fn start(hub: &Hub, devices: usize, ramp: usize) -> Self {
        let mut process = Ended::spawn(
            hub.command(&["device", "--id-template", "bench-{n:06}", "--output", "json", "--quiet"])
                .args(["--count", &devices.to_string(), "--ramp", &ramp.to_string()])
                .args(["--mqtt-port", &hub.ready.mqtt_port.to_string()])
                .stdout(Stdio::piped()),
        );
        let lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let (tell, ready) = channel();
        // Reads on whether anybody listens or not: what the devices say must not fill the pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("\"event\":\"ready\"") {
                    let _ = tell.send(());
                }
            }
        });
        Self { process, ready }
    }

    /// The same without a word, for who measures what devices do and not what is told of it: whoever must know that
    /// they are there runs a method job, which waits for all of them.
    pub(crate) fn start_silent(hub: &Hub, devices: usize, ramp: usize, method: &str) -> Self {
        let process = Ended::spawn(
            hub.command(&["device", "--id-template", "bench-{n:06}", "--quiet", "--method", method])
                .args(["--count", &devices.to_string(), "--ramp", &ramp.to_string()])
                .args(["--mqtt-port", &hub.ready.mqtt_port.to_string()])
                .stdout(Stdio::null()),
        );
        Self { process, ready: channel().1 }
    }

    /// Waits until so many devices have become ready, which each does anew after a lost connection.
    pub(crate) fn wait_ready(&self, devices: usize) {
        for _ in 0..devices {
            self.ready.recv().expect("the fleet runs");
        }
    }
}

/// Registers the devices of a fleet.
pub(crate) async fn register(client: &HubClient, devices: usize) {
    let new = |number| NewIdentity {
        id: TwinId::device(device_id(number)),
        authentication: NewAuthentication::Sas,
        status_reason: None,
        tags: JsonObject::new(),
    };
    let devices: Vec<NewIdentity> = (1..=devices).map(new).collect();
    let refused = client.create_identities(&devices).await.unwrap();
    assert_eq!(refused, []);
}

/// Calls a method on every device: from submit to the last result, as the hub saw it.
pub(crate) async fn method_job(client: &HubClient, id: &str, method: &str) -> Duration {
    let request = json!({
        "jobId": id, "type": "scheduleDeviceMethod", "queryCondition": "*", "maxExecutionTimeInSeconds": 600,
        "cloudToDeviceMethod": {"methodName": method, "payload": null, "responseTimeoutInSeconds": 300},
    });
    run_job(client, request).await
}

/// Patches tags of the devices that a condition finds: from submit to the last twin, as the hub saw it.
pub(crate) async fn twin_job(client: &HubClient, id: &str, condition: &str) -> Duration {
    let request = json!({
        "jobId": id, "type": "scheduleUpdateTwin", "queryCondition": condition, "maxExecutionTimeInSeconds": 7_200,
        "updateTwin": {"etag": "*", "tags": {"wave": id}},
    });
    run_job(client, request).await
}

async fn run_job(client: &HubClient, request: Value) -> Duration {
    let request: JobRequest = serde_json::from_value(request).unwrap();
    client.create_job(&request).await.unwrap();
    let job = ended_job(client, &request.job_id).await;
    let counts = job.device_job_statistics.unwrap();
    assert_eq!(counts.succeeded_count, counts.device_count, "every device succeeds");
    span(&job)
}

/// Waits for the end of a job.
pub(crate) async fn ended_job(client: &HubClient, id: &JobId) -> JobResponse {
    loop {
        let job = client.job(id).await.unwrap();
        if job.status.is_terminal() {
            return job;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn span(job: &JobResponse) -> Duration {
    let time = |time: Option<WireTime>| time.and_then(WireTime::timestamp).unwrap();
    time(job.end_time).duration_since(time(job.created_time)).unsigned_abs()
}

/// How many devices are connected.
pub(crate) async fn connected(client: &HubClient) -> u64 {
    let query = "SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'";
    let page = client.query_pages(query, 1).next_page().await.unwrap().unwrap();
    page.rows.first().and_then(|row| row["n"].as_u64()).unwrap_or(0)
}

/// From exec to exit of a command that must succeed.
pub(crate) fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    took
}
