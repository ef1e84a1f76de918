//! Log files: what a line costs that is read, and what files cost at rest.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gadget_benches::{Limit, asked, median, print};
use gadget_core::{
    LogBatch, LogFlags, LogInput as _, LogMeta, LogRead, SourceId, Timestamp, thread_cpu,
};
use gadget_signals::logs::{Start, Tail};

const LINES: usize = 500_000;
/// Bytes of a line without its break.
const LINE: usize = 140;
const ROUNDS: usize = 5;
const FILES: usize = 10_000;
/// How long files are at rest.
const REST: Duration = Duration::from_secs(25);

fn main() -> Result<()> {
    if !asked("tail") {
        return Ok(());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    read_one(folder.path())?;
    read_many(folder.path())?;
    for files in [1_000, 10_000] {
        rest(folder.path(), files)?;
    }
    Ok(())
}

/// One large file, beside a reader of the standard library that gives each line into the same kind of batch.
fn read_one(folder: &Path) -> Result<()> {
    let path = folder.join("one.log");
    let mut text = String::new();
    for line in 0..LINES {
        let start = text.len();
        write!(text, "2026-11-27T12:00:00.{line:09}Z INFO request served ")?;
        text.extend(std::iter::repeat_n('x', LINE + start - text.len()));
        text.push('\n');
    }
    fs::write(&path, text)?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let mut batch = LogBatch::default();
    for _ in 0..ROUNDS {
        let mut tail =
            Tail::builder().files(&path).checkpoint(folder.join("checkpoint")).build()?;
        let before = thread_cpu();
        ensure!(drain(&mut tail, &mut batch)? == LINES, "all lines");
        ours.push((thread_cpu() - before).as_secs_f64());
        fs::remove_file(folder.join("checkpoint"))?;

        let mut file = BufReader::with_capacity(64 << 10, File::open(&path)?);
        let before = thread_cpu();
        let (mut line, mut lines) = (Vec::new(), 0);
        let (source, at, flags) = (SourceId::OTHER, Timestamp::EPOCH, LogFlags::default());
        let meta = LogMeta { source, at, written: None, severity: None, flags };
        while file.read_until(b'\n', &mut line)? > 0 {
            batch.push(meta, &line[..line.len() - 1]);
            line.clear();
            lines += 1;
            if batch.is_full() {
                batch.clear();
            }
        }
        peers.push((thread_cpu() - before).as_secs_f64());
        ensure!(lines == LINES, "all lines");
    }
    let (Some(ours), Some(peer)) = (median(&mut ours), median(&mut peers)) else { return Ok(()) };
    let per_second = |seconds: f64| LINES as f64 / seconds / 1e6;
    let beside = format!("BufReader into the same batches: {:.1}", per_second(peer));
    let unit = "M lines of 140 bytes per second of CPU, committed";
    print("tail/one_file", per_second(ours), unit, Limit::AtLeast(2.0), &beside);
    print("tail/one_file_ratio", peer / ours, "x BufReader", Limit::AtLeast(0.8), "");
    fs::remove_file(path)?;
    Ok(())
}

/// Many files with a few lines each, of which most are closed again to spare descriptors.
fn read_many(folder: &Path) -> Result<()> {
    let folder = folder.join("many");
    fs::create_dir(&folder)?;
    let text = format!("{}\n", "x".repeat(LINE)).repeat(20);
    for file in 0..FILES {
        fs::write(folder.join(format!("{file}.log")), &text)?;
    }
    let mut tail = Tail::builder().files(folder.join("*.log")).descriptors(256).build()?;
    let mut batch = LogBatch::default();
    let before = thread_cpu();
    let lines = drain(&mut tail, &mut batch)?;
    let each = (thread_cpu() - before).as_secs_f64() * 1e6 / FILES as f64;
    ensure!(lines == 20 * FILES, "all lines, not {lines}");
    let beside = format!("{} open at the end", tail.stats().open);
    print("tail/ten_thousand_files", each, "us a file of 20 lines", Limit::AtMost(50.0), &beside);
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn drain(tail: &mut Tail, batch: &mut LogBatch) -> Result<usize> {
    let mut lines = 0;
    loop {
        batch.clear();
        if tail.read(batch, Duration::ZERO)? != LogRead::Lines {
            return Ok(lines);
        }
        lines += batch.len();
        tail.commit(lines as u64)?;
    }
}

/// Files to which nobody writes.
fn rest(folder: &Path, files: usize) -> Result<()> {
    let folder = folder.join("rest");
    fs::create_dir(&folder)?;
    for file in 0..files {
        fs::write(folder.join(format!("{file}.log")), "one line\n")?;
    }
    for (name, watch, most) in [("watched", true, 0.1), ("asked_twice_a_second", false, 5.0)] {
        let mut tail =
            Tail::builder().files(folder.join("*.log")).start(Start::End).watch(watch).build()?;
        let mut batch = LogBatch::default();
        drain(&mut tail, &mut batch)?;
        let (before, until) = (thread_cpu(), Instant::now() + REST);
        while Instant::now() < until {
            tail.read(&mut batch, Duration::from_secs(1))?;
        }
        let share = (thread_cpu() - before).as_secs_f64() / REST.as_secs_f64() * 100.0;
        let limit = Limit::AtMost(most * (files / 1000) as f64);
        let beside = format!("{} scans in {REST:?}", tail.stats().scans);
        print(&format!("tail/rest_{files}_{name}"), share, "% of one CPU", limit, &beside);
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}
