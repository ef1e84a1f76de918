//! Readings in words.

use std::fs;
use std::time::Duration;

use gadget_core::{KernelCost, Latencies, Reading, Signal, Subject};

/// How much it is, what it is about, and what is to say.
pub(crate) fn line(signal: &Signal) -> Option<(u64, String, String)> {
    let whom = subject(signal.subject);
    let said = match &signal.reading {
        Reading::BlockLatency(block) => {
            let (major, minor) = block.device;
            let operation = format!("{:?}", block.operation).to_lowercase();
            let count = block.took.count();
            let line = format!("{count} in {}, {}", block.bytes, latencies(&block.took));
            (block.bytes.get().max(count), format!("{whom}, {operation} of {major}:{minor}"), line)
        }
        Reading::PageFaults(faults) => {
            let line = format!("{} minor, {} major faults", faults.minor, faults.major);
            (faults.minor.saturating_add(faults.major), whom, line)
        }
        Reading::Tcp(tcp) => {
            let line = format!(
                "{} opened, {} closed, {} segments again, {} resets sent, {} received, {} overflows",
                tcp.opened,
                tcp.closed,
                tcp.retransmits,
                tcp.resets_sent,
                tcp.resets_received,
                tcp.listen_overflows
            );
            (tcp.opened + tcp.closed + tcp.retransmits, whom, line)
        }
        Reading::ListenOverflow(count) => {
            (*count, whom, format!("turned away {count} connections"))
        }
        Reading::OomVictim => (1, whom, "chosen by the OOM killer".to_owned()),
        Reading::OomKill(count) => (*count, whom, format!("{count} killed by the OOM killer")),
        Reading::Signalled { signal, count } => {
            (*count, format!("{whom}, signal {signal}"), format!("sent {count} times"))
        }
        Reading::Reclaim(reclaim) => {
            let line = format!(
                "{} reclaims took {:?} for {} pages",
                reclaim.begun, reclaim.took, reclaim.pages
            );
            (reclaim.begun, whom, line)
        }
        Reading::Lifecycle(life) => {
            let line = format!(
                "{} forks, {} execs, {} exits, {} by signals",
                life.forks, life.execs, life.exits, life.signalled
            );
            (life.forks, whom, line)
        }
        Reading::Exited(exit) => {
            let how = exit.signal.map_or_else(
                || format!("code {}", exit.code.unwrap_or_default()),
                |signal| format!("signal {signal}"),
            );
            (1, whom, format!("ended after {:?} by {how}", exit.lifetime))
        }
        Reading::Syscalls(calls) => {
            let count = calls.count();
            (count, whom, format!("{count} system calls of {} kinds", calls.counts.len()))
        }
        Reading::Scheduling(times) => {
            let line = format!(
                "{} switches asked for, {} forced; waited for a processor: {}",
                times.voluntary,
                times.involuntary,
                latencies(&times.run_queue)
            );
            (times.voluntary + times.involuntary, whom, line)
        }
        Reading::HostIo(io) => (0, whom, format!("read {}, wrote {}", io.read, io.written)),
        _ => return None,
    };
    Some(said)
}

/// What a provider's programs cost, as far as it was measured.
pub(crate) fn cost(cost: &KernelCost) -> String {
    let lost = cost.lost;
    if cost.over.is_zero() {
        return format!("its cost was not measured; {lost} lost");
    }
    let each = nanos_per_run(cost).map_or(String::new(), |nanos| format!(" of {nanos:.0} ns"));
    format!(
        "{} runs{each} in {:?}, {:.4} % of a core; {lost} lost",
        cost.runs,
        cost.over,
        percent(cost)
    )
}

pub(crate) fn nanos_per_run(cost: &KernelCost) -> Option<f64> {
    (cost.runs > 0).then(|| cost.took.as_nanos() as f64 / cost.runs as f64)
}

pub(crate) fn percent(cost: &KernelCost) -> f64 {
    100.0 * cost.took.as_secs_f64() / cost.over.as_secs_f64()
}

fn latencies(took: &Latencies) -> String {
    let below = |q| took.quantile(q).map_or("more than a minute".to_owned(), short);
    if took.count() == 0 {
        return "none complete".to_owned();
    }
    format!("half below {}, 99 % below {}", below(0.5), below(0.99))
}

fn short(time: Duration) -> String {
    match time.as_micros() {
        us if us < 1_000 => format!("{us} us"),
        us if us < 1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// A process with its name, where it is still there to tell it.
fn subject(subject: Subject) -> String {
    let Subject::Process(id) = subject else { return subject.to_string() };
    match fs::read_to_string(format!("/proc/{}/comm", id.pid)) {
        // A name may hold anything.
        Ok(comm) => format!("{subject} ({})", comm.trim_end().escape_debug()),
        Err(_) => subject.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gadget_core::{BlockLatency, BlockOperation, Bytes, CgroupId, Timestamp};

    #[test]
    fn readings_are_said_in_a_line() {
        let mut took = Latencies::default();
        (0..3).for_each(|_| took.add(Duration::from_micros(700)));
        let block = BlockLatency {
            device: (254, 0),
            operation: BlockOperation::Read,
            took,
            bytes: Bytes::from_kib(12),
        };
        let signal = Signal {
            at: Timestamp::from_secs(1),
            subject: Subject::Cgroup(CgroupId(7)),
            reading: Reading::BlockLatency(Box::new(block)),
        };
        let (weight, about, line) = line(&signal).unwrap();
        assert_eq!((weight, &*about), (12 << 10, "cgroup 7, read of 254:0"));
        assert!(line.ends_with("half below 1.0 ms, 99 % below 1.0 ms"), "{line}");
    }

    #[test]
    fn a_cost_that_was_not_measured_is_not_zero() {
        let mut it = KernelCost {
            provider: "tcp".into(),
            runs: 0,
            took: Duration::ZERO,
            over: Duration::ZERO,
            lost: 3,
        };
        assert_eq!(cost(&it), "its cost was not measured; 3 lost");
        (it.runs, it.took, it.over) = (10, Duration::from_micros(2), Duration::from_secs(1));
        assert_eq!(cost(&it), "10 runs of 200 ns in 1s, 0.0002 % of a core; 3 lost");
    }
}
