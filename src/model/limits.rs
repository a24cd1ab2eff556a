//! Every number of the service and of ours, each with its source.

/// Longest device or module id, in characters (REST.md 8.1).
pub const ID_CHARS_MAX: usize = 128;
/// Longest `statusReason` of a device, in characters (the service's reference of device identities).
pub const STATUS_REASON_CHARS_MAX: usize = 128;
/// Longest job id, in characters (REST.md 4.3).
pub const JOB_ID_CHARS_MAX: usize = 64;
/// Longest query text, in characters, with the service's prefix (REST.md 4.5, GRAMMAR.md 2).
pub const QUERY_CHARS_MAX: usize = 8_192;
/// What the service puts before a job's condition (GRAMMAR.md 7).
pub const QUERY_CONDITION_PREFIX: &str = "SELECT * FROM devices WHERE ";
/// Longest condition of a job, in characters: what the prefix leaves (REST.md 4.5).
pub const QUERY_CONDITION_CHARS_MAX: usize = QUERY_CHARS_MAX - QUERY_CONDITION_PREFIX.len();
/// Deepest nesting of expressions that our parser follows (ours).
pub const QUERY_DEPTH_MAX: usize = 64;
/// Memory for the groups of one GROUP BY, in bytes (ours: about 400,000 groups of short keys).
pub const QUERY_GROUP_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Size limit of a twin's tags, in counted bytes (REST.md 6.5).
pub const TAGS_BYTES_MAX: usize = 8 * 1024;
/// Size limit of desired properties, in counted bytes (REST.md 6.5).
pub const DESIRED_BYTES_MAX: usize = 32 * 1024;
/// Size limit of reported properties, in counted bytes (REST.md 6.5).
pub const REPORTED_BYTES_MAX: usize = 32 * 1024;
/// Longest twin key, in bytes of UTF-8 (REST.md 6.5).
pub const TWIN_KEY_BYTES_MAX: usize = 1_024;
/// Longest string value in a twin, in bytes (REST.md 6.5).
pub const TWIN_STRING_BYTES_MAX: usize = 4_096;
/// Violations listed of one section: each names its place, so that a large bad patch could outgrow the memory (ours).
pub const PATCH_VIOLATIONS_MAX: usize = 100;
/// Levels of objects below a twin section; a scalar may sit in the last (REST.md 6.5).
pub const TWIN_DEPTH_MAX: usize = 10;
/// Smallest integer a twin stores (REST.md 6.5).
pub const TWIN_INTEGER_MIN: i64 = -4_503_599_627_370_496;
/// Largest integer a twin stores (REST.md 6.5).
pub const TWIN_INTEGER_MAX: i64 = 4_503_599_627_370_495;

/// Largest direct-method payload each way, in bytes of JSON (REST.md 7).
pub const METHOD_PAYLOAD_BYTES_MAX: usize = 128 * 1024;
/// Response time-out of a direct method in seconds: least, most, default (REST.md 7).
pub const RESPONSE_TIMEOUT_S: (u64, u64, u64) = (5, 300, 30);
/// Connect time-out of a direct method in seconds: most; the least and the default are 0 (REST.md 7).
pub const CONNECT_TIMEOUT_S_MAX: u64 = 300;

/// Least `maxExecutionTimeInSeconds` that a manifest may ask for (product.md 1; REST.md 4.2 saw 5 accepted).
pub const JOB_TIMEOUT_S_MIN: u64 = 5;
/// Default `maxExecutionTimeInSeconds`, as the CLI and Node callers send it (REST.md 4.2).
pub const JOB_TIMEOUT_S_DEFAULT: u64 = 3_600;
/// How far ahead a job may start, in hours (REST.md 4.2).
pub const JOB_START_AHEAD_H_MAX: i64 = 168;
/// How far back a new run's start may lie, in minutes (product.md 1).
pub const JOB_START_PAST_MIN_MAX: i64 = 5;
/// How long the hub remembers a job, in days (REST.md 4.7).
pub const JOB_HISTORY_DAYS: i64 = 30;

