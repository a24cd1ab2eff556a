//! Reads back what [`super::JsonLines`] wrote.

use std::io::{self, BufRead, Read};

use serde_json::Value;

use crate::model::limits::EVENT_LINE_BYTES_MAX;
use crate::run::RunEvent;

/// Says why a stream cannot be read, and where. Lines and columns count from 1, columns in bytes.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The system's fault.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line that is no event.
    #[error("{line}:{column}: {message}")]
    Malformed {
        /// The line.
        line: u64,
        /// The column.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

/// Members that are read before all others, the first of them last: an event without them fails for that reason.
const READ_FIRST: [&str; 5] = ["event", "jobId", "runId", "time", "v"];

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With a whole line, or empty.
    Whole,
    /// In the middle of this line: its writer was stopped.
    Torn(u64),
}

/// Gives every event of a stream to `on`. Empty lines are passed over.
///
/// # Errors
/// [`StreamError`] for the first line that is no event, unless it is the last and was cut off.
pub fn read_events(mut input: impl BufRead, mut on: impl FnMut(RunEvent)) -> Result<Tail, StreamError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        input.by_ref().take(EVENT_LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes)?;
        let malformed = |column, message| StreamError::Malformed { line, column, message };
        if bytes.len() as u64 > EVENT_LINE_BYTES_MAX {
            return Err(malformed(1, format!("the line has more than {EVENT_LINE_BYTES_MAX} bytes")));
        }
        if line == 1 && (bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])) {
            let message = "the file is UTF-16, as PowerShell 5 writes it with `>`: save it as UTF-8";
            return Err(malformed(1, message.to_owned()));
        }
        let is_last = !bytes.ends_with(b"\n");
        let mark = if line == 1 && bytes.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        let text = bytes[mark..].trim_ascii_end();
        if text.is_empty() {
            if is_last {
                return Ok(Tail::Whole);
            }
            continue;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(value) => on(event(value, text).map_err(|(column, message)| malformed(column + mark, message))?),
            Err(error) if is_last && (error.is_eof() || std::str::from_utf8(text).is_err()) => {
                return Ok(Tail::Torn(line));
            }
            Err(error) => return Err(malformed(error.column() + mark, without_place(&error))),
        }
        if is_last {
            return Ok(Tail::Whole);
        }
    }
    Ok(Tail::Whole)
}

/// Reads an event, or says what is wrong with it in which column.
fn event(value: Value, text: &[u8]) -> Result<RunEvent, (usize, String)> {
    let read = |value: &Value| serde_json::from_value::<RunEvent>(value.clone()).map_err(|error| error.to_string());
    let error = match read(&value) {
        Ok(event) => return Ok(event),
        Err(error) => error,
    };
    let Value::Object(members) = &value else {
        return Err((1, "this is no event: an event is an object".to_owned()));
    };
    if error.starts_with("missing field") {
        return Err((1, error));
    }
    // Whoever is to blame takes the message along.
    let own = members.keys().map(String::as_str).filter(|name| !READ_FIRST.contains(name));
    let culprit = own.chain(READ_FIRST.into_iter().filter(|name| members.contains_key(*name))).find(|name| {
        let mut without = members.clone();
        without.shift_remove(*name);
        read(&Value::Object(without)).err().as_ref() != Some(&error)
    });
    Err(match culprit {
        Some(name) => (column_of(text, name), format!("`{name}`: {error}")),
        None => (1, error),
    })
}

/// The column of a member of the line's object, counted from 1.
fn column_of(text: &[u8], name: &str) -> usize {
    let quoted = Value::from(name).to_string();
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => {
                let is_member = !in_text && depth == 1 && text[at..].starts_with(quoted.as_bytes());
                if is_member && text[at + quoted.len()..].trim_ascii_start().starts_with(b":") {
                    return at + 1;
                }
                in_text = !in_text;
            }
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    1
}

/// A syntax error without serde's own `at line 1 column 5`: the line is another one.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    format!("this is not JSON: {}", text.strip_suffix(&place).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{oddities, story};
    use crate::report::{Data, JsonLines, Reporter};

    fn written() -> String {
        written_of(&story())
    }

    fn written_of(events: &[RunEvent]) -> String {
        let (send, lines) = std::sync::mpsc::channel::<String>();
        let data: Data = Box::new(move |line| send.send(line.to_owned()).unwrap());
        let mut reporter = JsonLines::new(data);
        events.iter().for_each(|event| reporter.on(event));
        drop(reporter);
        lines.iter().map(|line| line + "\n").collect()
    }

    fn read(text: &[u8]) -> Result<(Vec<RunEvent>, Tail), String> {
        let mut events = Vec::new();
        let tail = read_events(text, |event| events.push(event)).map_err(|error| error.to_string())?;
        Ok((events, tail))
    }

    #[test]
    fn what_was_written_reads_back_equal() {
        let text = written();
        assert_eq!(read(text.as_bytes()), Ok((story(), Tail::Whole)));
        assert_eq!(read(text.trim_end().as_bytes()), Ok((story(), Tail::Whole)));
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(read(windows.as_bytes()), Ok((story(), Tail::Whole)));
        assert_eq!(read(b""), Ok((vec![], Tail::Whole)));
        assert_eq!(read(written_of(&oddities()).as_bytes()), Ok((oddities(), Tail::Whole)));
    }

    #[test]
    fn a_stream_cut_at_any_byte_is_what_came_before_and_a_torn_line() {
        let text = written();
        for cut in 0..text.len() {
            let (events, tail) = read(&text.as_bytes()[..cut]).unwrap();
            let whole = text[..cut].matches('\n').count();
            let is_at_end = cut == 0 || text.as_bytes()[cut - 1] == b'\n' || text.as_bytes()[cut] == b'\n';
            assert_eq!(tail == Tail::Whole, is_at_end, "{cut}");
            assert!(events.len() == whole || (is_at_end && events.len() == whole + 1), "{cut}");
        }
    }

    #[test]
    fn whatever_else_is_wrong_has_its_place() {
        let first = written().lines().next().unwrap().to_owned();
        let cases = [
            first.replace("\"v\":1", "\"v\":2"),
            first.replace("\"v\":1,", ""),
            first.replace("60", "\"soon\""),
            first.replace("runPlanned", "runPainted"),
            first.replace("\"name\":\"lock-doors\",", ""),
            first.replace("2026-05-01", "yesterday"),
            first.replace("\"jobType\"", "jobType"),
            "[1]".to_owned(),
            "x".repeat(usize::try_from(EVENT_LINE_BYTES_MAX).unwrap() + 1),
        ];
        let told: Vec<String> =
            cases.iter().map(|case| read(format!("{first}\n{case}\n").as_bytes()).unwrap_err()).collect();
        let told: Vec<String> = told.iter().map(|text| text.chars().take(80).collect()).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        2:2: `v`: the events are of version 2, and this iotjob reads version 1
        2:1: missing field `v`
        2:167: `timeoutInSeconds`: invalid type: string "soon", expected u64
        2:8: `event`: unknown variant `runPainted`, expected one of `runPlanned`, `waiti
        2:1: missing field `name`
        2:29: `time`: `yesterdayT02:00:00Z` is not an ISO 8601 date and time
        2:113: this is not JSON: key must be a string
        2:1: this is no event: an event is an object
        2:1: the line has more than 4194304 bytes
        "#);
        assert!(read(&[0xff, 0xfe, 0x7b, 0]).unwrap_err().contains("UTF-16"));
    }
}
