//! `iotjob hub` and `iotjob hub env` as a person and a script meet them (product.md 5).

use std::net::TcpListener;

use crate::support::env::{TestEnv, finish};
use crate::support::process::HubProcess;

#[test]
fn a_port_in_use_is_exit_2_and_named_with_its_flag() {
    let env = TestEnv::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ready = env.write("ready.json", "left by an earlier hub");
    let hub = env.run(["hub", "--https-port", "0", "--mqtt-port", &port, "--ready-file", "ready.json"]);
    assert_eq!(hub.code, 2, "{}", hub.stderr);
    assert!(hub.stderr.contains(&format!("port {port} of 127.0.0.1 is in use")), "{}", hub.stderr);
    assert!(hub.stderr.contains("--mqtt-port"), "{}", hub.stderr);
    assert!(!ready.exists(), "nobody may take the old file for ours");
}

#[test]
fn flags_that_make_no_hub_are_exit_2() {
    let env = TestEnv::new();
    let cases: [(&[&str], &str); 7] = [
        (&["--policy", "reader"], "NAME=right,right"),
        (&["--policy", "reader=Everything"], "`Everything` is not a right"),
        (&["--device", "a b"], "not allowed in a device id"),
        (&["--host-name", "https://localhost"], "not allowed in the host name"),
        (&["--mqtt-port", "70000"], "70000"),
        (&["--listen", "localhost"], "write an IP address"),
        (&["--metrics", "localhost:9464"], "write an IP address and a port"),
    ];
    for (flags, text) in cases {
        let hub = env.run([&["hub", "--https-port", "0"], flags].concat());
        assert_eq!(hub.code, 2, "{flags:?}: {}", hub.stderr);
        assert!(hub.stderr.contains(text), "{flags:?}: {}", hub.stderr);
    }
}

#[test]
fn two_hubs_do_not_share_their_data() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--data", "data"]);
    let second = env.run(["hub", "--https-port", "0", "--mqtt-port", "0", "--data", "data"]);
    assert_eq!(second.code, 2, "{}", second.stderr);
    assert!(second.stderr.contains("in use by another hub"), "{}", second.stderr);
    drop(hub);
}

#[test]
fn data_of_another_version_are_left_alone() {
    const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let env = TestEnv::new();
    drop(HubProcess::start(&env, &["--data", "data"]));
    let file = env.path().join("data/hub.redb");
    let database = redb::Database::open(&file).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("format", b"1".as_slice()).unwrap();
    txn.commit().unwrap();
    drop(database);
    let hub = env.run(["hub", "--https-port", "0", "--mqtt-port", "0", "--data", "data"]);
    assert_eq!(hub.code, 2, "{}", hub.stderr);
    assert!(hub.stderr.contains("format 1") && hub.stderr.contains("another folder with --data"), "{}", hub.stderr);
    assert!(file.exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_hub_well_and_takes_its_traces_along() {
    let env = TestEnv::new();
    let none = env.run(["hub", "env"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("no hub of this user is running"), "{}", none.stderr);

    let hub = HubProcess::start(&env, &["--device", "front-door"]);
    let ready_file = env.path().join("ready.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&ready_file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(hub.ready.ca_file.is_absolute() && hub.ready.ca_file.starts_with(env.path()), "{:?}", hub.ready.ca_file);
    let shown = env.run(["hub", "env"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);

    let (code, stdout, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("eval \"$(iotjob hub env"), "{stdout}");
    assert!(stdout.contains(&hub.ready.devices["front-door"]), "{stdout}");
    assert!(!ready_file.exists());
    assert_eq!(env.run(["hub", "env"]).code, 2);
}

#[cfg(unix)]
#[test]
fn the_lines_of_hub_env_are_taken_by_a_shell() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--device", "it's_one"]);
    let script = format!(
        "eval \"$({} hub env --shell bash)\" && printf '%s\\n' \"$IOTHUB_CONNECTION_STRING\" \
         \"$IOTHUB_DEVICE_CONNECTION_STRING\" \"$SSL_CERT_FILE\" \"$REQUESTS_CA_BUNDLE\" \"$NODE_EXTRA_CA_CERTS\"",
        env!("CARGO_BIN_EXE_iotjob")
    );
    let shell = finish(env.command("sh").args(["-c", &script]));
    let ca = hub.ready.ca_file.display().to_string();
    let expected = [hub.ready.policy("iothubowner"), hub.ready.device("it's_one"), &ca, &ca, &ca];
    assert_eq!(shell.stdout.lines().collect::<Vec<_>>(), expected, "{}", shell.stderr);
}

#[test]
fn connection_strings_carry_ports_and_custom_policies() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &["--policy", "reader=RegistryRead,ServiceConnect", "--device", "d"]);
    let (https, mqtt) = (hub.ready.https_port, hub.ready.mqtt_port);
    let start = format!("HostName=localhost:{https};SharedAccessKeyName=reader;SharedAccessKey=");
    assert!(hub.ready.policy("reader").starts_with(&start), "{}", hub.ready.policy("reader"));
    assert!(hub.ready.device("d").starts_with(&format!("HostName=localhost:{mqtt};DeviceId=d;SharedAccessKey=")));
    let mut strings = hub.ready.connection_strings.values().chain(hub.ready.devices.values());
    assert!(strings.all(|string| !string.ends_with(';')));
    let mut names: Vec<&str> = hub.ready.connection_strings.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["device", "iothubowner", "reader", "registryRead", "registryReadWrite", "service"]);
}
