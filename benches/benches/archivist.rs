//! The Archivist's memory on the shared logs: what a line costs to keep, how small it gets, and how long it takes to send two minutes
//! of 100,000 lines a second.
//!
//! The corpus is smaller than two minutes, so it is repeated with everything changed that changes: in each round a word with a digit
//! becomes another of its shape, the same word the same one. Within a round words recur as often as they did where the lines come from;
//! from round to round only the fixed text does. Every line has its own time.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use gadget_archivist::flush::{FileSink, Kept};
use gadget_archivist::{Archive, ArchiveCounts, ArchiveSettings, LogWatch};
use gadget_benches::{Limit, asked, print};
use gadget_core::{
    FlushRequest, LogBatch, LogFlags, LogMeta, LogSource, LogSources, PlanId, Severity, SourceId,
    Timestamp, thread_cpu,
};

/// Lines a second, and for how long.
const RATE: u64 = 100_000;
const SECONDS: u64 = 120;

/// The corpora: a name, its files, and the field that names the service.
const CORPORA: [(&str, &[&str], &str, &str); 2] = [
    (
        "replay",
        &[
            "log_replay/fault_free.jsonl.gz",
            "log_replay/fault04.jsonl.gz",
            "log_replay/fault15.jsonl.gz",
            "log_replay/fault26.jsonl.gz",
            "log_replay/fault37.jsonl.gz",
        ],
        "service",
        "line",
    ),
    ("plain", &["pii/plain_dev.jsonl"], "src", "text"),
];

fn main() -> Result<()> {
    let data = std::env::var_os("GADGET_DATA").unwrap_or_else(|| "../../shared/data".into());
    for (name, files, service, text) in CORPORA {
        if !asked(&format!("archivist/{name}")) {
            continue;
        }
        let paths: Vec<PathBuf> = files.iter().map(|file| Path::new(&data).join(file)).collect();
        if let Some(absent) = paths.iter().find(|path| !path.is_file()) {
            println!("SKIPPED archivist/{name}: the shared corpus has no {}", absent.display());
            continue;
        }
        let mut lines = Vec::new();
        for path in &paths {
            read(path, service, text, &mut lines)?;
        }
        measure(name, &lines)?;
    }
    Ok(())
}

type Line = (String, Vec<u8>);

fn read(path: &Path, service: &str, text: &str, to: &mut Vec<Line>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let plain: Box<dyn Read> = match path.extension() {
        Some(end) if end == "gz" => Box::new(GzDecoder::new(file)),
        _ => Box::new(file),
    };
    for line in BufReader::new(plain).lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        let field = |name: &str| value[name].as_str().map(ToOwned::to_owned);
        to.push((
            field(service).context("no service")?,
            field(text).context("no text")?.into_bytes(),
        ));
    }
    Ok(())
}

fn measure(name: &str, lines: &[Line]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut archive, _) = Archive::open(folder.path().join("ring"), ArchiveSettings::default())?;
    let (sources, mut watch) = (LogSources::default(), LogWatch::default());
    let ids: BTreeMap<&str, SourceId> = lines
        .iter()
        .map(|(service, _)| {
            let source = LogSource { service: service.as_str().into(), ..LogSource::default() };
            (service.as_str(), sources.id(&source))
        })
        .collect();
    let begin = Timestamp::from_secs(1_800_000_000);
    let (mut batch, mut text) = (LogBatch::default(), Vec::new());
    let (mut appending, mut watching) = (Duration::ZERO, Duration::ZERO);
    let all = RATE * SECONDS;
    let mut at_first = None;
    for nth in 0..all {
        let place = (nth % lines.len() as u64) as usize;
        let (service, line) = &lines[place];
        renew(line, nth / lines.len() as u64, &mut text);
        let meta = LogMeta {
            source: ids[service.as_str()],
            at: begin + Duration::from_nanos(nth * 1_000_000_000 / RATE),
            written: None,
            severity: Some(if place.is_multiple_of(20) { Severity::Warn } else { Severity::Info }),
            flags: LogFlags::default(),
        };
        batch.push(meta, &text);
        if batch.is_full() || nth + 1 == all {
            let start = thread_cpu();
            let templates = watch.observe(&batch, &sources);
            let watched = thread_cpu();
            archive.append_batch(&batch, &sources, templates);
            (watching, appending) =
                (watching + (watched - start), appending + (thread_cpu() - watched));
            batch.clear();
        }
        if place + 1 == lines.len() && at_first.is_none() {
            at_first = Some(archive.counts());
        }
    }
    report(name, &archive, all, appending, watching, at_first);
    send(name, &archive, &watch, begin, folder.path())
}

