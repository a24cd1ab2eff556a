//! Replays the exchanges under `tests/golden/rest`, written by hand from the REST reference, against a hub in memory.
//!
//! `>` lines are a request: verb and path, headers, body. `<` lines are the answer: status, headers that must be there
//! (`Name: -` must not), body, with members in this order. `<name>` inside a text stands for something that is not
//! empty, the same wherever the name returns in the file, also in a later request's headers and path. `"<anything>"` is any
//! value. `@ pass N` lets N seconds go by. `#` lines are for readers.
//! `Authorization: POLICY` asks with another policy than `iothubowner`, `Authorization: none` without a token.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use axum::http::HeaderName;

use super::*;

/// What stands between two blank answers of a file.
enum Step {
    Pass(u64),
    Exchange(Box<Exchange>),
}

struct Exchange {
    line: usize,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    answer_headers: Vec<(String, String)>,
    answer: String,
}

// conformance: REST.md 8.1: PUT without If-Match creates a device with 200, and 409 DeviceAlreadyExists when it is there
// conformance: REST.md 8.1: PUT with If-Match replaces the identity as a whole; a missing device is 404, a stale etag 412
// conformance: REST.md 8.1: missing and empty keys are made: two of 32 bytes; one key alone is 400
// conformance: REST.md 8.1: DELETE wants If-Match (412 without), answers 204, and the device is gone
// conformance: REST.md 8.1: a body whose deviceId is not that of the path is 400
// conformance: REST.md 1.4: a device identity has its etag in the body and, quoted, in the header
// conformance: REST.md 1.4: If-Match is read as `*`, `"*"`, an etag with and without quotes; `""` is no precondition
// conformance: REST.md 1.5: the answer that creates an identity writes times that never were without a zone, later ones with Z
// conformance: REST.md 3.3: a missing device is 404 with its id for a text, a stale identity etag is 412 PreconditionFailed
// conformance: REST.md 8.5: /statistics/devices counts devices by status, /statistics/service those that are connected
#[tokio::test]
async fn registry() {
    replay("registry").await;
}

// conformance: REST.md 8.2: modules are created, listed, replaced and deleted; a full replacement clears managedBy and makes new keys
// conformance: REST.md 8.2: a module id that begins with `$` is 400
// conformance: REST.md 8.2: a module identity has no status and no ETag header
// conformance: REST.md 3.1: a module that is there already is 409 in the flat envelope, 409301
// conformance: REST.md 2.5: module identities of a missing or disabled device answer 401, while the module twin stays readable
// conformance: REST.md 6.1: a missing module is 404 DeviceNotFound on the twin endpoints
// conformance: REST.md 6.2: a module twin has its moduleId, and its deviceEtag is the etag of the module
// conformance: CLIENTS.md 2: keys of devices and modules are regenerated in bulk, as az asks for it
#[tokio::test]
async fn modules() {
    replay("modules").await;
}

// conformance: REST.md 8.4: bulk takes a bare array with create, update, updateTwin and delete, and their forms with an etag, mixed
// conformance: REST.md 8.4: any failure makes the answer a 400 BulkRegistryOperationFailure that lists each, with the names of errors
// conformance: REST.md 8.4: deleteIfMatchETag without an etag deletes
// conformance: REST.md 8.4: a twin that breaks a limit leaves its device registered, with the warning DeviceRegisteredWithoutTwin
// conformance: CLIENTS.md 2: importMode is read in any case, and null members are none
#[tokio::test]
async fn bulk() {
    replay("bulk").await;
}

// conformance: REST.md 6.1: GET, PATCH and PUT of a twin answer 200 with the whole twin
// conformance: REST.md 6.2: a fresh twin has the members of the service in their order, and no tags while they are empty
// conformance: REST.md 1.1: POST with X-HTTP-Method-Override: PATCH patches a twin, as the Java SDK does
// conformance: REST.md 6.3: metadata mirrors the tree with $lastUpdated and $lastUpdatedVersion, behind the keys and before $version
// conformance: REST.md 6.4: reported, metadata and versions in a patch are ignored; a stale etag is 412 and names the device
// conformance: REST.md 6.4: PUT empties the section that is missing
// conformance: REST.md 6.5: a key with a space is 400 ArgumentInvalid
// conformance: REST.md 1.4: twins answer without an ETag header
// conformance: CLIENTS.md 3: a section that is null loses every key
#[tokio::test]
async fn twins() {
    replay("twins").await;
}

