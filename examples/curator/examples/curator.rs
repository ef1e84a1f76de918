//! `cat log | cargo run --example curator`: redacted lines on standard output, who leaks what on standard error.

use std::process::ExitCode;

fn main() -> ExitCode {
    curator_program::main()
}
