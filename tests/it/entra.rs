//! Entra ID tokens against the hub as a program: its flags, and Microsoft's Python package with a credential of its own.

use crate::support::env::{TestEnv, finish};
use crate::support::issuer::{ISSUER, Issuer};
use crate::support::process::HubProcess;
use crate::support::python::{python, script};

// conformance: REST.md 2.4: the Python service package works with an Entra ID credential, as far as its role goes
#[test]
fn the_official_back_end_signs_in_with_a_token() {
    let env = TestEnv::new();
    let issuer = Issuer::new();
    let tokens = ["reader", "contributor"].map(|principal| issuer.token(principal));
    let jwks = env.write("jwks.json", &issuer.key_set().to_string());
    let jwks = jwks.to_str().expect("a readable path");
    let hub = HubProcess::start(
        &env,
        &[
            ["--entra-issuer", ISSUER, "--entra-jwks", jwks],
            ["--entra-role", "reader=Reader", "--entra-role", "contributor=Contributor"],
        ]
        .concat(),
    );
    let service = finish(
        env.command(python())
            .arg(script("entra.py"))
            .args([format!("localhost:{}", hub.ready.https_port), tokens[0].clone(), tokens[1].clone()])
            .env("REQUESTS_CA_BUNDLE", &hub.ready.ca_file),
    );
    assert_eq!(service.code, 0, "{}\n{}", service.stdout, service.stderr);
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
    let why = "the roles of the principal `reader` lack the data action `Microsoft.Devices/IotHubs/devices/write`";
    assert!(stderr.contains(why), "{stderr}");
}

#[test]
fn an_issuer_needs_its_keys_and_roles_their_names() {
    let env = TestEnv::new();
    env.write("empty.json", r#"{"keys":[]}"#);
    let cases: [(&[&str], &str); 5] = [
        (&["--entra-issuer", ISSUER], "--entra-jwks"),
        (&["--entra-role", "me=Reader"], "--entra-issuer"),
        (&["--entra-issuer", ISSUER, "--entra-jwks", "none.json"], "--entra-jwks none.json"),
        (&["--entra-issuer", ISSUER, "--entra-jwks", "empty.json"], "no RSA and no P-256 key"),
        (&["--entra-issuer", ISSUER, "--entra-jwks", "empty.json", "--entra-role", "me=Owner"], "TwinContributor"),
    ];
    for (flags, text) in cases {
        let hub = env.run([&["hub", "--https-port", "0", "--mqtt-port", "0"], flags].concat());
        assert_eq!(hub.code, 2, "{flags:?}: {}", hub.stderr);
        assert!(hub.stderr.contains(text), "{flags:?}: {}", hub.stderr);
    }
}
