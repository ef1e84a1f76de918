//! A made-up cgroup as its files show it.

use crate::units::{Bytes, MemoryLimit};

/// A made-up cgroup. Values that are not set are those of an empty group without limits.
#[derive(Clone, Debug)]
pub struct FakeCgroup {
    current: Bytes,
    max: MemoryLimit,
    high: MemoryLimit,
    anon: Bytes,
    inactive_file: Bytes,
    active_file: Bytes,
    shmem: Bytes,
    swap: Bytes,
    oom_group: bool,
    oom_kills: u64,
    max_events: u64,
    refaults: u64,
    stalled_us: u64,
    cpu_us: u64,
    pids: u64,
}

impl Default for FakeCgroup {
    fn default() -> Self {
        Self {
            current: Bytes::ZERO,
            max: MemoryLimit::Unlimited,
            high: MemoryLimit::Unlimited,
            anon: Bytes::ZERO,
            inactive_file: Bytes::ZERO,
            active_file: Bytes::ZERO,
            shmem: Bytes::ZERO,
            swap: Bytes::ZERO,
            oom_group: false,
            oom_kills: 0,
            max_events: 0,
            refaults: 0,
            stalled_us: 0,
            cpu_us: 0,
            pids: 0,
        }
    }
}

/// The largest limit that v1 knows: `max` is written as the largest number of whole pages.
const V1_UNLIMITED: u64 = 0x7fff_ffff_ffff_f000;

impl FakeCgroup {
    setters! {
        /// Charged memory. Set it after the parts it is made of: each of them adds to it.
        current: Bytes,
        /// `memory.swap.current`.
        swap: Bytes,
        /// `memory.oom.group`; v1 has none.
        oom_group: bool,
        /// Processes killed by the kernel's OOM killer.
        oom_kills: u64,
        /// How often the hard limit was met.
        max_events: u64,
        /// Refaults of file pages.
        refaults: u64,
        /// Stalled on memory, some and full alike, in microseconds.
        stalled_us: u64,
        /// CPU time used, in microseconds.
        cpu_us: u64,
        /// Tasks.
        pids: u64,
    }

    /// The hard limit.
    #[must_use]
    pub fn max(mut self, max: Bytes) -> Self {
        self.max = MemoryLimit::At(max);
        self
    }

    /// The throttling limit; v1 has none.
    #[must_use]
    pub fn high(mut self, high: Bytes) -> Self {
        self.high = MemoryLimit::At(high);
        self
    }

    /// Anonymous memory.
    #[must_use]
    pub fn anon(mut self, anon: Bytes) -> Self {
        self.anon = anon;
        self.summed()
    }

    /// File cache, half of it active.
    #[must_use]
    pub fn cache(mut self, cache: Bytes) -> Self {
        self.active_file = Bytes::new(cache.get() / 2);
        self.inactive_file = cache.saturating_sub(self.active_file);
        self.summed()
    }

    /// tmpfs and shared memory.
    #[must_use]
    pub fn shmem(mut self, shmem: Bytes) -> Self {
        self.shmem = shmem;
        self.summed()
    }

    fn summed(mut self) -> Self {
        let parts = [self.anon, self.inactive_file, self.active_file, self.shmem];
        self.current = parts.into_iter().fold(Bytes::ZERO, Bytes::saturating_add);
        self
    }

    fn file(&self) -> u64 {
        self.inactive_file.get() + self.active_file.get() + self.shmem.get()
    }

