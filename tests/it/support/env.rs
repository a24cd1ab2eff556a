//! A directory and an environment of the test's own, in which the binary runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A clean place to run the binary in: own working directory, own home, no variables of the developer's.
pub(crate) struct TestEnv {
    dir: TempDir,
}

/// What a finished command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    /// The working directory of commands.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below the working directory and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder");
        std::fs::write(&path, text).expect("the file");
        path
    }

    /// The binary, ready for arguments.
    pub(crate) fn iotjob(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_iotjob"))
    }

    /// Any program in this environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear().stdin(Stdio::null());
        for keep in ["PATH", "SYSTEMROOT", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(keep) {
                command.env(keep, value);
            }
        }
        command.env("HOME", self.path().join("home")).env("NO_COLOR", "1").env("LANG", "C.UTF-8");
        command
    }

    /// Runs the binary with `args` to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        finish(self.iotjob().args(args))
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    Finished {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// The checkout, for `jobs/`, `schema/` and README.
pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
