//! What can be wrong with a fleet file: one variant a rule, each with its code, its sentence and its way out.

use miette::Diagnostic;

use super::name::InvalidName;
use super::template_problem::TemplateProblem;
use crate::device::InvalidIdTemplate;
use crate::model::InvalidId;
use crate::model::limits::{
    FLEET_DEVICES_MAX, FLEET_GROUPS_MAX, LATENCY_S_MAX, METHOD_PAYLOAD_BYTES_MAX, MODULES_PER_DEVICE_MAX,
    RESPONSE_TIMEOUT_S, TELEMETRY_BYTES_MAX, TELEMETRY_EVERY_MS_MIN,
};
use crate::source::{TextProblem, TwinProblem};

/// The rules of a fleet file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ProblemKind {
    // What any text may have wrong
    /// A rule that all texts keep.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Text(#[from] TextProblem),
    /// A limit of twins.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Twin(#[from] TwinProblem),
    /// A rule of generators and references.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Template(#[from] TemplateProblem),

    // The shape of the file
    /// A file without any document.
    #[error("there is no fleet in this file")]
    #[diagnostic(code(iotjob::fleet::no_fleet), help("write for instance `groups: [{{ name: doors, count: 10 }}]`"))]
    NoFleet,
    /// A second document.
    #[error("a fleet file holds one fleet, this is a second document")]
    #[diagnostic(code(iotjob::fleet::several_documents), help("put it into a file of its own"))]
    SeveralDocuments,
    /// A document that is no map.
    #[error("a fleet is a map of keys, this is {found}")]
    #[diagnostic(code(iotjob::fleet::not_a_fleet), help("start with `groups:`"))]
    NotAFleet {
        /// What it is.
        found: &'static str,
    },
    /// A number outside its range.
    #[error("`{member}` lies between {least} and {most}, this is {written}")]
    #[diagnostic(code(iotjob::fleet::number), help("write a whole number in that range"))]
    Number {
        /// The member.
        member: String,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
        /// What was written.
        written: String,
    },
    /// A word that is none of those known.
    #[error("`{found}` is no value of `{member}`")]
    #[diagnostic(code(iotjob::fleet::unknown_value))]
    UnknownValue {
        /// The member.
        member: String,
        /// What was written.
        found: String,
        /// The value that was probably meant, or those that there are.
        #[help]
        help: String,
    },

    // Names and ids
    /// A name outside the rules.
    #[error("{error}")]
    #[diagnostic(code(iotjob::fleet::name_illegal))]
    NameIllegal {
        /// Which rule.
        error: InvalidName,
        /// A legal name like it.
        #[help]
        help: String,
    },
    /// A file whose stem makes no name.
    #[error("the file's name makes the fleet's name `{name}`, and {error}")]
    #[diagnostic(code(iotjob::fleet::name_from_file), help("add a `name:` to the fleet"))]
    NameFromFile {
        /// What the stem makes.
        name: String,
        /// Which rule it breaks.
        error: InvalidName,
    },
    /// A name that an earlier group has.
    #[error("an earlier group is called `{name}` already")]
    #[diagnostic(code(iotjob::fleet::group_twice), help("give each group a name of its own"))]
    GroupTwice {
        /// The name.
        name: String,
    },
    /// A template that makes no ids.
    #[error("{error}")]
    #[diagnostic(code(iotjob::fleet::id_template), help("write for instance `door-{{n:05}}`"))]
    IdTemplate {
        /// Why not.
        error: InvalidIdTemplate,
    },
    /// A template whose last number makes no id.
    #[error("the last id of the group is none: {error}")]
    #[diagnostic(code(iotjob::fleet::id_illegal), help("shorten the template"))]
    IdIllegal {
        /// Why not.
        error: InvalidId,
    },
    /// An id that MQTT cannot carry.
    #[error("a device called `{id}` cannot connect over MQTT: `#` and `+` are wildcards there")]
    #[diagnostic(code(iotjob::fleet::id_not_on_mqtt), help("leave `#` and `+` out of ids"))]
    IdNotOnMqtt {
        /// The id.
        id: String,
    },
    /// Two groups that make the same id.
    #[error("`{id}` is a device of the group `{other}` already")]
    #[diagnostic(code(iotjob::fleet::ids_collide), help("give one of the two groups another `idTemplate`"))]
    IdsCollide {
        /// The first id that both make.
        id: String,
        /// The earlier group.
        other: String,
    },
    /// A module's id outside the rules.
    #[error("{error}")]
    #[diagnostic(code(iotjob::fleet::module_id_illegal), help("write an id that the hub's registry takes"))]
    ModuleIdIllegal {
        /// Which rule.
        error: InvalidId,
    },
    /// A module that an earlier one is already.
    #[error("an earlier module is called `{id}` already")]
    #[diagnostic(code(iotjob::fleet::module_twice), help("each module of a device has an id of its own"))]
    ModuleTwice {
        /// The id.
        id: String,
    },
    /// More modules than a device has.
    #[error("the group has {found} modules; a device has at most {MODULES_PER_DEVICE_MAX}")]
    #[diagnostic(code(iotjob::fleet::too_many_modules), help("spread them over several groups"))]
    TooManyModules {
        /// How many.
        found: usize,
    },

    // How many
    /// Neither a count nor a share.
    #[error("the group does not say how many devices it has")]
    #[diagnostic(
        code(iotjob::fleet::count_missing),
        help("write `count: 100`, or `share: 10%` of the fleet's `devices`")
    )]
    CountMissing,
    /// Both a count and a share.
    #[error("`count` and `share` are both here: a group has one of them")]
    #[diagnostic(code(iotjob::fleet::count_twice), help("remove one of the two"))]
    CountTwice,
    /// A share of nothing.
    #[error("a share of what: the fleet does not say how many devices it has")]
    #[diagnostic(
        code(iotjob::fleet::share_without_devices),
        help("write `devices: 1000` above `groups`, or a `count` here")
    )]
    ShareWithoutDevices,
    /// Shares of more than everything.
    #[error("with this group, the shares add up to {sum}%")]
    #[diagnostic(code(iotjob::fleet::shares_too_large), help("the shares of all groups make 100% at most"))]
    SharesTooLarge {
        /// How many per cent.
        sum: String,
    },
    /// More devices than a hub has.
    #[error("the groups have {devices} devices; a hub has at most {FLEET_DEVICES_MAX}")]
    #[diagnostic(code(iotjob::fleet::too_many_devices), help("lower the counts"))]
    TooManyDevices {
        /// How many.
        devices: u64,
    },
    /// Groups with more devices than the fleet.
    #[error("the groups have {made} devices, more than the fleet's {devices}")]
    #[diagnostic(code(iotjob::fleet::devices_exceeded), help("write `devices: {made}`, or lower the counts"))]
    DevicesExceeded {
        /// What the groups have.
        made: u64,
        /// What the fleet has.
        devices: u64,
    },
    /// Groups with fewer devices than the fleet.
    #[error("the groups have {made} devices, fewer than the fleet's {devices}: that is how many there will be")]
    #[diagnostic(
        code(iotjob::fleet::devices_left),
        severity(Warning),
        help("write `devices: {made}`, or let the groups have all of them")
    )]
    DevicesLeft {
        /// What the groups have.
        made: u64,
        /// What the fleet has.
        devices: u64,
    },
    /// A group of nobody.
    #[error("the group has no device")]
    #[diagnostic(code(iotjob::fleet::group_empty), severity(Warning), help("raise its count or share, or remove it"))]
    GroupEmpty,
    /// More groups than one keeps track of.
    #[error("the fleet has {found} groups; at most {FLEET_GROUPS_MAX} are allowed")]
    #[diagnostic(code(iotjob::fleet::too_many_groups), help("let a group's devices differ by generators"))]
    TooManyGroups {
        /// How many.
        found: usize,
    },

    // Shares and times
    /// A text that is no share.
    #[error("`{text}` is not a share")]
    #[diagnostic(
        code(iotjob::fleet::share),
        help("write a percentage from 0% to 100%, such as `5%` or `0.5%`, with at most four decimals")
    )]
    Share {
        /// What was written.
        text: String,
    },
    /// A number where a share belongs.
    #[error("`{key}: {written}` is not a share")]
    #[diagnostic(code(iotjob::fleet::share_without_unit), help("write `{written}%`"))]
    ShareWithoutUnit {
        /// The member.
        key: String,
        /// The number.
        written: String,
    },
    /// Something that is no time.
    #[error("`{text}` is not a duration")]
    #[diagnostic(
        code(iotjob::fleet::latency),
        help(
            "write a duration such as `200ms` or `1m 30s`, a span such as `200ms..2s`, or `{{ median: 300ms, p99: 4s }}`"
        )
    )]
    Latency {
        /// What was written.
        text: String,
    },
    /// The longer one first.
    #[error("{first} is longer than {second}")]
    #[diagnostic(
        code(iotjob::fleet::latency_order),
        help("write the shorter one first; a median is shorter than its p99")
    )]
    LatencyOrder {
        /// What should be the shorter.
        first: String,
        /// What should be the longer.
        second: String,
    },
    /// A median of nothing.
    #[error("a median of nothing makes no distribution")]
    #[diagnostic(code(iotjob::fleet::latency_median), help("write a median above 0s, or leave the latency out"))]
    LatencyMedian,
    /// Longer than makes sense.
    #[error("{found} is longer than {LATENCY_S_MAX}s, the longest that a simulated device takes over anything")]
    #[diagnostic(code(iotjob::fleet::latency_too_long), help("write a shorter time"))]
    LatencyTooLong {
        /// What was written.
        found: String,
    },
    /// An answer that nobody waits for.
    #[error("an answer after {found} comes too late: no caller waits longer than {}s", RESPONSE_TIMEOUT_S.1)]
    #[diagnostic(
        code(iotjob::fleet::latency_beyond_response),
        help("write a shorter time; for calls that are never answered write `hangs: 100%`")
    )]
    LatencyBeyondResponse {
        /// What was written.
        found: String,
    },

    // Behaviour
    /// A method's name that no SDK passes on.
    #[error("{error}")]
    #[diagnostic(
        code(iotjob::fleet::method_name_illegal),
        help("write the name as a job calls it, or `'*'` for every other method")
    )]
    MethodNameIllegal {
        /// Which rule.
        error: InvalidId,
    },
    /// The status that SDKs refuse.
    #[error("0 is no status of a method: SDKs refuse it")]
    #[diagnostic(code(iotjob::fleet::status_zero), help("write 200 for a success, or any other integer"))]
    StatusZero,
    /// A payload over the limit.
    #[error("the payload has {bytes} bytes of JSON; a method takes {METHOD_PAYLOAD_BYTES_MAX}")]
    #[diagnostic(code(iotjob::fleet::payload_too_large), help("shorten it"))]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Messages in a flood.
    #[error("a device sends at most every {TELEMETRY_EVERY_MS_MIN}ms")]
    #[diagnostic(code(iotjob::fleet::telemetry_too_often), help("write a longer time; more devices send more"))]
    TelemetryTooOften,
    /// A message over the limit.
    #[error("the message has up to {bytes} bytes; the service takes {TELEMETRY_BYTES_MAX}")]
    #[diagnostic(code(iotjob::fleet::telemetry_too_large), help("shorten its body"))]
    TelemetryTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Faults that are many.
    #[error("the shares of the faults add up to {sum}%: they strike independently, some devices have several")]
    #[diagnostic(
        code(iotjob::fleet::faults_overlap),
        severity(Warning),
        help("lower the shares, or use groups to keep the faults apart")
    )]
    FaultsOverlap {
        /// How many per cent.
        sum: String,
    },
}
