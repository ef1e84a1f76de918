//! How near the envelopes come to the exact answer, and what they save.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use gadget_core::{ProcessId, Telemetry, TelemetryLevel, Timestamp};
use gadget_envelope::{
    AggregateKind, AggregateRow, Envelope, ProcessRow, SketchEnvelope, TopNBatch,
};
use gadget_export::JsonLines;
use gadget_sketch::{Sketch, Summary};
use gadget_surveyor::settings::Settings;

use super::exact::{ExactWindow, quantile};
use super::replay::{Replayed, replay};

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];
/// Numbers that a backend keeps a series of for each process.
const NUMBERS_OF_A_PROCESS: usize = 8;
/// Numbers that it keeps of each sum: CPU in user space and in the kernel, memory, threads, count, reads, writes.
const NUMBERS_OF_A_SUM: usize = 7;

/// What is asked for; a report fails by what it does not reach.
mod asked {
    pub(super) const QUANTILE_ERROR: f64 = 0.0075;
    pub(super) const CAPTURE: f64 = 0.95;
    pub(super) const SERIES_CUT: f64 = 0.50;
    pub(super) const BYTES_CUT: f64 = 0.90;
}

/// The numbers of one recording.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) name: String,
    pub(crate) seconds: f64,
    pub(crate) windows: usize,
    pub(crate) least_processes: usize,
    pub(crate) most_processes: usize,
    pub(crate) created: u64,
    pub(crate) ended: u64,
    pub(crate) ephemeral: u64,
    pub(crate) lost: u64,
    /// The worst relative error of each quantile over all windows and metrics.
    pub(crate) errors: [f64; QUANTILES.len()],
    pub(crate) quantiles_compared: usize,
    /// Windows whose rows and sums do not add up to the totals, or whose parts differ from the exact ones.
    pub(crate) wrong_totals: usize,
    /// CPU time that was charged to processes over all windows, less what they used; and that, in nanoseconds.
    pub(crate) miscounted: i128,
    pub(crate) used: u64,
    /// Share of CPU and of memory that the rows hold: the least and the fifth percentile over the windows.
    pub(crate) capture_cpu: [f64; 2],
    pub(crate) capture_rss: [f64; 2],
    pub(crate) most_rows: u32,
    pub(crate) raw_series: usize,
    pub(crate) series: usize,
    pub(crate) raw_bytes: usize,
    pub(crate) bytes: usize,
    pub(crate) raw_gzip: usize,
    pub(crate) gzip: usize,
    pub(crate) cpu_ns_per_row: f64,
    pub(crate) diagnostics: BTreeMap<String, usize>,
}

/// Replays one recording in full, and again raw, and compares.
pub(crate) fn judge(path: &Path, settings: &Settings) -> anyhow::Result<Numbers> {
    let telemetry = settings.telemetry;
    let smart = replay(path, settings, telemetry)?;
    let raw = replay(path, settings, Telemetry { level: TelemetryLevel::Raw, ..telemetry })?;
    let (_, least_processes, most_processes) = smart.exact.size();
    let mut numbers = Numbers {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        seconds: smart.span.as_secs_f64(),
        least_processes,
        most_processes,
        cpu_ns_per_row: smart.cpu.as_nanos() as f64 / smart.rows.max(1) as f64,
        ..Numbers::default()
    };
    windows(&smart, &mut numbers)?;
    sizes(&smart, &raw, &mut numbers)?;
    for envelope in &smart.envelopes {
        match envelope {
            Envelope::Diag(diag) => {
                *numbers.diagnostics.entry(diag.event_type.clone()).or_default() += 1;
            }
            Envelope::Ephemeral(summary) => numbers.ephemeral += summary.exit_count,
            _ => {}
        }
    }
    Ok(numbers)
}

