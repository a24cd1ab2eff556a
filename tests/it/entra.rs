//! Entra ID tokens against the hub as a program: its flags, and Microsoft's Python package with a credential of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::support::env::{TestEnv, finish};
use crate::support::process::HubProcess;
use crate::support::python::{python, script};

const ISSUER: &str = "https://login.test/tenant/v2.0";

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// A new issuer's key set, and a token of it for each principal.
fn issue(principals: &[&str]) -> (Value, Vec<String>) {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("the key");
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "x": encode(x), "y": encode(y)});
    #[expect(clippy::disallowed_methods, reason = "the hub under test runs by the machine's clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs();
    let sign = |principal: &&str| {
        let claims = json!({
            "iss": ISSUER, "aud": "https://iothubs.azure.net", "oid": principal, "nbf": now, "exp": now + 3_600,
        });
        let header = json!({"alg": "ES256", "kid": "k"});
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = key.sign(&random, signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(signature.as_ref()))
    };
    (json!({"keys": [jwk]}), principals.iter().map(sign).collect())
}

// conformance: REST.md 2.4: the Python service package works with an Entra ID credential, as far as its role goes
#[test]
fn the_official_back_end_signs_in_with_a_token() {
    let env = TestEnv::new();
    let (keys, tokens) = issue(&["reader", "contributor"]);
    let jwks = env.write("jwks.json", &keys.to_string());
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
