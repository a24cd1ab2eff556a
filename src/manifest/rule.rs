//! What can be wrong with a manifest: one variant a rule, each with its code, its sentence and its way out.

use miette::Diagnostic;

use super::checked::InvalidRunName;
use super::order::OrderProblem;
use super::success::SuccessProblem;
use super::variables::VariableProblem;
use crate::model::limits::{
    CONNECT_TIMEOUT_S_MAX, JOB_START_AHEAD_H_MAX, JOB_TIMEOUT_S_DEFAULT, JOB_TIMEOUT_S_MIN, MANIFEST_BYTES_MAX,
    MANIFEST_DEPTH_MAX, MANIFEST_EXPANDED_BYTES_MAX, METHOD_PAYLOAD_BYTES_MAX, QUERY_CONDITION_CHARS_MAX,
    QUERY_CONDITION_PREFIX,
};
use crate::model::{InvalidId, PatchViolation};

/// The rules of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum ProblemKind {
    // Reading the text
    /// A file that no manifest fills.
    #[error("the file has more than {MANIFEST_BYTES_MAX} bytes")]
    #[diagnostic(code(iotjob::manifest::file_too_large), help("split it into several files"))]
    FileTooLarge,
    /// Bytes that are no text.
    #[error("the file is not UTF-8")]
    #[diagnostic(code(iotjob::manifest::not_utf8), help("save it as UTF-8"))]
    NotUtf8,
    /// A character that YAML does not allow.
    #[error("the control character `{}` is not allowed in YAML", found.escape_debug())]
    #[diagnostic(
        code(iotjob::manifest::control_character),
        help("remove it, or write it as an escape inside double quotes")
    )]
    ControlCharacter {
        /// The character.
        found: char,
    },
    /// Not YAML.
    #[error("this is not YAML: {message}")]
    #[diagnostic(code(iotjob::manifest::syntax))]
    Syntax {
        /// The parser's own words.
        message: String,
        /// What to do, where the cause is known.
        #[help]
        help: Option<String>,
    },
    /// A key that stands twice in one map.
    #[error("the key `{key}` is here a second time")]
    #[diagnostic(code(iotjob::manifest::duplicate_key), help("keep one of the two"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// YAML 1.1's merge key.
    #[error("`<<` does not merge: it is not part of YAML 1.2")]
    #[diagnostic(code(iotjob::manifest::merge_key), help("write the keys out"))]
    MergeKey,
    /// A YAML tag.
    #[error("the tag `!{tag}` has no meaning in a manifest")]
    #[diagnostic(code(iotjob::manifest::tag), help("remove it; a text that starts with `!` needs quotes"))]
    Tag {
        /// The tag, without its `!`.
        tag: String,
    },
    /// `.inf` or `.nan`.
    #[error("JSON has no infinity and no NaN")]
    #[diagnostic(code(iotjob::manifest::number_not_finite), help("write a number, or put it in quotes to send a text"))]
    NumberNotFinite,
    /// A number that would lose digits.
    #[error("the number is too large: it would lose digits on its way")]
    #[diagnostic(code(iotjob::manifest::number_too_large), help("put it in quotes to send it as a text"))]
    NumberTooLarge,
    /// Nesting past every use.
    #[error("maps and lists are nested more than {MANIFEST_DEPTH_MAX} levels deep")]
    #[diagnostic(code(iotjob::manifest::too_deep), help("flatten the value; twins nest at most 10 levels"))]
    TooDeep,
    /// An alias bomb.
    #[error("with its aliases followed, the file has more than {MANIFEST_EXPANDED_BYTES_MAX} bytes")]
    #[diagnostic(code(iotjob::manifest::aliases_too_large), help("write the values out instead of nesting aliases"))]
    AliasesTooLarge,

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
    /// A key that a manifest does not have.
    #[error("`{key}` is not a key of {place}")]
    #[diagnostic(code(iotjob::manifest::unknown_key))]
    UnknownKey {
        /// The key.
        key: String,
        /// Of what, such as `a job`.
        place: &'static str,
        /// The key that was probably meant, or those that there are.
        #[help]
        help: String,
    },
    /// A value of the wrong kind.
    #[error("`{member}` is {expected}, this is {found}")]
    #[diagnostic(code(iotjob::manifest::wrong_type))]
    WrongType {
        /// The member.
        member: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
        /// What to write.
        #[help]
        help: Option<String>,
    },
    /// A key that has to be there.
    #[error("`{key}` is missing from {place}")]
    #[diagnostic(code(iotjob::manifest::missing_key))]
    MissingKey {
        /// The key.
        key: String,
        /// Of what.
        place: &'static str,
        /// What to write.
        #[help]
        help: Option<String>,
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
    /// A map or list with nothing in it.
    #[error("`{member}` is empty")]
    #[diagnostic(code(iotjob::manifest::empty), help("{help}"))]
    Empty {
        /// The member.
        member: String,
        /// What to write.
        help: &'static str,
    },
    /// A rule of the schema that has no sentence of its own.
    #[error("this does not fit the schema: {message}")]
    #[diagnostic(code(iotjob::manifest::schema), help("`iotjob schema` prints what a manifest may hold"))]
    Schema {
        /// The validator's own words.
        message: String,
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
    /// A number where a duration belongs.
    #[error("`{key}: {written}` has no unit")]
    #[diagnostic(
        code(iotjob::manifest::duration_without_unit),
        help("write `{written}s` for seconds, or `10m`, `1h 30m`")
    )]
    DurationWithoutUnit {
        /// The member.
        key: String,
        /// The number.
        written: String,
    },
    /// A text that is no duration.
    #[error("`{text}` is not a duration")]
    #[diagnostic(
        code(iotjob::manifest::duration_unreadable),
        help("write hours, minutes and seconds: `30s`, `10m`, `1h 30m`, `PT45S`")
    )]
    DurationUnreadable {
        /// What was written.
        text: String,
    },
    /// A part of a second.
    #[error("`{text}` is not a whole number of seconds")]
    #[diagnostic(code(iotjob::manifest::duration_not_whole), help("the hub counts in seconds: write `1s` or more"))]
    DurationNotWhole {
        /// What was written.
        text: String,
    },
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
    /// A character that twin keys may not have.
    #[error("{0}")]
    #[diagnostic(
        code(iotjob::manifest::twin_key_character),
        help("nest maps instead of writing a dotted path; `.`, `$`, `#`, spaces and control characters are out")
    )]
    TwinKeyCharacter(PatchViolation),
    /// A twin key that is too long.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_key_length), help("shorten the key"))]
    TwinKeyLength(PatchViolation),
    /// Objects nested too deep for a twin.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_depth), help("flatten the value"))]
    TwinDepth(PatchViolation),
    /// An integer that a twin cannot hold.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_integer), help("put it in quotes to store it as a text"))]
    TwinInteger(PatchViolation),
    /// A string that is too long for a twin.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_string), help("store a URL instead, or split it over several keys"))]
    TwinString(PatchViolation),
    /// A null inside an array.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_null), help("remove the item; null only removes a key of a map"))]
    TwinNull(PatchViolation),
    /// A section that is too large.
    #[error("{0}")]
    #[diagnostic(code(iotjob::manifest::twin_size), help("store a URL instead of the content"))]
    TwinSize(PatchViolation),

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

impl ProblemKind {
    /// The rule's code, for machines: `iotjob::manifest::unknown_key`.
    #[must_use]
    pub fn code_text(&self) -> String {
        self.code().map(|code| code.to_string()).unwrap_or_default()
    }
}

/// A span as people say it: minutes, then hours, then days; the larger unit once there are two of it.
fn in_words(minutes: i64) -> String {
    match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}
