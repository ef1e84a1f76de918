//! The kernel's iterator of tasks, read through a file.

use std::io::{self, Read as _};
use std::mem;

use gadget_core::SignalError;
use libbpf_rs::Iter;

use super::record::{Raw, Units};
use super::{NAME, ProcessRecord};
use crate::bpf::program::Programs;
use crate::bpf::record::Record as _;
use crate::bpf::skel::scan::ScanSkel;

/// The kernel gives at most 8 pages at a time.
const CHUNK: usize = 32 << 10;

pub(super) struct Iterate {
    programs: Programs<ScanSkel<'static>>,
    chunk: Vec<u8>,
    processes: Vec<Raw>,
    /// What threads add; not always after their process, as numbers are used again.
    threads: Vec<Raw>,
}

impl Iterate {
    pub(super) fn of(programs: Programs<ScanSkel<'static>>) -> Self {
        Self { programs, chunk: vec![0; CHUNK], processes: Vec::new(), threads: Vec::new() }
    }

    pub(super) fn scan(
        &mut self,
        units: Units,
        records: &mut Vec<ProcessRecord>,
    ) -> Result<(), SignalError> {
        let failed = |source| SignalError::Program { attempt: "run", provider: NAME, source };
        let link = self.programs.skeleton().links.handle__task.as_ref();
        let link = link.ok_or_else(|| failed(io::Error::other("not attached")))?;
        let mut file = Iter::new(link).map_err(|error| failed(io::Error::other(error)))?;
        self.processes.clear();
        self.threads.clear();
        let mut filled = 0;
        loop {
            let read = match file.read(&mut self.chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            filled += read;
            self.take(&mut filled);
        }
        // In the order of their numbers, as the kernel has visited them.
        for thread in &self.threads {
            let at = self.processes.binary_search_by_key(&thread.tgid, |process| process.pid);
            // Without its process it belongs to one that ended meanwhile.
            if let Ok(at) = at {
                self.processes[at].add(thread);
            }
        }
        records.extend(self.processes.iter().map(|raw| ProcessRecord::new(raw, units)));
        Ok(())
    }

    /// Takes the whole records of the first `filled` bytes and moves the rest to the front.
    fn take(&mut self, filled: &mut usize) {
        let size = mem::size_of::<Raw>();
        let whole = *filled - *filled % size;
        for bytes in self.chunk[..whole].chunks_exact(size) {
            if let Some(raw) = Raw::from_bytes(bytes) {
                let list =
                    if raw.pid == raw.tgid { &mut self.processes } else { &mut self.threads };
                list.push(raw);
            }
        }
        self.chunk.copy_within(whole..*filled, 0);
        *filled -= whole;
    }
}
