//! The architecture's promises, checked: layers, one home for time, YAML, printing and the crypto provider.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::env::checkout;

/// Modules from the bottom up; a module may use those of lower layers and itself (see `src/lib.rs`).
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["query", "auth", "tls", "mqtt", "metrics", "source"],
    &["manifest"],
    &["plan", "client", "guardrails"],
    &["run", "device", "hub"],
    &["survey", "fleet"],
    &["report", "registration"],
    &["local"],
    &["cli"],
];

/// Pairs that must not meet although their layers would allow it: they know each other on the wire only.
const STRANGERS: &[(&str, &str)] = &[
    ("hub", "client"),
    ("device", "client"),
    ("hub", "manifest"),
    ("device", "manifest"),
    ("fleet", "manifest"),
    ("fleet", "hub"),
    ("fleet", "client"),
];

/// Words that only one place may name, and that place.
const HOMES: &[(&str, &str)] = &[
    ("serde_yaml::", "src/source/"),
    ("rustls::crypto::ring", "src/tls/"),
    ("println!(", "src/build.rs"),
    ("eprintln!(", "nowhere"),
    ("indicatif::", "src/report/bars.rs src/report/fleet/screen.rs src/cli/printer.rs"),
];

/// What asks the machine for time or chance, and who may name it: everybody else is given a clock and a generator.
/// Certificates are judged by the machine's time, whatever clock a hub runs by.
const INJECTED: &[(&str, &str)] = &[
    ("Clock::system()", "src/cli/ src/hub/start.rs"),
    ("Rng::from_entropy()", "src/cli/"),
    ("SystemRandom::new()", "src/auth/keys.rs src/tls/"),
    ("RandomState", "nowhere"),
    ("DefaultHasher", "nowhere"),
];

/// Modules that a simulation runs: what they do may depend on nothing that a seed does not decide.
const SIMULATED: &[&str] = &["src/hub/", "src/run/", "src/device/", "src/client/", "src/mqtt/"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of the checkout") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Modules that a line names as `crate::module`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn imports_only_go_down() {
    let src = checkout().join("src");
    let mut broken = Vec::new();
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).expect("it lies there");
        let own = relative.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        let Some(own_layer) = layer(&own) else { continue };
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for other in named(line).filter(|other| *other != own) {
                let stranger = STRANGERS.contains(&(own.as_str(), other));
                if stranger || layer(other).is_some_and(|layer| layer >= own_layer) {
                    broken.push(format!("src/{}:{}: {own} names {other}", relative.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_has_one_home_stays_there() {
    let mut broken = Vec::new();
    for path in sources(&checkout().join("src")) {
        let relative = path.strip_prefix(checkout()).expect("it lies there").to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path).expect("a source file");
        for (word, home) in HOMES {
            let at_home = home.split(' ').any(|home| relative.starts_with(home));
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if !at_home && lines.into_iter().any(|line| line.contains(word)) {
                broken.push(format!("{relative} names {word}, which lives in {home}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A source file without its tests, as numbered lines.
fn code(path: &Path, text: &str) -> Vec<(usize, String)> {
    let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    let end = if is_test { 0 } else { text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX) };
    // A test module that is a file of its own is declared at the top, and code follows.
    let inline = text.lines().skip(end.saturating_add(1)).any(|line| line.starts_with("mod ") && line.ends_with('{'));
    let end = if is_test || inline { end } else { usize::MAX };
    let lines = text.lines().enumerate().take(end).filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(number, line)| (number + 1, line.to_owned())).collect()
}

#[test]
fn time_and_chance_are_given_and_never_taken() {
    let mut broken = Vec::new();
    for path in sources(&checkout().join("src")) {
        let relative = path.strip_prefix(checkout()).expect("it lies there").to_string_lossy().replace('\\', "/");
        let lines = code(&path, &fs::read_to_string(&path).expect("a source file"));
        for (word, homes) in INJECTED {
            let at_home = homes.split(' ').any(|home| relative.starts_with(home));
            let named = lines.iter().filter(|(_, line)| !at_home && line.contains(word));
            broken.extend(named.map(|(number, _)| format!("{relative}:{number} names {word}: let it be given")));
        }
        if SIMULATED.iter().any(|folder| relative.starts_with(folder)) {
            let unbiased =
                lines.windows(2).filter(|pair| pair[0].1.contains("select! {") && pair[1].1.trim() != "biased;");
            broken.extend(
                unbiased.map(|pair| format!("{relative}:{} selects by dice without a seed: add `biased;`", pair[0].0)),
            );
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_test_file_is_a_module_of_main() {
    let main = fs::read_to_string(checkout().join("tests/it/main.rs")).expect("main.rs");
    for entry in fs::read_dir(checkout().join("tests/it")).expect("the folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(main.contains(&format!("mod {module};")), "{name} is not compiled: add `mod {module};`");
        }
    }
}

#[test]
fn the_readme_shows_the_exit_codes_of_the_program() {
    let readme = fs::read_to_string(checkout().join("README.md")).expect("README.md");
    for exit in iotjob::cli::exit::Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
}

#[test]
fn there_is_one_tls_and_one_crypto_provider_in_the_tree() {
    let lock = fs::read_to_string(checkout().join("Cargo.lock")).expect("Cargo.lock");
    let count = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    for one in ["ring", "rustls", "rustls-webpki", "tokio-rustls"] {
        assert_eq!(count(one), 1, "{one}");
    }
    for none in ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys", "rustls-pemfile"] {
        assert_eq!(count(none), 0, "{none}");
    }
}
