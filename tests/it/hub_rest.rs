//! The service API of a real `iotjob hub` as any client meets it: raw HTTP over TLS, shapes as in REST.md.
//!
//! What single endpoints answer is replayed without sockets in the unit tests of `hub::http`; here it is the binary, its
//! ready file, its CA and its keys that must fit together, with a clock that nobody drives.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::env::TestEnv;
use crate::support::process::HubProcess;
use crate::support::raw_http::{Answer, RawHttp, key_of, policy_of, sign};

/// Asks again until the answer satisfies; each ask is a round trip, so this waits for the hub and not for a clock.
fn ask_until(raw: &mut RawHttp, line: &str, body: &str, is_enough: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..20_000 {
        let found = raw.ask(line, body).ok();
        if is_enough(&found) {
            return found;
        }
    }
    panic!("{line} never came to what is waited for");
}

/// The text of the ordinary envelope, whose tracking id must be that of the request (REST.md 3.1).
fn message(answer: &Answer) -> String {
    let body = answer.json();
    let request_id = answer.header("x-ms-request-id").expect("a request id").replace('-', "");
    let tracking = body["ExceptionMessage"].as_str().expect("a tracking id").to_owned();
    assert!(tracking.starts_with(&format!("Tracking ID:{request_id}-G:")), "{tracking}");
    body["Message"].as_str().expect("a message").to_owned()
}

/// An identity's etag: a counter in decimal digits, in base64 (REST.md 1.4).
fn counter(identity: &Value) -> u64 {
    let bytes = BASE64.decode(identity["etag"].as_str().expect("an etag").as_bytes()).expect("base64");
    String::from_utf8(bytes).expect("digits").parse().expect("a number")
}

// conformance: REST.md 8.1: create once, replace and delete on condition, over the wire
#[test]
fn identities_are_created_once_replaced_on_condition_and_deleted_on_condition() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let mut raw = RawHttp::connect(&hub.ready, "registryReadWrite");
    let body =
        r#"{"deviceId":"d1","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}"#;

    let created = raw.ask("PUT /devices/d1", body);
    let first = created.ok();
    assert_eq!(created.header("etag"), Some(format!("\"{}\"", first["etag"].as_str().unwrap()).as_str()));
    assert_eq!(first["connectionStateUpdatedTime"], "0001-01-01T00:00:00", "no zone on the answer that creates");
    assert_eq!(raw.ask("GET /devices/d1", "").ok()["connectionStateUpdatedTime"], "0001-01-01T00:00:00Z");
    assert_eq!(
        key_of(&format!("SharedAccessKey={}", text(&first, "/authentication/symmetricKey/primaryKey"))).len(),
        32
    );

    // Create-only, whatever etag the body holds and whatever empty precondition .NET sends.
    let again = raw.ask_if("PUT /devices/d1", "\"\"", &first.to_string());
    assert_eq!(again.verdict(), "409 DeviceAlreadyExists");
    assert_eq!(message(&again), "ErrorCode:DeviceAlreadyExists;A device with ID 'd1' is already registered.");

    let second = raw.ask_if("PUT /devices/d1", &format!("\"{}\"", text(&first, "/etag")), &first.to_string());
    assert_eq!(counter(&second.ok()), counter(&first) + 1, "one more with each write");
    assert_eq!(second.ok()["authentication"], first["authentication"], "keys that are given back are kept");
    let stale = raw.ask_if("PUT /devices/d1", &format!("\"{}\"", text(&first, "/etag")), body);
    assert_eq!((stale.verdict().as_str(), message(&stale).as_str()), PRECONDITION);
    let minted = raw.ask_if("PUT /devices/d1", "*", r#"{"deviceId":"d1"}"#).ok();
    assert_ne!(minted["authentication"], first["authentication"], "left out, they are made anew");
    let missing = raw.ask_if("PUT /devices/nobody", "\"*\"", r#"{"deviceId":"nobody"}"#);
    assert_eq!(
        (missing.verdict().as_str(), message(&missing).as_str()),
        ("404 DeviceNotFound", "ErrorCode:DeviceNotFound;nobody")
    );

    assert_eq!(raw.ask("DELETE /devices/d1", "").verdict(), "412 PreconditionFailed");
    assert_eq!(raw.ask_if("DELETE /devices/d1", "\"MQ==\"", "").verdict(), "412 PreconditionFailed");
    let deleted = raw.ask_if("DELETE /devices/d1", "\"*\"", "");
    assert_eq!((deleted.status, deleted.header("content-type"), deleted.text.as_str()), (204, None, ""));
    assert_eq!(raw.ask_if("DELETE /devices/d1", "*", "").verdict(), "404 DeviceNotFound");
    assert_eq!(raw.ask("GET /devices/d1", "").verdict(), "404 DeviceNotFound");
}

const PRECONDITION: (&str, &str) = ("412 PreconditionFailed", "ErrorCode:PreconditionFailed;PreconditionFailed");

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

// conformance: REST.md 2.5: a 401 keeps the connection
#[test]
fn whoever_is_not_let_in_reads_the_same_401_and_keeps_the_connection() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let (name, key) = policy_of(&hub.ready, "iothubowner");
    let device_key = key_of(hub.ready.device("d1"));
    let port = hub.ready.https_port;
    let refused = [
        String::new(),
        "Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(),
        sign("localhost", &key, Some(&name), -3_600),
        sign("localhost", &device_key, Some(&name), 60),
        sign("localhost%2Fdevices%2Fd1", &device_key, None, 60),
        sign("elsewhere.azure-devices.net", &key, Some(&name), 60),
        sign("localhost", &key, Some("nobody"), 60),
        sign("localhost", &key, Some(&name), 60).replace("sr=localhost", "sr=LOCALHOST"),
        sign("localhost", &policy_of(&hub.ready, "service").1, Some("service"), 60),
    ];
    let mut raw = RawHttp::connect(&hub.ready, "iothubowner");
    for token in refused {
        raw = raw.with_token(token);
        let answer = raw.ask("GET /devices/d1", "");
        assert_eq!(answer.verdict(), "401 IotHubUnauthorizedAccess");
        assert_eq!(message(&answer), "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");
    }
    // `sr` is signed as it is written, in either case of the escapes; the fields come in any order.
    let swapped =
        sign("localhost", &key, Some(&name), 60).replace("sr=localhost&", "").replace("&skn", "&sr=localhost&skn");
    let port_in = |colon: &str| sign(&format!("localhost{colon}{port}"), &key, Some(&name), 60);
    for token in [port_in(":"), port_in("%3a"), port_in("%3A"), swapped] {
        raw = raw.with_token(token.clone());
        assert_eq!(raw.ask("GET /devices/d1", "").status, 200, "{token}");
    }
}

