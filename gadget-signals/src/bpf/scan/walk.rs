//! A walk of the list of processes, in slices.

use std::io;

use gadget_core::SignalError;
use libbpf_rs::ProgramInput;

use super::record::{Position, Raw, Units};
use super::{NAME, ProcessRecord};
use crate::bpf::mapped::Mapped;
use crate::bpf::program::Programs;
use crate::bpf::record::Record as _;
use crate::bpf::skel::scan::ScanSkel;

/// What the program calls.
pub(super) const NEEDS: &[&str] =
    &["bpf_task_from_pid", "bpf_rdonly_cast", "bpf_rcu_read_lock", "bpf_iter_num_new"];

/// So many processes or threads are visited in one slice, which keeps the kernel from reclaiming memory of that kind.
const SLICE: u32 = 1024;

pub(super) struct Walk {
    programs: Programs<ScanSkel<'static>>,
    slice: Mapped<Raw>,
}

impl Walk {
    pub(super) fn of(programs: Programs<ScanSkel<'static>>) -> Result<Self, SignalError> {
        let slice = Mapped::of(&programs.skeleton().maps.records, NAME)?;
        Ok(Self { programs, slice })
    }

    pub(super) fn scan(
        &mut self,
        units: Units,
        records: &mut Vec<ProcessRecord>,
    ) -> Result<(), SignalError> {
        let failed = |source| SignalError::Program { attempt: "run", provider: NAME, source };
        let program = &self.programs.skeleton().progs.handle__scan;
        let mut at = Position { start_ns: 0, pid: 0, count: SLICE, more: 1, unused: 0 };
        while at.more != 0 {
            at.count = SLICE;
            let input = ProgramInput { context_in: Some(at.as_bytes_mut()), ..Default::default() };
            program.test_run(input).map_err(|error| failed(io::Error::other(error)))?;
            let slice = (0..at.count as usize).filter_map(|index| self.slice.get(index));
            records.extend(slice.map(|raw| ProcessRecord::new(&raw, units)));
        }
        Ok(())
    }
}
