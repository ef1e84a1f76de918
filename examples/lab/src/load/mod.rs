//! The programs that use memory: one process each, small of its own, told everything by its arguments.
//!
//! A workload enters its cgroups, takes its starting size, prints `ready` and waits for a line on its standard input
//! before the incident begins. Standalone, `lab load leak --grow 200M --over 30` can be put into any container.

mod memory;
mod service;
mod spawn;

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::size::Size;

/// One workload process: where it lives, what it is called and what it does.
#[derive(Debug, Parser)]
#[command(name = "lab load", about = "Run one workload in this process")]
pub(crate) struct LoadArgs {
    /// A cgroup directory to enter first; may be given once per hierarchy.
    #[arg(long)]
    join: Vec<PathBuf>,
    /// The name shown by ps and top.
    #[arg(long)]
    name: Option<String>,
    #[command(subcommand)]
    load: Load,
}

/// What a workload does with memory.
#[derive(Clone, Debug, Serialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Load {
    /// Holds memory: `base` from the start, `peak` after the incident began.
    Hold {
        /// Size when ready.
        #[arg(long)]
        base: Size,
        /// Size to approach once told to go; the approach slows down, as filling a cache does.
        #[arg(long, default_value = "0")]
        peak: Size,
        /// Seconds the approach takes.
        #[arg(long, default_value_t = 1.0)]
        ramp: f64,
        /// Bytes that are allocated, used and freed over and over meanwhile.
        #[arg(long, default_value = "0")]
        churn: Size,
        /// Seconds to stay at the peak; 0 stays until standard input closes.
        #[arg(long, default_value_t = 0.0)]
        seconds: f64,
    },
    /// Grows until something stops it.
    Leak {
        /// Size when ready.
        #[arg(long, default_value = "4M")]
        base: Size,
        /// Bytes it grows in `over` seconds; it keeps on growing after that.
        #[arg(long)]
        grow: Size,
        /// Seconds.
        #[arg(long)]
        over: f64,
        /// How the rate changes.
        #[arg(long, value_enum, default_value_t = Shape::Linear)]
        shape: Shape,
        /// How uneven the steps are, 0 to 1.
        #[arg(long, default_value_t = 0.3)]
        jitter: f64,
        /// For the jitter.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Ignores SIGTERM.
        #[arg(long)]
        ignore_term: bool,
        /// The size at which it gives up and exits, so that a host without a limit survives.
        #[arg(long)]
        cap: Size,
    },
    /// Grows, stays, frees; some times.
    Burst {
        /// Size when ready, and between bursts.
        #[arg(long)]
        base: Size,
        /// Size at the top.
        #[arg(long)]
        peak: Size,
        /// Seconds from base to peak.
        #[arg(long)]
        ramp: f64,
        /// Seconds at the peak.
        #[arg(long)]
        hold: f64,
        /// Seconds between bursts.
        #[arg(long)]
        gap: f64,
        /// How many bursts.
        #[arg(long)]
        times: u64,
    },
    /// Reads, and on a plain file first writes, far more than fits.
    Cache {
        /// A file to make, or a block device to read.
        #[arg(long)]
        path: PathBuf,
        /// Bytes per pass.
        #[arg(long)]
        bytes: Size,
        /// Passes.
        #[arg(long)]
        passes: u64,
    },
    /// Starts children that hold memory, faster and faster than anyone can name them.
    Storm {
        /// Bytes of each child.
        #[arg(long)]
        each: Size,
        /// Milliseconds between two.
        #[arg(long)]
        every_ms: u64,
        /// It stops at this many.
        #[arg(long)]
        max: u64,
    },
    /// Answers requests over a Unix socket, touching all of its working set for each.
    Service {
        /// Where to listen.
        #[arg(long)]
        socket: PathBuf,
        /// Bytes that each request touches.
        #[arg(long)]
        working_set: Size,
        /// Bytes that each request allocates and frees.
        #[arg(long)]
        scratch: Size,
    },
    /// A JVM that fills and drops a cache.
    Java {
        /// Where `Churn.class` is.
        #[arg(long)]
        classes: PathBuf,
        /// `-Xmx`.
        #[arg(long)]
        heap: Size,
        /// Bytes retained at the top of a cycle.
        #[arg(long)]
        retained: Size,
        /// Seconds per cycle.
        #[arg(long)]
        period: f64,
        /// Cycles.
        #[arg(long)]
        times: u64,
        /// Asks for a full collection after each cycle, so that the heap shrinks too.
        #[arg(long)]
        collect: bool,
    },
}

