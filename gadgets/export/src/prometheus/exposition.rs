//! What is shown, and how envelopes change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gadget_envelope::{Envelope, HostTotals, Mode, ProcessEnvelope};
use parking_lot::Mutex;

use super::counts::Counts;
use super::groups::{Groups, seconds};
use super::lifecycle::Lifecycle;
use super::sketches::Sketches;
use super::text::{Text, sanitized};

/// How many series there may be at most, whatever is absorbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processes with series of their own, 10 each. Default 100; all others are shown as one sum.
    pub rows: usize,
    /// Groups with series of their own, 11 each. Default 264: the 256 of the tail, and the residual.
    pub groups: usize,
    /// Distributions, 6 series each. Default 256; others are counted as left out.
    pub sketches: usize,
    /// Names of short-lived processes, 5 series each; and kinds of diagnostic events. Default 256.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 100, groups: 264, sketches: 256, names: 256 }
    }
}

/// Whether a metric only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It goes up and down.
    Gauge,
    /// It only rises, until the agent begins anew; its name ends in `_total`.
    Counter,
}

/// One number about the agent itself.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentMetric {
    /// `agent_` is put before it, unless it is there: `cpu_seconds_total`. Metrics of one name are one family.
    pub name: String,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// Whether it only rises.
    pub kind: MetricKind,
    /// Names and values, for example the module.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
}

/// What the last window said, and what was counted since the agent began. Clones are the same.
#[derive(Clone, Default)]
pub struct Exposition(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    limits: Limits,
    window: Option<Window>,
    counts: Counts,
    sketches: Sketches,
    lifecycle: Lifecycle,
    /// By family; in it by labels.
    agent: BTreeMap<String, Family>,
}

struct Family {
    help: &'static str,
    kind: MetricKind,
    samples: BTreeMap<BTreeMap<String, String>, f64>,
}

/// The last window, without rows.
struct Window {
    /// The envelope, its payload taken out.
    envelope: ProcessEnvelope,
    totals: HostTotals,
    groups: Groups,
    n_effective: u32,
    k_total: u32,
    bypassed: bool,
    capture: [(&'static str, Option<f64>); 2],
    scan_source: String,
}

impl Exposition {
    /// With other limits than the default ones.
    #[must_use]
    pub fn with(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Shown { limits, ..Default::default() })))
    }

    /// Takes in what an envelope says. One that is not [valid](Envelope::validate) may lead to wrong numbers, and to nothing worse.
    pub fn absorb(&self, envelope: &Envelope) {
        // What is replaced is freed after the lock.
        let _before = match envelope {
            Envelope::Process(it) => {
                let limits = self.0.lock().limits;
                let window = Window::of((**it).clone(), &limits);
                let mut shown = self.0.lock();
                shown.counts.add(it);
                let before = shown.window.replace(window);
                if let Some(before) = &before {
                    // Those of the new window may be yet to come: until then the last ones are shown.
                    shown.sketches.forget(before.envelope.window_start_ns);
                }
                before
            }
            Envelope::Sketch(it) => {
                let shown = &mut *self.0.lock();
                shown.sketches.absorb(it, shown.limits.sketches);
                None
            }
            Envelope::Diag(it) => {
                let shown = &mut *self.0.lock();
                shown.lifecycle.count(it, shown.limits.names);
                None
            }
            Envelope::Ephemeral(it) => {
                let shown = &mut *self.0.lock();
                shown.lifecycle.absorb(it, shown.limits.names);
                None
            }
        };
    }

    /// Puts these numbers about the agent in the place of those before. Of two with the same name and labels the last counts.
    pub fn set_agent(&self, metrics: impl IntoIterator<Item = AgentMetric>) {
        let mut families = BTreeMap::new();
        for AgentMetric { name, help, kind, labels, value } in metrics {
            let mut name = sanitized(&name);
            if !name.starts_with("agent_") {
                name.insert_str(0, "agent_");
            }
            let labels =
                labels.into_iter().map(|(name, value)| (sanitized(&name), value)).collect();
            let family = families.entry(name).or_insert_with(|| Family {
                help,
                kind,
                samples: BTreeMap::new(),
            });
            family.samples.insert(labels, value);
        }
        self.0.lock().agent = families;
    }

    /// All of it, in the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Text::default();
        let shown = self.0.lock();
        if let Some(window) = &shown.window {
            window.write(&mut text);
        }
        shown.counts.write(&mut text);
        shown.sketches.write(&mut text);
        let name = "surveyor_sketches_left_out_total";
        let help =
            "Distributions that are not shown, for there were too many or they were not readable.";
        text.single(name, COUNTER, help, shown.sketches.left_out as f64);
        shown.lifecycle.write(&mut text);
        for (name, family) in &shown.agent {
            let kind = match family.kind {
                MetricKind::Gauge => GAUGE,
                MetricKind::Counter => COUNTER,
            };
            text.family(name, kind, family.help);
            for (labels, value) in &family.samples {
                let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                text.sample(name, "", labels, *value);
            }
        }
        text.finish()
    }
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

