//! Python packages of others, in virtual environments of the tests', and the port that Microsoft's dial.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::env::checkout;

/// The Python device SDK dials 8883 and nothing else; tests that need it take turns.
pub(crate) fn port_8883() -> File {
    let lock = File::create(std::env::temp_dir().join("iotjob-test-port-8883.lock")).expect("the lock file");
    lock.lock().expect("the lock");
    lock
}

/// A Python with Microsoft's packages.
pub(crate) fn python() -> PathBuf {
    environment("requirements.txt", "python-sdks")
}

/// A Python with what checks the files that pipelines read.
pub(crate) fn tools() -> PathBuf {
    environment("tools.txt", "python-tools")
}

/// A virtual environment with the packages of a list, made once and kept in the target folder.
fn environment(requirements: &str, name: &str) -> PathBuf {
    let requirements = checkout().join("tests/it/python").join(requirements);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&home).expect("the folder of the virtual environment");
    let lock = File::create(home.join("lock")).expect("the lock file");
    lock.lock().expect("the lock");

    let wanted = fs::read_to_string(&requirements).expect("the requirements");
    let installed = home.join("installed.txt");
    let python = home.join("venv/bin/python");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return python;
    }
    must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv")));
    must(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements));
    fs::write(&installed, wanted).expect("the mark");
    python
}

/// A script of `tests/it/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    checkout().join("tests/it/python").join(name)
}

fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install python3 and its venv"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
