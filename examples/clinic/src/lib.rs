//! Programs whose condition is known, run for real, and a judge of what a watcher says about them.
//!
//! Each [`Case`] is a program built from a source in this folder: a deadlock, a healthy server, a computation. Before a
//! watcher sees it, the clinic checks against `/proc` that it is what it claims to be. [`judge`] then compares what the
//! watcher says with the truth.

mod batch;
mod be;
mod case;
mod cases;
mod check;
mod freezer;
mod judge;
mod launch;
mod patient;
mod procfs;
mod report;
mod run;
mod traffic;
mod treatment;
mod watcher;
mod workshop;

pub use case::{Case, Condition, Family, Program, State, Traffic, Truth};
pub use cases::{CASES, find};
pub use judge::{Facts, Finding, Grade, PROOF_DUE, judge};
pub use patient::{Told, TrueWait};
pub use report::{Report, Row};
pub use run::{Request, run};
pub use treatment::{Step, Treated};
pub use watcher::{Said, Word};

/// Becomes a part of a case if that is what this process was started as; `None` otherwise.
///
/// The first thing in `main`: the clinic starts its own executable again.
pub fn dispatch() -> Option<anyhow::Result<()>> {
    let mut args = std::env::args_os().skip(1);
    let word = |value: Option<std::ffi::OsString>| value.unwrap_or_default();
    Some(match args.next()?.to_str()? {
        "launch" => launch::launch(args),
        "guard" => launch::guard(),
        "be" => be::be(&word(args.next()).to_string_lossy()),
        // The supervisor of a service in treatment sees that it should be started again.
        "note" => std::fs::write(word(args.next()), "").map_err(Into::into),
        "freezer" => freezer::main(word(args.next()).as_ref(), word(args.next()).as_ref()),
        _ => return None,
    })
}
