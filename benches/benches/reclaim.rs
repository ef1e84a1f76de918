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
    // What `survive()` sets; the writers stay where they are.
    for (how, nice) in [("", 0), ("_at_nice_-20", -20)] {
        let mut delays = measure(&mut watch, &group, nice)?;
        delays.sort_unstable();
        let of = |share: usize| delays[delays.len() * share / 100].as_secs_f64() * 1e3;
        let beside = format!("{TRIES} tries; a poll each second is 500 ms late at its p50");
        let limit = if nice < 0 { Limit::AtMost(1.0) } else { Limit::None };
        print(&format!("reclaim/first_to_callback_p50{how}"), of(50), "ms", limit, &beside);
        print(&format!("reclaim/first_to_callback_p99{how}"), of(99), "ms", Limit::None, &beside);
    }
    Ok(())
}

/// The times from the first reclaim of each try to our callback, on a thread with this nice value.
fn measure(watch: &mut ReclaimWatch, group: &Group, nice: i32) -> Result<Vec<Duration>> {
    let clock = SystemClock::new();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            if nice != 0 {
                rustix::process::setpriority_process(None, nice)
                    .context("cannot set the nice value")?;
            }
            let mut delays = Vec::with_capacity(TRIES);
            for _ in 0..TRIES {
                thread::sleep(CALM);
                drain(watch, &clock)?;
                let mut load = group.load(-nice)?;
                let until = Instant::now() + Duration::from_secs(10);
                while !watch.wait(Duration::from_millis(500)).context("it streams")?? {
                    ensure!(Instant::now() < until, "no reclaim in 10 s");
                }
                drain(watch, &clock)?;
                delays.push(watch.delay().context("an event")?);
                load.wait()?;
            }
            Ok(delays)
        });
        waiting.join().map_err(|_| anyhow::anyhow!("the waiting thread panicked"))?
    })
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

    /// Writes the file, `nicer` than we are.
    fn load(&self, nicer: i32) -> Result<Child> {
        let (procs, file) = (self.dir.join("cgroup.procs"), self.file.path());
        let script = format!(
            "echo $$ > {} && exec nice -n {nicer} dd if=/dev/zero of={} bs=1M count=24 status=none",
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
