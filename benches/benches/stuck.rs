//! What watching for stuck processes costs: 500 of them without a suspect, and one look at a suspect.
//!
//! Four in five are a single thread that sleeps; each fifth is a server at rest, with a thread that waits for input and four
//! that wait for work, for good: what a deadlock looks like from afar.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gadget_benches::{Limit, asked, identity, print};
use gadget_core::{
    Clock as _, Gadget as _, HostFacts, Plans, ProcessId, Reading, Scope, Signal, SignalProvider,
    Signals, Subject, SystemClock, World, thread_cpu,
};
use gadget_pathologist::Pathologist;
use gadget_signals::{Processes, ThreadReader, Waits};

const PROCESSES: usize = 500;
const SERVER_EVERY: usize = 5;
/// What a server at rest consists of.
const WORKERS: usize = 4;
/// How often the host is swept.
const EVERY: Duration = Duration::from_secs(10);
const SWEEPS: u32 = 12;
const LOOKS: u32 = 200;
/// Set for a process that is to be a server.
const ROLE: &str = "GADGET_BENCH_SERVER";

fn main() -> Result<()> {
    if std::env::var_os(ROLE).is_some() {
        return serve();
    }
    if !asked("stuck") {
        return Ok(());
    }
    let crowd = Crowd::gather()?;
    // Whoever has just begun to wait is no candidate yet.
    thread::sleep(EVERY);
    watch(Waits::host()?)?;
    look_at(crowd.a_server()?)
}

/// Sweeps as an agent does, only faster, and judges what is read.
fn watch(mut waits: Waits) -> Result<()> {
    let clock = SystemClock::new();
    let mut processes = Processes::detect()?;
    let mut pathologist = Pathologist::builder().build()?;
    let mut world = World::new(HostFacts::read("/proc".as_ref())?);
    let mut signals = Signals::default();
    let mut plans = Plans::default();
    let mut spent = [Duration::ZERO; 3];
    let mut suspects = 0;
    for sweep in 0..=SWEEPS {
        let now = clock.now();
        signals.restart(now);
        let began = thread_cpu();
        processes.sample(now, Scope::Everything, &mut signals)?;
        let listed = thread_cpu();
        waits.sample(now, Scope::Everything, &mut signals)?;
        let read = thread_cpu();
        let seen = signals.as_slice().iter();
        suspects += seen.filter(|it| matches!(it.reading, Reading::Threads(_))).count();
        for signal in &signals {
            world.observe(signal);
            pathologist.observe(signal);
        }
        plans.clear();
        let before = thread_cpu();
        pathologist.plan(now, &world, &mut plans);
        let judged = thread_cpu() - before;
        ensure!(plans.proposals().is_empty(), "a plan without a suspect: {:?}", plans.proposals());
        // The first one meets everybody.
        if sweep > 0 {
            spent[0] += listed - began;
            spent[1] += read - listed;
            spent[2] += judged;
        }
        thread::sleep(Duration::from_millis(300));
    }
    let share = |spent: Duration| 100.0 * spent.as_secs_f64() / (EVERY * SWEEPS).as_secs_f64();
    let [listing, reading, judging] = spent.map(share);
    let beside = format!(
        "each {} s; list {listing:.3}, threads {reading:.3}, judge {judging:.4}; {suspects} looks; {}",
        EVERY.as_secs(),
        waits.describe()
    );
    let all = listing + reading + judging;
    print("stuck/watch_500_processes", all, "% of a core", Limit::AtMost(0.3), &beside);
    Ok(())
}

/// One look at a server, as if it were a suspect.
fn look_at(server: ProcessId) -> Result<()> {
    let mut reader = ThreadReader::host()?;
    let mut pathologist = Pathologist::builder().build()?;
    let world = World::new(HostFacts::read("/proc".as_ref())?);
    let mut plans = Plans::default();
    let clock = SystemClock::new();
    let mut threads = 0;
    let began = thread_cpu();
    for _ in 0..LOOKS {
        let seen = reader.read(server)?.context("the server is there")?;
        threads = seen.threads.len();
        let reading = Reading::Threads(Box::new(seen));
        let at = clock.now();
        pathologist.observe(&Signal { at, subject: Subject::Process(server), reading });
        plans.clear();
        pathologist.plan(at, &world, &mut plans);
    }
    let each = (thread_cpu() - began).as_secs_f64() * 1e3 / f64::from(LOOKS);
    ensure!(threads == 1 + WORKERS, "{threads} threads");
    let beside = format!("{threads} threads, {LOOKS} looks, judged too");
    print("stuck/look_at_a_suspect", each, "ms", Limit::AtMost(1.0), &beside);
    Ok(())
}

/// Processes at rest that end with this one.
struct Crowd {
    servers: Vec<Child>,
    sleepers: Vec<Child>,
}

impl Crowd {
    fn gather() -> Result<Self> {
        let mut crowd = Self { servers: Vec::new(), sleepers: Vec::new() };
        let this = std::env::current_exe()?;
        for number in 0..PROCESSES {
            if number % SERVER_EVERY == 0 {
                let mut server = Command::new(&this);
                crowd.servers.push(server.env(ROLE, "1").stdin(Stdio::piped()).spawn()?);
            } else {
                crowd.sleepers.push(Command::new("sleep").arg("3600").spawn()?);
            }
        }
        Ok(crowd)
    }

    fn a_server(&self) -> Result<ProcessId> {
        identity(self.servers[0].id())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in self.servers.iter_mut().chain(&mut self.sleepers) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Workers that wait for work that never comes, until standard input closes.
fn serve() -> Result<()> {
    let work = Arc::new((Mutex::new(()), Condvar::new()));
    for _ in 0..WORKERS {
        let work = Arc::clone(&work);
        thread::spawn(move || {
            let idle = work.0.lock().expect("nobody panics");
            drop(work.1.wait_while(idle, |()| true));
        });
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
