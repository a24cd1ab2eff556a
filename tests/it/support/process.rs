//! Long-running processes of a test: waited for by what they print, ended when dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde::Deserialize;

use super::env::TestEnv;

/// How long anything in a test may take before the test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process whose output is read line by line.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<(Stream, String)>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    passed_over: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let (send, lines) = channel();
        pump(Stream::Stdout, child.stdout.take().expect("stdout is piped"), send.clone());
        pump(Stream::Stderr, child.stderr.take().expect("stderr is piped"), send);
        Self { child, lines, stdout: Vec::new(), stderr: Vec::new(), passed_over: Vec::new() }
    }

    /// Waits for a line of either stream that contains `text`, and gives it. Lines that came before one that was
    /// waited for are still there to be waited for: things that happen side by side may be told in any order.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        if let Some(index) = self.passed_over.iter().position(|line| line.contains(text)) {
            return self.passed_over.remove(index);
        }
        loop {
            match self.next_line() {
                Some(line) if line.contains(text) => return line,
                Some(line) => self.passed_over.push(line),
                None => self.give_up(&format!("the process ended before `{text}`")),
            }
        }
    }

    /// The next line of either stream; none when both have ended.
    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok((stream, line)) => {
                let seen = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
                seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.give_up(&format!("nothing came for {PATIENCE:?}")),
        }
    }

    fn give_up(&self, why: &str) -> ! {
        panic!("{why}; stdout:\n{}\nstderr:\n{}", self.stdout.join("\n"), self.stderr.join("\n"));
    }

    /// Lines of stdout seen so far.
    pub(crate) fn stdout(&self) -> &[String] {
        &self.stdout
    }

    /// Standard input; dropping it closes it.
    pub(crate) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Asks the process to stop as Ctrl-C does, waits, and gives exit code, all of stdout and stderr.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> (Option<i32>, String, String) {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "the process was still there to be interrupted");
        self.finish()
    }

    /// Waits for the end and gives exit code, all of stdout and stderr.
    pub(crate) fn finish(&mut self) -> (Option<i32>, String, String) {
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("the process ends");
        (status.code(), self.stdout.join("\n"), self.stderr.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pump(stream: Stream, source: impl Read + Send + 'static, lines: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if lines.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

/// A running `iotjob hub` and what its ready file says.
pub(crate) struct HubProcess {
    pub(crate) process: Process,
    pub(crate) ready: Ready,
}

/// The ready file (product.md 5).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    pub(crate) host_name: String,
    pub(crate) https_port: u16,
    pub(crate) mqtt_port: u16,
    pub(crate) ca_file: PathBuf,
    pub(crate) connection_strings: BTreeMap<String, String>,
    pub(crate) devices: BTreeMap<String, String>,
}

impl Ready {
    /// The connection string of a policy.
    pub(crate) fn policy(&self, name: &str) -> &str {
        self.connection_strings.get(name).unwrap_or_else(|| panic!("the hub has a policy `{name}`"))
    }

    /// The connection string of a device.
    pub(crate) fn device(&self, id: &str) -> &str {
        self.devices.get(id).unwrap_or_else(|| panic!("the hub registered `{id}`"))
    }
}

impl HubProcess {
    /// Starts a hub on free ports and waits until it listens.
    pub(crate) fn start(env: &TestEnv, args: &[&str]) -> Self {
        Self::start_on(env, "0", args)
    }

    /// Starts a hub with the given MQTT port and waits until it listens.
    pub(crate) fn start_on(env: &TestEnv, mqtt_port: &str, args: &[&str]) -> Self {
        let ports = ["--https-port", "0", "--mqtt-port", mqtt_port];
        Self::start_with(env, &[&ports, args].concat())
    }

    /// Starts a hub with these flags and waits until it listens.
    pub(crate) fn start_with(env: &TestEnv, args: &[&str]) -> Self {
        let ready_file = env.path().join("ready.json");
        let mut command = env.iotjob();
        command.arg("hub").args(args).arg("--ready-file").arg(&ready_file);
        let mut process = Process::start(&mut command);
        process.wait_for("Ctrl-C");
        let text = std::fs::read_to_string(&ready_file).expect("the ready file is there once the hub says so");
        let ready = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in the ready file:\n{text}"));
        Self { process, ready }
    }

    /// The binary, told which hub and which CA.
    pub(crate) fn client(&self, env: &TestEnv, policy: &str) -> Command {
        let mut command = env.iotjob();
        command.env("IOTHUB_CONNECTION_STRING", self.ready.policy(policy)).env("SSL_CERT_FILE", &self.ready.ca_file);
        command
    }

    /// A simulated device of this hub, up and subscribed.
    pub(crate) fn device(&self, env: &TestEnv, id: &str, args: &[&str]) -> Process {
        let mut command = env.iotjob();
        command
            .arg("device")
            .args(args)
            .env("IOTHUB_DEVICE_CONNECTION_STRING", self.ready.device(id))
            .env("SSL_CERT_FILE", &self.ready.ca_file);
        let mut process = Process::start(&mut command);
        process.wait_for("ready");
        process
    }
}
