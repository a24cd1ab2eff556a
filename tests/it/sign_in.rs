//! Signing in with Entra ID, end to end: a token service of the test's own, and a hub that takes its tokens.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::env::{Finished, TestEnv, finish};
use crate::support::issuer::{ISSUER, Issuer};
use crate::support::process::HubProcess;
use crate::support::token_service::{Asked, TokenService};

const PATCH: &str = "type: scheduleUpdateTwin\nquery: '*'\npatch: { tags: { a: 1 } }\n";
const SECRET: &str = "s3cret-of-the-principal";

/// A hub that trusts an issuer, in whose eyes `me` is a contributor and `reader` a reader.
struct Realm {
    env: TestEnv,
    hub: HubProcess,
    issuer: Issuer,
}

impl Realm {
    fn new() -> Self {
        let (env, issuer) = (TestEnv::new(), Issuer::new());
        env.write("patch.yaml", PATCH);
        let jwks = env.write("jwks.json", &issuer.key_set().to_string());
        let jwks = jwks.to_str().expect("a readable path");
        let flags = [
            ["--entra-issuer", ISSUER, "--entra-jwks", jwks],
            ["--entra-role", "reader=Reader", "--entra-role", "me=Contributor"],
        ]
        .concat();
        let hub = HubProcess::start(&env, &[&flags[..], &["--device", "d1", "--tier", "S1"]].concat());
        Self { env, hub, issuer }
    }

    /// A service that gives tokens of a principal for so many seconds.
    fn service(&self, principal: &str, seconds: u64) -> TokenService {
        let token = self.issuer.token(principal);
        TokenService::https(move |_| {
            (200, json!({"token_type": "Bearer", "expires_in": seconds, "access_token": token}).to_string())
        })
    }

    /// The binary, told the hub's name and no key of it, and to trust the hub's CA and the service's.
    fn iotjob(&self, ca: &str) -> Command {
        let hub_ca = std::fs::read_to_string(&self.hub.ready.ca_file).expect("the CA's file");
        let both = self.env.write("both.pem", &format!("{hub_ca}{ca}"));
        let mut command = self.env.iotjob();
        command
            .env("IOTHUB_HOST", format!("localhost:{}", self.hub.ready.https_port))
            .env("SSL_CERT_FILE", both)
            .env("AZURE_TENANT_ID", "tenant-1")
            .env("AZURE_CLIENT_ID", "client-1");
        command
    }

    fn with_secret(&self, service: &TokenService) -> Command {
        let mut command = self.iotjob(&service.ca);
        command
            .env("AZURE_AUTHORITY_HOST", format!("https://localhost:{}", service.port))
            .env("AZURE_CLIENT_SECRET", SECRET);
        command
    }
}

fn succeeded(finished: &Finished) {
    assert_eq!(finished.code, 0, "{}\n{}", finished.stdout, finished.stderr);
}

fn has(asked: &Asked, parts: &[&str]) {
    for part in parts {
        assert!(asked.body.contains(part), "{part} is not in {}", asked.body);
    }
}

#[test]
fn a_secret_of_the_environment_signs_in_once_for_many_calls() {
    let realm = Realm::new();
    let service = realm.service("me", 3_600);
    let applied = finish(realm.with_secret(&service).args(["apply", "patch.yaml", "--verbose", "--verbose"]));
    succeeded(&applied);
    assert!(applied.stdout.contains("1 of 1 device succeeded"), "{}", applied.stdout);
    let asked = service.asked();
    assert_eq!(asked.len(), 1, "one token serves every call");
    assert_eq!(asked[0].line, "POST /tenant-1/oauth2/v2.0/token");
    let scope = "scope=https%3A%2F%2Fiothubs.azure.net%2F.default";
    has(&asked[0], &["grant_type=client_credentials", "client_id=client-1", scope]);
    for told in [&applied.stdout, &applied.stderr] {
        assert!(!told.contains(SECRET) && !told.contains(&realm.issuer.token("me")[..40]), "{told}");
    }
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let realm = Realm::new();
    let service = realm.service("me", 1);
    succeeded(&finish(realm.with_secret(&service).args(["apply", "patch.yaml"])));
    assert!(service.asked().len() > 1, "each call asks anew for a token that is about to end");
}

#[test]
fn tokens_of_kubernetes_and_github_are_exchanged() {
    let realm = Realm::new();
    let token = realm.issuer.token("me");
    let service = TokenService::https(move |asked| {
        let answer = match asked.line.starts_with("GET /github") {
            true => json!({"value": "the-job"}),
            false => json!({"token_type": "Bearer", "expires_in": 3_600, "access_token": token}),
        };
        (200, answer.to_string())
    });
    let file = realm.env.write("token", "the-pod");
    let base = format!("https://localhost:{}", service.port);
    let mut pod = realm.iotjob(&service.ca);
    pod.env("AZURE_AUTHORITY_HOST", &base).env("AZURE_FEDERATED_TOKEN_FILE", &file);
    succeeded(&finish(pod.args(["list"])));
    let exchange = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    has(service.asked().last().expect("it was asked"), &[exchange, "client_assertion=the-pod"]);

    let mut job = realm.iotjob(&service.ca);
    job.env("AZURE_AUTHORITY_HOST", &base)
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{base}/github?api-version=2.0"))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job");
    succeeded(&finish(job.args(["list"])));
    let asked = service.asked();
    let [.., github, entra] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(github.line, "GET /github?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange");
    assert!(github.headers.contains("authorization: bearer of-the-job"), "{}", github.headers);
    has(entra, &[exchange, "client_assertion=the-job"]);
}

