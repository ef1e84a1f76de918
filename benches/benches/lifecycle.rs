//! 100,000 short processes as fast as two processes fork them, seen by a ring that wakes nobody, by one that wakes and by the proc
//! connector, all three at the same time; and from an event to the signal that it leads to.

use std::collections::HashMap;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gadget_benches::{Herd, Limit, asked, print, run_first};
use gadget_core::{Reading, Scope, SignalProvider as _, Signals, Timestamp, thread_cpu};
use gadget_signals::{ConnectorChange, LifecycleWatch, ProcConnector, ProcessChange};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

const PROCESSES: usize = 100_000;
const SPAWNERS: usize = 2;
const TRIES: usize = 300;
const BUSY: usize = 4;

/// What one reader made of them.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// When it began to watch, since boot.
    since: Duration,
    forks: u64,
    /// Exits of whom the fork was seen.
    matched: u64,
    /// Exits of whom not, but for those that lived before.
    unmatched: u64,
    lost: u64,
    cpu: Duration,
    /// In the kernel, for each event, where that was measured.
    in_kernel: Option<Duration>,
}

impl Seen {
    fn now() -> Self {
        Self { since: since_boot(), ..Self::default() }
    }
}

fn main() -> Result<()> {
    Herd::be_one()?;
    if !asked("lifecycle") {
        return Ok(());
    }
    match LifecycleWatch::host(None) {
        Ok(watch) => {
            watch_all(watch)?;
            react()
        }
        Err(error) => {
            eprintln!("SKIPPED lifecycle/*: {error}");
            Ok(())
        }
    }
}

fn watch_all(watch: LifecycleWatch) -> Result<()> {
    let waking = LifecycleWatch::at_once(None)?;
    let connector = ProcConnector::host();
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let (timed, woken, connected) = thread::scope(|scope| {
        let timed = scope.spawn(|| on_a_timer(watch, &over));
        let woken = scope.spawn(|| when_woken(waking, &over));
        let connected = connector.ok().map(|it| scope.spawn(|| by_connector(it, &over)));
        let spawners: Vec<_> = (0..SPAWNERS).map(|_| Herd::spawner(PROCESSES / SPAWNERS)).collect();
        for spawner in spawners {
            spawner?.wait()?;
        }
        // What was written last is read too.
        thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        let timed = timed.join().expect("no panic")?;
        let woken = woken.join().expect("no panic")?;
        let connected = connected.map(|it| it.join().expect("no panic")).transpose()?;
        anyhow::Ok((timed, woken, connected))
    })?;
    let rate = PROCESSES as f64 / started.elapsed().as_secs_f64();
    let each = |seen: &Seen| seen.cpu.as_secs_f64() * 1e6 / seen.forks.max(1) as f64;
    let beside = format!("{PROCESSES} processes, {rate:.0} a second, all readers at once");
    let counts =
        [(timed.matched, "matched"), (timed.unmatched, "without a fork"), (timed.lost, "lost")];
    for (count, what) in counts {
        let limit = match what {
            "matched" => Limit::AtLeast(PROCESSES as f64),
            _ => Limit::AtMost(0.0),
        };
        print(
            &format!("lifecycle/{}", what.replace(' ', "_")),
            count as f64,
            "exits",
            limit,
            &beside,
        );
    }
    print("lifecycle/user", each(&timed), "us a process", Limit::None, &beside);
    let in_kernel = timed.in_kernel.context("not measured")?;
    let in_kernel = in_kernel.as_secs_f64() * 1e6 * 2.0;
    print("lifecycle/kernel", in_kernel, "us a process", Limit::AtMost(2.0), "a fork and an exit");
    let ratio = each(&woken) / each(&timed);
    let beside = format!("woken {:.2} us, {} of {PROCESSES} exits", each(&woken), woken.matched);
    print("lifecycle/waking_ratio", ratio, "x its user CPU", Limit::AtLeast(15.0), &beside);
    match connected {
        Some(seen) => {
            let ratio = each(&seen) / each(&timed);
            let beside = format!(
                "connector {:.2} us, {} of {PROCESSES} exits, dropped {} times",
                each(&seen),
                seen.matched,
                seen.lost
            );
            print(
                "lifecycle/connector_ratio",
                ratio,
                "x its user CPU",
                Limit::AtLeast(15.0),
                &beside,
            );
        }
        None => eprintln!("SKIPPED lifecycle/connector_ratio: no proc connector"),
    }
    Ok(())
}

/// Keeps who lives: the state that any reader needs.
#[derive(Default)]
struct Living(HashMap<u32, Duration>);

impl Living {
    fn take(&mut self, seen: &mut Seen, pid: u32, at: Duration, change: Option<bool>) {
        match change {
            Some(true) => {
                seen.forks += 1;
                self.0.insert(pid, at);
            }
            Some(false) => match self.0.remove(&pid) {
                Some(_) => seen.matched += 1,
                None => seen.unmatched += 1,
            },
            None => {}
        }
    }
}

