//! What stands below a command's flags: examples, variables, exit codes. The exit codes' table is at `iotjob --help`.

use super::exit::Exit;
use super::hub_target::{CA_FILE_VARIABLE, CONNECTION_STRING_VARIABLE, HOST_VARIABLE};

/// What a command line looks like, and what it is for.
type Example = (&'static str, &'static str);

/// A variable, and what it means.
type Variable = (&'static str, &'static str);

const HUB: Variable = (CONNECTION_STRING_VARIABLE, "the hub's service connection string, or @FILE");
const HOST: Variable = (HOST_VARIABLE, "the hub's host name, to sign in with Entra ID: docs/access.md");
const CA: Variable = (CA_FILE_VARIABLE, "a file of PEM certificates to trust besides the machine's own");
const DEVICE: Variable = ("IOTHUB_DEVICE_CONNECTION_STRING", "the device's connection string, or @FILE");
const INDEX: Variable = ("JOB_COMPLETION_INDEX", "the index of an indexed job of Kubernetes, for --shard /N");
const LOG: Variable = ("IOTJOB_LOG", "what to log, such as iotjob::hub=debug; it wins over -v and -q");

/// What commands that only ask the hub end with.
const ASKING: &[Exit] = &[Exit::Success, Exit::Usage, Exit::NotPermitted, Exit::HubUnavailable];

/// The end of `iotjob --help`: what to type first, and the exit codes in a few words each.
#[must_use]
pub fn program() -> String {
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.brief())).collect();
    format!(
        "`iotjob COMMAND --help` has examples; start with: iotjob apply jobs/lockdoor.yaml --local\n\nExit codes:\n{}",
        codes.join("\n")
    )
}

/// Below `iotjob validate --help`.
#[must_use]
pub fn validate() -> String {
    let examples = [
        ("Everything under a folder, as a pipeline should", "iotjob validate jobs/ --deny-warnings"),
        ("What another program wrote", "generate-job | iotjob validate -"),
        (
            "A fleet file, which its first line tells from a manifest",
            "iotjob validate docs/examples/fleet/building-43.yaml",
        ),
        ("The places of all problems, for a program", "iotjob validate jobs/ --output json | jq .line"),
        (
            "For code scanning, which shows problems in the pull request",
            "iotjob validate jobs/ --output sarif > jobs.sarif",
        ),
    ];
    below(&examples, &[], &[Exit::Success, Exit::Usage, Exit::InvalidManifest, Exit::Refused])
}

/// Below `iotjob plan --help`.
#[must_use]
pub fn plan() -> String {
    let examples = [
        ("What would happen, to which devices and for how long", "iotjob plan jobs/ --tier S1"),
        ("For the comment on a pull request", "iotjob plan jobs/ --output markdown > plan.md"),
        ("Would applying change anything? Exit 10 when so", "iotjob plan jobs/ --detailed-exitcode"),
        ("Do twins still hold what the jobs gave them? Exit 10 when not", "iotjob plan jobs/ --drift"),
        (
            "Plan now, apply exactly that later",
            "iotjob plan jobs/ --out plan.json && iotjob apply --plan plan.json --tolerance 1%",
        ),
    ];
    below(
        &examples,
        &[HUB, HOST, CA, LOG],
        &[
            Exit::Success,
            Exit::Usage,
            Exit::InvalidManifest,
            Exit::NotPermitted,
            Exit::HubUnavailable,
            Exit::Refused,
            Exit::Changes,
        ],
    )
}

/// Below `iotjob apply --help`.
#[must_use]
pub fn apply() -> String {
    let examples = [
        ("Without a hub: ten simulated devices inside the process", "iotjob apply jobs/lockdoor.yaml --local"),
        (
            "Without a hub, to the devices of a fleet file, faults and all",
            "iotjob apply jobs/lockdoor.yaml --local --fleet doors.yaml",
        ),
        (
            "Two jobs at once, on the hub of IOTHUB_CONNECTION_STRING",
            "iotjob apply jobs/lockdoor.yaml jobs/building-43.yaml",
        ),
        (
            "In a pipeline: no endless wait, and events for a program",
            "iotjob apply jobs/ --require-targets --wait-timeout 30m --output json",
        ),
        (
            "With a case a device on the page of the pipeline, and a table for later",
            "iotjob apply jobs/ --report junit=devices.xml --report csv=devices.csv",
        ),
    ];
    below(
        &examples,
        &[HUB, HOST, CA, LOG],
        &[
            Exit::Success,
            Exit::Usage,
            Exit::InvalidManifest,
            Exit::NotPermitted,
            Exit::HubUnavailable,
            Exit::DevicesFailed,
            Exit::Stopped,
            Exit::StillRunning,
            Exit::Refused,
            Exit::Interrupted,
        ],
    )
}