// conformance: REST.md 7: a device that is offline is 404 DeviceNotOnline at once, with info.timeout, unless connectTimeout says to wait
// conformance: REST.md 7: an unknown device is 404 DeviceNotFound, an unknown module 404 ModuleNotFound
// conformance: REST.md 7: a responseTimeout outside 5 to 300 s, and a connectTimeout above it, are 400 with the range in the text
// conformance: REST.md 7: a call without methodName is 400
// conformance: REST.md 3.1: errors of methods are an envelope inside the text of Message, whose code agrees with iothub-errorcode
// conformance: CLIENTS.md 3: time-outs are read as numbers and as texts
#[tokio::test]
async fn methods() {
    replay("methods").await;
}

// conformance: REST.md 4.1: jobs are put, read, cancelled and listed, with 200
// conformance: REST.md 4.4: PUT answers jobId, type and status queued, also for a start hours ahead
// conformance: REST.md 4.4: an unfinished job ends in the year 9999; a finished one has its end and its counts
// conformance: REST.md 4.6: a job with a start ahead is scheduled; an immediate one runs and completes
// conformance: REST.md 4.7: an unknown job id answers 200 with type and status unknown
// conformance: REST.md 4.7: an id that is taken is 409 JobAlreadyExists
// conformance: REST.md 4.7: cancelling is 200, of what has ended 405 OperationNotAllowedInCurrentState, of an unknown id 404 JobNotFound
// conformance: REST.md 4.7: a start more than 168 hours ahead is 400
// conformance: REST.md 4.8: the list is a bare array with x-ms-item-type JobResponse also when it is empty
// conformance: REST.md 4.8: jobType and jobStatus filter in any case; pages go by header; a token that is not ours is 400
// conformance: REST.md 4.2: an unknown type is 400 GenericBadRequest; the unused half of a request may be null
// conformance: REST.md 1.2: a cancel is taken without a body and with {}
// conformance: REST.md 3.1: errors of the job service lie inside the text of the gateway
// conformance: REST.md 5: a row has jobType, start, deadline, creation and last update, and outcome {} for a twin job
// conformance: REST.md 8.6: the list of import and export jobs is there and empty; any id is 404 JobNotFound
#[tokio::test]
async fn jobs() {
    replay("jobs").await;
}

// conformance: REST.md 9: a query answers a bare array with x-ms-item-type Twin, Raw or DeviceJob, also when it is empty
// conformance: REST.md 9: x-ms-continuation is there while more rows follow, belongs to its text, and is gone on the last page
// conformance: REST.md 9: a query that cannot be read is 400 ArgumentInvalid
// conformance: GRAMMAR.md 7: a bad query is 400 ArgumentInvalid, with a text that begins with BadRequest
#[tokio::test]
async fn queries() {
    replay("queries").await;
}

async fn replay(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/rest/{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let hub = TestHub::start();
    let mut bound = BTreeMap::new();
    for step in steps(&text) {
        let exchange = match step {
            Step::Exchange(exchange) => exchange,
            Step::Pass(seconds) => {
                hub.pass(seconds);
                hub.engine.wake().await;
                continue;
            }
        };
        let place = format!("{name}.txt:{}: {} {}", exchange.line, exchange.method, exchange.path);
        let answer = hub.send(exchange.request(&hub, &bound)).await;
        assert_eq!(answer.status.as_u16(), exchange.status, "{place}: {}", answer.body);
        for (header, want) in &exchange.answer_headers {
            match (want.as_str(), answer.header(header)) {
                ("-", found) => assert_eq!(found, None, "{place}: {header}"),
                (want, found) => {
                    fits(want, found.unwrap_or(""), &mut bound)
                        .unwrap_or_else(|why| panic!("{place}: {header}: {why}"));
                }
            }
        }
        let want: Value = match exchange.answer.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{place}: the file's answer: {error}")),
        };
        same(&want, &answer.body, &mut bound).unwrap_or_else(|why| panic!("{place}: {why}\nanswer: {}", answer.body));
    }
}

