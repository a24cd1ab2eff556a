//! A fleet: which devices, on which hub, how fast.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgGroup;

use super::{DeviceArgs, Prepared};
use crate::auth::ServiceConnectionString;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use crate::cli::flag_value::{one_or_more, seed};
use crate::cli::fleet_file::fleet_file;
use crate::cli::hub_target::{HubArgs, failure, variable};
use crate::cli::printer::Printer;
use crate::client::ErrorClass;
use crate::device::{Behaviour, IdTemplate, Ramp, ReconnectSpans, Transport};
use crate::fleet::{self, Authentication, FleetSpec, Shard};
use crate::local::{HubPlace, Room, make_room};
use crate::model::limits::{HTTPS_PORT, MQTT_PORT};
use crate::model::{Clock, Seed};
use crate::registration::{Crew, CrewAccess, CrewError, Mark, Registered, RegistrationError, register};
use crate::report::WatchedGroup;
use crate::tls::{FleetCa, client_config};

/// Set in each pod of an indexed job of Kubernetes: its index, from 0.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// Devices between two words on how far registering is.
const REGISTERED_TOLD: usize = 1_000;

/// Which fleet.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A fleet", group = ArgGroup::new("crowd").args(["fleet", "count"]))]
pub(super) struct CrowdArgs {
    /// Run the fleet that a file describes, and register what is missing, tags and all. Takes the hub's service connection
    /// string, whose policy needs DeviceConnect, and RegistryWrite and ServiceConnect to register
    #[arg(long, value_name = "FILE")]
    fleet: Option<PathBuf>,
    /// Run so many devices that are all alike, and register those that are missing
    #[arg(long, value_name = "N", value_parser = one_or_more::<NonZeroU32>)]
    count: Option<NonZeroU32>,
    /// Ids of --count: {n:05} stands for the device's number from 1, in five digits
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "device-{n:05}",
        requires = "count",
        conflicts_with = "fleet"
    )]
    id_template: IdTemplate,
    /// Delete what this fleet made, and end: every device that carries its mark in statusReason, the file's name or the
    /// template of the ids, also when file and count have it no more. Nothing else is ever deleted or changed
    #[arg(long, requires = "crowd", conflicts_with_all = ["shard", "ramp", "seed"])]
    pub(super) prune: bool,
    /// Run one part of several, each on a machine of its own: 3/10. /10 takes the part from JOB_COMPLETION_INDEX, which an
    /// indexed job of Kubernetes sets
    #[arg(long, value_name = "I/N", requires = "crowd")]
    shard: Option<ShardArg>,
    /// Devices to start in a second, at most
    #[arg(long, value_name = "N/s", default_value = "100/s", requires = "crowd")]
    ramp: RampRate,
    /// Seed of every decision, instead of the file's: the same seed gives the same fleet again [default: the file's, or 0]
    #[arg(long, value_name = "N", value_parser = seed)]
    pub(super) seed: Option<Seed>,
    /// Folder of the CA that issues certificates to groups with certificateAuthority; made when it is missing. The hub
    /// must trust its fleet-ca.pem
    #[arg(long, value_name = "DIR", requires = "fleet", conflicts_with_all = ["count", "prune"])]
    fleet_ca: Option<PathBuf>,
    /// Port of MQTT over TLS for a fleet; a device's connection string names its own after the host
    #[arg(long, value_name = "PORT", default_value_t = MQTT_PORT)]
    mqtt_port: u16,
}

/// Devices in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RampRate(NonZeroU32);

impl FromStr for RampRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).trim();
        number.parse().map(Self).map_err(|_| "write how many devices a second, such as 200/s".to_owned())
    }
}

/// A part of a fleet, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShardArg {
    Given(Shard),
    /// The part that the environment says, of so many.
    Indexed(NonZeroU64),
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('/') {
            Some(of) => {
                of.parse().map(Self::Indexed).map_err(|_| "write how many parts there are, such as /10".to_owned())
            }
            None => text.parse().map(Self::Given).map_err(|error: fleet::InvalidShard| error.to_string()),
        }
    }
}

