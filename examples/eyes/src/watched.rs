//! One provider and what it has said.

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{KernelCost, Reading, Scope, Signals, Timestamp};
use gadget_signals::Chosen;

use crate::say;

/// Bounds what is kept of one provider.
const MOST: usize = 4096;

pub(crate) struct Watched {
    chosen: Chosen,
    signals: Signals,
    readings: u64,
    /// What was seen, with how much: lines of the same kind are one, the last.
    seen: BTreeMap<String, (u64, String)>,
    errors: Vec<String>,
    cost: Option<KernelCost>,
}

impl Watched {
    pub(crate) fn new(chosen: Chosen) -> Self {
        Self {
            chosen,
            signals: Signals::default(),
            readings: 0,
            seen: BTreeMap::new(),
            errors: Vec::new(),
            cost: None,
        }
    }

    /// Asks it once. One that streams is asked whether it has something first, as its waiting is part of it.
    pub(crate) fn look(&mut self, now: Timestamp) {
        self.signals.restart(now);
        let waited = self.chosen.provider.wait(Duration::ZERO).transpose().map(drop);
        let sampled = self.chosen.provider.sample(now, Scope::Everything, &mut self.signals);
        for error in [waited, sampled].into_iter().filter_map(Result::err) {
            let error = error.to_string();
            if !self.errors.contains(&error) && self.errors.len() < MOST {
                self.errors.push(error);
            }
        }
        for signal in &self.signals {
            if let Reading::KernelCost(cost) = &signal.reading {
                self.cost = Some((**cost).clone());
                continue;
            }
            self.readings += 1;
            if let Some((weight, about, line)) = say::line(signal)
                && (self.seen.len() < MOST || self.seen.contains_key(&about))
            {
                let seen = self.seen.entry(about).or_default();
                *seen = (seen.0 + weight, line);
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.chosen.provider.name()
    }

    pub(crate) fn used(&self) -> &str {
        &self.chosen.decided
    }

    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }

    pub(crate) fn errors(&self) -> &[String] {
        &self.errors
    }

    pub(crate) fn cost(&self) -> Option<&KernelCost> {
        self.cost.as_ref()
    }

    /// What was seen, most first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut seen: Vec<_> = self.seen.iter().collect();
        seen.sort_by_key(|(_, (weight, _))| std::cmp::Reverse(*weight));
        seen.into_iter().map(|(about, (_, line))| format!("{about}: {line}")).collect()
    }
}