#[test]
fn an_app_signs_in_by_its_managed_identity() {
    let realm = Realm::new();
    let token = realm.issuer.token("me");
    let service = TokenService::http(move |_| {
        let answer = json!({
            "access_token": token, "expires_on": "4102444800", "resource": "https://iothubs.azure.net",
            "token_type": "Bearer",
        });
        (200, answer.to_string())
    });
    let mut app = realm.iotjob("");
    app.env_remove("AZURE_TENANT_ID")
        .env("IDENTITY_ENDPOINT", format!("http://localhost:{}/identity", service.port))
        .env("IDENTITY_HEADER", "of-the-app");
    succeeded(&finish(app.args(["list"])));
    let asked = service.asked();
    assert!(asked[0].line.contains("resource=https%3A%2F%2Fiothubs.azure.net"), "{}", asked[0].line);
    assert!(asked[0].line.contains("client_id=client-1"), "{}", asked[0].line);
    assert!(asked[0].headers.contains("of-the-app"), "{}", asked[0].headers);
}

/// A folder with an `az` that prints `text` and ends with `code`.
fn azure_cli(env: &TestEnv, text: &str, code: i32) -> std::path::PathBuf {
    let script = env.write("bin/az", &format!("#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n"));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a program");
    script.parent().expect("a folder").to_owned()
}

fn on_path(command: &mut Command, folder: &Path) {
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
}

#[test]
fn whoever_is_logged_in_with_az_is_signed_in() {
    let realm = Realm::new();
    let answer = json!({
        "accessToken": realm.issuer.token("me"), "expires_on": 4_102_444_800_i64, "tokenType": "Bearer",
    });
    let folder = azure_cli(&realm.env, &answer.to_string(), 0);
    let mut list = realm.iotjob("");
    on_path(&mut list, &folder);
    succeeded(&finish(list.args(["list", "--entra-sign-in", "azure-cli"])));

    let folder = azure_cli(&realm.env, "Please run 'az login' to setup account.", 1);
    let mut list = realm.iotjob("");
    on_path(&mut list, &folder);
    let refused = finish(list.env("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential").args(["list"]));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("signing in by azure-cli failed"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: run `az login` first"), "{}", refused.stderr);
}

#[test]
fn what_stands_in_the_way_is_said() {
    let realm = Realm::new();
    let refusing = TokenService::https(|_| {
        let answer = json!({
            "error": "invalid_client", "error_codes": [7_000_215],
            "error_description": "AADSTS7000215: Invalid client secret provided.",
        });
        (401, answer.to_string())
    });
    let refused = finish(realm.with_secret(&refusing).args(["list"]));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("AADSTS7000215: Invalid client secret provided."), "{}", refused.stderr);
    assert!(!refused.stderr.contains(SECRET), "{}", refused.stderr);

    let reader = realm.service("reader", 3_600);
    let refused = finish(realm.with_secret(&reader).args(["apply", "patch.yaml"]));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("`Microsoft.Devices/IotHubs/jobs/write`"), "{}", refused.stderr);

    let mut half = realm.iotjob("");
    let missing = finish(half.args(["list", "--entra-sign-in", "environment"]));
    assert_eq!(missing.code, 4, "{}", missing.stderr);
    assert!(missing.stderr.contains("signing in by environment needs AZURE_CLIENT_SECRET"), "{}", missing.stderr);

    let unknown = finish(realm.iotjob("").args(["list", "--entra-sign-in", "carrier-pigeon"]));
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("managed-identity"), "{}", unknown.stderr);

    let gone = TokenService::https(|_| (200, String::new()));
    let mut nobody = realm.with_secret(&gone);
    // Port 9 is discard's, and nobody runs that any more.
    let unreached = finish(nobody.env("AZURE_AUTHORITY_HOST", "https://localhost:9").args(["list"]));
    assert_eq!(unreached.code, 5, "{}", unreached.stderr);
    assert!(unreached.stderr.contains("the token service cannot be reached"), "{}", unreached.stderr);
}

#[test]
fn a_policy_that_lacks_a_right_is_told_which() {
    let realm = Realm::new();
    let refused = finish(realm.hub.client(&realm.env, "service").args(["apply", "patch.yaml"]));
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("the policy `service` lacks RegistryRead and RegistryWrite"), "{}", refused.stderr);
    let both = finish(realm.hub.client(&realm.env, "iothubowner").env("IOTHUB_HOST", "elsewhere").arg("list"));
    succeeded(&both);
    assert!(both.stderr.contains("IOTHUB_HOST is passed over"), "{}", both.stderr);
    let fleet = finish(realm.iotjob("").args(["device", "--count", "1"]));
    assert_eq!(fleet.code, 2, "{}", fleet.stderr);
    assert!(fleet.stderr.contains("sign with the key of a policy"), "{}", fleet.stderr);
}