fn windows(smart: &Replayed, numbers: &mut Numbers) -> anyhow::Result<()> {
    let (mut cpu, mut rss) = (Vec::new(), Vec::new());
    let mut lost = BTreeMap::new();
    let (mut charged_in_all, mut span) = (0_i128, None);
    for envelope in &smart.envelopes {
        match envelope {
            Envelope::Process(process) => {
                let exact = window_of(smart, process.window_start_ns, process.window_end_ns)?;
                let batch = process.payload.as_ref().context("an envelope without payload")?;
                numbers.windows += 1;
                numbers.created += batch.created;
                numbers.ended += batch.terminated;
                numbers.most_rows = numbers.most_rows.max(batch.rows.len() as u32);
                let held = capture(batch);
                cpu.extend(held[0]);
                rss.extend(held[1]);
                numbers.wrong_totals += usize::from(!adds_up(batch, &exact));
                charged_in_all += charged(batch);
                let (from, to) = (process.window_start_ns, process.window_end_ns);
                span = Some(span.map_or((from, to), |(first, _)| (first, to)));
            }
            Envelope::Sketch(sketch) if sketch.key.is_empty() => {
                let exact = window_of(smart, sketch.window_start_ns, sketch.window_end_ns)?;
                compare(sketch, &exact, numbers)?;
            }
            Envelope::Ephemeral(summary) => {
                let delivery = summary.delivery.unwrap_or_default();
                lost.insert(summary.window_end_ns, delivery.lost_events);
            }
            _ => {}
        }
    }
    ensure!(numbers.windows > 0, "{} is shorter than a window", numbers.name);
    ensure!(numbers.quantiles_compared > 0, "{}: there was nothing to compare", numbers.name);
    if let Some((from, to)) = span {
        let used = smart.exact.used(Timestamp::from_nanos(from), Timestamp::from_nanos(to));
        numbers.miscounted = charged_in_all - i128::from(used);
        numbers.used = used;
    }
    numbers.lost = lost.values().sum();
    numbers.capture_cpu = least_and_fifth(cpu);
    numbers.capture_rss = least_and_fifth(rss);
    Ok(())
}

fn window_of(smart: &Replayed, from: u64, to: u64) -> anyhow::Result<ExactWindow> {
    let window = smart.exact.window(Timestamp::from_nanos(from), Timestamp::from_nanos(to));
    window.with_context(|| format!("no scan was taken at {from} or at {to}"))
}

/// What the rows hold of the CPU time and the memory of all processes; none where there was nothing to hold.
fn capture(batch: &TopNBatch) -> [Option<f64>; 2] {
    let held = batch
        .rows
        .iter()
        .fold((0, 0), |sum, row| (sum.0 + cpu_of_row(row), sum.1 + i128::from(row.rss_bytes)));
    let all = batch
        .tail
        .iter()
        .fold(held, |sum, row| (sum.0 + cpu_of_sum(row), sum.1 + i128::from(row.rss_bytes)));
    [(held.0, all.0), (held.1, all.1)]
        .map(|(held, all)| (all > 0).then(|| held as f64 / all as f64))
}

fn cpu_of_row(row: &ProcessRow) -> i128 {
    i128::from(row.cpu_user_ns) + i128::from(row.cpu_system_ns)
}

fn cpu_of_sum(row: &AggregateRow) -> i128 {
    i128::from(row.cpu_user_ns) + i128::from(row.cpu_system_ns)
}

/// Rows, sums and residual against the totals; and what is said of the living against the exact answer, one by one and in sum.
fn adds_up(batch: &TopNBatch, exact: &ExactWindow) -> bool {
    let living = || batch.rows.iter().filter(|row| !row.is(ProcessRow::ENDED));
    let each = living().all(|row| {
        let id = ProcessId { pid: row.process_id, start: row.start_ticks };
        exact.of.get(&id) == Some(&(row.cpu_user_ns + row.cpu_system_ns, row.rss_bytes))
    });
    let rss: i128 = living().map(|row| i128::from(row.rss_bytes)).sum::<i128>()
        + batch.tail.iter().map(|row| i128::from(row.rss_bytes)).sum::<i128>();
    let count =
        living().count() as u64 + batch.tail.iter().map(|row| row.process_count).sum::<u64>();
    each && batch.unaccounted() == (0, 0)
        && rss == i128::from(exact.sums().1)
        && count == exact.of.len() as u64
}

