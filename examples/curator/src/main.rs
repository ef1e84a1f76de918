//! The Curator as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    curator_program::main()
}
