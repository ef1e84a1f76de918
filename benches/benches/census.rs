//! A census of 1,000 processes: CPU time by each source and by the `procfs` crate, one after the other in each round.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gadget_benches::{Herd, Limit, asked, median, print};
use gadget_core::testing::{Counting, allocations};
use gadget_core::{CensusSource, thread_cpu};
use gadget_signals::CensusProvider;
use procfs::process::{Process, all_processes};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PROCESSES: usize = 1_000;
const ROUNDS: usize = 15;
/// In the first censuses by files the users of all processes are looked at.
const SETTLED: usize = 10;

/// A source, and what it took in each round.
struct Way {
    provider: CensusProvider,
    source: CensusSource,
    spent: Vec<f64>,
}

fn main() -> Result<()> {
    Herd::be_one()?;
    if !asked("census") {
        return Ok(());
    }
    let _herd = Herd::of(PROCESSES).context("no herd")?;
    let mut ways = Vec::new();
    for source in [
        CensusSource::BpfWalk,
        CensusSource::BpfIterator,
        CensusSource::KeptFiles,
        CensusSource::Files,
    ] {
        match CensusProvider::by(source) {
            Ok(provider) => ways.push(Way {
                provider: provider.keep_open(keep(source))?,
                source,
                spent: Vec::new(),
            }),
            Err(error) => eprintln!("SKIPPED census/{}: {error}", source.name()),
        }
    }
    let mut listing = CensusProvider::by(CensusSource::KeptFiles)?.keep_open(PROCESSES * 2)?;
    let (mut four, mut stat) = (Vec::new(), Vec::new());
    let (mut listed, mut count) = (Vec::new(), 0);
    for round in 0..=SETTLED + ROUNDS {
        // Each right after one that does not count, so that all find the same in the processor's caches.
        let spend = |spent: &mut Vec<f64>, work: &mut dyn FnMut() -> Result<usize>| {
            work()?;
            let before = thread_cpu();
            let read = black_box(work()?);
            if round > SETTLED {
                spent.push(us(thread_cpu() - before));
            }
            ensure!(read >= PROCESSES, "{read} processes");
            anyhow::Ok(read)
        };
        if round >= SETTLED {
            spend(&mut four, &mut || Ok(by_crate(four_files)))?;
            spend(&mut stat, &mut || Ok(by_crate(stat_alone)))?;
        }
        for way in &mut ways {
            count = spend(&mut way.spent, &mut || Ok(way.provider.take()?.rows.len()))?;
        }
        // Where somebody has come since.
        let mut come = || {
            Herd::spawner(1)?.wait()?;
            let before = thread_cpu();
            listing.take()?;
            anyhow::Ok(us(thread_cpu() - before))
        };
        let spent = come()?;
        if round > SETTLED {
            listed.push(spent);
        }
    }
    let middle = |spent: &mut [f64]| median(spent).unwrap_or(f64::NAN);
    let (four, stat) = (middle(&mut four), middle(&mut stat));
    for Way { provider, source, spent } in &mut ways {
        let (name, spent) = (source.name(), middle(spent));
        let bpf = matches!(source, CensusSource::BpfWalk | CensusSource::BpfIterator);
        let files = if bpf { "stat + status + statm + io" } else { "stat alone" };
        let theirs = if bpf { four } else { stat };
        let beside = format!("{count} processes; procfs, {files}: {theirs:.0} us");
        let each = spent / count as f64;
        print(&format!("census/{name}_each"), each, "us a process", Limit::None, &beside);
        let least = match source {
            CensusSource::BpfWalk | CensusSource::BpfIterator => 60.0,
            CensusSource::KeptFiles => 3.0,
            CensusSource::Files => 1.8,
        };
        let times = theirs / spent;
        let (unit, limit) = ("x less CPU than procfs", Limit::AtLeast(least));
        print(&format!("census/{name}_ratio"), times, unit, limit, &beside);
        let before = allocations();
        let read = provider.take()?.rows.len();
        let calls = (allocations() - before) as f64;
        let unit = format!("of {read} processes");
        print(&format!("census/{name}_allocations"), calls, &unit, Limit::AtMost(0.0), "");
    }
    let beside = format!("{count} processes; procfs, stat alone: {stat:.0} us");
    let times = stat / middle(&mut listed);
    let name = "census/kept-files_where_one_process_has_come_ratio";
    print(name, times, "x less CPU than procfs", Limit::None, &beside);
    Ok(())
}

/// Files for all of them, whatever the limit's half is.
const fn keep(source: CensusSource) -> usize {
    if matches!(source, CensusSource::Files) { 0 } else { PROCESSES * 2 }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What the crate reads, of every process.
fn by_crate(read: impl Fn(&Process) -> Option<()>) -> usize {
    let processes = all_processes().into_iter().flatten().flatten();
    processes.filter_map(|it| read(&it)).count()
}

fn four_files(it: &Process) -> Option<()> {
    black_box((it.stat().ok()?, it.status().ok()?, it.statm().ok()?, it.io().ok()?));
    Some(())
}

fn stat_alone(it: &Process) -> Option<()> {
    black_box(it.stat().ok()?);
    Some(())
}
