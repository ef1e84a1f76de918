//! Steps from preparing to undoing: on real processes and cgroups, and on a fake tree for what this host may lack.

mod capture;
mod cgroups;
mod crash;
mod fake;
mod host;
mod jvm;
mod logs;
mod processes;
mod programs;
#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
mod stacks;
#[path = "../../tests/support/mod.rs"]
mod support;
mod telemetry;
mod uninterruptible;
mod v2;