/// CPU time that was charged to processes, alive or not.
fn charged(batch: &TopNBatch) -> i128 {
    let unattributed = AggregateKind::Unattributed as i32;
    let residual = batch.residual.iter().filter(|row| row.kind != unattributed);
    batch.rows.iter().map(cpu_of_row).sum::<i128>()
        + batch.tail.iter().chain(residual).map(cpu_of_sum).sum::<i128>()
}

fn compare(
    sketch: &SketchEnvelope,
    exact: &ExactWindow,
    numbers: &mut Numbers,
) -> anyhow::Result<()> {
    let values = match sketch.metric_name.as_str() {
        name if name.contains("cpu") => exact.cpu_percent(),
        name if name.contains("rss") => exact.rss(),
        _ => return Ok(()),
    };
    ensure!(sketch.count == values.len() as u64, "{} has another count", sketch.metric_name);
    let histogram = sketch.histogram.as_ref().context("a sketch without histogram")?;
    let SketchEnvelope { sum, min, max, .. } = *sketch;
    let held = Sketch::from_proto(histogram, Some(Summary { sum, min, max }))?;
    for (q, worst) in QUANTILES.into_iter().zip(&mut numbers.errors) {
        let (Some(said), Some(is)) = (held.quantile(q), quantile(&values, q)) else { continue };
        let error = if is == 0.0 { said.abs() } else { ((said - is) / is).abs() };
        *worst = worst.max(error);
        numbers.quantiles_compared += 1;
    }
    Ok(())
}

/// Series that a backend would have to keep, and bytes on the wire.
fn sizes(smart: &Replayed, raw: &Replayed, numbers: &mut Numbers) -> anyhow::Result<()> {
    let (mut rows, mut sums, mut sketches) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut raw_rows = HashSet::new();
    for envelope in &smart.envelopes {
        match envelope {
            Envelope::Process(process) => {
                if let Some(batch) = &process.payload {
                    rows.extend(batch.rows.iter().map(|row| (row.process_id, row.start_ticks)));
                    let named = |row: &AggregateRow| {
                        let key: BTreeMap<_, _> = row.key.clone().into_iter().collect();
                        (row.process_display_name.clone(), key, row.kind)
                    };
                    sums.extend(batch.tail.iter().chain(&batch.residual).map(named));
                }
            }
            Envelope::Sketch(sketch) => {
                let key: BTreeMap<_, _> = sketch.key.clone().into_iter().collect();
                sketches.insert((sketch.metric_name.clone(), key));
            }
            _ => {}
        }
    }
    let mut lines = JsonLines::new(Vec::new());
    for envelope in &raw.envelopes {
        if let Envelope::Process(process) = envelope {
            let batch = process.payload.iter().flat_map(|batch| &batch.rows);
            raw_rows.extend(batch.map(|row| (row.process_id, row.start_ticks)));
            lines.write(envelope)?;
        }
    }
    let lines = lines.into_inner();
    numbers.series =
        rows.len() * NUMBERS_OF_A_PROCESS + sums.len() * NUMBERS_OF_A_SUM + sketches.len();
    numbers.raw_series = raw_rows.len() * NUMBERS_OF_A_PROCESS;
    numbers.bytes = smart.bytes;
    numbers.raw_bytes = lines.len();
    let mut bytes = Vec::new();
    for envelope in &smart.envelopes {
        envelope.encode_to(&mut bytes);
    }
    numbers.gzip = gzipped(&bytes)?;
    numbers.raw_gzip = gzipped(&lines)?;
    Ok(())
}

fn gzipped(bytes: &[u8]) -> anyhow::Result<usize> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn least_and_fifth(mut shares: Vec<f64>) -> [f64; 2] {
    shares.sort_by(f64::total_cmp);
    [0.0, 0.05].map(|q| quantile(&shares, q).unwrap_or(1.0))
}

impl Numbers {
    fn series_cut(&self) -> f64 {
        1.0 - self.series as f64 / self.raw_series.max(1) as f64
    }

    fn bytes_cut(&self) -> f64 {
        1.0 - self.bytes as f64 / self.raw_bytes.max(1) as f64
    }