impl ShardArg {
    fn shard(self, index: Option<&str>) -> Result<Shard, Failure> {
        let of = match self {
            Self::Given(shard) => return Ok(shard),
            Self::Indexed(of) => of.get(),
        };
        let Some(index) = index else {
            return Err(Failure::usage(format!(
                "--shard /{of} takes the part from {INDEX_VARIABLE}, which is not set"
            ))
            .hint(format!("write the part yourself, from --shard 1/{of} to --shard {of}/{of}")));
        };
        let part = index.trim().parse::<u64>().ok().and_then(|index| Shard::new(index.checked_add(1)?, of));
        part.ok_or_else(|| {
            Failure::usage(format!("--shard /{of}: {INDEX_VARIABLE} is `{index}`, not a number from 0 to {}", of - 1))
        })
    }
}

impl CrowdArgs {
    /// Whether a fleet is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.fleet.is_some() || self.count.is_some()
    }

    /// The fleet and its mark.
    pub(super) fn spec(
        &self,
        behaviour: Behaviour,
        transport: Transport,
        printer: &Printer,
    ) -> Result<(FleetSpec, Mark), Failure> {
        let (spec, name) = match (&self.fleet, self.count) {
            (Some(path), _) => {
                let spec = fleet_file(path, printer)?;
                let name = spec.name().to_string();
                (spec, name)
            }
            (None, count) => {
                let count = u64::from(count.map_or(0, NonZeroU32::get));
                let spec = FleetSpec::uniform(self.id_template.clone(), count, Arc::new(behaviour), transport)
                    .map_err(|error| Failure::usage(format!("--id-template: {error}")))?;
                (spec, self.id_template.to_string())
            }
        };
        let mark = Mark::of_fleet(&name).map_err(|error| Failure::usage(error.to_string()))?;
        let spec = match self.seed {
            Some(seed) => spec.with_seed(seed),
            None => spec,
        };
        Ok((spec, mark))
    }

    fn access<'a>(
        &self,
        ca: Option<&'a FleetCa>,
        hub: &HubArgs,
        (devices, printer): (usize, &Printer),
    ) -> Result<CrewAccess<'a>, Failure> {
        let connection = hub.connection(printer)?;
        let tls = client_config(&hub.trust()).map_err(|error| Failure::usage(chain(&error)))?;
        let https_port = connection.host.port.unwrap_or(HTTPS_PORT);
        let ServiceConnectionString { host, policy, key, .. } = connection;
        Ok(CrewAccess {
            host,
            mqtt_port: self.mqtt_port,
            https_port,
            tls: Arc::new(tls),
            policy: policy.into(),
            key: Arc::new(key),
            ca,
            reconnect: reconnect(devices, self.ramp),
        })
    }

    fn ca(&self, spec: &FleetSpec, printer: &Printer) -> Result<Option<FleetCa>, Failure> {
        let wants =
            |group: &&fleet::Group| group.count > 0 && group.authentication == Authentication::CertificateAuthority;
        let Some(group) = spec.groups().iter().find(wants) else { return Ok(None) };
        let Some(folder) = &self.fleet_ca else {
            return Err(Failure::usage(format!(
                "the group `{}` wants certificates of the fleet's own CA, and --fleet-ca names no folder for it",
                group.name
            ))
            .hint("add --fleet-ca DIR: the CA is made there when it is missing")
            .hint("the hub must trust it: `iotjob hub --trust-ca DIR/fleet-ca.pem`, or upload it to IoT Hub"));
        };
        let (ca, file) = FleetCa::load_or_create(folder).map_err(|error| Failure::usage(chain(&error)))?;
        printer.say(&format!("CA of the fleet, which the hub must trust: {}", file.display()));
        Ok(Some(ca))
    }
}

/// A fleet that came up in so long comes back in as long: no thundering herd when the hub restarts.
fn reconnect(devices: usize, ramp: RampRate) -> ReconnectSpans {
    let spans = ReconnectSpans::default();
    let seconds = devices as u64 / u64::from(ramp.0.get());
    let first = Duration::from_secs(seconds).clamp(spans.first, spans.most);
    ReconnectSpans { first, ..spans }
}

