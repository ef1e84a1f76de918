//! What programs cost, by the kernel's own account.
#![allow(unsafe_code)]

use std::mem;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use gadget_core::{KernelCost, Reading, Signals, Subject};
use libbpf_rs::libbpf_sys::{
    BPF_STATS_RUN_TIME, bpf_enable_stats, bpf_obj_get_info_by_fd, bpf_prog_info,
};
use libbpf_rs::skel::Skel;

use super::program::Programs;

/// Statistics cost every BPF program of the host two readings of a clock, so they are on for this long...
const WINDOW: Duration = Duration::from_secs(1);
/// ...in each such time.
const EVERY: Duration = Duration::from_secs(60);

/// Measures the programs of one provider, a second in each minute.
#[derive(Default)]
pub(super) struct CostMeter {
    /// While it measures: what keeps the statistics on, since when, and the counts then.
    open: Option<(OwnedFd, Instant, Runs)>,
    last: Option<Instant>,
    runs: Runs,
    over: Duration,
    lost: u64,
    tell: bool,
}

#[derive(Clone, Copy, Default)]
struct Runs {
    count: u64,
    nanos: u64,
}

impl CostMeter {
    /// Begins or ends a measurement when that is due; to be called at least every few seconds.
    pub(super) fn tick<S: Skel<'static>>(&mut self, programs: &Programs<S>) {
        let now = Instant::now();
        match &self.open {
            Some((_, since, _)) if now.duration_since(*since) < WINDOW => {}
            Some((_, since, before)) => {
                let runs = runs_of(programs);
                self.over += now.duration_since(*since);
                self.runs.count += runs.count.saturating_sub(before.count);
                self.runs.nanos += runs.nanos.saturating_sub(before.nanos);
                self.open = None;
                self.last = Some(now);
                self.tell = true;
            }
            None if self.last.is_some_and(|last| now.duration_since(last) < EVERY) => {}
            None => {
                // Without CAP_SYS_ADMIN nothing is measured, and the reading says so by its `over`.
                self.open = enable().map(|fd| (fd, now, runs_of(programs)));
                self.last = Some(now);
            }
        }
    }

    /// A [`tick`](Self::tick) with each sample, which tells a measurement that has ended and what was lost since.
    pub(super) fn sample<S: Skel<'static>>(
        &mut self,
        programs: &Programs<S>,
        lost: u64,
        out: &mut Signals,
    ) {
        self.tick(programs);
        if lost == self.lost && !self.tell {
            return;
        }
        (self.lost, self.tell) = (lost, false);
        let cost = KernelCost {
            provider: programs.provider().into(),
            runs: self.runs.count,
            took: Duration::from_nanos(self.runs.nanos),
            over: self.over,
            lost,
        };
        out.push(Subject::Host, Reading::KernelCost(Box::new(cost)));
    }
}

/// Switches statistics on for as long as the file is open.
pub(super) fn enable() -> Option<OwnedFd> {
    // SAFETY: a system call without memory of ours; what it returns, unless negative, is a file descriptor of our own.
    unsafe {
        let fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

fn runs_of<S: Skel<'static>>(programs: &Programs<S>) -> Runs {
    let mut sum = Runs::default();
    programs.each(|program| {
        let runs = runs_of_program(program).unwrap_or_default();
        sum.count += runs.count;
        sum.nanos += runs.nanos;
    });
    sum
}

fn runs_of_program(program: BorrowedFd<'_>) -> Option<Runs> {
    // SAFETY: the structure is plain numbers; all zero asks for no lists.
    let mut info: bpf_prog_info = unsafe { mem::zeroed() };
    let mut size = u32::try_from(mem::size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `size` bytes to `info`, which is as large.
    let failed = unsafe {
        bpf_obj_get_info_by_fd(program.as_raw_fd(), (&raw mut info).cast(), &raw mut size)
    };
    (failed == 0).then_some(Runs { count: info.run_cnt, nanos: info.run_time_ns })
}