fn drain(watch: &mut LifecycleWatch, living: &mut Living, seen: &mut Seen) -> Result<()> {
    watch.drain(|event| {
        let change = match event.change {
            ProcessChange::Forked => Some(true),
            // One that is older than the watch has no fork in it.
            ProcessChange::Exited(exit) if event.at.saturating_sub(exit.lifetime) < seen.since => {
                None
            }
            ProcessChange::Exited(_) => Some(false),
            _ => None,
        };
        living.take(seen, event.process.pid, event.at, change);
    })?;
    Ok(())
}

fn on_a_timer(mut watch: LifecycleWatch, over: &AtomicBool) -> Result<Seen> {
    let (mut living, mut seen) = (Living::default(), Seen::now());
    let begun = thread_cpu();
    let mut signals = Signals::default();
    let mut apart = Duration::ZERO;
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
        drain(&mut watch, &mut living, &mut seen)?;
        // What it costs in the kernel is measured for a second, which is not part of the reading.
        if seen.in_kernel.is_none() && last.elapsed() > Duration::from_millis(1_200) {
            let before = thread_cpu();
            last = Instant::now();
            signals.restart(Timestamp::EPOCH);
            watch.sample(Timestamp::EPOCH, Scope::Everything, &mut signals)?;
            seen.in_kernel = signals.into_iter().find_map(|signal| match &signal.reading {
                Reading::KernelCost(cost) if cost.runs > 0 => {
                    Some(cost.took / u32::try_from(cost.runs).unwrap_or(u32::MAX))
                }
                _ => None,
            });
            apart += thread_cpu() - before;
        }
    }
    drain(&mut watch, &mut living, &mut seen)?;
    (seen.cpu, seen.lost) = (thread_cpu() - begun - apart, watch.lost());
    Ok(seen)
}

fn when_woken(mut watch: LifecycleWatch, over: &AtomicBool) -> Result<Seen> {
    let (mut living, mut seen) = (Living::default(), Seen::now());
    let begun = thread_cpu();
    while !over.load(Ordering::Relaxed) {
        watch.wait_for_event(Duration::from_millis(100))?;
        drain(&mut watch, &mut living, &mut seen)?;
    }
    (seen.cpu, seen.lost) = (thread_cpu() - begun, watch.lost());
    Ok(seen)
}

fn by_connector(mut connector: ProcConnector, over: &AtomicBool) -> Result<Seen> {
    let (mut living, mut seen) = (Living::default(), Seen::now());
    let begun = thread_cpu();
    while !over.load(Ordering::Relaxed) {
        if !connector.ready(Duration::from_millis(100)) {
            continue;
        }
        connector.drain(|event| {
            let change = match event.change {
                ConnectorChange::Forked => Some(true),
                ConnectorChange::Exited { .. } => Some(false),
                _ => None,
            };
            living.take(&mut seen, event.pid, event.at, change);
        })?;
    }
    (seen.cpu, seen.lost) = (thread_cpu() - begun, connector.overflows());
    Ok(seen)
}

/// A child of ours executes a program, and is ended for it.
fn react() -> Result<()> {
    let _busy: Vec<Busy> = (0..BUSY).map(|_| Busy::start()).collect::<Result<_>>()?;
    let mut watch = LifecycleWatch::host(None)?;
    watch.watch_children_of(std::process::id())?;
    let over = AtomicBool::new(false);
    let (mut delays, first_in_line) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let first_in_line = run_first();
            let mut delays = Vec::with_capacity(TRIES);
            while !over.load(Ordering::Relaxed) {
                watch.drain_urgent(Duration::from_millis(100), |event| {
                    let pid = i32::try_from(event.process.pid).ok().and_then(Pid::from_raw);
                    let sent = pid
                        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
                        .is_some_and(|pidfd| pidfd_send_signal(&pidfd, Signal::KILL).is_ok());
                    if sent {
                        delays.push(since_boot().saturating_sub(event.at));
                    }
                })?;
            }
            anyhow::Ok((delays, first_in_line))
        });
        for _ in 0..TRIES {
            let mut child = Command::new("sleep").arg("60").spawn()?;
            child.wait()?;
            thread::sleep(Duration::from_millis(2));
        }
        over.store(true, Ordering::Relaxed);
        reader.join().expect("no panic")
    })?;
    ensure!(delays.len() >= TRIES * 9 / 10, "{} of {TRIES} were ended", delays.len());
    delays.sort_unstable();
    let of = |share: usize| delays[delays.len() * share / 100].as_secs_f64() * 1e6;
    let how = if first_in_line { "SCHED_FIFO" } else { "an ordinary" };
    let beside = format!("{} tries, {how} reader, {BUSY} busy processes", delays.len());
    print("lifecycle/exec_to_signal_p50", of(50), "us", Limit::AtMost(60.0), &beside);
    print("lifecycle/exec_to_signal_p99", of(99), "us", Limit::AtMost(300.0), &beside);
    Ok(())
}

/// The clock of events: time asleep is in it.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A process that does nothing but run.
struct Busy(Child);

impl Busy {
    fn start() -> Result<Self> {
        Ok(Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