/// Registers a fleet and makes its devices ready.
pub(super) async fn prepare(args: &DeviceArgs, printer: &Printer) -> Result<Prepared, Failure> {
    let crowd = &args.crowd;
    let behaviour = args.behaviour.behaviour()?;
    let (spec, mark) = crowd.spec(behaviour, args.behaviour.transport(), printer)?;
    let shard = match crowd.shard {
        Some(shard) => shard.shard(variable(INDEX_VARIABLE).as_deref())?,
        None => Shard::WHOLE,
    };
    let size = Crew::size(&spec, shard);
    if size == 0 {
        return Err(Failure::usage("there is no device to run").hint("the fleet, or its part, is empty"));
    }
    check_room(size)?;
    let ca = crowd.ca(&spec, printer)?;
    let access = crowd.access(ca.as_ref(), &args.hub, (size, printer))?;
    let crew = Crew::equip(&spec, shard, &access, Clock::system().now()).map_err(|error| unequipped(&error))?;
    enrol(&crew, &mark, &args.hub, printer).await?;
    let groups = crew.groups().iter().map(|group| WatchedGroup {
        name: group.name.clone(),
        devices: group.devices,
        stats: Arc::clone(&group.stats),
    });
    Ok(Prepared {
        groups: groups.filter(|group| group.devices > 0).collect(),
        devices: crew.into_devices(),
        seed: spec.seed(),
        ramp: Ramp::PerSecond(crowd.ramp.0),
    })
}

fn unequipped(error: &CrewError) -> Failure {
    Failure::usage(chain(error))
}

/// Registers what is missing. A policy that may not is no obstacle when nothing is missing, which the hub will show.
async fn enrol(crew: &Crew<'_>, mark: &Mark, hub: &HubArgs, printer: &Printer) -> Result<(), Failure> {
    let mut told = 0;
    let on_batch = |seen: usize| {
        if seen / REGISTERED_TOLD > told {
            told = seen / REGISTERED_TOLD;
            printer.say(&format!("{seen} devices are registered so far"));
        }
    };
    match register(&hub.client(printer)?, mark, crew.identities(), on_batch).await {
        Ok(registered) => {
            tell_registered(&registered, printer);
            Ok(())
        }
        Err(RegistrationError::Client(error)) if error.class() == ErrorClass::NotPermitted => {
            printer.warn(
                "the policy may not register devices, which needs RegistryWrite; those that the hub does not know cannot connect",
            );
            Ok(())
        }
        Err(error) => Err(registration_failure(&error)),
    }
}

/// A failed registration or deletion as the command's failure.
pub(super) fn registration_failure(error: &RegistrationError) -> Failure {
    match error {
        RegistrationError::Client(error) => failure(error),
        RegistrationError::Refused { .. } => Failure::new(Exit::HubUnavailable, error.to_string()),
    }
}

fn tell_registered(registered: &Registered, printer: &Printer) {
    let Registered { created, kept, unmarked, locked_out, marks_unreadable } = registered;
    printer.say(&format!("{created} devices registered, {} were there", kept + unmarked.len()));
    let Some(example) = unmarked.first() else { return };
    let whose = if *marks_unreadable {
        "may be somebody else's, which only a policy with ServiceConnect can tell"
    } else {
        "do not carry the fleet's mark"
    };
    printer.say(&format!(
        "{} of them {whose}, `{example}` for one: they are used as they are, and --prune leaves alone whatever is not marked",
        unmarked.len()
    ));
    if *locked_out > 0 {
        printer.warn(&format!(
            "{locked_out} of them cannot connect: the registry does not know the certificates that were made for them"
        ));
    }
}

/// Each device is a socket, and many systems start with 1,024 files a process. Better no fleet than half of one.
fn check_room(devices: usize) -> Result<(), Failure> {
    match make_room(HubPlace::Elsewhere) {
        Ok(room) if devices > room.devices => Err(no_room(devices, room)),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "the file limit of this process is unknown");
            Ok(())
        }
    }
}

