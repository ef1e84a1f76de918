//! What the kernel's tracepoints tell, aggregated where they fire.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Name;
use crate::units::Bytes;

/// Buckets of a [`Latencies`].
pub const LATENCY_BUCKETS: usize = 28;

/// How often something took how long, in classes that double.
///
/// Bucket 0 counts what took less than 1 us, bucket `n` what took from 2^(n-1) us to less than 2^n us, the last one all that took
/// longer (67 s and more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies(pub [u32; LATENCY_BUCKETS]);

impl Latencies {
    /// The bucket for `took`.
    #[must_use]
    pub fn bucket(took: Duration) -> usize {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        ((u64::BITS - us.leading_zeros()) as usize).min(LATENCY_BUCKETS - 1)
    }

    /// What a bucket's contents took less than; none for the last.
    #[must_use]
    pub fn below(bucket: usize) -> Option<Duration> {
        (bucket < LATENCY_BUCKETS - 1).then(|| Duration::from_micros(1 << bucket))
    }

    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let count = &mut self.0[Self::bucket(took)];
        *count = count.saturating_add(1);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// What at least the share `q` of them took less than: the upper edge of a bucket. `None` if there are none, or if it lies
    /// in the last bucket.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        let mut left = (q.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        for (bucket, &here) in self.0.iter().enumerate() {
            let here = u64::from(here);
            if here >= left {
                return Self::below(bucket);
            }
            left -= here;
        }
        None
    }
}

/// Processes that began and ended since the last such reading.
///
/// - Source: `sched_process_fork`, `sched_process_exec`, `sched_process_exit`; the proc connector where BPF is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Processes begun (threads are not counted).
    pub forks: u64,
    /// Programs executed.
    pub execs: u64,
    /// Processes ended.
    pub exits: u64,
    /// Of these, ended by a signal.
    pub signalled: u64,
    /// Of these, lived for less than a second.
    pub short: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The code it gave to `exit(2)`; none if a signal ended it.
    pub code: Option<u8>,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// How long it lived.
    pub lifetime: Duration,
    /// The most memory that its last program had resident; none where it is not told. By BPF before Linux 6.16 also that of whoever
    /// began it, if it shared its memory until it executed a program (vfork).
    pub peak_rss: Option<Bytes>,
}

/// How often a process made which system call since the last such reading.
///
/// - Source: `sys_enter`, and `sys_exit` for the times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syscalls {
    /// The time it covers.
    pub over: Duration,
    /// Number on this architecture and count, by number; only those that were made. [`OTHER`](Self::OTHER) stands for all that
    /// are not told apart.
    pub counts: Vec<(u16, u64)>,
    /// How long they took, where that is asked for: those that wait for something to happen (`poll`, `accept`, a futex)...
    pub waits: Option<Latencies>,
    /// ...and all others.
    pub works: Option<Latencies>,
}

impl Syscalls {
    /// In place of a number: calls of a 32-bit program, and numbers that no kernel has.
    pub const OTHER: u16 = u16::MAX;

    /// How many were made.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Shannon entropy of the numbers, in bits; none if no call was made, which says nothing.
    #[must_use]
    pub fn entropy(&self) -> Option<f64> {
        let total = self.count() as f64;
        if total == 0.0 {
            return None;
        }
        let shares = self.counts.iter().map(|&(_, count)| count as f64 / total);
        Some(shares.filter(|&share| share > 0.0).map(|share| -share * share.log2()).sum())
    }
}

/// How the scheduler treated a subject since the last such reading.
///
/// - Source: `sched_wakeup`, `sched_switch`; without BPF the switches of `/proc/PID/status` and the run-queue time of `schedstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// The time it covers.
    pub over: Duration,
    /// Time from being ready to being on a processor.
    pub run_queue: Latencies,
    /// Time from leaving a processor, to wait, until being woken.
    pub off_cpu: Latencies,
    /// Switches that the subject asked for by waiting.
    pub voluntary: u64,
    /// Switches that were forced on it.
    pub involuntary: u64,
}

