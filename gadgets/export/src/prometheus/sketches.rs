//! Distributions as summaries.

use std::collections::BTreeMap;

use gadget_envelope::SketchEnvelope;
use gadget_sketch::{Sketch, Summary};

use super::groups::{key_labels, key_refs};
use super::text::{Text, sanitized};

const QUANTILES: [(&str, f64); 4] =
    [("0.5", 0.5), ("0.95", 0.95), ("0.99", 0.99), ("0.999", 0.999)];

/// The last window's distributions, by metric and by whose they are.
#[derive(Default)]
pub(super) struct Sketches {
    /// By the family's name and the key.
    series: BTreeMap<(String, BTreeMap<String, String>), Series>,
    /// Sketches that there was no room for, or that could not be read.
    pub(super) left_out: u64,
}

struct Series {
    quantiles: [f64; QUANTILES.len()],
    /// Since the series began.
    count: u64,
    sum: f64,
    /// The end of the last window.
    last: u64,
}

impl Sketches {
    pub(super) fn absorb(&mut self, it: &SketchEnvelope, most: usize) {
        let key = (format!("surveyor_sketch_{}", sanitized(&it.metric_name)), it.key.clone());
        let full = self.series.len() >= most && !self.series.contains_key(&key);
        let summary = Summary { sum: it.sum, min: it.min, max: it.max };
        let sketch =
            it.histogram.as_ref().and_then(|it| Sketch::from_proto(it, Some(summary)).ok());
        let Some(sketch) = sketch.filter(|_| !full) else {
            self.left_out += 1;
            return;
        };
        let before = self.series.get(&key);
        let series = Series {
            quantiles: QUANTILES.map(|(_, q)| sketch.quantile(q).unwrap_or(f64::NAN)),
            count: before.map_or(0, |it| it.count).saturating_add(it.count),
            sum: before.map_or(0.0, |it| it.sum) + it.sum,
            last: it.window_end_ns,
        };
        self.series.insert(key, series);
    }

    /// Forgets what was in no window that ended after `began`.
    pub(super) fn forget(&mut self, began: u64) {
        self.series.retain(|_, series| series.last > began);
    }

    pub(super) fn write(&self, text: &mut Text) {
        let mut family = "";
        for ((name, key), series) in &self.series {
            if family != name {
                family = name;
                text.family(name, "summary", "Distribution over the processes of the last window.");
            }
            let labels = key_labels(key);
            for ((quantile, _), value) in QUANTILES.iter().zip(series.quantiles) {
                let labels = key_refs(&labels).chain([("quantile", *quantile)]);
                text.sample(name, "", labels, value);
            }
            text.sample(name, "_sum", key_refs(&labels), series.sum);
            text.sample(name, "_count", key_refs(&labels), series.count as f64);
        }
    }
}
