//! The `labgate` program: arguments, then one of the commands, then an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    labgate::cli::run(std::env::args_os())
}
