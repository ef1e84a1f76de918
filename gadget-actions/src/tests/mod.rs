//! Steps from preparing to undoing: on real processes and cgroups, and on a fake tree for what this host may lack.

mod cgroups;
mod crash;
mod fake;
mod host;
mod processes;
mod programs;
#[path = "../../tests/support/mod.rs"]
mod support;
mod v2;