/// Largest page of a query or a job list (REST.md 9).
pub const PAGE_ITEMS_MAX: usize = 100;
/// Longest continuation token, in characters (ours: three ids of the longest kind in base64 are well below).
pub const CONTINUATION_CHARS_MAX: usize = 1_024;
/// Largest page of the device list (REST.md 8.1).
pub const DEVICE_LIST_MAX: usize = 1_000;
/// Most items of one bulk registry call (REST.md 8.4).
pub const BULK_ITEMS_MAX: usize = 100;
/// Largest HTTP body either side reads, in bytes (ours: four times the largest legal twin plus room).
pub const HTTP_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long the head of a request may take, and how long a kept-alive connection may idle, in seconds (ours).
pub const HTTP_HEAD_S_MAX: u64 = 120;
/// How often the hub asks a connection of HTTP/2 whether it is still there, in seconds (ours).
pub const HTTP_2_PING_S: u64 = 60;
/// How long the answer to that may take, in seconds (ours).
pub const HTTP_2_PONG_S_MAX: u64 = 20;
/// Requests under way on one connection of HTTP/2 (ours).
pub const HTTP_2_STREAMS_MAX: u32 = 100;
/// How long the body of a request may take, in seconds (ours).
pub const HTTP_BODY_S_MAX: u64 = 60;

/// Largest MQTT packet either side reads, in bytes (DEVICE.md 8.4, 10.2).
pub const MQTT_PACKET_BYTES_MAX: usize = 300 * 1024;
/// Largest device-to-cloud message in bytes (DEVICE.md 1.8).
pub const TELEMETRY_BYTES_MAX: usize = 256 * 1024;
/// Longest time the hub waits for traffic whatever keep-alive a client names, in seconds (DEVICE.md 1.5).
pub const KEEP_ALIVE_S_CAP: u64 = 1_767;
/// Largest keep-alive interval a device may usefully ask for, in seconds (DEVICE.md 1.5).
pub const KEEP_ALIVE_S_MAX: u16 = 1_177;
/// How long a new connection may take to finish TLS and send CONNECT, in seconds (ours; DEVICE.md 8.3).
pub const CONNECT_PACKET_S_MAX: u64 = 30;
/// TLS handshakes under way at a time on one port; further connections wait with their ClientHello (ours).
pub const HANDSHAKES_MAX: usize = 1_024;
/// How long a handshake may hold its place among those, in milliseconds (ours: a client's turn takes a round trip).
pub const HANDSHAKE_SLOT_MS: u64 = 500;
/// Pause after the system refused to hand out a connection, in milliseconds (ours).
pub const ACCEPT_PAUSE_MS: u64 = 250;
/// How long connections may take to end when the hub stops, in seconds (ours).
pub const DRAIN_S_MAX: u64 = 5;
/// Frames queued for one connection before it counts as a slow consumer and is closed (ours; DEVICE.md 10.1).
pub const CONNECTION_QUEUE_MAX: usize = 256;
/// How long either end of a device's link may take over one write before the link counts as dead, in seconds (ours).
pub const DEVICE_WRITE_S_MAX: u64 = 30;
/// Connections of one identity that the hub takes away within [`TAKEOVERS_WINDOW_S`] before it speaks of a fight (ours).
pub const TAKEOVERS_OF_A_FIGHT: u32 = 5;
/// The time within which take-overs count as one fight, in seconds (ours; DEVICE.md 1.9: clients come back within 50 ms).
pub const TAKEOVERS_WINDOW_S: u64 = 60;
/// Identities whose take-overs the hub remembers (ours).
pub const TAKEOVERS_NOTED_MAX: usize = 1_024;
/// How long hub and device try to part in good order, in seconds (ours).
pub const DEVICE_FAREWELL_S_MAX: u64 = 2;
/// Telemetry messages that the hub keeps to be looked at, of all devices (ours).
pub const TELEMETRY_KEPT_MAX: usize = 64;
/// Telemetry messages that may wait to be written to the tap; when it is full, devices wait for their PUBACK (ours).
pub const TAP_QUEUE_MAX: usize = 256;
/// Connections that may wait to be accepted; the system may allow fewer (ours: a fleet that starts at once).
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Draws of a port that is free on every address (ours).
pub const FREE_PORT_ATTEMPTS_MAX: usize = 16;
/// Messages of quality 1 under way to one side before it must acknowledge (ours; DEVICE.md 10.1).
pub const MQTT_UNACKED_MAX: usize = 100;
/// Subscriptions of one identity (DEVICE.md 2.2).
pub const SUBSCRIPTIONS_MAX: usize = 5;