impl Window {
    fn of(mut envelope: ProcessEnvelope, limits: &Limits) -> Self {
        let mut batch = envelope.payload.take().unwrap_or_default();
        Self {
            totals: batch.totals.unwrap_or_default(),
            n_effective: batch.n_effective,
            k_total: batch.k_total,
            bypassed: batch.bypassed,
            capture: [("cpu", batch.capture_cpu), ("rss", batch.capture_rss)],
            scan_source: std::mem::take(&mut batch.scan_source),
            groups: Groups::of(batch, limits),
            envelope,
        }
    }

    fn write(&self, text: &mut Text) {
        let it = &self.envelope;
        let mode = match it.mode() {
            Mode::Unspecified => "unknown",
            Mode::Raw => "raw",
            Mode::Smart => "smart",
            Mode::Bypass => "bypass",
            Mode::Heartbeat => "heartbeat",
        };
        text.family("surveyor_info", GAUGE, "Who reports what in which form; always 1.");
        let labels = [
            ("entity_guid", it.entity_guid.as_str()),
            ("host_id", &it.host_id),
            ("agent_version", &it.agent_version),
            ("schema_version", &it.schema_version),
            ("config_version", &it.config_version),
            ("mode", mode),
            ("scan_source", &self.scan_source),
        ];
        text.sample("surveyor_info", "", labels, 1.0);
        let name = "topn_capture_ratio";
        text.family(name, GAUGE, "Share of all processes that the rows hold in the last window.");
        for (resource, share) in self.capture {
            if let Some(share) = share {
                text.sample(name, "", [("resource", resource)], share);
            }
        }
        let length = it.window_end_ns.saturating_sub(it.window_start_ns);
        let totals = &self.totals;
        let io = totals.io.unwrap_or_default();
        for (name, help, value) in [
            ("end_timestamp_seconds", "When the last window ended.", seconds(it.window_end_ns)),
            ("seconds", "How long the last window was.", seconds(length)),
            (
                "cpu_seconds",
                "CPU time of all processes in the last window.",
                seconds(totals.cpu_ns),
            ),
            (
                "busy_seconds",
                "Time in the last window that processors were not idle.",
                seconds(totals.busy_ns),
            ),
            ("resident_bytes", "Resident memory of all processes.", totals.rss_bytes as f64),
            ("processes", "Processes at the window's end.", f64::from(self.k_total)),
            ("threads", "Their threads.", totals.threads as f64),
            ("read_bytes", "Bytes read from storage.", io.read_bytes as f64),
            ("written_bytes", "Bytes written to storage.", io.write_bytes as f64),
            ("rows", "Rows that the ranking aimed at.", f64::from(self.n_effective)),
            ("bypassed", "1 if nothing was ranked.", f64::from(u8::from(self.bypassed))),
            ("degradation_level", "Steps down the ladder.", f64::from(it.degradation_level)),
            (
                "clock_offset_seconds",
                "How far the clock was set since the agent began.",
                it.clock_offset_ns as f64 / 1e9,
            ),
        ] {
            text.single(&format!("surveyor_window_{name}"), GAUGE, help, value);
        }
        self.groups.write(text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gadget_envelope::{
        AgentDiagEvent, AggregateKind, AggregateRow, ProcessEphemeralSummary, ProcessRow,
        SketchEnvelope, TopNBatch,
    };
    use gadget_sketch::proto::{DdSketch, IndexMapping};

    use super::*;

    fn window(seq: u64, rows: u32, groups: u32) -> Envelope {
        let row = |pid| ProcessRow { process_id: pid, cpu_user_ns: 1, ..Default::default() };
        let sum = |at: u32| AggregateRow {
            process_display_name: at.to_string(),
            kind: AggregateKind::Tail.into(),
            ..Default::default()
        };
        let batch = TopNBatch {
            rows: (1..=rows).map(row).collect(),
            tail: (0..groups).map(sum).collect(),
            totals: Some(HostTotals { cpu_ns: 1_000_000_000, ..Default::default() }),
            ..Default::default()
        };
        ProcessEnvelope {
            payload: Some(batch),
            window_start_ns: seq * 10,
            window_end_ns: (seq + 1) * 10,
            dropped_envelopes: seq,
            ..Default::default()
        }
        .into()
    }

    fn sketch(metric: &str, key: u32, window: u64) -> Envelope {
        let mapping = Some(IndexMapping { gamma: 1.0075 / 0.9925, ..Default::default() });
        SketchEnvelope {
            metric_name: metric.into(),
            key: [("user".to_owned(), key.to_string())].into(),
            histogram: Some(DdSketch { mapping, zero_count: 2.0, ..Default::default() }),
            count: 2,
            window_end_ns: (window + 1) * 10,
            ..Default::default()
        }
        .into()
    }

    /// The series, without their values; none twice.
    fn series(exposition: &Exposition) -> BTreeSet<String> {
        let text = exposition.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let series: BTreeSet<_> =
            lines.iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        assert_eq!(series.len(), lines.len());
        series
    }

    fn value(exposition: &Exposition, series: &str) -> Option<f64> {
        let text = exposition.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    #[test]
    fn series_stay_bounded_whatever_is_absorbed() {
        let exposition = Exposition::default();
        for seq in 0..3 {
            exposition.absorb(&window(seq, 5_000, 1_000));
            for at in 0..1_000 {
                exposition.absorb(&sketch("m", at, seq));
                let name = format!("{seq} {at}");
                let ends = ProcessEphemeralSummary {
                    process_display_name: name.clone(),
                    window_end_ns: (seq + 1) * 10,
                    signal_exit: [(at, 1)].into(),
                    ..Default::default()
                };
                exposition.absorb(&ends.into());
                exposition.absorb(&AgentDiagEvent { module: name, ..Default::default() }.into());
            }
        }
        let Limits { rows, groups, sketches, names } = Limits::default();
        let most = rows * 10 + (groups + 1) * 11 + sketches * 6 + (names + 1) * 6 + 65 + 40;
        let found = series(&exposition).len();
        assert!(found <= most && found > most / 2, "{found} of {most}");
        let left_out = value(&exposition, "surveyor_sketches_left_out_total");
        assert_eq!(left_out, Some(3.0 * (1_000 - sketches) as f64));
    }

    #[test]
    fn a_distribution_is_shown_until_the_window_after_its_own_is_over() {
        let exposition = Exposition::default();
        let count = |exposition| value(exposition, "surveyor_sketch_m_count{user=\"1\"}");
        exposition.absorb(&window(1, 1, 1));
        exposition.absorb(&sketch("m", 1, 1));
        exposition.absorb(&window(2, 1, 1));
        assert_eq!(count(&exposition), Some(2.0));
        exposition.absorb(&sketch("m", 1, 2));
        assert_eq!(count(&exposition), Some(4.0));
        exposition.absorb(&window(3, 1, 1));
        exposition.absorb(&window(4, 1, 1));
        assert_eq!(count(&exposition), None);
    }

    #[test]
    fn what_is_counted_only_rises_and_windows_replace_one_another() {
        let exposition = Exposition::default();
        for (seq, rows) in [(3, 5), (2, 0)] {
            exposition.absorb(&window(seq, rows, 0));
        }
        assert_eq!(value(&exposition, "surveyor_cpu_seconds_total"), Some(2.0));
        assert_eq!(value(&exposition, "surveyor_window_cpu_seconds"), Some(1.0));
        assert_eq!(value(&exposition, "surveyor_dropped_envelopes_total"), Some(3.0));
        assert!(series(&exposition).iter().all(|it| !it.contains("pid=")));
    }

    #[test]
    fn numbers_about_the_agent_are_replaced_as_a_whole() {
        let metric = |name: &str, value| AgentMetric {
            name: name.into(),
            help: "h",
            kind: MetricKind::Gauge,
            labels: vec![("module".into(), "m".into())],
            value,
        };
        let exposition = Exposition::default();
        exposition.set_agent([metric("fds", 1.0), metric("agent_fds", 2.0), metric("x", 3.0)]);
        assert_eq!(value(&exposition, "agent_fds{module=\"m\"}"), Some(2.0));
        exposition.set_agent([metric("fds", 4.0)]);
        assert_eq!(value(&exposition, "agent_fds{module=\"m\"}"), Some(4.0));
        assert_eq!(value(&exposition, "agent_x{module=\"m\"}"), None);
    }
}
