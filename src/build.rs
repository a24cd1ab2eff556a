//! Build script: puts the commit into `iotjob --version`.

use std::process::Command;

fn main() {
    let commit = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    // A source archive has no repository: the version stands alone then.
    let suffix = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=IOTJOB_COMMIT_SUFFIX={suffix}");
    println!("cargo::rerun-if-changed=src/build.rs");
    for file in ["HEAD", "logs/HEAD"] {
        let path = Command::new("git").args(["rev-parse", "--git-path", file]).output();
        if let Some(path) = path.ok().filter(|output| output.status.success()) {
            println!("cargo::rerun-if-changed={}", String::from_utf8_lossy(&path.stdout).trim());
        }
    }
}