/// Port of MQTT over TLS (DEVICE.md 1.1).
pub const MQTT_PORT: u16 = 8883;
/// Port of HTTPS, and of MQTT over a WebSocket (DEVICE.md 1.1).
pub const HTTPS_PORT: u16 = 443;
/// How long a device waits for CONNACK, in seconds: a busy hub delays it that long (DEVICE.md 1.10).
pub const CONNACK_S_MAX: u64 = 60;
/// How long a device waits for SUBACK, for a twin reply and for PINGRESP, in seconds (DEVICE.md 3 and 10.2).
pub const DEVICE_ANSWER_S_MAX: (u64, u64, u64) = (60, 60, 30);
/// First span of a device's reconnect back-off, in milliseconds (ours; the SDKs start at 10 to 100 ms).
pub const RECONNECT_MS_MIN: u64 = 500;
/// Largest span of a device's reconnect back-off, in milliseconds (ours; DEVICE.md 3 has 10 s to 100 s).
pub const RECONNECT_MS_MAX: u64 = 60_000;
/// A connection that lasted this long, in seconds, starts the back-off over (ours).
pub const CONNECTION_LASTS_S: u64 = 30;
/// Connections lost soon after they were made before a device says that something is odd (ours; DEVICE.md 1.9).
pub const SHORT_CONNECTIONS_MAX: u32 = 3;
/// Events of a fleet that are printed in one go (ours).
pub const DEVICE_EVENTS_PRINTED_MAX: usize = 256;
/// Method calls that a device has yet to answer; further ones get 503 at once (ours; DEVICE.md 2.7).
pub const DEVICE_CALLS_MAX: usize = 64;
/// Longest time that a simulated device takes over anything, in seconds (ours: past any time-out of the service).
pub const LATENCY_S_MAX: u64 = 86_400;
/// Shortest time between two messages of a simulated device, in milliseconds (ours: one device is no load generator).
pub const TELEMETRY_EVERY_MS_MIN: u64 = 10;
/// Telemetry messages of a device that wait for their PUBACK; the next waits for one of them (ours).
pub const DEVICE_TELEMETRY_UNACKED_MAX: usize = 16;
/// How long a device waits for the PUBACK of a telemetry message, in seconds (ours: as for a twin reply).
pub const DEVICE_PUBACK_S_MAX: u64 = 60;
/// Reports of a device that wait for their time; a further one joins the last (ours).
pub const DEVICE_REPORTS_MAX: usize = 16;
/// Packets of a slow device that wait to be sent; when as many wait, the oldest goes (ours).
pub const DEVICE_PACKETS_LATE_MAX: usize = 64;
/// Pairs of method and status whose answers a fleet counts apart (ours).
pub const FLEET_ANSWERS_TOLD_APART_MAX: usize = 256;
/// Shortest time between two strikes of a fault, in milliseconds (ours: a device that flaps is not to spin).
pub const FAULT_MS_MIN: u64 = 100;
/// How long a silent device holds its connection at most, in keep-alive intervals (ours: the hub ends it after 1.5).
pub const SILENT_KEEP_ALIVES_MAX: u32 = 2;
/// How long a connection that was taken over may take to be ended by the hub, in seconds (ours).
pub const TAKEN_OVER_S_MAX: u64 = 60;
/// Longest text that one pattern makes, in characters (ours: the service takes 4,096 bytes in a twin).
pub const PATTERN_CHARS_MAX: usize = 1_024;
/// Deepest nesting of a template (ours: past the ten levels of a twin, far below what a stack holds).
pub const TEMPLATE_DEPTH_MAX: usize = 32;
/// Shared access policies of one hub (REST.md 2.3).
pub const POLICIES_MAX: usize = 16;
/// Most policies with ServiceConnect, those of the service included (REST.md 2.3).
pub const SERVICE_POLICIES_MAX: usize = 10;
/// Longest policy name, in characters (ours).
pub const POLICY_NAME_CHARS_MAX: usize = 64;

