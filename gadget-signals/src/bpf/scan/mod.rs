//! Every process of the host, without text.

mod iterate;
mod record;
mod walk;

use gadget_core::SignalError;
use libbpf_rs::OpenProgramMut;
use rustix::param::{clock_ticks_per_second, page_size};

use super::kernel::Kernel;
use super::program::Programs;
use super::skel::scan::{OpenScanSkel, ScanSkel, ScanSkelBuilder};
use super::subject::by_memory_controller;
use crate::CgroupLayout;
use iterate::Iterate;
use record::Units;
use walk::Walk;

pub use record::ProcessRecord;
pub(super) use record::shares;

const NAME: &str = "scan";

/// How the kernel's processes are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanBy {
    /// A program that we run walks the list of processes and writes into memory that we have mapped (Linux 6.4).
    Walk,
    /// The kernel visits each task for a program, and we read what that writes through a file (Linux 5.8).
    Iterator,
}

impl ScanBy {
    fn needs(self, kernel: &Kernel) -> Result<(), SignalError> {
        match self {
            Self::Walk => kernel.needs_functions(super::walk::NEEDS),
            Self::Iterator => kernel.needs_struct("bpf_iter__task"),
        }
    }
}

/// Reads every process of the host at once: all numbers of [`ProcessRecord`], for less than a microsecond each.
///
/// - Source: a BPF program that walks the kernel's list of processes; which way is said by [`describe`](Self::describe).
/// - A process that ends or begins while the scan goes on may be in it or not. Numbers of one process are of one moment where
///   its threads live on; beside a thread that ends meanwhile a walk looks again, three times at most, and an iterator may miss that
///   thread or count it twice.
/// - The processes are those of the whole host: to be used by a process in the host's pid namespace.
/// - Bound: the program holds 1,024 records; the scan as many as there are processes.
pub struct ProcessScan {
    way: Way,
    records: Vec<ProcessRecord>,
    units: Units,
}

enum Way {
    Walk(Walk),
    Iterate(Iterate),
}

impl ProcessScan {
    /// Of this host, in the cheapest way that its kernel offers; cgroups are those of `layout`, or else of the unified hierarchy.
    ///
    /// # Errors
    /// What BPF programs need and is missing here; use [`Processes`](crate::Processes) then, which does by itself.
    pub fn host(layout: Option<&CgroupLayout>) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        let walk = ScanBy::Walk.needs(&kernel).is_ok();
        Self::by(layout, if walk { ScanBy::Walk } else { ScanBy::Iterator })
    }

    /// As [`host`](Self::host), in the way that is asked for.
    ///
    /// # Errors
    /// As [`host`](Self::host), and where the kernel does not offer that way.
    pub fn by(layout: Option<&CgroupLayout>, by: ScanBy) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        by.needs(&kernel)?;
        kernel.needs_host_namespaces()?;
        let by_memory = by_memory_controller(layout);
        let programs: Programs<ScanSkel<'static>> =
            Programs::load(NAME, ScanSkelBuilder::default(), |open: &mut OpenScanSkel<'_>| {
                if let Some(settings) = open.maps.rodata_data.as_mut() {
                    settings.by_memory_controller = by_memory;
                }
                let leave = |program: &mut OpenProgramMut<'_>| program.set_autoload(false);
                match by {
                    ScanBy::Walk => leave(&mut open.progs.handle__task),
                    ScanBy::Iterator => leave(&mut open.progs.handle__scan),
                }
                Ok(())
            })?;
        let way = match by {
            ScanBy::Walk => Way::Walk(Walk::of(programs)?),
            ScanBy::Iterator => Way::Iterate(Iterate::of(programs)),
        };
        let units = Units {
            page: page_size() as u64,
            tick_nanos: 1_000_000_000 / clock_ticks_per_second().max(1),
        };
        Ok(Self { way, records: Vec::new(), units })
    }

    /// Reads all processes. Once warm it allocates nothing.
    ///
    /// # Errors
    /// [`SignalError::Program`] with what the kernel said.
    pub fn scan(&mut self) -> Result<&[ProcessRecord], SignalError> {
        self.records.clear();
        match &mut self.way {
            Way::Walk(walk) => walk.scan(self.units, &mut self.records)?,
            Way::Iterate(iterate) => iterate.scan(self.units, &mut self.records)?,
        }
        Ok(&self.records)
    }

    /// The way in which it visits them.
    #[must_use]
    pub const fn way(&self) -> ScanBy {
        match self.way {
            Way::Walk(_) => ScanBy::Walk,
            Way::Iterate(_) => ScanBy::Iterator,
        }
    }

    /// What is read, in one line.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self.way {
            Way::Walk(_) => "BPF walks the kernel's list of processes into mapped memory",
            Way::Iterate(_) => "BPF iterator of tasks through one file",
        }
    }
}