fn no_room(wanted: usize, room: Room) -> Failure {
    let Room { files, devices } = room;
    let failure = Failure::usage(format!(
        "{wanted} devices do not fit into one process here: its file limit of {files} allows {devices}"
    ))
    .hint("raise the limit of this process and of the hub's, with `ulimit -n` for instance");
    match wanted.div_ceil(devices.max(1)) {
        _ if devices == 0 => failure,
        parts => failure.hint(format!("or run {parts} processes, from --shard 1/{parts} to --shard {parts}/{parts}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Probe {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn args(line: &[&str]) -> Result<DeviceArgs, clap::Error> {
        Probe::try_parse_from([&["probe"], line].concat()).map(|probe| probe.device)
    }

    #[test]
    fn flags_that_do_not_go_together_are_refused() {
        let refused: &[&[&str]] = &[
            &["--connection-string", "x", "--count", "2"],
            &["--connection-string", "x", "--fleet", "f.yaml"],
            &["--cert", "c.pem", "--key", "k.pem", "--count", "2"],
            &["--cert", "c.pem"],
            &["--key", "k.pem"],
            &["--fleet", "f.yaml", "--count", "2"],
            &["--fleet", "f.yaml", "--id-template", "d-{n}"],
            &["--fleet", "f.yaml", "--method", "a=200"],
            &["--fleet", "f.yaml", "--report", "{}"],
            &["--fleet", "f.yaml", "--transport", "websocket"],
            &["--id-template", "d-{n}"],
            &["--count", "0"],
            &["--count", "2", "--id-template", "door"],
            &["--count", "2", "--fleet-ca", "dir"],
            &["--prune"],
            &["--shard", "1/2"],
            &["--ramp", "5/s"],
            &["--count", "2", "--shard", "3/2"],
            &["--count", "2", "--shard", "/0"],
            &["--count", "2", "--ramp", "0/s"],
            &["--count", "2", "--ramp", "5/min"],
            &["--count", "2", "--stop-after", "0"],
            &["--count", "2", "--duration", "0s"],
            &["--count", "2", "--prune", "--shard", "1/2"],
            &["--count", "2", "--prune", "--seed", "1"],
            &["--count", "2", "--prune", "--duration", "1s"],
            &["--count", "2", "--prune", "--stop-after", "1"],
            &["--count", "2", "--prune", "--metrics", "127.0.0.1:0"],
            &["--count", "2", "--prune", "--method", "a=200"],
            &["--transport", "carrier-pigeon"],
        ];
        for line in refused {
            assert!(args(line).is_err(), "{line:?}");
        }
        let taken: &[&[&str]] = &[
            &["--count", "2", "--id-template", "door-{n:03}", "--mqtt-port", "1"],
            &["--count", "2", "--ramp", "200/s", "--shard", "2/2", "--seed", "7", "--transport", "websocket"],
            &["--fleet", "f.yaml", "--ramp", "200", "--shard", "/4", "--duration", "10m", "--stop-after", "5"],
            &["--fleet", "f.yaml", "--fleet-ca", "dir", "--metrics", "127.0.0.1:0", "--output", "json"],
            &["--fleet", "f.yaml", "--prune"],
            &["--count", "2", "--id-template", "door-{n}", "--prune"],
            &["--seed", "7", "--transport", "websocket", "--duration", "1s", "--metrics", "127.0.0.1:0"],
        ];
        for line in taken {
            assert!(args(line).is_ok(), "{line:?}: {}", args(line).unwrap_err());
        }
    }

    #[test]
    fn the_part_comes_from_the_flag_or_from_kubernetes() {
        let shard = |text: &str, index| text.parse::<ShardArg>().unwrap().shard(index);
        assert_eq!(shard("3/10", Some("7")).unwrap().to_string(), "3/10");
        assert_eq!(shard("/10", Some("0")).unwrap().to_string(), "1/10");
        assert_eq!(shard("/10", Some("9")).unwrap().to_string(), "10/10");
        for (index, told) in [(None, "not set"), (Some("10"), "`10`"), (Some("x"), "from 0 to 9")] {
            let failure = shard("/10", index).unwrap_err();
            assert!(failure.exit == Exit::Usage && failure.message.contains(told), "{failure}");
        }
    }

    #[test]
    fn a_fleet_past_the_file_limit_is_told_both_numbers_and_the_ways_out() {
        let failure = no_room(5_000, Room { files: 1_024, devices: 896 });
        let expected = "5000 devices do not fit into one process here: its file limit of 1024 allows 896";
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Usage, expected));
        assert!(failure.hints[1].contains("--shard 1/6 to --shard 6/6"), "{:?}", failure.hints);
        assert_eq!(no_room(5, Room { files: 100, devices: 0 }).hints.len(), 1);
    }

    #[test]
    fn a_fleet_comes_back_no_faster_than_it_came() {
        let first = |devices, ramp: &str| reconnect(devices, ramp.parse().unwrap()).first;
        assert_eq!(first(10, "100/s"), ReconnectSpans::default().first);
        assert_eq!(first(10_000, "500"), Duration::from_secs(20));
        assert_eq!(first(1_000_000, "10/s"), ReconnectSpans::default().most);
    }
}
