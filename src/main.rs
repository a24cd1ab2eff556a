//! The `iotjob` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    iotjob::cli::main()
}