/// How the rate of a leak changes with time.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// The same rate throughout.
    Linear,
    /// Exponential: the last quarter of the time brings most of the bytes.
    Accelerating,
}

impl Load {
    /// The command line that starts this workload: kind, then one `--flag value` per field.
    pub(crate) fn args(&self) -> anyhow::Result<Vec<String>> {
        let value = serde_json::to_value(self)?;
        let (kind, fields) =
            value.as_object().and_then(|o| o.iter().next()).context("a workload is a map")?;
        let mut args = vec![kind.clone()];
        for (field, value) in fields.as_object().context("a workload has fields")? {
            let flag = format!("--{}", field.replace('_', "-"));
            match value {
                serde_json::Value::Bool(true) => args.push(flag),
                serde_json::Value::Bool(false) => {}
                serde_json::Value::String(text) => args.extend([flag, text.clone()]),
                other => args.extend([flag, other.to_string()]),
            }
        }
        Ok(args)
    }

    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Hold { base, peak, ramp, churn, seconds } => {
                memory::hold(base.0, peak.0, ramp, churn.0, seconds)
            }
            Self::Leak { base, grow, over, shape, jitter, seed, ignore_term, cap } => {
                if ignore_term {
                    crate::sys::ignore_term();
                }
                memory::leak(&memory::Leak {
                    base: base.0,
                    grow: grow.0,
                    over,
                    shape,
                    jitter,
                    seed,
                    cap: cap.0,
                })
            }
            Self::Burst { base, peak, ramp, hold, gap, times } => {
                memory::burst(&memory::Burst { base: base.0, peak: peak.0, ramp, hold, gap, times })
            }
            Self::Cache { path, bytes, passes } => memory::cache(&path, bytes.0, passes),
            Self::Storm { each, every_ms, max } => spawn::storm(each, every_ms, max),
            Self::Service { socket, working_set, scratch } => {
                service::serve(&socket, working_set.0, scratch.0)
            }
            Self::Java { classes, heap, retained, period, times, collect } => {
                Err(spawn::java(&classes, heap, retained, period, times, collect).into())
            }
        }
    }
}

/// Runs the workload that `args` (after `load`) describe, in this process.
pub(crate) fn main(args: LoadArgs) -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    for directory in &args.join {
        fs::write(directory.join("cgroup.procs"), &pid)
            .with_context(|| format!("cannot enter {}", directory.display()))?;
    }
    if let Some(name) = &args.name {
        rustix::thread::set_name(&std::ffi::CString::new(name.as_str())?)?;
    }
    args.load.run()
}

/// Says that the starting size is reached, and waits for the incident to begin.
///
/// Returns `false` when standard input closed instead: the lab is gone or wants this process to end.
fn ready() -> io::Result<bool> {
    let mut out = io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()?;
    Ok(io::stdin().lock().read_line(&mut String::new())? > 0)
}

/// Waits until standard input closes.
fn until_closed() -> io::Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
}

/// Calls `step` with the seconds since the start, every 50 ms, until it returns `false`.
fn paced(mut step: impl FnMut(f64) -> io::Result<bool>) -> io::Result<()> {
    let start = Instant::now();
    while step(start.elapsed().as_secs_f64())? {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_reads_back_from_its_own_command_line() {
        let leak = Load::Leak {
            base: Size(4 << 20),
            grow: Size(200 << 20),
            over: 30.5,
            shape: Shape::Accelerating,
            jitter: 0.25,
            seed: 7,
            ignore_term: true,
            cap: Size(1 << 30),
        };
        let args = leak.args().unwrap();
        let line = ["load".to_owned(), "--name".into(), "x".into()].into_iter().chain(args);
        let parsed = LoadArgs::try_parse_from(line).unwrap();
        assert_eq!(format!("{:?}", parsed.load), format!("{leak:?}"));
    }
}