/// Below `iotjob watch --help`.
#[must_use]
pub fn watch() -> String {
    let examples = [
        ("Come back to a run that goes on", "iotjob watch lock-doors-05287e6d8d03"),
        ("For ten minutes at most", "iotjob watch lock-doors-05287e6d8d03 --wait-timeout 10m"),
    ];
    below(
        &examples,
        &[HUB, HOST, CA, LOG],
        &[
            Exit::Success,
            Exit::Usage,
            Exit::NotPermitted,
            Exit::HubUnavailable,
            Exit::DevicesFailed,
            Exit::Stopped,
            Exit::StillRunning,
            Exit::Interrupted,
        ],
    )
}

/// Below `iotjob report --help`.
#[must_use]
pub fn report() -> String {
    let examples = [
        ("What an apply came to", "iotjob apply jobs/ --output json > events.jsonl; iotjob report events.jsonl"),
        (
            "Reports that nobody asked for at the time",
            "iotjob report events.jsonl --report junit=devices.xml --report markdown=summary.md",
        ),
    ];
    let text = below(
        &examples,
        &[],
        &[
            Exit::Success,
            Exit::Unexpected,
            Exit::Usage,
            Exit::NotPermitted,
            Exit::HubUnavailable,
            Exit::DevicesFailed,
            Exit::Stopped,
            Exit::StillRunning,
            Exit::Interrupted,
        ],
    );
    format!("It ends as the runs did: with 1 when the end of one is missing.\n\n{text}")
}

/// Below `iotjob completions --help`.
#[must_use]
pub fn completions() -> String {
    let examples = [
        ("bash, for this user", "iotjob completions bash > ~/.local/share/bash-completion/completions/iotjob"),
        ("zsh, in a folder of $fpath", "iotjob completions zsh > ~/.zfunc/_iotjob"),
        ("fish", "iotjob completions fish > ~/.config/fish/completions/iotjob.fish"),
        ("PowerShell, in the profile", "iotjob completions powershell | Out-String | Invoke-Expression"),
    ];
    below(&examples, &[], &[Exit::Success, Exit::Usage])
}

/// Below `iotjob man --help`.
#[must_use]
pub fn man() -> String {
    let examples = [("Install them for this user", "iotjob man ~/.local/share/man/man1 && man iotjob-apply")];
    below(&examples, &[], &[Exit::Success, Exit::Usage])
}

/// Below `iotjob list --help`.
#[must_use]
pub fn list() -> String {
    let examples = [
        ("What runs now", "iotjob list --status running"),
        ("The ids of all method jobs", "iotjob list --type scheduleDeviceMethod --output json | jq -r .jobId"),
    ];
    below(&examples, &[HUB, HOST, CA, LOG], ASKING)
}

/// Below `iotjob status --help`.
#[must_use]
pub fn status() -> String {
    let examples = [("One job, with its counts", "iotjob status lock-doors-05287e6d8d03")];
    below(&examples, &[HUB, HOST, CA, LOG], ASKING)
}

/// Below `iotjob results --help`.
#[must_use]
pub fn results() -> String {
    let examples = [
        ("Who did not do it, and why", "iotjob results lock-doors-05287e6d8d03 --failed"),
        (
            "Every answer, for a program",
            "iotjob results lock-doors-05287e6d8d03 --output json | jq .outcome.deviceMethodResponse",
        ),
    ];
    below(&examples, &[HUB, HOST, CA, LOG], ASKING)
}

/// Below `iotjob cancel --help`.
#[must_use]
pub fn cancel() -> String {
    let examples = [("A job that waits for its start", "iotjob cancel reboot-second-wave-72bb88851522")];
    let exits = [ASKING, &[Exit::Refused]].concat();
    below(&examples, &[HUB, HOST, CA, LOG], &exits)
}

/// Below `iotjob query --help`.
#[must_use]
pub fn query() -> String {
    let examples = [
        (
            "Some columns, as a table",
            "iotjob query \"SELECT deviceId, tags.building FROM devices WHERE tags.building = 43\"",
        ),
        ("Whole twins, for a program", "iotjob query \"SELECT * FROM devices\" --output json"),
        ("What jobs did to a device", "iotjob query \"SELECT * FROM devices.jobs WHERE deviceId = 'front-door'\""),
    ];
    below(&examples, &[HUB, HOST, CA, LOG], ASKING)
}

