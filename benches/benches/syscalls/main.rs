//! What counting the system calls of a process adds to each of them: `getppid` in a loop, in CPU time of the thread that
//! makes the calls, by ways that take turns. Beside it an empty program on the same hook, which is the kernel's own price,
//! a map of bpftrace, and the beginning and end of each call joined by a hash. And what redis pays for it.

#[allow(unsafe_code, missing_docs, unreachable_pub)]
#[allow(clippy::all, clippy::unwrap_used, clippy::undocumented_unsafe_blocks)]
mod bench_syscalls;
mod peers;
mod redis;

use std::hint::black_box;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gadget_benches::{Limit, Sleeper, asked, identity, median, print};
use gadget_core::{
    ProcessId, Reading, Scope, SignalProvider as _, Signals, Subject, Timestamp, thread_cpu,
};
use gadget_signals::SyscallProfile;

use peers::{Bpftrace, Hook};

const ROUNDS: usize = 15;
const CALLS: u32 = 200_000;
const THREADS: usize = 2;
const READS: u32 = 2_000;
const MANY: usize = 5_000;

fn main() -> Result<()> {
    if !asked("syscalls") {
        return Ok(());
    }
    match SyscallProfile::host() {
        Ok(profile) => println!("{}", profile.describe()),
        Err(error) => {
            eprintln!("SKIPPED syscalls/*: {error}");
            return Ok(());
        }
    }
    calls()?;
    windows()?;
    among_many()?;
    redis::measure()
}

/// One way to look at system calls; dropped when its turn is over.
type Collector = Option<Box<dyn std::any::Any>>;
/// Begins one turn; none where the peer is not installed.
type Begin<'a> = Box<dyn Fn() -> Result<Collector> + 'a>;

fn calls() -> Result<()> {
    let sleeper = Sleeper::start()?;
    let (own, other) = (identity(std::process::id())?, sleeper.id()?);
    let ways: Vec<(&str, Begin<'_>)> = vec![
        ("none", Box::new(|| Ok(Some(Box::new(()))))),
        ("empty", Box::new(|| Ok(Some(Box::new(Hook::empty()?))))),
        ("target", Box::new(move || counted(SyscallProfile::host()?, own))),
        ("no_target", Box::new(move || counted(SyscallProfile::host()?, other))),
        ("timed", Box::new(move || counted(SyscallProfile::host()?.with_latencies(), own))),
        ("pair_by_hash", Box::new(|| Ok(Some(Box::new(Hook::pair()?))))),
        ("bpftrace", Box::new(|| Ok(Bpftrace::start()?.map(|it| Box::new(it) as _)))),
    ];
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let mut crowded = costs.clone();
    for _ in 0..ROUNDS {
        for (index, (_, begin)) in ways.iter().enumerate() {
            let Some(collector) = begin()? else { continue };
            one(CALLS / 10);
            costs[index].push(one(CALLS));
            crowded[index].push(many()?);
            drop(collector);
        }
    }
    let none = median(&mut costs[0]).context("no rounds")?;
    print("syscalls/none", none, "ns a call", Limit::None, "");
    let added: Vec<_> = costs.iter_mut().map(|it| Some(median(it)? - none)).collect();
    let empty = added[1].context("no rounds")?;
    let base = format!("none {none:.0} ns, empty adds {empty:.0} ns");
    for ((name, _), added) in ways.iter().zip(&added).skip(1) {
        match added {
            Some(added) => {
                print(&format!("syscalls/{name}"), *added, "ns added a call", Limit::None, &base);
            }
            None => eprintln!("SKIPPED the comparison with {name}: it is not installed"),
        }
    }
    let target = added[2].context("no rounds")?;
    for (name, over, limit) in [
        ("target_over_empty", added[1], Limit::AtMost(1.35)),
        ("target_over_bpftrace", added[6], Limit::AtMost(0.5)),
        ("target_over_pair_by_hash", added[5], Limit::AtMost(0.25)),
    ] {
        let Some(over) = over else { continue };
        print(&format!("syscalls/{name}"), target / over, "x", limit, &base);
    }
    let timed = added[4].context("no rounds")? / empty;
    print("syscalls/timed_over_empty", timed, "x", Limit::None, &base);
    let crowd: Vec<_> = crowded.iter_mut().filter_map(|it| median(it)).collect();
    let (empty, target) = (crowd[1] - crowd[0], crowd[2] - crowd[0]);
    let base =
        format!("{THREADS} threads in one call: none {:.0} ns, empty adds {empty:.0} ns", crowd[0]);
    print("syscalls/target_of_two_threads", target, "ns added a call", Limit::None, &base);
    Ok(())
}

