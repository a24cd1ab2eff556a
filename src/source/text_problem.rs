//! What can be wrong with any text that people write: its bytes, its YAML, the shape of its maps, its durations.

use miette::Diagnostic;

use crate::model::limits::{SOURCE_BYTES_MAX, SOURCE_DEPTH_MAX, SOURCE_EXPANDED_BYTES_MAX};

/// The rules that all texts keep, whatever they are about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum TextProblem {
    // Reading the text
    /// A file that nobody fills by hand.
    #[error("the file has more than {SOURCE_BYTES_MAX} bytes")]
    #[diagnostic(code(iotjob::yaml::file_too_large), help("split it into several files"))]
    FileTooLarge,
    /// Bytes that are no text.
    #[error("the file is not UTF-8")]
    #[diagnostic(code(iotjob::yaml::not_utf8), help("save it as UTF-8"))]
    NotUtf8,
    /// A character that YAML does not allow.
    #[error("the control character `{}` is not allowed in YAML", found.escape_debug())]
    #[diagnostic(
        code(iotjob::yaml::control_character),
        help("remove it, or write it as an escape inside double quotes")
    )]
    ControlCharacter {
        /// The character.
        found: char,
    },
    /// Not YAML.
    #[error("this is not YAML: {message}")]
    #[diagnostic(code(iotjob::yaml::syntax))]
    Syntax {
        /// The parser's own words.
        message: String,
        /// What to do, where the cause is known.
        #[help]
        help: Option<String>,
    },
    /// A key that stands twice in one map.
    #[error("the key `{key}` is here a second time")]
    #[diagnostic(code(iotjob::yaml::duplicate_key), help("keep one of the two"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// YAML 1.1's merge key.
    #[error("`<<` does not merge: it is not part of YAML 1.2")]
    #[diagnostic(code(iotjob::yaml::merge_key), help("write the keys out"))]
    MergeKey,
    /// A YAML tag.
    #[error("the tag `!{tag}` has no meaning here")]
    #[diagnostic(code(iotjob::yaml::tag), help("remove it; a text that starts with `!` needs quotes"))]
    Tag {
        /// The tag, without its `!`.
        tag: String,
    },
    /// `.inf` or `.nan`.
    #[error("JSON has no infinity and no NaN")]
    #[diagnostic(code(iotjob::yaml::number_not_finite), help("write a number, or put it in quotes to send a text"))]
    NumberNotFinite,
    /// A number that would lose digits.
    #[error("the number is too large: it would lose digits on its way")]
    #[diagnostic(code(iotjob::yaml::number_too_large), help("put it in quotes to send it as a text"))]
    NumberTooLarge,
    /// Nesting past every use.
    #[error("maps and lists are nested more than {SOURCE_DEPTH_MAX} levels deep")]
    #[diagnostic(code(iotjob::yaml::too_deep), help("flatten the value; twins nest at most 10 levels"))]
    TooDeep,
    /// An alias bomb.
    #[error("with its aliases followed, the file has more than {SOURCE_EXPANDED_BYTES_MAX} bytes")]
    #[diagnostic(code(iotjob::yaml::aliases_too_large), help("write the values out instead of nesting aliases"))]
    AliasesTooLarge,

    // The shape of a document
    /// A key that the map does not have.
    #[error("`{key}` is not a key of {place}")]
    #[diagnostic(code(iotjob::yaml::unknown_key))]
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
    #[diagnostic(code(iotjob::yaml::wrong_type))]
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
    #[diagnostic(code(iotjob::yaml::missing_key))]
    MissingKey {
        /// The key.
        key: String,
        /// Of what.
        place: &'static str,
        /// What to write.
        #[help]
        help: Option<String>,
    },
    /// A map or list with nothing in it.
    #[error("`{member}` is empty")]
    #[diagnostic(code(iotjob::yaml::empty), help("{help}"))]
    Empty {
        /// The member.
        member: String,
        /// What to write.
        help: &'static str,
    },
    /// A rule of the schema that has no sentence of its own.
    #[error("this does not fit the schema: {message}")]
    #[diagnostic(code(iotjob::yaml::schema), help("`iotjob schema {subject}` prints what may stand here"))]
    Schema {
        /// The validator's own words.
        message: String,
        /// What `iotjob schema` calls it.
        subject: &'static str,
    },

    // Durations
    /// A number where a duration belongs.
    #[error("`{key}: {written}` has no unit")]
    #[diagnostic(code(iotjob::yaml::duration_without_unit), help("write `{written}s` for seconds, or `10m`, `1h 30m`"))]
    DurationWithoutUnit {
        /// The member.
        key: String,
        /// The number.
        written: String,
    },
    /// A text that is no duration.
    #[error("`{text}` is not a duration")]
    #[diagnostic(
        code(iotjob::yaml::duration_unreadable),
        help("write hours, minutes and seconds: `30s`, `10m`, `1h 30m`, `PT45S`")
    )]
    DurationUnreadable {
        /// What was written.
        text: String,
    },
    /// A part of a second.
    #[error("`{text}` is not a whole number of seconds")]
    #[diagnostic(code(iotjob::yaml::duration_not_whole), help("the hub counts in seconds: write `1s` or more"))]
    DurationNotWhole {
        /// What was written.
        text: String,
    },
}
