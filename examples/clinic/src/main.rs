//! `clinic`: runs programs whose condition is known, and judges who watches them.

mod cli;

fn main() -> std::process::ExitCode {
    match gadget_clinic::dispatch() {
        Some(Ok(())) => std::process::ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("clinic: {error:#}");
            std::process::ExitCode::FAILURE
        }
        None => cli::main(),
    }
}
