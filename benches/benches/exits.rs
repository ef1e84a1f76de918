//! A storm of 20,000 processes that fork, execute a program and end, as fast as two others begin them: which of their ends each
//! source tells, and what its reader takes; all sources at the same time.

use std::collections::HashSet;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gadget_benches::{Herd, Limit, asked, print};
use gadget_core::{
    ExitSource, Exits, ProcessId, Reading, Scope, SignalProvider as _, Signals, Timestamp,
    thread_cpu,
};
use gadget_signals::ExitsProvider;

const PROCESSES: usize = 20_000;
const RUNNERS: usize = 2;
/// The share of events that may be lost.
const LOSS: f64 = 0.001;

/// What one source told.
struct Told {
    source: ExitSource,
    exits: Exits,
    cpu: Duration,
    notes: Vec<String>,
}

fn main() -> Result<()> {
    Herd::be_one()?;
    if !asked("exits") {
        return Ok(());
    }
    let mut providers = Vec::new();
    for source in [ExitSource::Bpf, ExitSource::Netlink, ExitSource::Scan] {
        match ExitsProvider::by(source) {
            Ok(provider) => providers.push(provider),
            Err(error) => eprintln!("SKIPPED exits/{}: {error}", source.name()),
        }
    }
    let over = AtomicBool::new(false);
    let (told, parents, rate) = thread::scope(|scope| {
        let readers: Vec<_> =
            providers.into_iter().map(|it| scope.spawn(|| read(it, &over))).collect();
        let begun = Instant::now();
        // The readers end with this, whatever becomes of the storm.
        let parents = storm();
        let rate = PROCESSES as f64 / begun.elapsed().as_secs_f64();
        // What came last is told too.
        thread::sleep(Duration::from_secs(3));
        over.store(true, Ordering::Relaxed);
        let told: Result<Vec<_>> =
            readers.into_iter().map(|it| it.join().expect("no panic")).collect();
        anyhow::Ok((told?, parents?, rate))
    })?;
    let beside = format!("{PROCESSES} processes, {rate:.0} a second, all readers at once");
    let each: Vec<_> = told.iter().map(|it| show(it, &parents, &beside)).collect();
    let of = |source| told.iter().position(|it| it.source == source).map(|at| each[at]);
    if let (Some(bpf), Some(netlink)) = (of(ExitSource::Bpf), of(ExitSource::Netlink)) {
        let beside = format!("netlink {netlink:.2} us, bpf {bpf:.2} us");
        print("exits/netlink_ratio", netlink / bpf, "x CPU of bpf", Limit::None, &beside);
    }
    Ok(())
}

/// Who began the processes, once they have ended.
fn storm() -> Result<HashSet<u32>> {
    let runners: Result<Vec<Child>> =
        (0..RUNNERS).map(|_| Herd::runner(PROCESSES / RUNNERS)).collect();
    let mut parents = HashSet::new();
    for mut runner in runners? {
        parents.insert(runner.id());
        ensure!(runner.wait()?.success(), "a runner failed");
    }
    Ok(parents)
}

fn read(mut provider: ExitsProvider, over: &AtomicBool) -> Result<Told> {
    let source = provider.source();
    let mut exits = Exits { source, forks: 0, execs: 0, produced: 0, lost: 0, ends: Vec::new() };
    let (begun, before) = (Instant::now(), thread_cpu());
    loop {
        // Until it is over, whatever the source decides; then once more.
        let last = over.load(Ordering::Relaxed);
        if !last && !provider.wait(Duration::from_millis(500)).transpose()?.unwrap_or(true) {
            continue;
        }
        let now = Timestamp::EPOCH + begun.elapsed();
        let mut out = Signals::at(now);
        provider.sample(now, Scope::Everything, &mut out)?;
        for signal in &out {
            if let Reading::Exits(more) = &signal.reading {
                exits.forks += more.forks;
                exits.execs += more.execs;
                exits.produced += more.produced;
                exits.lost += more.lost;
                exits.ends.extend_from_slice(&more.ends);
            }
        }
        if last {
            let cpu = thread_cpu() - before;
            return Ok(Told { source, exits, cpu, notes: provider.take_notes() });
        }
    }
}

/// Prints what a source told of the children of `parents`; the CPU time of its reader for each process, in us.
fn show(told: &Told, parents: &HashSet<u32>, beside: &str) -> f64 {
    let Told { source, exits, cpu, notes } = told;
    let name = source.name();
    let number = |what: &str, value: f64, unit: &str, limit| {
        print(&format!("exits/{name}_{what}"), value, unit, limit, beside);
    };
    let ours = || exits.ends.iter().filter(|end| parents.contains(&end.parent));
    let ends: HashSet<ProcessId> = ours().map(|end| end.id).collect();
    // The program that it executed was counted from its fork on.
    let matched = ours().filter(|end| end.execs == 1 && end.parent_comm.is_some()).count();
    let count = PROCESSES as f64;
    // The scan cannot see what lives in between: what it has to do is to count it.
    let sees = *source != ExitSource::Scan;
    let least = if sees { Limit::AtLeast(count * (1.0 - LOSS)) } else { Limit::None };
    number("told", ends.len() as f64, "ends", least);
    number("told_twice", (ours().count() - ends.len()) as f64, "ends", Limit::AtMost(0.0));
    if sees {
        number("matched", matched as f64, "ends", least);
        let share = 100.0 * exits.lost as f64 / (exits.produced + exits.lost).max(1) as f64;
        number("lost", share, "% of events", Limit::AtMost(100.0 * LOSS));
        let used = ours().filter(|end| end.user.is_some() && end.exit.peak_rss.is_some()).count();
        number("with_use", used as f64, "ends", Limit::None);
    } else {
        let known = ends.len() as f64 + exits.lost as f64;
        number("told_or_counted", known, "processes", Limit::AtLeast(count));
    }
    for note in notes {
        eprintln!("{note}");
    }
    let each = cpu.as_secs_f64() * 1e6 / count;
    number("each", each, "us a process", Limit::None);
    each
}