    /// What it does not reach of what is asked for.
    pub(crate) fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let mut ask = |reached: bool, what: String| {
            if !reached {
                misses.push(format!("{}: {what}", self.name));
            }
        };
        for (q, error) in QUANTILES.into_iter().zip(self.errors) {
            ask(
                error <= asked::QUANTILE_ERROR * (1.0 + 1e-9),
                format!("p{} is off by {:.3} %", q * 100.0, error * 100.0),
            );
        }
        ask(self.wrong_totals == 0, format!("{} windows do not add up", self.wrong_totals));
        ask(
            self.miscounted == 0,
            format!("{} ns of CPU time more than were used", self.miscounted),
        );
        for (what, least) in [("CPU", self.capture_cpu[0]), ("memory", self.capture_rss[0])] {
            ask(
                least >= asked::CAPTURE,
                format!("a window holds only {:.1} % of {what}", least * 100.0),
            );
        }
        ask(
            self.series_cut() >= asked::SERIES_CUT,
            format!("only {:.1} % of the series saved", self.series_cut() * 100.0),
        );
        ask(
            self.bytes_cut() >= asked::BYTES_CUT,
            format!("only {:.1} % of the bytes saved", self.bytes_cut() * 100.0),
        );
        misses
    }
}

/// The report, in Markdown: a column for each recording.
pub(crate) fn table(all: &[Numbers]) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let least = |[least, fifth]: [f64; 2]| format!("{}, {}", percent(least), percent(fifth));
    let kb = |bytes: usize| format!("{:.1}", bytes as f64 / 1e3);
    let error = |at: usize| move |it: &Numbers| format!("{:.2} %", it.errors[at] * 100.0);
    type Cell<'a> = Box<dyn Fn(&Numbers) -> String + 'a>;
    let rows: Vec<(&str, Cell<'_>)> = vec![
        ("recorded, s; windows", Box::new(|it| format!("{:.0}; {}", it.seconds, it.windows))),
        (
            "processes at a scan",
            Box::new(|it| format!("{} to {}", it.least_processes, it.most_processes)),
        ),
        ("seen to begin; to end", Box::new(|it| format!("{}; {}", it.created, it.ended))),
        ("lived under 5 s; events lost", Box::new(|it| format!("{}; {}", it.ephemeral, it.lost))),
        ("worst error of p50", Box::new(error(0))),
        ("of p90", Box::new(error(1))),
        ("of p95", Box::new(error(2))),
        ("of p99", Box::new(error(3))),
        ("of p99.9", Box::new(error(4))),
        ("windows with a wrong number", Box::new(|it| it.wrong_totals.to_string())),
        (
            "CPU time charged less used, ns; of s",
            Box::new(|it| format!("{}; {:.1}", it.miscounted, it.used as f64 / 1e9)),
        ),
        ("CPU that the rows hold: least, p5", Box::new(|it| least(it.capture_cpu))),
        ("memory that the rows hold: least, p5", Box::new(|it| least(it.capture_rss))),
        ("rows at most", Box::new(|it| it.most_rows.to_string())),
        ("series: raw, sent", Box::new(|it| format!("{}, {}", it.raw_series, it.series))),
        ("saved", Box::new(|it| percent(it.series_cut()))),
        ("KB: raw JSON, sent", Box::new(|it| format!("{}, {}", kb(it.raw_bytes), kb(it.bytes)))),
        ("saved", Box::new(|it| percent(it.bytes_cut()))),
        ("gzipped, KB", Box::new(|it| format!("{}, {}", kb(it.raw_gzip), kb(it.gzip)))),
        ("CPU for a process and scan, ns", Box::new(|it| format!("{:.0}", it.cpu_ns_per_row))),
        (
            "events",
            Box::new(|it| {
                let each = it.diagnostics.iter().map(|(what, count)| format!("{count} {what}"));
                each.collect::<Vec<_>>().join(", ")
            }),
        ),
    ];
    let mut text = String::new();
    let mut line = |first: &str, cells: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(text, "| {first} | {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    line("", &mut all.iter().map(|it| it.name.clone()));
    line("---", &mut all.iter().map(|_| "---".to_owned()));
    for (what, cell) in &rows {
        line(what, &mut all.iter().map(cell));
    }
    text
}

/// Every recording in a folder, by name; or the file itself.
pub(crate) fn recordings(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "rec") {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "no recording in {}", path.display());
    found.sort();
    Ok(found)
}