/// Longest run name in a manifest, in characters (product.md 1).
pub const RUN_NAME_CHARS_MAX: usize = 40;
/// Manifest files that are worth a thread of their own (ours: about 3 ms of work).
pub const MANIFESTS_OF_A_THREAD_MIN: usize = 32;
/// Largest manifest or fleet file, in bytes (ours).
pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of such a file (ours; crates.md 2.4).
pub const SOURCE_DEPTH_MAX: usize = 32;
/// Bytes that such a file may grow to when its aliases are followed, eight of them a node (ours).
pub const SOURCE_EXPANDED_BYTES_MAX: usize = 16 * SOURCE_BYTES_MAX;
/// Brackets that such a file may leave open at once, wherever they stand (ours: the parser is quadratic in them).
pub const SOURCE_BRACKETS_MAX: usize = 4 * SOURCE_DEPTH_MAX;
/// Deepest directory below a PATH that is searched for manifests (ours).
pub const MANIFEST_DIRECTORY_DEPTH_MAX: usize = 32;
/// Devices of one fleet (REST.md 8.1: what a hub takes).
pub const FLEET_DEVICES_MAX: u64 = 1_000_000;
/// Groups of one fleet (ours: generators make devices differ within one).
pub const FLEET_GROUPS_MAX: usize = 100;
/// Problems shown for one file in text output (product.md 1).
pub const PROBLEMS_SHOWN_MAX: usize = 50;

/// Lifetime of the SAS tokens we mint, in seconds (REST.md 2.2).
pub const SAS_LIFETIME_S: i64 = 3_600;
/// How long before its end a SAS token is renewed, in seconds (ours, between Python's 120 and Node's 900).
pub const SAS_RENEW_BEFORE_S: i64 = 300;
// conformance-choice: DEVICE.md 1.7: a connection ends five minutes after its token
/// Clock drift that a SAS check tolerates, in seconds (REST.md 2.2).
pub const SAS_SKEW_S: i64 = 300;

/// Longest Entra ID token that the hub reads, in bytes (ours; tokens with many groups have about 8 KiB).
pub const BEARER_BYTES_MAX: usize = 16 * 1024;
/// Largest file of an issuer's keys, in bytes (ours; Entra ID's has about 10 KiB).
pub const KEY_SET_BYTES_MAX: u64 = 1024 * 1024;

/// Most units of a tier (ours: what Azure sells by itself; S3 has fewer).
pub const TIER_UNITS_MAX: u32 = 200;
/// How far ahead the turn of a shaped request may lie, in seconds (ours: as long as a refusal asks to wait, REST.md 3.3).
pub const SHAPED_REQUEST_S_MAX: u64 = 10;
/// How far ahead the turn of a shaped connection may lie, in seconds (DEVICE.md 1.10: CONNACK comes that late).
pub const SHAPED_CONNECT_S_MAX: u64 = 60;

