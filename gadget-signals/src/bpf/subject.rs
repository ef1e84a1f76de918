//! Processes and cgroups as programs name them.

use std::fs;
use std::path::Path;

use gadget_core::{CgroupVersion, ProcessId};
use rustix::param::clock_ticks_per_second;

use crate::cgroup::CgroupLayout;
use crate::parse;

/// The process `tgid` that began `start_ns` after boot, as `/proc/PID/stat` has it.
pub(super) fn process_of(tgid: u32, start_ns: u64) -> ProcessId {
    ProcessId { pid: tgid, start: start_ns / (1_000_000_000 / clock_ticks_per_second().max(1)) }
}

/// The process that the thread `tid` belongs to, by the files below `proc`; `None` if it is gone.
pub(super) fn process_of_thread(proc: &Path, tid: u32) -> Option<ProcessId> {
    let read = |id: u32, name: &str| {
        let path = proc.join(id.to_string()).join(name);
        fs::read(&path).ok().map(|text| (text, path))
    };
    let (status, path) = read(tid, "status")?;
    let pid = parse::thread_status(&status, &path).ok()?.process;
    let (stat, path) = read(pid, "stat")?;
    Some(ProcessId { pid, start: parse::process_stat(&stat, &path).ok()?.start })
}

/// True if programs have to count by the group of the memory controller, as cgroups of version 1 are read; else they count by
/// that of the unified hierarchy.
pub(super) fn by_memory_controller(layout: Option<&CgroupLayout>) -> bool {
    layout.is_some_and(|layout| layout.version() == CgroupVersion::V1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_its_number_and_agrees_with_the_kernels_clock() {
        let (sender, tid) = std::sync::mpsc::channel();
        let (stay, end) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            sender.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let _ = end.recv();
        });
        let tid = tid.recv().unwrap().cast_unsigned();
        let process = process_of_thread("/proc".as_ref(), tid).unwrap();
        assert_eq!(process.pid, std::process::id());
        assert_ne!(process.pid, tid);
        // A tick of a hundredth of a second, wherever in it the process began.
        assert_eq!(process_of(process.pid, process.start * 10_000_000 + 9_999_999), process);
        assert_eq!(process_of_thread("/none".as_ref(), tid), None);
        drop(stay);
        thread.join().unwrap();
    }
}