/// Below `iotjob schema --help`.
#[must_use]
pub fn schema() -> String {
    let examples = [
        ("For an editor", "iotjob schema > job.schema.json"),
        ("For a program that reads --output json", "iotjob schema events > events.schema.json"),
    ];
    below(&examples, &[], &[Exit::Success])
}

/// Below `iotjob init --help`.
#[must_use]
pub fn init() -> String {
    let examples = [(
        "Write lock-doors.yaml, then try it without a hub",
        "iotjob init lock-doors && iotjob apply lock-doors.yaml --local",
    )];
    below(&examples, &[], &[Exit::Success, Exit::Usage])
}

/// Below `iotjob device --help`.
#[must_use]
pub fn device() -> String {
    let examples = [
        ("The device of a hub that runs on this machine", "eval \"$(iotjob hub env)\" && iotjob device"),
        (
            "One that locks slowly and never reboots",
            "iotjob device --method 'lockDoor=200:{\"locked\":true}@1s..3s' --method reboot=503",
        ),
        (
            "A thousand devices of the hub of IOTHUB_CONNECTION_STRING",
            "iotjob device --count 1000 --id-template 'door-{n:04}' --ramp 200/s",
        ),
        (
            "The fleet of a file for ten minutes, with figures for Prometheus",
            "iotjob device --fleet doors.yaml --duration 10m --metrics 127.0.0.1:9464",
        ),
        ("One of ten machines, as an indexed job of Kubernetes", "iotjob device --fleet doors.yaml --shard /10"),
        ("Everything that the fleet made, also what its file has no more", "iotjob device --fleet doors.yaml --prune"),
    ];
    let text = below(
        &examples,
        &[DEVICE, HUB, CA, INDEX, LOG],
        &[
            Exit::Success,
            Exit::Usage,
            Exit::InvalidManifest,
            Exit::NotPermitted,
            Exit::HubUnavailable,
            Exit::Refused,
            Exit::Interrupted,
        ],
    );
    format!(
        "A fleet's devices carry a mark in statusReason, `made by iotjob device, fleet NAME`. Devices that are there without \
         it are used as they are and never changed; devices with it keep their tags, which jobs may have changed since. \
         --prune goes by the hub's index, which may be minutes behind.\n\n{text}"
    )
}

/// Below `iotjob hub --help`.
#[must_use]
pub fn hub() -> String {
    let examples = [
        ("A hub with one device, in memory", "iotjob hub --device front-door"),
        ("One that remembers, also after kill -9", "iotjob hub --data ./hub --device front-door"),
        (
            "For a script: free ports, and a file that says when it is ready",
            "iotjob hub --https-port 0 --mqtt-port 0 --ready-file ready.json",
        ),
    ];
    let text = below(&examples, &[LOG], &[Exit::Success, Exit::Unexpected, Exit::Usage]);
    format!(
        "Serves the service API over HTTPS and devices over MQTT, prints connection strings and the CA to trust, and says \
         in its log what it refused and why. Without --data it forgets everything when it stops.\n\n{text}"
    )
}

/// Below `iotjob hub env --help`.
#[must_use]
pub fn hub_env() -> String {
    let examples = [
        ("bash, zsh, sh", "eval \"$(iotjob hub env)\""),
        ("PowerShell", "iotjob hub env --shell powershell | Out-String | Invoke-Expression"),
        ("fish", "iotjob hub env --shell fish | source"),
        ("What az needs, and how to call it", "iotjob hub env --shell az"),
    ];
    below(&examples, &[], &[Exit::Success, Exit::Usage])
}

fn below(examples: &[Example], variables: &[Variable], exits: &[Exit]) -> String {
    let examples: Vec<String> =
        examples.iter().map(|(purpose, command)| format!("  # {purpose}\n  {command}")).collect();
    let mut parts = vec![format!("Examples:\n{}", examples.join("\n"))];
    if !variables.is_empty() {
        let width = variables.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines: Vec<String> =
            variables.iter().map(|(name, meaning)| format!("  {name:<width$}  {meaning}")).collect();
        parts.push(format!("Environment:\n{}", lines.join("\n")));
    }
    let codes: Vec<String> = exits.iter().map(|exit| exit.code().to_string()).collect();
    parts.push(format!("Exit codes: {} (see `iotjob --help`)", codes.join(", ")));
    parts.join("\n\n")
}