impl Exchange {
    fn request(&self, hub: &TestHub, bound: &Bound) -> Request<Body> {
        let mut request = hub.request(self.method.clone(), &filled(&self.path, bound), self.body.clone());
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            match (name.as_str(), value.as_str()) {
                ("authorization", "none") => {
                    request.headers_mut().remove(name);
                }
                ("authorization", policy) => {
                    request.headers_mut().insert(name, hub.token(policy).parse().unwrap());
                }
                (_, value) => {
                    request.headers_mut().insert(name, filled(value, bound).parse().unwrap());
                }
            }
        }
        request
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(seconds) = line.strip_prefix("@ pass ") {
            steps.push(Step::Pass(seconds.parse().unwrap()));
        }
        let Some(first) = line.strip_prefix("> ") else { continue };
        let (method, path) = first.split_once(' ').unwrap();
        let mut exchange = Exchange {
            line: number + 1,
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            status: 0,
            answer_headers: Vec::new(),
            answer: String::new(),
        };
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with("> ")) {
            take(&line[2..], &mut exchange.headers, &mut exchange.body);
        }
        let (number, status) = lines.next().unwrap();
        let status = status.strip_prefix("< ").unwrap_or_else(|| panic!("line {} is no status", number + 1));
        exchange.status = status.parse().unwrap();
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with("< ")) {
            take(&line[2..], &mut exchange.answer_headers, &mut exchange.answer);
        }
        steps.push(Step::Exchange(Box::new(exchange)));
    }
    steps
}

/// Takes a line as a header when it looks like one, else as a piece of the body.
fn take(line: &str, headers: &mut Vec<(String, String)>, body: &mut String) {
    match line.split_once(": ") {
        Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            headers.push((name.to_owned(), value.to_owned()));
        }
        _ => {
            body.push_str(line);
            body.push('\n');
        }
    }
}

type Bound = BTreeMap<String, String>;

/// A text of a request with the values that earlier answers gave to its placeholders.
fn filled(text: &str, bound: &Bound) -> String {
    bound.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// Whether `found` is what was written: same members in the same order, texts with their placeholders.
fn same(want: &Value, found: &Value, bound: &mut Bound) -> Result<(), String> {
    match (want, found) {
        // A placeholder alone stands for any value.
        (Value::String(name), _) if name == "<anything>" => Ok(()),
        (Value::Object(want), Value::Object(found)) => {
            let keys = |object: &crate::model::JsonObject| object.keys().cloned().collect::<Vec<_>>();
            if keys(want) != keys(found) {
                return Err(format!("members are {:?}, not {:?}", keys(found), keys(want)));
            }
            want.iter()
                .try_for_each(|(key, want)| same(want, &found[key], bound).map_err(|why| format!("{key}: {why}")))
        }
        (Value::Array(want), Value::Array(found)) if want.len() == found.len() => {
            want.iter().zip(found).try_for_each(|(want, found)| same(want, found, bound))
        }
        // A text that holds an envelope of its own is compared as what it holds.
        (Value::Object(_), Value::String(text)) => {
            let inner = serde_json::from_str(text).map_err(|error| format!("no JSON inside the text: {error}"))?;
            same(want, &inner, bound)
        }
        (Value::String(want), Value::String(found)) => fits(want, found, bound),
        _ if want == found => Ok(()),
        _ => Err(format!("{found}, not {want}")),
    }
}

/// Whether `found` is `want` with its placeholders filled in.
fn fits(want: &str, found: &str, bound: &mut Bound) -> Result<(), String> {
    let wrong = || format!("`{found}` is not `{want}`");
    let (mut want_rest, mut found_rest) = (want, found);
    while let Some((literal, rest)) = want_rest.split_once('<') {
        let (name, rest) = rest.split_once('>').ok_or_else(wrong)?;
        found_rest = found_rest.strip_prefix(literal).ok_or_else(wrong)?;
        let next = rest.split('<').next().unwrap_or_default();
        let end = if next.is_empty() { found_rest.len() } else { found_rest.find(next).ok_or_else(wrong)? };
        let (value, after) = found_rest.split_at(end);
        let known = bound.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        if value.is_empty() || known != value {
            return Err(format!("<{name}> is `{value}`, and was `{known}`"));
        }
        (want_rest, found_rest) = (rest, after);
    }
    if want_rest == found_rest { Ok(()) } else { Err(wrong()) }
}
