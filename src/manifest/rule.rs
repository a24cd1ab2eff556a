//! What can be wrong with a manifest: one variant a rule, each with its code, its sentence and its way out.

use miette::Diagnostic;

use super::checked::InvalidRunName;
use super::order::OrderProblem;
use super::success::SuccessProblem;
use super::variables::VariableProblem;
use crate::model::InvalidId;
use crate::model::limits::{
    CONNECT_TIMEOUT_S_MAX, JOB_START_AHEAD_H_MAX, JOB_TIMEOUT_S_DEFAULT, JOB_TIMEOUT_S_MIN, METHOD_PAYLOAD_BYTES_MAX,
    QUERY_CONDITION_CHARS_MAX, QUERY_CONDITION_PREFIX,
};
use crate::source::{TextProblem, TwinProblem};

/// The rules of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ProblemKind {
    // What any text may have wrong
    /// A rule that all texts keep.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Text(#[from] TextProblem),

    /// A fleet file where jobs belong.
    #[error("this is a fleet file: it names the schema of one")]
    #[diagnostic(
        code(iotjob::manifest::fleet_file),
        help("`iotjob device --fleet {name}` starts its devices; jobs have files of their own")
    )]
    FleetFile {
        /// The file.
        name: String,
    },
    /// A file without any document.
    #[error("there is no job in this file")]
    #[diagnostic(code(iotjob::manifest::no_job), help("`iotjob init` writes one to start from"))]
    NoJob,

    // The shape of a document
    /// A document that is no map.
    #[error("a job is a map of keys, this is {found}")]
    #[diagnostic(
        code(iotjob::manifest::not_a_job),
        help("start with `type:`; `iotjob init` writes a job to start from")
    )]
    NotAJob {
        /// What it is.
        found: &'static str,
    },
    /// A type that jobs do not have.
    #[error("`{found}` is not a type of job")]
    #[diagnostic(code(iotjob::manifest::unknown_type))]
    UnknownType {
        /// What was written.
        found: String,
        /// The types.
        #[help]
        help: String,
    },
    // Members that have to agree
    /// A patch in a method job.
    #[error("`patch` does not go with `type: scheduleDeviceMethod`")]
    #[diagnostic(
        code(iotjob::manifest::patch_in_method_job),
        help("remove it, or write `type: scheduleUpdateTwin`; a job that does both is two jobs")
    )]
    PatchInMethodJob,
    /// A method in a twin job.
    #[error("`method` does not go with `type: scheduleUpdateTwin`")]
    #[diagnostic(
        code(iotjob::manifest::method_in_twin_job),
        help("remove it, or write `type: scheduleDeviceMethod`; a job that does both is two jobs")
    )]
    MethodInTwinJob,
    /// A method job without a method.
    #[error("`type: scheduleDeviceMethod` needs a `method`")]
    #[diagnostic(code(iotjob::manifest::method_missing), help("write for instance `method: {{ name: reboot }}`"))]
    MethodMissing,
    /// A twin job without a patch.
    #[error("`type: scheduleUpdateTwin` needs a `patch`")]
    #[diagnostic(
        code(iotjob::manifest::patch_missing),
        help("write for instance `patch: {{ desired: {{ interval: 60 }} }}`")
    )]
    PatchMissing,
    /// Both ways to name targets.
    #[error("`query` and `devices` are both here: a job has one of them")]
    #[diagnostic(
        code(iotjob::manifest::target_twice),
        help("keep the list, or put it into the query: `deviceId IN ['a', 'b']`")
    )]
    TargetTwice,
    /// Neither way to name targets.
    #[error("the job does not say which devices: `query` or `devices` is missing")]
    #[diagnostic(
        code(iotjob::manifest::target_missing),
        help("write `query: tags.building = 43`, `devices: [door-01]`, or `query: '*'` for every device")
    )]
    TargetMissing,

    // Name
    /// A name outside the rules.
    #[error("{error}")]
    #[diagnostic(code(iotjob::manifest::name_illegal))]
    NameIllegal {
        /// Which rule.
        error: InvalidRunName,
        /// A legal name like it.
        #[help]
        help: String,
    },
    /// A file whose stem makes no name.
    #[error("the file's name makes the name `{name}`, and {error}")]
    #[diagnostic(code(iotjob::manifest::name_from_file), help("add a `name:` to the job"))]
    NameFromFile {
        /// What the stem makes.
        name: String,
        /// Which rule it breaks.
        error: InvalidRunName,
    },
    /// No name and no stem to take it from.
    #[error("`name` is missing, and {why} has no file name to take it from")]
    #[diagnostic(code(iotjob::manifest::name_missing), help("add a `name:` to the job"))]
    NameMissing {
        /// What it is.
        why: &'static str,
    },
    /// A name that an earlier job has.
    #[error("the name `{name}` is taken by {first}")]
    #[diagnostic(code(iotjob::manifest::name_taken), help("give each job of one apply a name of its own"))]
    NameTaken {
        /// The name.
        name: String,
        /// Where the first job with it stands.
        first: String,
    },

    // Durations
    /// A job's time-out below the least.
    #[error("`timeout` is at least {JOB_TIMEOUT_S_MIN}s, this is {seconds}s")]
    #[diagnostic(
        code(iotjob::manifest::timeout_too_short),
        help("write `60s`, or leave it out for {JOB_TIMEOUT_S_DEFAULT}s")
    )]
    TimeoutTooShort {
        /// What was written.
        seconds: u64,
    },
    /// A response time-out outside the service's range.
    #[error("`responseTimeout` lies between 5s and 300s, this is {seconds}s")]
    #[diagnostic(
        code(iotjob::manifest::response_timeout_range),
        help("write a duration in that range; the default is 30s")
    )]
    ResponseTimeoutRange {
        /// What was written.
        seconds: u64,
    },
    /// A connect time-out outside the service's range.
    #[error("`connectTimeout` lies between 0s and {CONNECT_TIMEOUT_S_MAX}s, this is {seconds}s")]
    #[diagnostic(
        code(iotjob::manifest::connect_timeout_range),
        help("write a duration in that range; the default is 0s")
    )]
    ConnectTimeoutRange {
        /// What was written.
        seconds: u64,
    },
    /// A connect time-out above the response time-out.
    #[error(
        "`connectTimeout` is {connect}s, longer than `responseTimeout` with {response}s, which bounds the whole call"
    )]
    #[diagnostic(
        code(iotjob::manifest::connect_above_response),
        help("raise `responseTimeout` to {connect}s or more, or lower `connectTimeout`")
    )]
    ConnectAboveResponse {
        /// The connect time-out.
        connect: u64,
        /// The response time-out.
        response: u64,
    },

    // Start
    /// No time at all.
    #[error("`{text}` is not a time")]
    #[diagnostic(
        code(iotjob::manifest::start_unreadable),
        help("write `now`, `2027-03-01T02:00:00Z` or `2027-03-01T02:00[Europe/Oslo]`")
    )]
    StartUnreadable {
        /// What was written.
        text: String,
    },
    /// A local time of nowhere.
    #[error("`{text}` does not say in which time zone")]
    #[diagnostic(
        code(iotjob::manifest::start_without_zone),
        help("write `{text}Z` for UTC, or name a place: `{text}[Europe/Oslo]`")
    )]
    StartWithoutZone {
        /// What was written.
        text: String,
    },
    /// A zone that does not exist.
    #[error("there is no time zone `{zone}`")]
    #[diagnostic(code(iotjob::manifest::start_unknown_zone))]
    StartUnknownZone {
        /// What was written.
        zone: String,
        /// A zone like it.
        #[help]
        help: String,
    },
    /// A local time that daylight saving skips.
    #[error("`{text}` does not exist: the clocks go forward over it")]
    #[diagnostic(code(iotjob::manifest::start_skipped), help("write `{before}` or `{after}`"))]
    StartSkipped {
        /// What was written.
        text: String,
        /// The same distance before the change, with its offset.
        before: String,
        /// The same distance after the change, with its offset.
        after: String,
    },
    /// A local time that daylight saving repeats.
    #[error("`{text}` happens twice: the clocks go back over it")]
    #[diagnostic(
        code(iotjob::manifest::start_repeated),
        help("write `{first}` for the first or `{second}` for the second")
    )]
    StartRepeated {
        /// What was written.
        text: String,
        /// The first, with its offset.
        first: String,
        /// The second, with its offset.
        second: String,
    },
    /// An offset that the zone does not have then.
    #[error("`{text}` contradicts itself: the zone has another offset at that time")]
    #[diagnostic(code(iotjob::manifest::start_offset_conflict), help("leave the offset or the zone out"))]
    StartOffsetConflict {
        /// What was written.
        text: String,
    },

    // Query
    /// A condition that does not parse.
    #[error("the query does not parse: {message}")]
    #[diagnostic(code(iotjob::manifest::query_syntax))]
    QuerySyntax {
        /// What is wrong there.
        message: String,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },
    /// A function that twin queries lack.
    #[error("the query does not parse: {message}")]
    #[diagnostic(code(iotjob::manifest::query_function))]
    QueryFunction {
        /// What is wrong there.
        message: String,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },
    /// `STARTS_WITH`, which only routing queries know.
    #[error("`STARTS_WITH` is not a function of twin queries")]
    #[diagnostic(code(iotjob::manifest::query_starts_with), help("write `STARTSWITH`, without the underscore"))]
    QueryStartsWith,
    /// A whole query where a condition belongs.
    #[error("a condition does not begin with SELECT: the service puts `{QUERY_CONDITION_PREFIX}` before it")]
    #[diagnostic(
        code(iotjob::manifest::query_is_select),
        help("write only what stands after WHERE; `'*'` is every device")
    )]
    QueryIsSelect,
    /// Nothing.
    #[error("the query is empty")]
    #[diagnostic(code(iotjob::manifest::query_empty), help("write `query: '*'` for every device"))]
    QueryEmpty,
    /// More than the service takes.
    #[error("the query has {chars} characters; the service takes {QUERY_CONDITION_CHARS_MAX}")]
    #[diagnostic(
        code(iotjob::manifest::query_too_long),
        help("mark the devices with a tag and ask for the tag, or split the job into several manifests")
    )]
    QueryTooLong {
        /// Its length.
        chars: usize,
    },
    /// Something doubtful in a condition.
    #[error("{message}")]
    #[diagnostic(code(iotjob::manifest::query_doubtful), severity(Warning))]
    QueryDoubtful {
        /// What is doubtful.
        message: String,
        /// What to write instead.
        #[help]
        help: Option<String>,
    },

    // Devices
    /// An id that the registry refuses.
    #[error("{error}")]
    #[diagnostic(code(iotjob::manifest::device_id_illegal), help("write the id as the hub's registry has it"))]
    DeviceIdIllegal {
        /// Which rule.
        error: InvalidId,
    },
    /// An id that stands twice.
    #[error("`{id}` is in the list already")]
    #[diagnostic(code(iotjob::manifest::device_twice), severity(Warning), help("it counts once; remove this one"))]
    DeviceTwice {
        /// The id.
        id: String,
    },
    /// An id that MQTT cannot carry.
    #[error("a device called `{id}` cannot connect over MQTT: `#` and `+` are wildcards there")]
    #[diagnostic(
        code(iotjob::manifest::device_not_on_mqtt),
        severity(Warning),
        help("check the id; a method job never reaches such a device")
    )]
    DeviceNotOnMqtt {
        /// The id.
        id: String,
    },

    // Method
    /// A method's name that no SDK passes on.
    #[error("{error}")]
    #[diagnostic(code(iotjob::manifest::method_name_illegal), help("write the name as the device registers it"))]
    MethodNameIllegal {
        /// Which rule.
        error: InvalidId,
    },
    /// A payload over the limit.
    #[error("the payload has {bytes} bytes of JSON; a method takes {METHOD_PAYLOAD_BYTES_MAX}")]
    #[diagnostic(code(iotjob::manifest::payload_too_large), help("send a URL and let the device fetch the rest"))]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
    },

    // Patch
    /// A limit of twins.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Twin(#[from] TwinProblem),

    // Members with rules of their own
    /// A rule of variables.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Variable(VariableProblem),
    /// A rule of `success`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Success(SuccessProblem),
    /// A rule of `after`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Order(OrderProblem),

    /// What a guardrail forbids: found by whoever has read them.
    #[error("{what} is forbidden by {by}")]
    #[diagnostic(code(iotjob::manifest::forbidden), help("leave it out, or have the guardrail changed"))]
    Forbidden {
        /// What.
        what: String,
        /// Where that is said.
        by: String,
    },

    // Time: found by whoever has a clock
    /// The start is further ahead than the hub takes.
    #[error("the job would start {hours} hours from now; the hub takes at most {JOB_START_AHEAD_H_MAX}")]
    #[diagnostic(code(iotjob::manifest::start_too_far), help("apply it nearer to its start"))]
    StartTooFar {
        /// Hours from now.
        hours: i64,
    },
    /// The start has passed.
    #[error("the start lies {} in the past", in_words(*minutes))]
    #[diagnostic(code(iotjob::manifest::start_past), help("write a later time, or `now`"))]
    StartPast {
        /// Minutes since.
        minutes: i64,
    },
}

/// A span as people say it: minutes, then hours, then days; the larger unit once there are two of it.
fn in_words(minutes: i64) -> String {
    match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}
