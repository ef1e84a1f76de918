//! Signal providers: what a Linux host says of its memory, CPU, IO, cgroups and processes.

mod cgroup;
mod container;
mod file;
mod host;
mod oom;
pub mod parse;
mod pressure;
mod process;
mod system;
#[cfg(test)]
mod testing;
mod text;

pub use cgroup::{Calm, CgroupFiles, CgroupLayout, Cgroups};
pub use container::container_of;
pub use host::{Chosen, HostProviders};
pub use oom::OomWatch;
pub use pressure::{PressureProvider, PsiTrigger, StallWatch};
pub use process::{Namespaces, ProcessFiles, Processes, runtime_of_exe, runtime_of_maps};
pub use system::{HostCpuProvider, HostIoProvider, HostMemoryProvider};
