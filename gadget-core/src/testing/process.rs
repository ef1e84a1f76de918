//! A made-up process as `/proc/PID` shows it.

use std::fmt::Write as _;

use crate::units::Bytes;

const PAGE: u64 = 4096;

/// A made-up process. Values that are not set are those of a small, sleeping child of pid 1.
#[derive(Clone, Debug)]
pub struct FakeProcess {
    parent: u32,
    start: u64,
    comm: String,
    exe: Option<String>,
    uid: u32,
    cgroup: String,
    oom_score_adj: i16,
    kernel_thread: bool,
    state: char,
    rss: Bytes,
    shared: Bytes,
    swap: Bytes,
    threads: u32,
    cpu_ticks: u64,
    major_faults: u64,
}

impl Default for FakeProcess {
    fn default() -> Self {
        Self {
            parent: 1,
            start: 1_000,
            comm: "fake".to_owned(),
            exe: Some("/usr/bin/fake".to_owned()),
            uid: 1000,
            cgroup: "/".to_owned(),
            oom_score_adj: 0,
            kernel_thread: false,
            state: 'S',
            rss: Bytes::from_mib(1),
            shared: Bytes::ZERO,
            swap: Bytes::ZERO,
            threads: 1,
            cpu_ticks: 0,
            major_faults: 0,
        }
    }
}

impl FakeProcess {
    setters! {
        /// The parent's process id.
        parent: u32,
        /// Start time in clock ticks since boot.
        start: u64,
        /// `comm`; may hold anything.
        comm: &str,
        /// The effective user id.
        uid: u32,
        /// The path of the cgroup it is in.
        cgroup: &str,
        /// `oom_score_adj`.
        oom_score_adj: i16,
        /// The state letter.
        state: char,
        /// Resident memory, in whole pages of 4 KiB.
        rss: Bytes,
        /// The part of it that is backed by files or shared memory.
        shared: Bytes,
        /// Swapped-out memory.
        swap: Bytes,
        /// Threads.
        threads: u32,
        /// CPU time in user space, in clock ticks.
        cpu_ticks: u64,
        /// Page faults with IO.
        major_faults: u64,
    }

    /// The executable that `exe` links to.
    #[must_use]
    pub fn exe(mut self, path: &str) -> Self {
        self.exe = Some(path.to_owned());
        self
    }

    /// Makes it a thread of the kernel: a child of kthreadd without an executable and without memory.
    #[must_use]
    pub fn kernel_thread(self) -> Self {
        Self { kernel_thread: true, parent: 2, exe: None, rss: Bytes::ZERO, uid: 0, ..self }
    }

    pub(super) fn path(&self) -> &str {
        &self.cgroup
    }

    pub(super) fn link(&self) -> Option<&str> {
        self.exe.as_deref()
    }

    /// Its files and what stands in them. `v1` says how the cgroup is written.
    pub(super) fn files(&self, pid: u32, v1: bool) -> [(&'static str, String); 8] {
        let cgroup = if v1 {
            let path = &self.cgroup;
            format!(
                "4:freezer:{path}\n3:cpu,cpuacct:{path}\n2:pids:{path}\n1:memory:{path}\n0::{path}\n"
            )
        } else {
            format!("0::{}\n", self.cgroup)
        };
        [
            ("stat", self.stat(pid)),
            ("statm", self.statm()),
            ("status", self.status(pid)),
            ("comm", format!("{}\n", self.comm)),
            ("cmdline", self.exe.as_ref().map_or_else(String::new, |exe| format!("{exe}\0"))),
            ("cgroup", cgroup),
            ("oom_score_adj", format!("{}\n", self.oom_score_adj)),
            ("smaps_rollup", self.smaps_rollup()),
        ]
    }

    /// 52 fields, Documentation/filesystems/proc.rst, table 1-4.
    fn stat(&self, pid: u32) -> String {
        let Self { comm, state, parent, major_faults, cpu_ticks, threads, start, .. } = self;
        // PF_KTHREAD, else PF_RANDOMIZE as ordinary programs have it.
        let flags = if self.kernel_thread { 0x0020_0000 } else { 0x0040_0000 };
        let (size, rss) = (self.rss.get() * 2, self.rss.get() / PAGE);
        let mut line = format!(
            "{pid} ({comm}) {state} {parent} {pid} {pid} 0 -1 {flags} 0 0 {major_faults} 0 {cpu_ticks} 0 0 0 20 0 \
             {threads} 0 {start} {size} {rss} 18446744073709551615"
        );
        for _ in 26..=52 {
            line.push_str(" 0");
        }
        line.push('\n');
        line
    }

    fn statm(&self) -> String {
        let (rss, shared) = (self.rss.get() / PAGE, self.shared.get() / PAGE);
        format!("{} {rss} {shared} 1 0 {} 0\n", rss * 2, rss.saturating_sub(shared))
    }

    fn status(&self, pid: u32) -> String {
        let Self { comm, state, parent, uid, threads, .. } = self;
        let mut text = format!(
            "Name:\t{comm}\nState:\t{state}\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\n\
             Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        );
        if !self.kernel_thread {
            let (rss, shared) = (self.rss.get() / 1024, self.shared.get() / 1024);
            let _ = write!(
                text,
                "VmRSS:\t{rss:8} kB\nRssAnon:\t{:8} kB\nRssFile:\t{shared:8} kB\nVmSwap:\t{:8} kB\n",
                rss.saturating_sub(shared),
                self.swap.get() / 1024
            );
        }
        let _ = writeln!(text, "Threads:\t{threads}");
        text
    }

    fn smaps_rollup(&self) -> String {
        let (rss, swap) = (self.rss.get() / 1024, self.swap.get() / 1024);
        let pss = rss.saturating_sub(self.shared.get() / 2048);
        format!(
            "00400000-7fff00000000 ---p 00000000 00:00 0                          [rollup]\n\
             Rss:            {rss:8} kB\nPss:            {pss:8} kB\nSwap:           {swap:8} kB\n"
        )
    }
}
