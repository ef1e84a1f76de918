//! What happens to TCP connections.

mod listeners;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use gadget_core::{Reading, Scope, SignalError, SignalProvider, Signals, Subject, Tcp, Timestamp};

use super::cost::CostMeter;
use super::kernel::Kernel;
use super::program::{Programs, volatile};
use super::skel::tcp::{OpenTcpSkel, TcpSkel, TcpSkelBuilder};
use crate::file::{Buffer, KernelFile};
use crate::parse;
use listeners::Drops;

const NAME: &str = "tcp";
const RESET: &str = "tcp_send_reset";
const TRACEPOINTS: &[&str] = &[
    "tcp_retransmit_skb",
    "tcp_retransmit_synack",
    RESET,
    "tcp_receive_reset",
    "inet_sock_set_state",
];

/// Of the thread that opens it: its network namespace may be another than the process's.
const NETSTAT: &str = "/proc/thread-self/net/netstat";
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// All open files are not walked sooner again than this, nor than [`SHARE`] times what it took.
const WALK_EVERY: Duration = Duration::from_secs(1);
const SHARE: u32 = 200;

/// Counts what happens to TCP connections in every network namespace of the host, and tells which process turns
/// connections away because its listen queue is full.
///
/// - Gives [`Reading::Tcp`] of [`Subject::Host`]: what came since the last sample; nothing if nothing came.
/// - Gives [`Reading::ListenOverflow`] of a process with the connections that a listening socket of its own has turned away.
///   When the kernel counts an overflow in the agent's network namespace, or a handshake has to be repeated in any, all
///   open files are walked for listening sockets, and those whose `sk_drops` rose are told. Of several processes that have the
///   socket open, the one with the lowest number. In another network namespace a queue that only new handshakes find full is
///   not noticed.
/// - Source: `tcp_retransmit_skb`, `tcp_send_reset`, `tcp_receive_reset`, `tcp_retransmit_synack`, `inet_sock_set_state`
///   (include/trace/events/tcp.h, sock.h), `iter/task_file`, `ListenOverflows` of `/proc/net/netstat`. A kernel whose
///   `tcp_send_reset` gives no reason (before 6.11) does not tell resets for ports that nobody has. Without BPF there is
///   [`HostTcp`](crate::HostTcp), without the owner.
/// - A piece of several segments that is sent again in one counts once here, and each segment in `/proc/net/snmp`.
/// - Bound: counters, no map. Walking is kept under 0.5 % of a processor.
pub struct TcpWatch {
    programs: Programs<TcpSkel<'static>>,
    netstat: KernelFile,
    buffer: Buffer,
    cost: CostMeter,
    told: Counters,
    drops: Drops,
    /// An overflow was seen and not yet traced to a process.
    due: bool,
    walk_from: Instant,
    decided: String,
}

#[derive(Clone, Copy, Default)]
struct Counters {
    tcp: Tcp,
    repeated: u64,
}

impl TcpWatch {
    /// For this host, all network namespaces.
    ///
    /// # Errors
    /// What BPF programs need and is missing here.
    pub fn host() -> Result<Self, SignalError> {
        Self::of(0)
    }

    /// For the network namespace of the calling thread alone.
    ///
    /// # Errors
    /// As [`host`](Self::host).
    pub fn of_this_namespace() -> Result<Self, SignalError> {
        let metadata = fs::metadata(NAMESPACE)
            .map_err(|source| SignalError::Read { path: NAMESPACE.into(), source })?;
        // The kernel numbers them by 32 bits.
        Self::of(metadata.ino() as u32)
    }

