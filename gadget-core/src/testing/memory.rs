//! The memory of a made-up host as `/proc` shows it.

use super::cgroup::pressure;
use crate::units::Bytes;

/// The memory of a made-up host. 1 GiB, half of it available, no swap, where nothing is set.
#[derive(Clone, Copy, Debug)]
pub struct FakeMemory {
    total: Bytes,
    available: Bytes,
    swap_total: Bytes,
    swap_free: Bytes,
    oom_kills: u64,
    stalled_us: u64,
}

impl Default for FakeMemory {
    fn default() -> Self {
        Self {
            total: Bytes::from_mib(1024),
            available: Bytes::from_mib(512),
            swap_total: Bytes::ZERO,
            swap_free: Bytes::ZERO,
            oom_kills: 0,
            stalled_us: 0,
        }
    }
}

impl FakeMemory {
    setters! {
        /// `MemTotal`.
        total: Bytes,
        /// `MemAvailable`: half of it free, half of it cache.
        available: Bytes,
        /// `oom_kill` of `vmstat`.
        oom_kills: u64,
        /// Stalled on memory since boot, some and full alike, in microseconds.
        stalled_us: u64,
    }

    /// `SwapTotal` and `SwapFree`.
    #[must_use]
    pub fn swap(self, swap_total: Bytes, swap_free: Bytes) -> Self {
        Self { swap_total, swap_free, ..self }
    }

    pub(super) fn files(&self) -> [(&'static str, String); 3] {
        let cache = self.available.get() / 2048;
        let free = self.available.get() / 1024 - cache;
        let anon = (self.total.get() / 1024).saturating_sub(free + cache);
        let lines = [
            ("MemTotal", self.total.get() / 1024),
            ("MemFree", free),
            ("MemAvailable", free + cache),
            ("Buffers", 0),
            ("Cached", cache),
            ("SwapCached", 0),
            ("Active(file)", cache / 2),
            ("Inactive(file)", cache - cache / 2),
            ("SwapTotal", self.swap_total.get() / 1024),
            ("SwapFree", self.swap_free.get() / 1024),
            ("Dirty", 0),
            ("Writeback", 0),
            ("AnonPages", anon),
            ("Shmem", 0),
            ("SReclaimable", 0),
        ];
        let meminfo = lines.map(|(name, kib)| format!("{:16}{kib:8} kB\n", format!("{name}:")));
        let vmstat = format!(
            "pswpin 0\npswpout 0\npgfault 0\npgmajfault 0\npgsteal_kswapd 0\npgsteal_direct 0\npgscan_kswapd 0\n\
             pgscan_direct 0\nworkingset_refault_anon 0\nworkingset_refault_file 0\noom_kill {}\n",
            self.oom_kills
        );
        [
            ("meminfo", meminfo.concat()),
            ("vmstat", vmstat),
            ("pressure/memory", pressure(self.stalled_us)),
        ]
    }
}