/// Connections that are served metrics at a time (ours).
pub const METRICS_CONNECTIONS_MAX: usize = 8;
/// How long a connection may take to ask for metrics and read them, in seconds (ours: Prometheus gives up after 10).
pub const METRICS_S_MAX: u64 = 10;
/// Memory for what a lagging query index still shows, in bytes (ours: 100,000 changes of ordinary twins).
pub const PAST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Changes of one connection's state that are seen late; with more, the oldest is seen sooner (ours).
pub const STATES_KEPT_MAX: usize = 16;

/// Commands that may wait for the hub's engine; callers wait for room (ours).
pub const ENGINE_QUEUE_MAX: usize = 4_096;
/// Commands that share one commit of the hub (ours: bounds how long the first of them waits).
pub const ENGINE_BATCH_MAX: usize = 1_024;
/// Timers of the hub's engine that fire within one commit (ours).
pub const ENGINE_TIMERS_MAX: usize = 1_024;
/// Steps of jobs that share one commit of the hub while nobody else asks for anything (ours).
pub const ENGINE_STEPS_MAX: usize = 8;
/// Longest sleep of the hub's engine while a timer runs, in seconds (ours: the time of day may jump).
pub const ENGINE_SLEEP_S_MAX: u64 = 1;
/// Pages of its database file that the hub keeps in memory, in bytes (ours: the system caches the file as well).
pub const STORE_CACHE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Pages that a hub whose database is memory keeps a second time, in bytes (ours: the upper levels of the trees).
pub const STORE_MEMORY_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
// conformance-choice: REST.md 8.2: 50 modules a device
/// Modules of one device (REST.md 8.2).
pub const MODULES_PER_DEVICE_MAX: usize = 50;
// conformance-choice: REST.md 7: 100 calls to one device at a time, the next is 403
/// Direct methods under way or waiting for one device (ours; REST.md 7 knows of a limit, not of the number).
pub const DEVICE_METHODS_MAX: usize = 100;
// conformance-deviation: REST.md 4.7: without a tier a thousand jobs may be open at a time, and there are no rates
/// Jobs that have not ended, without a tier's own limit (ours).
pub const JOBS_ACTIVE_MAX: usize = 1_000;
/// Method calls that one job has under way at a time (ours).
pub const JOB_CALLS_MAX: usize = 1_000;
/// Twins that a job reads, or rows that it works on, before other commands get their turn (ours).
pub const JOB_STEP_MAX: usize = 500;
/// Targets of a job that are written together (ours: about half a page of the database).
pub const ROWS_IN_BLOCK_MAX: usize = 128;
/// Re-runs of one manifest that are looked for (ours; `-r999` still fits a job id).
pub const RERUNS_MAX: u32 = 999;
/// Different changes that a plan tells apart (ours; a larger fleet's are told without the values before).
pub const PLAN_GROUPS_MAX: usize = 500;
/// Devices that a plan names for each change (ours).
pub const PLAN_NAMED_MAX: usize = 5;
/// Tags of one condition that a plan looks for in the fleet, a query each (ours).
pub const PLAN_TAGS_MAX: usize = 5;
/// Twins that a plan compares with the index, to see how far it is behind (ours).
pub const PLAN_SPOT_CHECKS: usize = 3;
/// Twins that a plan reads at a time with `--exact` (ours; 100 a second are allowed, REST.md 10).
pub const PLAN_TWINS_AT_ONCE: usize = 8;
/// Pages of targets that a plan fetches before it needs them (ours).
pub const PLAN_PAGES_AHEAD: usize = 2;
/// Largest saved plan that is read, in bytes (ours: a million targets are about 50 MB).
pub const SAVED_PLAN_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Hub jobs of one run: `-p9999` still fits a job id (ours).
pub const RUN_PARTS_MAX: usize = 9_999;
/// Looks at a job whose creation was not answered, before it is created again (REST.md 4.6).
pub const LOST_ANSWER_LOOKS_MAX: u32 = 6;
/// Pause between two such looks, in seconds (REST.md 4.6).
pub const LOST_ANSWER_LOOK_S: u64 = 5;
/// Creations of one job whose answers may be lost, before the hub counts as unreachable (ours).
pub const LOST_ANSWERS_MAX: u32 = 3;
/// Polls in a row that may read `unknown` for a job that was created (REST.md 4.6).
pub const UNKNOWN_POLLS_MAX: u32 = 6;
/// Longest wait for a job slot, in hours: a scheduled job holds one for as long as it may lie ahead (REST.md 4.7).
pub const SLOT_WAIT_H_MAX: u64 = 168;
/// How long rows may come in after the end of their job, in seconds (product.md 3.2; REST.md 5).
pub const ROWS_SETTLE_S: u64 = 60;
/// Job operations a minute of one S1 unit (REST.md 10).
pub const JOB_OPERATIONS_PER_MIN: u32 = 100;
/// Queries a minute of one S1 unit (REST.md 10).
pub const QUERIES_PER_MIN: u32 = 20;
/// Events that wait for their reporters; when it is full, the run waits (ours).
pub const RUN_EVENTS_MAX: usize = 256;
/// Twins read at once to see which listed ids are registered (ours; 100 a second are allowed, REST.md 10).
pub const REGISTERED_LOOKS_AT_ONCE: usize = 8;
/// How long a hub that was never reached is tried, in seconds (product.md 3).
pub const FIRST_CONTACT_S: u64 = 20;
/// How long a hub that was reached once may be silent, in seconds (product.md 3).
pub const SILENCE_S: u64 = 300;
/// How long one call may be put off by 429 answers, in seconds (ours; the service says to wait 10, REST.md 3.3).
pub const THROTTLED_S: u64 = 300;
/// How long one request may take, in seconds: shaped traffic waits on the hub before it is refused (REST.md 10).
pub const REQUEST_S: u64 = 60;
/// How long connecting and the TLS handshake may take, in seconds (ours).
pub const CONNECT_S: u64 = 10;
/// How long one answer of a token service may take, in seconds (ours).
pub const SIGN_IN_S: u64 = 30;
/// How often a token service is asked before signing in has failed (ours).
pub const SIGN_IN_TRIES_MAX: u32 = 4;
/// Most bytes of a token service's answer (ours: tokens have a few thousand).
pub const SIGN_IN_BODY_BYTES_MAX: usize = 256 * 1024;
/// How long before its end a token of Entra ID is renewed, in seconds (what Azure's own libraries keep).
pub const ENTRA_RENEW_BEFORE_S: u64 = 300;
/// How long somebody may take to answer at the address of a virtual machine's identity, in milliseconds (ours: it is on the
/// machine's own host).
pub const IMDS_PROBE_MS: u64 = 500;
/// How often a call is tried that the hub answers with 500 (ours).
pub const SERVER_FAULT_TRIES_MAX: u32 = 5;
/// Empty pages in a row, each with the promise of more, before a listing counts as broken (ours; REST.md 9).
pub const EMPTY_PAGES_MAX: usize = 100;
/// Longest line of a stream of events that is read, in bytes (ours: a payload of 128 KB with every character escaped).
pub const EVENT_LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Size of what one step may add to the summary of a GitHub Actions job, in bytes (GitHub's limit for a step).
pub const STEP_SUMMARY_BYTES_MAX: usize = 1024 * 1024;
/// Annotations of one step that GitHub Actions shows for each level (GitHub's limit).
pub const ANNOTATIONS_MAX: usize = 10;
/// Devices named one by one in the log of a pipeline (ours: GitLab keeps 4 MiB of a log).
pub const PIPELINE_DEVICES_MAX: usize = 1_000;
/// How often the live screen of a fleet is drawn, in milliseconds (ours).
pub const FLEET_SCREEN_MS: u64 = 250;
/// How often a fleet without a terminal says how it stands, in seconds (ours).
pub const FLEET_HEARTBEAT_S: u64 = 10;
