//! A row a target, as RFC 4180 has it.

use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};

use super::account::{Account, RunAccount, class_name};
use crate::run::{DeviceResult, OutcomeClass};

/// The columns.
const HEADER: [&str; 10] = [
    "runId",
    "name",
    "deviceId",
    "moduleId",
    "outcome",
    "status",
    "payload",
    "reason",
    "errorCode",
    "errorDescription",
];

/// Writes the report. Targets that nothing but the hub's count tells of have a row without an id: the rows add up.
pub(super) fn render(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    rows.write_record(HEADER)?;
    for run in account.runs() {
        for result in run.results.values() {
            rows.write_record(row(run, result))?;
        }
        for _ in 0..run.nameless() {
            let unknown = class_name(OutcomeClass::Unknown);
            let reason = run.nameless_reason();
            rows.write_record([run.run_id.as_str(), run.name(), "", "", unknown, "", "", reason, "", ""])?;
        }
    }
    rows.flush()
}

fn row(run: &RunAccount, result: &DeviceResult) -> [String; 10] {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [
        run.run_id.clone(),
        run.name().to_owned(),
        result.device_id.to_string(),
        text(result.module_id.as_deref()),
        class_name(result.outcome).to_owned(),
        result.status.map(|status| status.to_string()).unwrap_or_default(),
        result.payload.as_ref().map(ToString::to_string).unwrap_or_default(),
        text(result.reason.as_deref()),
        text(result.error.as_ref().map(|error| error.code.as_str())),
        text(result.error.as_ref().map(|error| error.description.as_str())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, story};

    #[test]
    fn a_target_is_a_row_and_what_has_commas_is_quoted() {
        let mut out = Vec::new();
        render(&account(&story()), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("\r\n").count(), 5, "a header and four targets: {text}");
        insta::assert_snapshot!(text.replace("\r\n", "\n"), @r#"
        runId,name,deviceId,moduleId,outcome,status,payload,reason,errorCode,errorDescription
        lock-doors-0123456789ab,lock-doors,door-1,,succeeded,200,,,,
        lock-doors-0123456789ab,lock-doors,door-2,,rejected,500,"{""error"":""jammed""}",the device answered with status 500,,
        lock-doors-0123456789ab,lock-doors,door-3,,offline,,,the device was not online before the deadline,,
        lock-doors-0123456789ab,lock-doors,,,unknown,,,the hub has no result for it; it may have run,,
        "#);
    }
}
