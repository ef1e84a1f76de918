//! Distributions over the processes of a window.

use std::collections::BTreeMap;

use gadget_core::Census;
use gadget_envelope::{SKETCH_VERSION, SketchEnvelope};
use gadget_sketch::{Mapping, MappingError, Sketch};

use crate::settings::SketchSettings;
use crate::tail::percent;
use crate::used::Used;

/// What is sketched: its name, its unit, and its value of one process.
type Metric = (&'static str, &'static str);

const CPU: Metric = ("process.cpu.percent", "%");
const RSS: Metric = ("process.rss.bytes", "By");
const THREADS: Metric = ("process.threads", "{thread}");
const IO: Metric = ("process.io.bytes_per_second", "By/s");

/// Sketches of one group of processes.
pub(crate) struct Sketches {
    gamma: f64,
    metrics: [(Metric, Sketch); 4],
}

/// The mapping that settings ask for.
pub(crate) fn mapping(settings: &SketchSettings) -> Result<Mapping, MappingError> {
    if settings.base2 { Ok(Mapping::BASE2) } else { Mapping::logarithmic(settings.accuracy) }
}

impl Sketches {
    pub(crate) fn new(mapping: Mapping) -> Self {
        let metrics = [CPU, RSS, THREADS, IO].map(|metric| (metric, Sketch::with(mapping)));
        Self { gamma: mapping.alpha(), metrics }
    }

    /// Adds the processes of a census that `belong`, in a window of `length` nanoseconds.
    pub(crate) fn add(
        &mut self,
        census: &Census,
        used: &[Used],
        length: u64,
        belongs: impl Fn(usize) -> bool,
    ) {
        let [(_, cpu), (_, rss), (_, threads), (_, io)] = &mut self.metrics;
        for (at, (row, used)) in census.rows.iter().zip(used).enumerate() {
            if !belongs(at) {
                continue;
            }
            cpu.insert(percent(used.cpu(), length));
            rss.insert(row.rss.as_f64());
            threads.insert(row.threads.into());
            if length > 0 && (used.read.is_some() || used.written.is_some()) {
                io.insert(used.io() as f64 * 1e9 / length as f64);
            }
        }
    }

    /// Those that have values.
    pub(crate) fn messages(&self, key: &BTreeMap<String, String>) -> Vec<SketchEnvelope> {
        let filled = self.metrics.iter().filter(|(_, sketch)| !sketch.is_empty());
        filled
            .map(|((name, unit), sketch)| SketchEnvelope {
                metric_name: (*name).to_owned(),
                gamma: self.gamma,
                sketch_version: SKETCH_VERSION,
                histogram: Some(sketch.to_proto()),
                key: key.clone(),
                count: sketch.count(),
                sum: sketch.sum(),
                min: sketch.min().unwrap_or(0.0),
                max: sketch.max().unwrap_or(0.0),
                unit: (*unit).to_owned(),
                rejected: sketch.rejected(),
                ..SketchEnvelope::default()
            })
            .collect()
    }
}
