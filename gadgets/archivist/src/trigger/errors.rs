//! An error rate above twice its learned baseline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Evidence, LogActivity, Name, Timestamp};

use super::services::Services;
use super::{Cause, Trigger};
use crate::settings::Settings;

/// Errors are counted over so long.
const BIN: Duration = Duration::from_secs(10);

/// The baseline's memory, in bins: ten minutes.
const MEMORY: f64 = 60.0;

/// A count this improbable at twice the baseline is no chance: with 40 services and 360 bins an hour each, one in seventy hours.
const CHANCE: f64 = 1e-6;

/// Services with a baseline.
const MOST: usize = 1024;

/// Errors per bin, and their share of all lines, as they usually are.
#[derive(Clone, Debug, Default)]
struct Baseline {
    bins: u32,
    mean: f64,
    /// Of the counts around the mean: errors come in bursts, which a Poisson process does not have.
    variance: f64,
    lines: f64,
    errors_now: u64,
    lines_now: u64,
    /// It was above in the last bin: told once.
    above: bool,
}

impl Baseline {
    fn learn(&mut self) {
        self.bins += 1;
        let weight = 1.0 / f64::from(self.bins).min(MEMORY);
        let (errors, lines) = (self.errors_now as f64, self.lines_now as f64);
        let off = errors - self.mean;
        self.mean += weight * off;
        self.variance += weight * (off * (errors - self.mean) - self.variance);
        self.lines += weight * (lines - self.lines);
    }

    /// True if the count of this bin is no chance at twice the baseline, nor a matter of more lines.
    fn is_above(&self) -> bool {
        let count = self.errors_now as f64;
        // Half an error more than was seen: none in ten bins may still be one in twenty.
        let doubled = 2.0 * (self.mean + 0.5 / f64::from(self.bins).min(MEMORY));
        let burst = (self.variance / self.mean.max(f64::MIN_POSITIVE)).max(1.0);
        let share = self.mean / self.lines.max(1.0);
        let share_now = count / (self.lines_now.max(1)) as f64;
        count > doubled
            && share_now > 2.0 * share
            && at_least((count / burst).floor(), doubled / burst) < CHANCE
    }
}

/// The probability of `count` or more of a Poisson distribution, by its Chernoff bound, which is never too low.
fn at_least(count: f64, mean: f64) -> f64 {
    if count <= mean {
        return 1.0;
    }
    (count - mean - count * (count / mean).ln()).exp()
}

#[derive(Clone, Debug)]
pub(super) struct Errors {
    on: bool,
    passed: Duration,
    baselines: BTreeMap<Arc<str>, Baseline>,
}

impl Errors {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { on: settings.errors, passed: Duration::ZERO, baselines: BTreeMap::new() }
    }

    pub(super) fn observe(
        &mut self,
        activity: &LogActivity,
        now: Timestamp,
        services: &Services,
    ) -> Vec<Trigger> {
        let mut found = Vec::new();
        if !self.on {
            return found;
        }
        for logs in &activity.services {
            if self.baselines.len() >= MOST && !self.baselines.contains_key(&logs.service) {
                continue;
            }
            let baseline = self.baselines.entry(Arc::clone(&logs.service)).or_default();
            baseline.errors_now += logs.errors;
            baseline.lines_now += logs.lines;
        }
        self.passed += activity.over.min(BIN);
        let ends = self.passed >= BIN;
        if ends {
            self.passed = Duration::ZERO;
        }
        for (service, baseline) in &mut self.baselines {
            // Before the bin is over, too: an outburst need not wait for it.
            if !baseline.above && services.is_learned(service) && baseline.is_above() {
                baseline.above = true;
                found.push(trigger(service, baseline, now));
            }
            if ends {
                baseline.above &= baseline.is_above();
                baseline.learn();
                (baseline.errors_now, baseline.lines_now) = (0, 0);
            }
        }
        found
    }
}

fn trigger(service: &Arc<str>, baseline: &Baseline, at: Timestamp) -> Trigger {
    let (count, mean) = (baseline.errors_now as f64, baseline.mean);
    let mut evidence = Evidence::new();
    evidence.push((Name::Borrowed("errors"), count));
    evidence.push((Name::Borrowed("baseline"), mean));
    evidence.push((Name::Borrowed("lines"), baseline.lines_now as f64));
    let statement = format!("{service} logged {count} errors in 10 s, where {mean:.1} are usual");
    let statement = statement.into();
    Trigger { at, about: Arc::clone(service), cause: Cause::Errors, statement, evidence }
}

#[cfg(test)]
mod tests {
    use gadget_core::ServiceLogs;

    use super::*;

    /// Errors for each second, of 50 lines; the seconds at which there was a trigger.
    fn triggers(errors: impl Iterator<Item = (u64, u64)>) -> Vec<u64> {
        let settings = Settings::default();
        let (mut detector, mut services) = (Errors::new(&settings), Services::new(&settings));
        let mut out = Vec::new();
        for (second, (errors, lines)) in errors.enumerate() {
            let logs = ServiceLogs { service: "api".into(), lines, errors, bytes: 0, lost: 0 };
            let activity = LogActivity { over: Duration::from_secs(1), services: vec![logs] };
            let now = Timestamp::from_secs(second as u64);
            services.observe(&activity, now);
            out.extend(detector.observe(&activity, now, &services).iter().map(|_| second as u64));
        }
        out
    }

    #[test]
    fn an_outburst_is_found_within_seconds_and_told_once() {
        let found =
            triggers((0..900).map(|s| (if s < 700 { u64::from(s % 10 == 0) } else { 3 }, 50)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((700..=710).contains(&found[0]), "{found:?}");
    }

    #[test]
    fn the_same_share_of_more_lines_is_none() {
        let found = triggers((0..900).map(|s| if s < 700 { (1, 50) } else { (4, 200) }));
        assert_eq!(found, [0_u64; 0]);
    }

    #[test]
    fn bursts_that_were_always_there_are_none() {
        let found = triggers((0..3600).map(|s| (if s % 97 < 3 { 9 } else { 0 }, 50)));
        assert_eq!(found, [0_u64; 0]);
    }

    #[test]
    fn the_bound_is_never_below_the_probability() {
        for (count, mean) in [(1.0, 0.1), (4.0, 0.1), (20.0, 8.0)] {
            let (mut term, mut below) = (f64::exp(-mean), 0.0);
            for k in 0..count as u32 {
                below += term;
                term *= mean / f64::from(k + 1);
            }
            assert!(at_least(count, mean) >= 1.0 - below - 1e-12);
        }
    }
}