    /// v2: Documentation/admin-guide/cgroup-v2.rst.
    pub(super) fn v2_files(&self) -> Vec<(&'static str, String)> {
        let Self { anon, inactive_file, active_file, shmem, refaults, .. } = self;
        let stat = format!(
            "anon {}\nfile {}\nkernel 0\nshmem {}\nfile_dirty 0\nfile_writeback 0\nactive_file {}\ninactive_file {}\n\
             slab_reclaimable 0\nworkingset_refault_anon 0\nworkingset_refault_file {refaults}\npgscan 0\npgsteal 0\n\
             pgfault 0\npgmajfault {refaults}\npswpin 0\npswpout 0\n",
            anon.get(),
            self.file(),
            shmem.get(),
            active_file.get(),
            inactive_file.get(),
        );
        let events = format!(
            "low 0\nhigh 0\nmax {}\noom {kills}\noom_kill {kills}\noom_group_kill 0\n",
            self.max_events,
            kills = self.oom_kills
        );
        vec![
            ("memory.current", line(self.current.get())),
            ("memory.max", format!("{}\n", self.max)),
            ("memory.high", format!("{}\n", self.high)),
            ("memory.stat", stat),
            ("memory.events", events),
            ("memory.swap.current", line(self.swap.get())),
            ("memory.oom.group", line(u64::from(self.oom_group))),
            ("memory.pressure", self.pressure()),
            ("memory.reclaim", String::new()),
            ("cgroup.freeze", line(0)),
            ("cgroup.kill", String::new()),
            ("cgroup.events", "populated 1\nfrozen 0\n".to_owned()),
            ("cpu.stat", format!("usage_usec {0}\nuser_usec {0}\nsystem_usec 0\n", self.cpu_us)),
            ("cpu.max", "max 100000\n".to_owned()),
            ("cpu.weight", line(100)),
            ("io.stat", String::new()),
            ("io.max", String::new()),
            ("pids.current", line(self.pids)),
            ("pids.max", "max\n".to_owned()),
        ]
    }

    /// v1, by controller: Documentation/admin-guide/cgroup-v1/. `unified` is the hierarchy beside them.
    pub(super) fn v1_files(&self) -> Vec<(&'static str, &'static str, String)> {
        let Self { anon, inactive_file, active_file, shmem, refaults, .. } = self;
        let limit = self.max.bytes().map_or(V1_UNLIMITED, Bytes::get);
        let mut stat = String::new();
        for prefix in ["", "total_"] {
            let fields = [
                ("cache", self.file()),
                ("rss", anon.get()),
                ("shmem", shmem.get()),
                ("swap", self.swap.get()),
                ("dirty", 0),
                ("writeback", 0),
                ("workingset_refault_anon", 0),
                ("workingset_refault_file", *refaults),
                ("pgfault", 0),
                ("pgmajfault", *refaults),
                ("inactive_anon", anon.get()),
                ("active_anon", 0),
                ("inactive_file", inactive_file.get()),
                ("active_file", active_file.get()),
            ];
            stat.extend(fields.map(|(name, value)| format!("{prefix}{name} {value}\n")));
            if prefix.is_empty() {
                stat.push_str(&format!("hierarchical_memory_limit {limit}\n"));
            }
        }
        let control = format!("oom_kill_disable 0\nunder_oom 0\noom_kill {}\n", self.oom_kills);
        vec![
            ("memory", "memory.usage_in_bytes", line(self.current.get())),
            ("memory", "memory.limit_in_bytes", line(limit)),
            ("memory", "memory.stat", stat),
            ("memory", "memory.oom_control", control),
            ("memory", "memory.failcnt", line(self.max_events)),
            ("memory", "memory.kmem.usage_in_bytes", line(0)),
            ("memory", "memory.force_empty", String::new()),
            ("freezer", "freezer.state", "THAWED\n".to_owned()),
            ("cpu,cpuacct", "cpuacct.usage", line(self.cpu_us * 1000)),
            (
                "cpu,cpuacct",
                "cpu.stat",
                "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n".to_owned(),
            ),
            ("cpu,cpuacct", "cpu.cfs_quota_us", "-1\n".to_owned()),
            ("cpu,cpuacct", "cpu.cfs_period_us", line(100_000)),
            ("cpu,cpuacct", "cpu.shares", line(1024)),
            ("pids", "pids.current", line(self.pids)),
            ("pids", "pids.max", "max\n".to_owned()),
            ("unified", "memory.pressure", self.pressure()),
            ("unified", "cgroup.freeze", line(0)),
            ("unified", "cgroup.events", "populated 1\nfrozen 0\n".to_owned()),
        ]
    }

    fn pressure(&self) -> String {
        pressure(self.stalled_us)
    }
}

/// A pressure file, Documentation/accounting/psi.rst.
pub(super) fn pressure(stalled_us: u64) -> String {
    let averages = "avg10=0.00 avg60=0.00 avg300=0.00";
    format!("some {averages} total={stalled_us}\nfull {averages} total={stalled_us}\n")
}

fn line(number: u64) -> String {
    format!("{number}\n")
}