fn report(
    name: &str,
    archive: &Archive,
    lines: u64,
    appending: Duration,
    watching: Duration,
    first: Option<ArchiveCounts>,
) {
    let counts = archive.counts();
    let per_line = |spent: Duration| spent.as_nanos() as f64 / lines as f64;
    let share = per_line(appending) * RATE as f64 / 1e7;
    let beside = format!(
        "{:.0} ns a line, by {:.0} bytes",
        per_line(appending),
        counts.bytes as f64 / lines as f64
    );
    print(
        &format!("archivist/{name}/append"),
        share,
        "% of a core at 100,000 lines/s",
        Limit::AtMost(15.0),
        &beside,
    );
    let beside = "times, lengths, severities, flags, templates; pages' heads are within the ratio";
    let heads = counts.heads as f64 / lines as f64;
    print(&format!("archivist/{name}/overhead"), heads, "B a line", Limit::AtMost(16.0), beside);
    let share = per_line(watching) * RATE as f64 / 1e7;
    print(
        &format!("archivist/{name}/watch"),
        share,
        "% of a core at 100,000 lines/s",
        Limit::None,
        "mining templates",
    );
    if let Some(first) = first.filter(|first| first.packed > 0) {
        let ratio = first.raw as f64 / first.packed as f64;
        print(
            &format!("archivist/{name}/ratio_unchanged"),
            ratio,
            "to 1",
            Limit::None,
            "frames of the corpus as it is",
        );
    }
    let ratio = counts.raw as f64 / counts.packed as f64;
    let kept = counts.bytes as f64 * (lines - counts.evicted) as f64
        / lines as f64
        / archive.used().get() as f64;
    let beside = format!(
        "frames; {kept:.2} with pages and raw chains; {} lines of {lines} went early",
        counts.evicted
    );
    print(&format!("archivist/{name}/ratio"), ratio, "to 1", Limit::AtLeast(6.0), &beside);
}

fn send(
    name: &str,
    archive: &Archive,
    watch: &LogWatch,
    begin: Timestamp,
    folder: &Path,
) -> Result<()> {
    let request = FlushRequest {
        plan: PlanId(1),
        from: begin,
        until: begin + Duration::from_secs(SECONDS),
        reason: "a bench".into(),
        about: "host".into(),
    };
    // Until it is on storage, and nothing can take it any more...
    let (wall, cpu) = (Instant::now(), thread_cpu());
    let kept = Kept::keep(archive, &request, watch, folder)?;
    let (wall, cpu) = (wall.elapsed(), thread_cpu() - cpu);
    let summary = kept.summary();
    let beside = format!(
        "until it is on storage: {:.2} s of CPU for {} lines, {} MB, {} templates first",
        cpu.as_secs_f64(),
        summary.lines,
        kept.path().metadata()?.len() / 1_000_000,
        summary.news.len(),
    );
    print(&format!("archivist/{name}/flush"), wall.as_secs_f64(), "s", Limit::AtMost(2.0), &beside);
    // ...and until whoever reads it can, which may take its time.
    let mut sink = FileSink::new(folder);
    let (wall, cpu) = (Instant::now(), thread_cpu());
    kept.send(&mut sink, 1.0)?;
    let (wall, cpu) = (wall.elapsed(), thread_cpu() - cpu);
    let beside =
        format!("{:.2} s of wall time for {} MB", wall.as_secs_f64(), sink.written() / 1_000_000);
    let cpu = cpu.as_secs_f64();
    print(&format!("archivist/{name}/flush_written"), cpu, "s of CPU", Limit::None, &beside);
    kept.done()?;
    Ok(())
}

/// The line as it is in another round: each word that has a digit becomes another of its shape.
fn renew(line: &[u8], round: u64, to: &mut Vec<u8>) {
    to.clear();
    for word in line.chunk_by(|a, b| a.is_ascii_alphanumeric() == b.is_ascii_alphanumeric()) {
        if round == 0 || !word.iter().any(u8::is_ascii_digit) {
            to.extend_from_slice(word);
            continue;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(round);
        hasher.write(word);
        let mut random = hasher.finish();
        let hex = word.len() >= 8 && word.iter().all(u8::is_ascii_hexdigit);
        to.extend(word.iter().map(|&byte| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let drawn = (random >> 33) as u8;
            match byte {
                b'0'..=b'9' | b'a'..=b'f' if hex => b"0123456789abcdef"[usize::from(drawn % 16)],
                b'0'..=b'9' => b'0' + drawn % 10,
                other => other,
            }
        }));
    }
}
