//! What rows say in bits, and what a batch of them adds up to.

use crate::generated::{ProcessRow, TopNBatch};

/// Bits of [`flags`](Self::flags).
impl ProcessRow {
    /// It stayed although its rank had fallen.
    pub const STICKY: u32 = 1;
    /// It was first seen in this window.
    pub const NEW: u32 = 2;
    /// It has the id of another process that ended.
    pub const REUSED: u32 = 4;
    /// It executed another program.
    pub const CHANGED: u32 = 8;
    /// It ended in this window: it has no memory any more.
    pub const ENDED: u32 = 16;
    /// It is a thread of the kernel.
    pub const KERNEL: u32 = 32;

    /// Whether all bits of `flags` are set.
    #[must_use]
    pub const fn is(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}

impl TopNBatch {
    /// CPU time, in nanoseconds, and resident memory, in bytes, that the totals hold beyond rows, tail and residual: zero both,
    /// unless rows were dropped.
    #[must_use]
    pub fn unaccounted(&self) -> (i128, i128) {
        let totals = self.totals.unwrap_or_default();
        let (mut cpu, mut rss) = (i128::from(totals.cpu_ns), i128::from(totals.rss_bytes));
        for row in &self.rows {
            cpu -= i128::from(row.cpu_user_ns) + i128::from(row.cpu_system_ns);
            rss -= i128::from(row.rss_bytes);
        }
        for sum in self.tail.iter().chain(&self.residual) {
            cpu -= i128::from(sum.cpu_user_ns) + i128::from(sum.cpu_system_ns);
            rss -= i128::from(sum.rss_bytes);
        }
        (cpu, rss)
    }
}
