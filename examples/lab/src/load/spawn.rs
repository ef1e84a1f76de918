//! Workloads that are, or start, other programs.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Load, ready, until_closed};
use crate::size::Size;

/// Starts children until `max`, all in the process group of this one, and keeps them.
pub(super) fn storm(each: Size, every_ms: u64, max: u64) -> anyhow::Result<()> {
    rustix::process::setpgid(None, None)?;
    if !ready()? {
        return Ok(());
    }
    let child = Load::Hold { base: each, peak: Size(0), ramp: 1.0, churn: Size(0), seconds: 0.0 };
    let mut children: Vec<Child> = Vec::new();
    while (children.len() as u64) < max {
        let started = Command::new("/proc/self/exe")
            .arg0("lab")
            .args(["load", "--name", "export-job"])
            .args(child.args()?)
            // That of the lab: a child outlives the one that started it, and ends with the lab.
            .stdin(Stdio::inherit())
            .stdout(Stdio::null())
            .spawn();
        // A fork that fails for want of memory is part of a storm; the next one may work.
        children.extend(started.ok());
        thread::sleep(Duration::from_millis(every_ms));
    }
    until_closed()?;
    Ok(())
}

/// Becomes a JVM; returns only when that fails.
pub(super) fn java(
    classes: &Path,
    heap: Size,
    retained: Size,
    period: f64,
    times: u64,
    collect: bool,
) -> io::Error {
    Command::new("java")
        .arg(format!("-Xmx{}k", heap.0 >> 10))
        // The smallest JVM there is: one collector thread, one compiler, no files outside its directory.
        .args([
            "-Xms8m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Xshare:auto",
        ])
        .args([
            "-XX:MinHeapFreeRatio=10",
            "-XX:MaxHeapFreeRatio=25",
            "-XX:-ShrinkHeapInSteps",
            "-cp",
        ])
        .arg(classes)
        .args([
            "Churn",
            &retained.0.to_string(),
            &period.to_string(),
            &times.to_string(),
            &collect.to_string(),
        ])
        .exec()
}
