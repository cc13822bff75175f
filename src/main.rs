//! The `promptctl` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    promptctl::cli::main()
}
