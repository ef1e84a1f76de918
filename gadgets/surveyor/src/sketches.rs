//! How what processes use is distributed, in sketches.

use std::collections::BTreeMap;

use gadget_envelope::{SKETCH_VERSION, SketchEnvelope};
use gadget_sketch::{Mapping, Sketch};

use crate::settings::SketchSettings;
use crate::tail::{Kept, Tail};
use crate::usage::{Usage, percent};
use crate::window::Window;

/// A group of fewer has no sketch of its own.
const LEAST_MEMBERS: u64 = 32;

/// The most groups that have sketches of their own: the largest.
const MOST_GROUPS: usize = 16;

/// The relative accuracy that settings ask for.
fn accuracy(settings: &SketchSettings) -> f64 {
    if settings.base2 { Mapping::BASE2.alpha() } else { settings.accuracy }
}

/// How values find their bins, as settings ask for.
pub(crate) fn mapping(settings: &SketchSettings) -> Mapping {
    if settings.base2 {
        return Mapping::BASE2;
    }
    // Settings that were checked are in its range.
    Mapping::logarithmic(settings.accuracy).unwrap_or(Mapping::CONTRACT)
}

/// One metric.
struct Metric {
    name: &'static str,
    unit: &'static str,
    /// Whether groups have a sketch of it.
    of_groups: bool,
    /// The value in a window of so many nanoseconds, of a process with so many threads.
    value: fn(&Usage, u64, u32) -> Option<f64>,
}

const METRICS: [Metric; 4] = [
    Metric {
        name: "process.cpu.percent",
        unit: "%",
        of_groups: true,
        value: |usage, window, _| Some(percent(usage.cpu(), window)),
    },
    Metric {
        name: "process.rss.bytes",
        unit: "By",
        of_groups: true,
        value: |usage, _, _| Some(usage.rss as f64),
    },
    Metric {
        name: "process.io.bytes_per_second",
        unit: "By/s",
        of_groups: false,
        value: |usage, window, _| {
            let bytes = usage.io.map(|_| usage.io_bytes() as f64)?;
            (window > 0).then(|| bytes / (window as f64 / 1e9))
        },
    },
    Metric {
        name: "process.threads",
        unit: "{thread}",
        of_groups: false,
        value: |_, _, threads| Some(threads.into()),
    },
];

/// Makes the sketches of a window; the bins are kept.
#[derive(Clone, Debug)]
pub(crate) struct Sketches {
    mapping: Mapping,
    each: [Sketch; METRICS.len()],
}

impl Sketches {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self { mapping, each: std::array::from_fn(|_| Sketch::with(mapping)) }
    }

    /// Gives `send` the sketches of all processes that were alive at the window's last scan, and of large groups of the tail.
    pub(crate) fn make(
        &mut self,
        settings: &SketchSettings,
        window: &Window,
        usages: &[Usage],
        (tail, groups): (&Tail, &[Kept]),
        send: &mut impl FnMut(SketchEnvelope),
    ) {
        let mapping = mapping(settings);
        if mapping != self.mapping {
            *self = Self::new(mapping);
        }
        let send = &mut |envelope| send(SketchEnvelope { gamma: accuracy(settings), ..envelope });
        let all = METRICS.iter().zip(0..).map(|(metric, at)| (metric, at as usize));
        self.fill(all.clone(), window, usages.iter());
        for (metric, at) in all.clone() {
            self.send(metric, at, BTreeMap::new(), send);
        }
        let mut large: Vec<&Kept> =
            groups.iter().filter(|it| it.row.process_count >= LEAST_MEMBERS).collect();
        large.sort_by_key(|it| std::cmp::Reverse(it.row.process_count));
        for group in large.into_iter().take(MOST_GROUPS) {
            let of_groups = all.clone().filter(|(metric, _)| metric.of_groups);
            self.fill(of_groups.clone(), window, tail.members(group.range.clone(), usages));
            let mut key: BTreeMap<String, String> = group.row.key.clone();
            let name = group.row.process_display_name.clone();
            key.insert("process_display_name".into(), name);
            for (metric, at) in of_groups {
                self.send(metric, at, key.clone(), send);
            }
        }
    }

    fn fill<'u>(
        &mut self,
        metrics: impl Iterator<Item = (&'static Metric, usize)> + Clone,
        window: &Window,
        usages: impl Iterator<Item = &'u Usage>,
    ) {
        let length = window.length();
        for (_, at) in metrics.clone() {
            self.each[at].clear();
        }
        for usage in usages.filter(|usage| usage.is_alive()) {
            let threads = window.row(usage).threads;
            for (metric, at) in metrics.clone() {
                if let Some(value) = (metric.value)(usage, length, threads) {
                    self.each[at].insert(value);
                }
            }
        }
    }

    fn send(
        &self,
        metric: &Metric,
        at: usize,
        key: BTreeMap<String, String>,
        send: &mut impl FnMut(SketchEnvelope),
    ) {
        let sketch = &self.each[at];
        // Of what could not be read there is no distribution.
        if sketch.is_empty() && sketch.rejected() == 0 {
            return;
        }
        let summary = sketch.summary();
        send(SketchEnvelope {
            metric_name: metric.name.into(),
            sketch_version: SKETCH_VERSION,
            histogram: Some(sketch.to_proto()),
            key,
            count: sketch.count(),
            sum: summary.sum,
            min: summary.min,
            max: summary.max,
            unit: metric.unit.into(),
            rejected: sketch.rejected(),
            ..SketchEnvelope::default()
        });
    }
}