fn counted(mut profile: SyscallProfile, id: ProcessId) -> Result<Collector> {
    ensure!(profile.follow(id)?, "the process is gone");
    Ok(Some(Box::new(profile)))
}

/// CPU ns of one of so many calls.
fn one(calls: u32) -> f64 {
    let before = thread_cpu();
    for _ in 0..calls {
        black_box(rustix::process::getppid());
    }
    (thread_cpu() - before).as_nanos() as f64 / f64::from(calls)
}

/// The same, by several threads at once.
fn many() -> Result<f64> {
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(|| one(CALLS / 2))).collect();
    let mut sum = 0.0;
    for thread in threads {
        sum += thread.join().ok().context("a thread panicked")?;
    }
    Ok(sum / THREADS as f64)
}

/// What it takes to begin where there are many threads, each of which has to be sent the slower way.
fn among_many() -> Result<()> {
    let (stay, leave) = mpsc::channel::<()>();
    let leave = Arc::new(Mutex::new(leave));
    let wait = || {
        let leave = Arc::clone(&leave);
        let small = thread::Builder::new().stack_size(64 << 10);
        small.spawn(move || leave.lock().map(|leave| leave.recv()).is_ok())
    };
    let threads = (0..MANY).map(|_| wait()).collect::<Result<Vec<_>, _>>()?;
    let (begin, profile) = begin(identity(std::process::id())?)?;
    let before = thread_cpu();
    drop(profile);
    let end = format!("and {:.1} ms to end", (thread_cpu() - before).as_secs_f64() * 1e3);
    print(&format!("syscalls/begin_among_{MANY}_threads"), begin, "ms of CPU", Limit::None, &end);
    drop(stay);
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

/// CPU time in ms of counting from now on.
fn begin(id: ProcessId) -> Result<(f64, SyscallProfile)> {
    let before = thread_cpu();
    let mut profile = SyscallProfile::host()?;
    ensure!(profile.follow(id)?, "the process is gone");
    Ok(((thread_cpu() - before).as_secs_f64() * 1e3, profile))
}

/// What it takes to begin, and to read what was counted of one process.
fn windows() -> Result<()> {
    let own = identity(std::process::id())?;
    let (begin, mut profile) = begin(own)?;
    print("syscalls/begin", begin, "ms of CPU", Limit::None, "programs loaded and attached");

    let subjects = [Subject::Process(own)];
    let mut signals = Signals::default();
    let mut took = Duration::ZERO;
    for round in 0..READS {
        // Between two windows a program makes some calls.
        one(20);
        let now = Timestamp::from_secs(u64::from(round));
        signals.restart(now);
        let before = thread_cpu();
        profile.sample(now, Scope::Only(&subjects), &mut signals)?;
        took += thread_cpu() - before;
        let told = signals.as_slice().iter().any(|it| matches!(it.reading, Reading::Syscalls(_)));
        ensure!(told, "nothing was told");
    }
    let each = took.as_secs_f64() * 1e6 / f64::from(READS);
    print("syscalls/window", each, "us a process", Limit::AtMost(1.0), "");
    Ok(())
}
