//! From the first reclaim of a cgroup to our callback, beside pollers of pressure.
//!
//! A file that is larger than the cgroup's limit is written in it again and again; each try begins after a calm, so that the
//! event is a first one.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gadget_benches::{Limit, asked, print};
use gadget_core::{CgroupVersion, Clock as _, Scope, SignalProvider as _, Signals, SystemClock};
use gadget_signals::{CgroupLayout, ReclaimWatch};

const TRIES: usize = 40;
/// Longer than the programs keep quiet about the same cgroup.
const CALM: Duration = Duration::from_millis(200);
const LIMIT: u64 = 8 << 20;

fn main() -> Result<()> {
    if !asked("reclaim") {
        return Ok(());
    }
    let layout = CgroupLayout::detect()?;
    let mut watch = match ReclaimWatch::host(Some(&layout)) {
        Ok(watch) => watch,
        Err(error) => {
            println!("SKIPPED: {error}");
            return Ok(());
        }
    };
    let group = Group::new(&layout)?;
    let clock = SystemClock::new();
    let mut delays = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        thread::sleep(CALM);
        drain(&mut watch, &clock)?;
        let mut load = group.load()?;
        let until = Instant::now() + Duration::from_secs(10);
        while !watch.wait(Duration::from_millis(500)).context("it streams")?? {
            ensure!(Instant::now() < until, "no reclaim in 10 s");
        }
        drain(&mut watch, &clock)?;
        delays.push(watch.delay().context("an event")?);
        load.wait()?;
    }
    delays.sort_unstable();
    let of = |share: usize| delays[(delays.len() * share / 100).min(delays.len() - 1)].as_secs_f64() * 1e3;
    let beside = format!("{TRIES} tries; a poll each second is 500 ms late at its p50");
    print("reclaim/first_to_callback_p50", of(50), "ms", Limit::AtMost(1.0), &beside);
    print("reclaim/first_to_callback_p99", of(99), "ms", Limit::None, &beside);
    Ok(())
}

fn drain(watch: &mut ReclaimWatch, clock: &SystemClock) -> Result<()> {
    let now = clock.now();
    Ok(watch.sample(now, Scope::Everything, &mut Signals::at(now))?)
}

/// A cgroup with a limit, and a file in memory of its own to write.
struct Group {
    dir: std::path::PathBuf,
    file: tempfile::NamedTempFile,
}

impl Group {
    fn new(layout: &CgroupLayout) -> Result<Self> {
        let dir = layout.root().join(format!("gadget-bench-{}", std::process::id()));
        fs::create_dir(&dir).context("cannot make a cgroup")?;
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let group = Self { dir, file };
        let limit = match layout.version() {
            CgroupVersion::V1 => "memory.limit_in_bytes",
            CgroupVersion::V2 => "memory.max",
        };
        fs::write(group.dir.join(limit), LIMIT.to_string())?;
        Ok(group)
    }

    fn load(&self) -> Result<Child> {
        let (procs, file) = (self.dir.join("cgroup.procs"), self.file.path());
        let script = format!(
            "echo $$ > {} && exec dd if=/dev/zero of={} bs=1M count=24 status=none",
            procs.display(),
            file.display()
        );
        Ok(Command::new("sh").args(["-c", &script]).spawn()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
