//! Which processes programs look at: a table in memory that the kernel's side and ours share.
#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fs, io, ptr};

use gadget_core::{ProcessId, SignalError};
use libbpf_rs::OpenMapMut;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// As many processes at a time (`TARGETS` in `bpf/targets.h`).
pub(super) const TARGETS: usize = 64;

const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// `PID_MAX_LIMIT` of the kernel: no host has more, whatever the file says.
const MOST_IDS: usize = 4 << 20;
/// Process ids in one entry of the map (`struct targets`).
const IDS_PER_ENTRY: usize = 4;

/// How many process ids there can be now, from `/proc/sys/kernel/pid_max`: with two bytes for each, a table of 64 KiB where it is
/// 32,768 and of 8 MiB where it is as large as it can be.
pub(super) fn process_ids() -> Result<usize, SignalError> {
    let text = fs::read_to_string(PID_MAX)
        .map_err(|source| SignalError::Read { path: PID_MAX.into(), source })?;
    Ok(text.trim().parse::<usize>().map_or(MOST_IDS, |ids| ids.min(MOST_IDS)))
}

/// How programs know the target in the seat `index`.
pub(super) fn number(index: usize) -> u16 {
    u16::try_from(index + 1).unwrap_or(0)
}

/// Makes the map `targets` of an opened object as large as the table has to be.
pub(super) fn resize(map: &mut OpenMapMut<'_>, ids: usize) -> libbpf_rs::Result<()> {
    map.set_max_entries(u32::try_from(ids.div_ceil(IDS_PER_ENTRY)).unwrap_or(u32::MAX))
}

/// For each process id the number of the target, 0 for none. Programs read it, and clear what belongs to a process that ends.
pub(super) struct TargetTable {
    base: NonNull<AtomicU16>,
    ids: usize,
}

// SAFETY: the mapping is ours alone on this side and belongs to no thread.
unsafe impl Send for TargetTable {}

impl TargetTable {
    /// Maps `map`, which was [`resize`]d for as many `ids`.
    pub(super) fn of(
        map: impl AsFd,
        ids: usize,
        provider: &'static str,
    ) -> Result<Self, SignalError> {
        let ids = ids.next_multiple_of(IDS_PER_ENTRY);
        let failed =
            |source| SignalError::Program { attempt: "map the targets of", provider, source };
        let (protection, bytes) = (ProtFlags::READ | ProtFlags::WRITE, ids * size_of::<u16>());
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, map, 0) }
            .map_err(|error| failed(error.into()))?;
        let base = NonNull::new(base.cast())
            .ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
        Ok(Self { base, ids })
    }

    fn entry(&self, pid: u32) -> Option<&AtomicU16> {
        let pid = pid as usize;
        // SAFETY: within the mapping, which lives as long as `self`; all access to it is atomic, on the kernel's side too.
        (pid < self.ids).then(|| unsafe { self.base.add(pid).as_ref() })
    }

    /// Who `pid` is to the programs.
    pub(super) fn get(&self, pid: u32) -> u16 {
        self.entry(pid).map_or(0, |entry| entry.load(Ordering::Relaxed))
    }

    pub(super) fn clear(&self, pid: u32) {
        if let Some(entry) = self.entry(pid) {
            entry.store(0, Ordering::Relaxed);
        }
    }

    /// Makes the process the target of this number. False if it is gone, or if another one has its id by now.
    pub(super) fn set(&self, id: ProcessId, number: u16) -> bool {
        let Some(entry) = self.entry(id.pid) else { return false };
        entry.store(number, Ordering::SeqCst);
        // If its end begins after that, it will clear the entry before anybody else is given the id.
        let lives = start_of(id.pid) == Some(id.start);
        if !lives {
            entry.store(0, Ordering::SeqCst);
        }
        lives
    }
}

impl Drop for TargetTable {
    fn drop(&mut self) {
        // SAFETY: the mapping that `of` made, to which no reference outlives `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.ids * size_of::<u16>()) };
    }
}

/// `PF_EXITING` of include/linux/sched.h: on its way out, and programs may have been told already.
const PF_EXITING: u64 = 0x4;

/// When the process with this id began, in clock ticks since boot; none if there is none or it is about to end.
fn start_of(pid: u32) -> Option<u64> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind = text.iter().rposition(|byte| *byte == b')')? + 1;
    let mut words = std::str::from_utf8(&text[behind..]).ok()?.split_ascii_whitespace();
    // Fields 9 and 22, counted from field 3.
    let flags: u64 = words.nth(6)?.parse().ok()?;
    let start = words.nth(12)?.parse().ok()?;
    (flags & PF_EXITING == 0).then_some(start)
}

/// The identity of the process with this id, if it lives.
#[cfg(test)]
pub(super) fn process(pid: u32) -> Option<ProcessId> {
    Some(ProcessId { pid, start: start_of(pid)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn a_process_that_lives_has_a_start_and_its_remains_have_none() {
        let own = std::process::id();
        let text = fs::read("/proc/self/stat").unwrap();
        let start = parse::process_stat(&text, "stat".as_ref()).unwrap().start;
        assert_eq!(start_of(own), Some(start));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert_eq!(start_of(child.id()), None);
        child.wait().unwrap();
        assert_eq!(start_of(child.id()), None);
    }
}
