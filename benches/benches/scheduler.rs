//! What watching the scheduler adds to each switch: two threads that hand a byte to each other on one processor, in CPU time
//! of both, by ways that take turns.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gadget_benches::{Limit, Sleeper, asked, identity, median, print};
use gadget_core::{Reading, Scope, SignalProvider as _, Signals, Subject, Timestamp, thread_cpu};
use gadget_signals::{CgroupLayout, SchedulerWatch};
use rustix::thread::{CpuSet, sched_setaffinity};

const ROUNDS: usize = 9;
/// Each is two switches.
const TURNS: u32 = 20_000;

fn main() -> Result<()> {
    if !asked("scheduler") {
        return Ok(());
    }
    let layout = CgroupLayout::detect().ok();
    let watch = || SchedulerWatch::host(layout.as_ref());
    match watch() {
        Ok(watch) => println!("{}", watch.describe()),
        Err(error) => {
            eprintln!("SKIPPED scheduler/*: {error}");
            return Ok(());
        }
    }
    let sleeper = Sleeper::start()?;
    let own = Subject::Process(identity(std::process::id())?);
    let other = Subject::Process(sleeper.id()?);
    // Of the topmost group, in which every task is: the whole way up, and a count at its end.
    let top = layout.as_ref().and_then(|layout| layout.id_of("/")).map(Subject::Cgroup);
    let ways = [
        ("none", Some(None)),
        ("no_target", Some(Some(other))),
        ("process", Some(Some(own))),
        ("cgroup", top.map(Some)),
    ];
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for ((_, way), costs) in ways.iter().zip(&mut costs) {
            let Some(followed) = way else { continue };
            let mut watch = watch()?;
            if let Some(subject) = followed {
                ensure!(watch.follow(*subject)?, "nobody is there to be followed");
            }
            costs.push(switches()?);
        }
    }
    let mut medians = costs.iter_mut().map(|costs| median(costs));
    let none = medians.next().flatten().context("no rounds")?;
    print("scheduler/none", none, "ns a switch", Limit::None, "two threads and a pipe");
    for ((name, _), cost) in ways.iter().skip(1).zip(medians) {
        let Some(cost) = cost else { continue };
        let base = format!("none {none:.0} ns: {:.3}x", cost / none);
        print(&format!("scheduler/{name}"), cost - none, "ns added a switch", Limit::None, &base);
    }
    for (name, subject) in [("process", Some(own)), ("cgroup", top)] {
        let Some(subject) = subject else { continue };
        let mut watch = watch()?;
        ensure!(watch.follow(subject)?, "nobody is there to be followed");
        by_the_kernel(name, &mut watch)?;
    }
    Ok(())
}

/// CPU ns of one of many switches, both threads together.
fn switches() -> Result<f64> {
    let (one, to_one) = std::io::pipe()?;
    let (other, to_other) = std::io::pipe()?;
    let partner = thread::spawn(move || turns(other, to_one, false));
    let own = thread::spawn(move || turns(one, to_other, true));
    let join = |thread: thread::JoinHandle<Result<Duration>>| {
        thread.join().ok().context("a thread panicked")?
    };
    let spent = join(own)? + join(partner)?;
    Ok(spent.as_nanos() as f64 / f64::from(2 * TURNS))
}

fn turns(mut from: PipeReader, mut to: PipeWriter, begins: bool) -> Result<Duration> {
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first)?;
    let mut byte = [0];
    let mut before = Duration::ZERO;
    for turn in 0..TURNS + TURNS / 10 {
        if turn == TURNS / 10 {
            before = thread_cpu();
        }
        if begins {
            to.write_all(&byte)?;
        }
        from.read_exact(&mut byte)?;
        if !begins {
            to.write_all(&byte)?;
        }
    }
    Ok(thread_cpu() - before)
}

/// What the provider itself says that it costs, from a second of many switches.
fn by_the_kernel(name: &str, watch: &mut SchedulerWatch) -> Result<()> {
    let mut signals = Signals::default();
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        signals.restart(Timestamp::from_secs(1));
        watch.sample(Timestamp::from_secs(1), Scope::Everything, &mut signals)?;
        let cost = signals.as_slice().iter().find_map(|signal| match &signal.reading {
            Reading::KernelCost(cost) if cost.runs > 0 => Some(cost),
            _ => None,
        });
        if let Some(cost) = cost {
            let each = cost.took.as_nanos() as f64 / cost.runs as f64;
            let core = cost.took.as_secs_f64() / cost.over.as_secs_f64() * 100.0;
            let base = format!("{} runs, {core:.1} % of a core", cost.runs);
            print(
                &format!("scheduler/{name}_run"),
                each,
                "ns a run of a program",
                Limit::None,
                &base,
            );
            return Ok(());
        }
        switches()?;
    }
    eprintln!("SKIPPED scheduler/{name}_run: the kernel gives no statistics");
    Ok(())
}
