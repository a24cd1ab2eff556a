//! One JSON document with every run and every device.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::account::{Account, RunAccount};
use crate::model::{JobType, JsonObject, WireTime};
use crate::run::DeviceResult;

/// Version of the document. It grows when a member is removed or changes its meaning.
const DOCUMENT_VERSION: u32 = 1;

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    v: u32,
    runs: Vec<RunDocument<'a>>,
}

/// A run: what it is, what its last event says, and its devices.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunDocument<'a> {
    run_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_type: Option<JobType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_condition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<WireTime>,
    first_event_time: WireTime,
    last_event_time: WireTime,
    message: String,
    #[serde(flatten)]
    end: JsonObject,
    /// Targets without an id, which only the hub's count tells of.
    unnamed: u64,
    devices: Vec<&'a DeviceResult>,
}

/// Writes the report.
pub(super) fn render(account: &Account, mut out: &mut dyn Write) -> io::Result<()> {
    let runs = account.runs().iter().map(document).collect::<Result<_, _>>()?;
    serde_json::to_writer_pretty(&mut out, &Document { v: DOCUMENT_VERSION, runs })?;
    out.write_all(b"\n")
}

fn document(run: &RunAccount) -> serde_json::Result<RunDocument<'_>> {
    let plan = run.plan.as_ref();
    Ok(RunDocument {
        run_id: &run.run_id,
        name: run.name(),
        job_type: plan.map(|plan| plan.job_type),
        query_condition: plan.and_then(|plan| plan.query_condition.as_deref()),
        listed: plan.and_then(|plan| plan.listed),
        parts: plan.and_then(|plan| plan.parts),
        start_time: plan.and_then(|plan| plan.start_time),
        first_event_time: run.begun.into(),
        last_event_time: run.heard.into(),
        message: run.sentence(),
        end: end(run)?,
        unnamed: run.nameless(),
        devices: run.results.values().collect(),
    })
}

/// What the last event says; `end` is its name, and null for a run that goes on.
fn end(run: &RunAccount) -> serde_json::Result<JsonObject> {
    let said = run.end.as_ref().map(serde_json::to_value).transpose()?;
    let mut members = JsonObject::from_iter([("end".to_owned(), Value::Null)]);
    if let Some(Value::Object(mut said)) = said {
        members.insert("end".to_owned(), said.shift_remove("event").unwrap_or_default());
        members.extend(said);
    }
    let outcomes = run.outcomes();
    members.entry("targets").or_insert_with(|| outcomes.total().into());
    members.entry("outcomes").or_insert(serde_json::to_value(outcomes)?);
    members.entry("exitCode").or_insert(Value::Null);
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, story};

    #[test]
    fn the_document_has_every_run_and_every_device() {
        let mut out = Vec::new();
        render(&account(&story()), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