/// What a request to a block device was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockOperation {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Write the device's cache out.
    Flush,
    /// Discard or zero.
    Discard,
}

/// How long requests to a block device took since the last such reading.
///
/// - Source: `block_rq_issue`, `block_rq_complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockLatency {
    /// Major and minor number.
    pub device: (u32, u32),
    /// What was asked.
    pub operation: BlockOperation,
    /// From issue to completion.
    pub took: Latencies,
    /// How much was moved.
    pub bytes: Bytes,
}

/// Page faults since the last such reading.
///
/// - Source: `exceptions:page_fault_user` with the task's own counters; `pgfault` and `pgmajfault` of `/proc/vmstat` without BPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFaults {
    /// Without IO.
    pub minor: u64,
    /// With IO.
    pub major: u64,
}

/// What happened to TCP connections since the last such reading.
///
/// - Source: `tcp_retransmit_skb`, `tcp_send_reset`, `tcp_receive_reset`, `inet_sock_set_state`; `/proc/net/snmp` and `netstat`
///   without BPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// Segments sent again.
    pub retransmits: u64,
    /// Resets sent.
    pub resets_sent: u64,
    /// Resets received.
    pub resets_received: u64,
    /// Connections opened, by either side.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Connections that a full listen queue turned away.
    pub listen_overflows: u64,
}

/// Reclaim that tasks had to do themselves since the last such reading: memory is short, now.
///
/// - Source: `mm_vmscan_direct_reclaim_begin` and `_end`, `mm_vmscan_memcg_reclaim_begin` and `_end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// How often a task began to.
    pub begun: u64,
    /// Time spent on it, over all tasks.
    pub took: Duration,
    /// Pages it brought.
    pub pages: u64,
}

/// What a provider costs the kernel, and what it has lost. Cumulative.
///
/// - Source: run-time statistics of BPF programs (`BPF_ENABLE_STATS`), which are switched on for a second in each minute;
///   counters in the programs' maps.
/// - Absent: `over` is zero while nothing was measured, or where the kernel does not let us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCost {
    /// The provider.
    pub provider: Name,
    /// How often its programs ran while it was measured.
    pub runs: u64,
    /// Time they took then.
    pub took: Duration,
    /// For how long it was measured.
    pub over: Duration,
    /// Events or entries lost, for a full map or ring, since the provider began.
    pub lost: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_classes_that_double() {
        let us = Duration::from_micros;
        assert_eq!(Latencies::bucket(Duration::from_nanos(999)), 0);
        assert_eq!(Latencies::bucket(us(1)), 1);
        assert_eq!(Latencies::bucket(us(3)), 2);
        assert_eq!(Latencies::bucket(us(4)), 3);
        assert_eq!(Latencies::bucket(Duration::from_secs(3600)), LATENCY_BUCKETS - 1);
        for bucket in 0..LATENCY_BUCKETS - 1 {
            let edge = Latencies::below(bucket).unwrap();
            assert_eq!(Latencies::bucket(edge - Duration::from_nanos(1)), bucket);
            assert_eq!(Latencies::bucket(edge), bucket + 1);
        }
    }

    #[test]
    fn a_quantile_is_the_edge_of_its_bucket() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        (0..99).for_each(|_| latencies.add(Duration::from_micros(5)));
        latencies.add(Duration::from_millis(3));
        assert_eq!(latencies.count(), 100);
        assert_eq!(latencies.quantile(0.5), Some(Duration::from_micros(8)));
        assert_eq!(latencies.quantile(1.0), Some(Duration::from_micros(4096)));
    }

    #[test]
    fn entropy_of_no_calls_is_no_opinion() {
        let calls =
            |counts: &[(u16, u64)]| Syscalls { counts: counts.to_vec(), ..Syscalls::default() };
        assert_eq!(calls(&[]).entropy(), None);
        assert_eq!(calls(&[(202, 9)]).entropy(), Some(0.0));
        assert_eq!(calls(&[(0, 8), (1, 8), (2, 8), (3, 8)]).entropy(), Some(2.0));
    }
}
