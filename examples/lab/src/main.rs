//! `lab`: stages memory incidents and judges who was watching.

mod cli;

fn main() -> std::process::ExitCode {
    if let Some(code) = gadget_lab::dispatch() {
        return u8::try_from(code).map_or(std::process::ExitCode::FAILURE, Into::into);
    }
    cli::main()
}
