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

#[tokio::test]
async fn registry() {
    replay("registry").await;
}

#[tokio::test]
async fn modules() {
    replay("modules").await;
}

#[tokio::test]
async fn bulk() {
    replay("bulk").await;
}

#[tokio::test]
async fn twins() {
    replay("twins").await;
}

#[tokio::test]
async fn methods() {
    replay("methods").await;
}

#[tokio::test]
async fn jobs() {
    replay("jobs").await;
}

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