    fn of(only_namespace: u32) -> Result<Self, SignalError> {
        let kernel = Kernel::probe()?;
        kernel.needs_tracepoints(TRACEPOINTS)?;
        let netstat = KernelFile::open(NETSTAT.into(), "CONFIG_INET")?;
        let walks =
            kernel.has_field("bpf_iter__task_file", "fd") && kernel.needs_host_namespaces().is_ok();
        let configure = |open: &mut OpenTcpSkel<'_>| {
            if let Some(settings) = open.maps.rodata_data.as_mut() {
                settings.only_namespace = only_namespace;
            }
            open.progs.dump__listeners.set_autoload(walks);
            Ok(())
        };
        let programs = Programs::load(NAME, TcpSkelBuilder::default(), configure)?;
        let owners = if walks { "owners of full queues by iter/task_file" } else { "no owners" };
        let resets = match kernel.arguments_of(RESET) {
            Some(2) => ", without resets for ports that nobody has",
            _ => "",
        };
        let decided = format!("BPF on {} tracepoints of tcp, {owners}{resets}", TRACEPOINTS.len());
        let mut watch = Self {
            programs,
            netstat,
            buffer: Buffer::default(),
            cost: CostMeter::default(),
            told: Counters::default(),
            drops: Drops::default(),
            due: false,
            walk_from: Instant::now(),
            decided,
        };
        watch.told = watch.read()?;
        // What was turned away before is nobody's news.
        watch.walk()?;
        watch.walk_from = Instant::now();
        Ok(watch)
    }

    /// What is read, in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        self.decided.clone()
    }

    fn read(&mut self) -> Result<Counters, SignalError> {
        let path = self.netstat.path();
        let text = self.netstat.read_all(&mut self.buffer)?;
        let [listen_overflows] = parse::net_counters(text, path, "TcpExt", ["ListenOverflows"])?;
        let bss = self.programs.skeleton().maps.bss_data.as_deref();
        Ok(bss.map_or(Counters::default(), |bss| Counters {
            tcp: Tcp {
                retransmits: volatile(&bss.retransmits),
                resets_sent: volatile(&bss.resets_sent),
                resets_received: volatile(&bss.resets_received),
                opened: volatile(&bss.opened),
                closed: volatile(&bss.closed),
                listen_overflows,
            },
            repeated: volatile(&bss.repeated),
        }))
    }

    /// Who has turned connections away since the last walk.
    fn walk(&mut self) -> Result<Vec<(gadget_core::ProcessId, u64)>, SignalError> {
        let Some(link) = &self.programs.skeleton().links.dump__listeners else {
            return Ok(Vec::new());
        };
        let began = Instant::now();
        let found = listeners::walk(link).map_err(|source| {
            let attempt = "walk the open files for";
            SignalError::Program { attempt, provider: NAME, source }
        })?;
        let ended = Instant::now();
        self.walk_from = ended + WALK_EVERY.max((ended - began) * SHARE);
        Ok(self.drops.since_last(&found))
    }
}

/// What came between two looks.
fn since(now: &Tcp, then: &Tcp) -> Tcp {
    Tcp {
        retransmits: now.retransmits.saturating_sub(then.retransmits),
        resets_sent: now.resets_sent.saturating_sub(then.resets_sent),
        resets_received: now.resets_received.saturating_sub(then.resets_received),
        opened: now.opened.saturating_sub(then.opened),
        closed: now.closed.saturating_sub(then.closed),
        listen_overflows: now.listen_overflows.saturating_sub(then.listen_overflows),
    }
}

impl SignalProvider for TcpWatch {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        // What is read is told: who asks for some subjects only must not lose it for the others.
        if matches!(scope, Scope::Only(_)) {
            return Ok(());
        }
        let now = self.read()?;
        let before = std::mem::replace(&mut self.told, now);
        let added = since(&now.tcp, &before.tcp);
        if added != Tcp::default() {
            out.push(Subject::Host, Reading::Tcp(added));
        }
        self.due |= added.listen_overflows > 0 || now.repeated > before.repeated;
        if self.due && Instant::now() >= self.walk_from {
            self.due = false;
            for (process, turned_away) in self.walk()? {
                out.push(Subject::Process(process), Reading::ListenOverflow(turned_away));
            }
        }
        self.cost.sample(&self.programs, 0, out);
        Ok(())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}
