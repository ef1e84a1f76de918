//! Real memory incidents, staged in cgroups of their own, and a judge who saw what happened.
//!
//! ```no_run
//! use gadget_lab::{Layout, Phase, Request, Run, Scenario, Size, TICK};
//!
//! // First thing in `main`: the workloads are this same program, started again.
//! if let Some(code) = gadget_lab::dispatch() {
//!     std::process::exit(code);
//! }
//! let mut run = Run::start(Request {
//!     scenario: Scenario::SlowLeak,
//!     seed: 1,
//!     limit: Size(384 << 20),
//!     layout: Layout::Shared,
//!     watcher: None,
//!     act: false,
//!     record: None,
//!     report: "target/lab/runs/demo".into(),
//! })?;
//! while run.tick() != Phase::Over {
//!     println!("{:?} of memory in {}", run.sandbox().usage(), run.group());
//!     std::thread::sleep(TICK);
//! }
//! println!("{}", run.finish()?.verdict.reason);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod guardian;
mod hierarchy;
mod judge;
mod latency;
mod load;
mod procfs;
mod report;
mod rng;
mod role;
mod run;
mod sandbox;
mod scenario;
mod size;
mod sys;
mod vm;
mod watcher;

pub use hierarchy::Version;
pub use judge::{Fate, Verdict};
pub use latency::{Latency, Percentiles};
pub use report::{LATENCY_LIMIT, Report, numbers, table};
pub use role::Role;
pub use run::{Phase, Request, Run, TICK, stage};
pub use sandbox::{Layout, Sandbox};
pub use scenario::{Part, Scenario};
pub use size::Size;
pub use vm::Guest;
pub use watcher::{Cost, Said};

/// Becomes a workload or the guardian if that is what this process was started as; `None` otherwise.
///
/// Every program that uses [`Run`] calls this first: the lab starts its own executable again with `load` or `guard`.
pub fn dispatch() -> Option<i32> {
    use clap::Parser as _;
    if vm::is_guest() {
        return Some(code(vm::main()));
    }
    let mut args = std::env::args_os().skip(1).peekable();
    Some(code(match args.peek()?.to_str()? {
        "load" => load::main(load::LoadArgs::parse_from(args)),
        "guard" => guardian::main(),
        _ => return None,
    }))
}

fn code(result: anyhow::Result<()>) -> i32 {
    result.map_or_else(
        |error| {
            eprintln!("lab: {error:#}");
            1
        },
        |()| 0,
    )
}