// conformance: REST.md 6.4: twins are merged and replaced over the wire
#[test]
fn twins_are_merged_replaced_and_patched_by_post() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let mut raw = RawHttp::connect(&hub.ready, "service");
    let fresh = raw.ask("GET /twins/d1", "");
    assert_eq!(fresh.header("etag"), None, "twins carry theirs in the body only");
    let fresh = fresh.ok();
    assert_eq!((&fresh["etag"], &fresh["version"], fresh.get("tags")), (&json!("AAAAAAAAAAE="), &json!(2), None));

    let patch = r#"{"tags":{"a":{"b":1,"c":2}},"properties":{"desired":{"x":1},"reported":{"no":1}},"version":99}"#;
    let patched = raw.ask_if("PATCH /twins/d1", "\"AAAAAAAAAAE=\"", patch).ok();
    assert_eq!(patched["etag"], "AAAAAAAAAAI=");
    assert_eq!(patched["tags"], json!({"a": {"b": 1, "c": 2}}));
    assert_eq!(patched.pointer("/properties/desired/$version"), Some(&json!(2)));
    assert_eq!(patched.pointer("/properties/reported/no"), None);

    let stale = raw.ask_if("PATCH /twins/d1", "\"AAAAAAAAAAE=\"", r#"{"tags":{"a":null}}"#);
    assert_eq!(stale.verdict(), "412 PreconditionFailed");
    assert_eq!(stale.json()["Message"], "ErrorCode:PreconditionFailed;ETag mismatch for device ID 'd1'");
    assert!(!text(&stale.json(), "/ExceptionMessage").contains("-G:"), "the twin store speaks itself (REST.md 3.1)");

    let java = ["X-HTTP-Method-Override: PATCH", "Content-Type: application/json"];
    let posted = raw.ask_with("POST /twins/d1?api-version=2021-04-12", &java, r#"{"tags":{"a":{"b":null}}}"#).ok();
    assert_eq!(posted["tags"], json!({"a": {"c": 2}}));
    assert_eq!(raw.ask("POST /twins/d1", r#"{"tags":{}}"#).status, 405, "without the header it is a POST");

    let replaced = raw.ask_if("PUT /twins/d1", "*", r#"{"properties":{"desired":{"only":null,"y":{}}}}"#).ok();
    assert_eq!(replaced.get("tags"), None);
    let desired = &replaced["properties"]["desired"];
    assert_eq!((desired.get("x"), desired.get("only"), &desired["y"]), (None, None, &json!({})), "{desired}");
    assert_eq!(raw.ask("GET /twins/nobody", "").verdict(), "404 DeviceNotFound");
    assert_eq!(raw.ask("GET /twins/d1/modules/nobody", "").verdict(), "404 DeviceNotFound");
    assert_eq!(raw.ask("PATCH /twins/d1", r#"{"tags":{"bad key":1}}"#).verdict(), "400 ArgumentInvalid");
}

// conformance: REST.md 7: who is away is refused at once, over the wire
#[test]
fn methods_of_who_is_away_are_refused_at_once_in_the_nested_envelope() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let mut raw = RawHttp::connect(&hub.ready, "service");
    let nested = |answer: &Answer| -> Value {
        let body = answer.json();
        assert_eq!(body["ExceptionMessage"], "");
        serde_json::from_str(text(&body, "/Message")).unwrap()
    };
    for body in [
        r#"{"methodName":"lock","payload":null,"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}"#,
        r#"{"methodName":"lock","payload":"{}","responseTimeoutInSeconds":"30","connectTimeoutInSeconds":"0"}"#,
        r#"{"methodName":"lock"}"#,
    ] {
        let away = raw.ask("POST /twins/d1/methods", body);
        assert_eq!(away.verdict(), "404 DeviceNotOnline", "{body}");
        let inner = nested(&away);
        assert_eq!((&inner["errorCode"], &inner["info"]), (&json!(404_103), &json!({"timeout": "00:00:00"})), "{body}");
        assert!(text(&inner, "/trackingId").contains("-G:") && text(&inner, "/timestampUtc").ends_with('Z'), "{inner}");
    }
    for (path, body, verdict, number) in [
        ("nobody", r#"{"methodName":"m"}"#, "404 DeviceNotFound", 404_001),
        ("d1/modules/nobody", r#"{"methodName":"m"}"#, "404 ModuleNotFound", 404_010),
        ("d1", r#"{"methodName":"m","responseTimeoutInSeconds":"4"}"#, "400 ArgumentInvalid", 400_004),
        ("d1", r#"{"methodName":"m","responseTimeoutInSeconds":301}"#, "400 ArgumentInvalid", 400_004),
        ("d1", r#"{"methodName":"m","connectTimeoutInSeconds":31}"#, "400 ArgumentInvalid", 400_004),
        ("d1", r#"{"payload":{}}"#, "400 ArgumentInvalid", 400_004),
    ] {
        let refused = raw.ask(&format!("POST /twins/{path}/methods"), body);
        assert_eq!(refused.verdict(), verdict, "{body}");
        assert_eq!(nested(&refused)["errorCode"], number, "header and number agree: {body}");
    }
}

const FAR: &str = r#"{"type":"scheduleUpdateTwin","queryCondition":"tags.a = 'ø'","updateTwin":{"etag":"*","tags":{"a":1},
    "properties":null},"cloudToDeviceMethod":null,"startTime":"START","maxExecutionTimeInSeconds":60}"#;

// conformance: REST.md 4.8: a job that waits is listed
#[test]
fn a_job_waits_is_listed_and_is_cancelled_once() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let mut raw = RawHttp::connect(&hub.ready, "registryReadWrite");
    assert_eq!(raw.ask("GET /jobs/v2/far", "").ok(), json!({"jobId": "far", "type": "unknown", "status": "unknown"}));
    let none = raw.ask("GET /jobs/v2/query", "");
    assert_eq!((none.ok(), none.header("x-ms-item-type")), (json!([]), Some("JobResponse")), "also when it is empty");

    assert_eq!(raw.ask("GET /jobs", "").ok(), json!([]), "`az iot hub job list` asks for those of v1 too");

    let start = iotjob::model::Clock::system().now() + std::time::Duration::from_secs(3_600);
    let body = FAR.replace("START", &start.to_string());
    let queued = json!({"jobId": "far", "type": "scheduleUpdateTwin", "status": "queued"});
    assert_eq!(raw.ask("PUT /jobs/v2/far", &body).ok(), queued);
    let twice = raw.ask("PUT /jobs/v2/far", &body);
    assert_eq!(twice.verdict(), "409 JobAlreadyExists");
    let outer = message(&twice);
    let inner = outer.strip_prefix("ErrorCode:JobAlreadyExists;Error: Conflict ").unwrap_or_else(|| panic!("{outer}"));
    let inner: Value = serde_json::from_str(inner).expect("an envelope in the envelope");
    assert!(text(&inner, "/Message").starts_with("ErrorCode:JobAlreadyExists;"), "{inner}");

    let waiting = ask_until(&mut raw, "GET /jobs/v2/far", "", |job| job["status"] == "scheduled");
    assert_eq!(waiting["queryCondition"], "tags.a = 'ø'", "echoed as it was written");
    assert_eq!(waiting["endTime"], "9999-12-31T23:59:59.9999999Z");
    assert_eq!(waiting["updateTwin"], json!({"deviceId": null, "etag": "*", "tags": {"a": 1}}));
    assert_eq!((waiting.get("deviceJobStatistics"), waiting.get("failureReason")), (None, None));
    assert_eq!(raw.ask("GET /jobs/v2/query?jobType=ScheduleUpdateTwin&jobStatus=Scheduled", "").ok(), json!([waiting]));
    assert_eq!(raw.ask("GET /jobs/v2/query?jobStatus=running", "").ok(), json!([]));

    assert_eq!(raw.ask("POST /jobs/v2/far/cancel", "").ok()["status"], "cancelled");
    assert_eq!(raw.ask("GET /jobs/v2/far/", "").ok()["status"], "cancelled");
    assert_eq!(raw.ask("POST /jobs/v2/far/cancel", "{}").verdict(), "405 OperationNotAllowedInCurrentState");
    assert_eq!(raw.ask("POST /jobs/v2/nobody/cancel", "").verdict(), "404 JobNotFound");

    let late = start + std::time::Duration::from_secs(168 * 3_600);
    for (id, body, verdict) in [
        ("late", FAR.replace("START", &late.to_string()), "400 ArgumentInvalid"),
        ("ancient", FAR.replace("START", "0000-01-01T00:00:51+01:30"), "400 ArgumentInvalid"),
        ("BAD_id", body.clone(), "400 ArgumentInvalid"),
        ("etag", body.replace("\"*\"", "\"AAAAAAAAAAE=\""), "400 ArgumentInvalid"),
        ("kind", body.replace("scheduleUpdateTwin", "scheduleTwinUpdate"), "400 GenericBadRequest"),
        ("long", body.replace("tags.a", &format!("tags.{}", "a".repeat(8_200))), "412 PreconditionFailed"),
    ] {
        assert_eq!(raw.ask(&format!("PUT /jobs/v2/{id}"), &body).verdict(), verdict, "{id}");
    }
}

// conformance: REST.md 4.6: immediate jobs complete with counts or fail with their reason, over the wire
#[test]
fn jobs_of_now_end_with_statistics_or_with_their_reason() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1", "--device", "d2"]);
    let mut raw = RawHttp::connect(&hub.ready, "iothubowner");
    let job = |condition: &str| {
        let body = json!({"type": "scheduleUpdateTwin", "queryCondition": condition, "updateTwin": {"etag": "*",
            "properties": {"desired": {"floor": 3, "gone": null}}}, "startTime": null});
        body.to_string()
    };
    let has_ended = |job: &Value| matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled"));

    assert_eq!(raw.ask("PUT /jobs/v2/now", &job("DeviceId in ['d1', 'nobody']")).ok()["status"], "queued");
    let ended = ask_until(&mut raw, "GET /jobs/v2/now", "", has_ended);
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["startTime"], ended["createdTime"], "at once");
    let counts = json!({"deviceCount": 1, "failedCount": 0, "succeededCount": 1, "runningCount": 0, "pendingCount": 0});
    assert_eq!(ended["deviceJobStatistics"], counts);
    assert_eq!(raw.ask("POST /jobs/v2/now/cancel", "").verdict(), "405 OperationNotAllowedInCurrentState");
    assert_eq!(raw.ask("GET /twins/d1", "").ok()["properties"]["desired"]["floor"], 3);

    let rows = r#"{"query":"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'now'"}"#;
    let answer = raw.ask("POST /devices/query", rows);
    assert_eq!(answer.header("x-ms-item-type"), Some("DeviceJob"));
    let row = &answer.ok()[0];
    assert_eq!((&row["deviceId"], &row["status"], &row["outcome"]), (&json!("d1"), &json!("completed"), &json!({})));
    assert!(row.get("error").is_none() && text(row, "/endTimeUtc") > text(row, "/lastUpdatedDateTimeUtc"), "{row}");

    assert_eq!(raw.ask("PUT /jobs/v2/nobody", &job("tags.none = 1")).ok()["status"], "queued");
    let empty = ask_until(&mut raw, "GET /jobs/v2/nobody", "", has_ended);
    assert_eq!((&empty["status"], &empty["deviceJobStatistics"]["deviceCount"]), (&json!("completed"), &json!(0)));

    assert_eq!(raw.ask("PUT /jobs/v2/bad", &job("tags.a = = 1")).ok()["status"], "queued", "accepted, and fails later");
    let failed = ask_until(&mut raw, "GET /jobs/v2/bad", "", has_ended);
    assert_eq!(failed["status"], "failed");
    for member in ["/failureReason", "/statusMessage"] {
        assert!(text(&failed, member).starts_with("SQL query parse failed due to following errors:"), "{failed}");
    }
}

// conformance: REST.md 9: pages and kinds of rows, over the wire
// conformance: GRAMMAR.md 2: a query that is too long is 400
#[test]
fn queries_come_a_page_at_a_time_with_their_kind() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1", "--device", "d2"]);
    let mut raw = RawHttp::connect(&hub.ready, "service");
    const ONE: &str = "x-ms-max-item-count: 1";
    let line = "POST /devices/query?api-version=2021-04-12";
    let body = r#"{"query":"SELECT deviceId FROM devices"}"#;
    let first = raw.ask_with(line, &[ONE], body);
    let token = first.header("x-ms-continuation").expect("more follows").to_owned();
    let second = raw.ask_with(line, &[ONE, &format!("x-ms-continuation: {token}")], body);
    assert_eq!(second.header("x-ms-continuation"), None, "nothing follows");
    let mut ids = [text(&first.ok(), "/0/deviceId").to_owned(), text(&second.ok(), "/0/deviceId").to_owned()];
    ids.sort();
    assert_eq!(ids, ["d1", "d2"]);

    for (query, kind, rows) in [
        ("SELECT * FROM devices", "Twin", 2),
        ("select DEVICEID from devices where deviceid = 'd2'", "Raw", 1),
        ("SELECT COUNT() AS n FROM devices", "Raw", 1),
        ("SELECT * FROM devices.modules", "Twin", 0),
        ("SELECT * FROM devices.jobs", "DeviceJob", 0),
    ] {
        let answer = raw.ask("POST /devices/query/", &json!({"query": query}).to_string());
        assert_eq!(answer.header("x-ms-item-type"), Some(kind), "{query}");
        assert_eq!(answer.ok().as_array().map(Vec::len), Some(rows), "{query}");
    }
    let long = format!("SELECT * FROM devices WHERE tags.a = '{}'", "a".repeat(8_192));
    for body in
        [json!({"query": "SELECT FROM devices"}), json!({"query": long}), json!({"query": 5}), json!({}), json!([])]
    {
        let refused = raw.ask("POST /devices/query", &body.to_string());
        assert_eq!(refused.verdict(), "400 ArgumentInvalid");
        assert!(message(&refused).starts_with("ErrorCode:ArgumentInvalid;BadRequest"), "{}", refused.text);
    }
    for header in ["x-ms-continuation: nonsense", &format!("x-ms-continuation: {token}x"), "x-ms-max-item-count: many"]
    {
        assert_eq!(raw.ask_with(line, &[header], body).verdict(), "400 ArgumentInvalid", "{header}");
    }
}

// conformance: REST.md 1.1: a trailing slash means nothing
// conformance: REST.md 3.3: content that is no JSON, too deep or the wrong kind is 400, and the connection goes on
#[test]
fn odd_requests_are_answered_and_the_connection_goes_on() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let mut raw = RawHttp::connect(&hub.ready, "iothubowner");
    for line in ["GET /devices/", "GET /devices/d1/", "GET /devices/?top=5", "GET /twins/d1/", "GET /jobs/v2/query/"] {
        assert_eq!(raw.ask(line, "").status, 200, "{line}");
    }
    for (line, verdict) in [
        ("GET /devices", "400 InvalidProtocolVersion"),
        ("GET /devices?api-version=", "400 InvalidProtocolVersion"),
        ("GET /devices?api-version=2020-05-31-preview", "200 -"),
        ("GET /devices?api-version=1999-01-01", "200 -"),
        ("GET /?api-version=2021-04-12", "404 GenericNotFound"),
        ("GET //devices?api-version=2021-04-12", "404 GenericNotFound"),
        ("GET /devices/../twins/d1?api-version=2021-04-12", "404 GenericNotFound"),
        ("GET /digitaltwins/d1?api-version=2021-04-12", "404 GenericNotFound"),
        ("PATCH /devices/d1?api-version=2021-04-12", "405 -"),
        ("BREW /devices/d1?api-version=2021-04-12", "405 -"),
        ("POST /jobs/v2//cancel?api-version=2021-04-12", "405 -"),
        ("GET /devices/a%20b?api-version=2021-04-12", "400 ArgumentInvalid"),
        ("GET /devices/%C0%AE?api-version=2021-04-12", "400 ArgumentInvalid"),
    ] {
        let answer = raw.ask_with(line, &[], "");
        assert_eq!(answer.verdict(), verdict, "{line}");
        assert!(answer.json().is_array() || answer.json()["Message"].is_string(), "{line}: {}", answer.text);
    }
    let deep = "[".repeat(100_000);
    for body in ["{", "nonsense", "{}{}", "[1]", "7", "\u{0}", "{\"tags\":{\"a\":1e999}}", "{\"a\":\"\\ud800\"}", &deep]
    {
        for line in ["PATCH /twins/d1", "PUT /devices/d9", "PUT /jobs/v2/j", "POST /devices", "POST /devices/query"] {
            let answer = raw.ask(line, body);
            assert_eq!(answer.status, 400, "{line} {:.20}: {}", body, answer.text);
        }
    }
    assert_eq!(raw.ask("GET /devices/d1", "").status, 200, "still the same connection");
}

// conformance: REST.md 1.2: chunked bodies, Expect: 100-continue, pipelined requests and absolute targets are taken
#[test]
fn http_itself_may_be_spelled_in_many_ways() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "d1"]);
    let connect = || RawHttp::connect(&hub.ready, "iothubowner");
    let mut raw = connect();
    let authorization = raw.authorization();
    const PATCH: &str = "PATCH /twins/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n";

    let chunked = format!(
        "{PATCH}{authorization}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"tag\r\nb\r\ns\":{{\"a\":1}}}}\r\n0\r\n\r\n"
    );
    raw.send(chunked.as_bytes());
    assert_eq!(raw.answer().ok()["tags"], json!({"a": 1}));

    // .NET and curl ask first whether a body is welcome.
    raw.send(format!("{PATCH}{authorization}Expect: 100-continue\r\nContent-Length: 16\r\n\r\n").as_bytes());
    assert_eq!(raw.answer().status, 100);
    raw.send(br#"{"tags":{"a":2}}"#);
    assert_eq!(raw.answer().ok()["tags"], json!({"a": 2}));

    let get = |target: &str| {
        format!("GET {target}?api-version=2021-04-12 HTTP/1.1\r\nhOST: localhost\r\n{authorization}\r\n")
    };
    raw.send([get("/devices/d1"), get("/devices/nobody"), get("https://localhost/devices/d1")].concat().as_bytes());
    assert_eq!([raw.answer().status, raw.answer().status, raw.answer().status], [200, 404, 200], "in order");

    // What is no HTTP ends its own connection only.
    let endless = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
    let short = format!("{PATCH}{authorization}Content-Length: x\r\n\r\n");
    for bytes in [b"\x16\x03\x01\x00".as_slice(), b"GET / HTTP/9.9\r\n\r\n", short.as_bytes(), endless.as_bytes()] {
        let mut other = connect();
        other.send_in_vain(bytes);
        let answer = other.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // A body that never comes whole changes nothing.
    let mut broken = connect();
    broken.send(format!("{PATCH}{authorization}Content-Length: 99\r\n\r\n{{\"tags\":{{\"a\":3}}}}").as_bytes());
    drop(broken);
    raw.send(get("/twins/d1").as_bytes());
    assert_eq!(raw.answer().ok()["tags"], json!({"a": 2}));
}
