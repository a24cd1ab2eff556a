//! kill -9 in the middle: the command line's and the hub's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};

use serde_json::{Value, json};

use crate::support::env::{TestEnv, finish};
use crate::support::process::{HubProcess, Process, Ready};
use crate::support::raw_http::RawHttp;

/// How often the hub is killed while it writes; `IOTJOB_KILL_ROUNDS=100 cargo test --test it kill_9` does it longer.
const ROUNDS: u64 = 5;
const WRITERS: [u64; 3] = [0, 1, 2];
/// More than a round can write.
const A_ROUND: u64 = 1_000_000;

const SLOW: &str =
    "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: update, responseTimeout: 60s }\ntimeout: 60s\n";

fn outcomes(stdout: &str) -> Value {
    let last = stdout.lines().last().unwrap_or_default();
    let event: Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in the last line of:\n{stdout}"));
    assert_eq!(event["event"], "runEnded", "{event}");
    event["outcomes"].clone()
}

/// A hub on the data, the ports and the name of one that was killed.
fn start_again(env: &TestEnv, ready: &Ready) -> HubProcess {
    let https = ready.https_port.to_string();
    HubProcess::start_with(
        env,
        &["--https-port", &https, "--mqtt-port", &ready.mqtt_port.to_string(), "--data", "data"],
    )
}

#[test]
fn a_killed_apply_is_found_again_as_one_run() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "here", "--device", "late"]);
    let mut here = hub.device(&env, "here", &[]);
    env.write("slow.yaml", SLOW);

    let apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    // The call has arrived, so the job is running; the other device is still away.
    here.wait_for("update");
    apply.kill();

    let late = hub.device(&env, "late", &[]);
    let again = finish(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    assert_eq!(again.code, 0, "{}\n{}", again.stdout, again.stderr);
    assert_eq!(outcomes(&again.stdout)["succeeded"], 2);
    let list = finish(hub.client(&env, "iothubowner").args(["list", "--output", "json"]));
    assert_eq!(list.stdout.lines().count(), 1, "one run only:\n{}", list.stdout);
    for device in [here, late] {
        let (_, stdout, _) = device.interrupt();
        assert_eq!(stdout.matches("update").count(), 1, "called once:\n{stdout}");
    }
}

#[test]
fn a_killed_hub_finishes_its_job_when_it_is_started_again() {
    let env = TestEnv::new();
    env.write("slow.yaml", SLOW);
    let hub = HubProcess::start(&env, &["--data", "data", "--device", "here", "--device", "late", "--device", "hangs"]);
    let ready = hub.ready.clone();
    let mut here = hub.device(&env, "here", &[]);
    let mut hangs = hub.device(&env, "hangs", &["--method", "update=200@50s"]);

    let mut apply = Process::start(hub.client(&env, "iothubowner").args(["apply", "slow.yaml", "--output", "json"]));
    here.wait_for("update");
    hangs.wait_for("update");
    // Its answer is durable before it shows: so it must be there afterwards.
    let answered = "SELECT * FROM devices.jobs WHERE deviceId = 'here' AND status = 'completed'";
    loop {
        let rows = finish(hub.client(&env, "iothubowner").args(["query", answered, "--output", "json"]));
        if !rows.stdout.is_empty() {
            break;
        }
    }
    hub.process.kill();

    let hub = start_again(&env, &ready);
    assert_eq!(hub.ready.policy("iothubowner"), ready.policy("iothubowner"), "keys survive");
    let late = HubProcess { process: hub.process, ready: ready.clone() };
    let _late_device = late.device(&env, "late", &[]);
    let (code, stdout, stderr) = apply.finish();
    assert_eq!(code, Some(6), "{stdout}\n{stderr}");
    let outcomes = outcomes(&stdout);
    assert_eq!(outcomes["succeeded"], 2, "{outcomes}\n{stderr}");
    // It was sent before the crash, and nobody knows whether it ran: it is not sent again.
    assert_eq!(outcomes["timedOut"], 1, "{outcomes}\n{stderr}");
    for (device, name) in [(here, "here"), (hangs, "hangs")] {
        let (_, stdout, _) = device.interrupt();
        assert_eq!(stdout.matches("update").count(), 1, "{name} was called once:\n{stdout}");
    }
}

/// What the hub answered with success: from then on it must be there.
#[derive(Debug)]
enum Said {
    Device(String),
    /// The tag `n` of the writer's own device.
    Tag {
        writer: u64,
        n: u64,
    },
    Job(String),
}

/// Everything that was acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    devices: BTreeSet<String>,
    tags: BTreeMap<u64, u64>,
    jobs: Vec<String>,
}

