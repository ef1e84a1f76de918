//! What a piece of work costs.

use std::fs::File;
use std::hint::black_box;
use std::io::Read as _;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::alloc;
use crate::units::Bytes;

/// What a piece of work on one thread cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU time of the thread.
    pub cpu: Duration,
    /// Bytes allocated and kept; negative if it freed more. `None` without [`Accounting`](crate::Accounting).
    pub allocated: Option<i64>,
}

/// Measures the cost of what this thread does between two calls. About 0.5 us a measurement, two system calls.
#[derive(Debug)]
pub struct Meter {
    cpu: Duration,
    net: i64,
}

impl Meter {
    /// Starts to measure this thread.
    #[must_use]
    pub fn start() -> Self {
        Self { net: alloc::net(), cpu: thread_cpu() }
    }

    /// What this thread has done since. To be called on the thread that started it.
    #[must_use]
    pub fn stop(self) -> Cost {
        let cpu = thread_cpu().saturating_sub(self.cpu);
        let allocated = alloc::net().wrapping_sub(self.net);
        Cost { cpu, allocated: accounting().then_some(allocated) }
    }
}

/// Whether [`Accounting`](crate::Accounting) is the global allocator, found by allocating once.
fn accounting() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let before = alloc::net();
        let probe = black_box(Box::new(0_u64));
        let counted = alloc::net() != before;
        drop(probe);
        counted
    })
}

/// CPU time that this thread has used, user and kernel (`CLOCK_THREAD_CPUTIME_ID`).
#[must_use]
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Resident memory of the whole agent, the embedder's parts included.
///
/// - Source: field 2 of `/proc/self/statm`, Documentation/filesystems/proc.rst. Does not allocate.
/// - Absent: `None` without `/proc`.
#[must_use]
pub fn resident() -> Option<Bytes> {
    let mut text = [0; 128];
    let length = File::open("/proc/self/statm").ok()?.read(&mut text).ok()?;
    let pages = std::str::from_utf8(&text[..length]).ok()?.split_ascii_whitespace().nth(1)?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some(Bytes::from_pages(pages.parse().ok()?, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_cpu_counts_work_and_not_waiting() {
        let start = thread_cpu();
        std::thread::sleep(Duration::from_millis(50));
        let slept = thread_cpu() - start;
        let mut spun = 0;
        while thread_cpu() - start - slept < Duration::from_millis(50) {
            spun = black_box(spun + 1);
        }
        assert!(slept < Duration::from_millis(25), "sleeping cost {slept:?}");
        assert!(spun > 0);
    }

    #[test]
    fn resident_memory_holds_at_least_what_was_touched() {
        let before = resident().unwrap();
        let touched = black_box(vec![1_u8; 32 << 20]);
        let after = resident().unwrap();
        assert!(after.saturating_sub(before) > Bytes::from_mib(16), "{before} -> {after}");
        drop(touched);
    }
}
