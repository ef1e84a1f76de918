//! Requests that take much longer than they did, or fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use gadget_core::{Evidence, Name, SpanStats, Timestamp};

use super::{Cause, Trigger};
use crate::settings::Settings;

/// Readings before a service is judged.
const LEARN: u32 = 30;

/// The baseline's memory, in readings.
const MEMORY: f64 = 120.0;

/// A reading of fewer requests says nothing of its slowest.
const FEWEST: u64 = 20;

/// Kinds of requests with a baseline.
const MOST: usize = 1024;

/// The logarithm of the slowest, and the share of failures, as they usually are.
#[derive(Clone, Debug, Default)]
struct Baseline {
    readings: u32,
    slow: f64,
    spread: f64,
    failures: f64,
    /// Readings in a row that were above.
    above: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Latency {
    on: bool,
    /// By service and name.
    baselines: BTreeMap<(Arc<str>, Arc<str>), Baseline>,
}

impl Latency {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { on: settings.latency, baselines: BTreeMap::new() }
    }

    pub(super) fn observe(&mut self, spans: &SpanStats, at: Timestamp) -> Option<Trigger> {
        let key = (Arc::clone(&spans.service), Arc::clone(&spans.name));
        let is_known = self.baselines.contains_key(&key);
        if !self.on || spans.count < FEWEST || (!is_known && self.baselines.len() >= MOST) {
            return None;
        }
        let baseline = self.baselines.entry(key).or_default();
        let slow = spans.p99.as_secs_f64().max(1e-6).ln();
        let failures = spans.errors as f64 / spans.count as f64;
        let deviation = (slow - baseline.slow) / baseline.spread.max(0.1);
        let slower = slow > baseline.slow + std::f64::consts::LN_2 && deviation > 4.0;
        let failing = failures > 2.0 * baseline.failures + 0.05;
        if baseline.readings >= LEARN && (slower || failing) {
            // Not learned: what is wrong is no baseline. Two in a row, since one may be a pause.
            baseline.above += 1;
            return (baseline.above == 2).then(|| trigger(spans, baseline, slower, at));
        }
        baseline.above = 0;
        baseline.readings += 1;
        let weight = 1.0 / f64::from(baseline.readings).min(MEMORY);
        let off = slow - baseline.slow;
        baseline.slow += weight * off;
        baseline.spread += weight * (off.abs() * 1.25 - baseline.spread);
        baseline.failures += weight * (failures - baseline.failures);
        None
    }
}

fn trigger(spans: &SpanStats, baseline: &Baseline, slower: bool, at: Timestamp) -> Trigger {
    let (service, usual) = (&spans.service, baseline.slow.exp());
    let now = spans.p99.as_secs_f64();
    let mut evidence = Evidence::new();
    evidence.push((Name::Borrowed("p99"), now));
    evidence.push((Name::Borrowed("baseline"), usual));
    evidence.push((Name::Borrowed("requests"), spans.count as f64));
    evidence.push((Name::Borrowed("failed"), spans.errors as f64));
    let name = &spans.name;
    let statement = if slower {
        format!(
            "{service}: the slowest of 100 take {now:.3} s, where {usual:.3} s are usual: {name}"
        )
    } else {
        format!("{service}: {} of {} requests failed: {name}", spans.errors, spans.count)
    };
    let (about, statement) = (Arc::clone(service), statement.into());
    Trigger { at, about, cause: Cause::Latency, statement, evidence }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn triggers(p99: impl Iterator<Item = (u64, u64)>) -> Vec<usize> {
        let mut detector = Latency::new(&Settings::default());
        let found = p99.enumerate().filter(|&(second, (millis, errors))| {
            let spans = SpanStats {
                service: "api".into(),
                name: "GET /".into(),
                over: Duration::from_secs(1),
                count: 100,
                errors,
                p50: Duration::from_millis(5),
                p99: Duration::from_millis(millis),
            };
            detector.observe(&spans, Timestamp::from_secs(second as u64)).is_some()
        });
        found.map(|(second, _)| second).collect()
    }

    #[test]
    fn a_spike_is_told_once_and_a_pause_is_none() {
        let usual = |s: u64| 80 + s * 7 % 40;
        let spike = |s| (if s >= 300 { 900 } else { usual(s) }, 1);
        assert_eq!(triggers((0..400).map(spike)), [301]);
        let pause = |s| (if s == 300 { 900 } else { usual(s) }, 1);
        assert_eq!(triggers((0..400).map(pause)), [0_usize; 0]);
    }

    #[test]
    fn failing_requests_are_told() {
        assert_eq!(triggers((0..100).map(|s| (100, if s >= 60 { 30 } else { 1 }))), [61]);
    }
}