impl Acknowledged {
    fn add(&mut self, said: Said) {
        match said {
            Said::Device(id) => {
                self.devices.insert(id);
            }
            Said::Tag { writer, n } => {
                self.tags.insert(writer, n);
            }
            Said::Job(id) => self.jobs.push(id),
        }
    }

    /// Looks for all of it; the jobs from `first_job` on must also come to their end.
    fn is_there(&self, ready: &Ready, first_job: usize) {
        let mut raw = RawHttp::connect(ready, "iothubowner");
        let there = devices(&mut raw);
        let lost: Vec<_> = self.devices.difference(&there).collect();
        assert!(lost.is_empty(), "devices are lost: {lost:?}");
        for writer in WRITERS {
            let twin = raw.ask(&format!("GET /twins/writer-{writer}"), "").ok();
            let found = twin["tags"]["n"].as_u64().unwrap_or_default();
            let acknowledged = self.tags.get(&writer).copied().unwrap_or_default();
            assert!(found >= acknowledged, "the tag of writer {writer} is {found}, and was {acknowledged}");
        }
        for job in &self.jobs[first_job..] {
            loop {
                let found = raw.ask(&format!("GET /jobs/v2/{job}"), "").ok();
                match found["status"].as_str() {
                    Some("completed") => break,
                    Some("queued" | "running") => {}
                    _ => panic!("{job} is {found}"),
                }
            }
        }
    }
}

/// The ids of all devices.
fn devices(raw: &mut RawHttp) -> BTreeSet<String> {
    let (mut ids, mut continuation) = (BTreeSet::new(), String::new());
    loop {
        let header = format!("x-ms-continuation: {continuation}");
        let line = "POST /devices/query?api-version=2021-04-12";
        let page = raw.ask_with(line, &[&header], r#"{"query":"SELECT deviceId FROM devices"}"#);
        let rows = page.ok();
        let rows = rows.as_array().into_iter().flatten();
        ids.extend(rows.filter_map(|row| row["deviceId"].as_str()).map(str::to_owned));
        match page.header("x-ms-continuation") {
            Some(token) => continuation = token.to_owned(),
            None => return ids,
        }
    }
}

/// Creates devices, patches a twin and creates jobs, one after the other, until the hub is gone.
fn write_on(mut raw: RawHttp, writer: u64, from: u64, said: &Sender<Said>) {
    for n in from.. {
        let (device, job) = (format!("d-{writer}-{n}"), format!("job-{writer}-{n}"));
        let tag = json!({"tags": {"n": n}}).to_string();
        let twin_job = json!({"type": "scheduleUpdateTwin", "queryCondition": format!("deviceId = 'writer-{writer}'"),
            "updateTwin": {"etag": "*", "properties": {"desired": {"n": n}}}, "maxExecutionTimeInSeconds": 3_600});
        for (line, body, yes) in [
            (format!("PUT /devices/{device}"), "{}", Said::Device(device)),
            (format!("PATCH /twins/writer-{writer}"), tag.as_str(), Said::Tag { writer, n }),
            (format!("PUT /jobs/v2/{job}"), twin_job.to_string().as_str(), Said::Job(job)),
        ] {
            let Some(answer) = raw.ask_while_it_lives(&line, body) else { return };
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            said.send(yes).expect("the test listens until all writers have ended");
        }
    }
}

// conformance: DEVICE.md 10: what the hub acknowledged with `--data` is there after kill -9, and jobs go on
#[test]
fn what_was_acknowledged_outlives_kill_9_again_and_again() {
    let rounds = std::env::var("IOTJOB_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let env = TestEnv::new();
    let names = WRITERS.map(|writer| format!("writer-{writer}"));
    let mut flags = vec!["--data", "data"];
    flags.extend(names.iter().flat_map(|name| ["--device", name]));
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds {
        let hub = HubProcess::start(&env, &flags);
        let jobs_before = acknowledged.jobs.len();
        let (said, heard) = channel();
        std::thread::scope(|scope| {
            for writer in WRITERS {
                let raw = RawHttp::connect(&hub.ready, "iothubowner");
                let said = said.clone();
                scope.spawn(move || write_on(raw, writer, (round + 1) * A_ROUND, &said));
            }
            drop(said);
            // Another moment in every round, and always with writes of all three under way.
            for yes in heard.iter().take(usize::try_from(20 + round * 7 % 40).unwrap()) {
                acknowledged.add(yes);
            }
            hub.process.kill();
            heard.iter().for_each(|yes| acknowledged.add(yes));
        });
        let hub = HubProcess::start(&env, &flags);
        acknowledged.is_there(&hub.ready, jobs_before);
        hub.process.kill();
    }
    let hub = HubProcess::start(&env, &flags);
    acknowledged.is_there(&hub.ready, 0);
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
}
