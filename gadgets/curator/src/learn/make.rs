//! From what was seen to a rule on trial: the bounds it has to keep within, and the clean lines it must not touch.

use std::sync::Arc;

use gadget_core::{RuleState, Timestamp};

use super::candidate::{Ripe, context};
use super::rule::{self, LIFETIME, MOST_TESTS, Rule, RuleTests, Tally};
use super::{Learner, Statements};
use crate::scan::Learned;

/// Rules with one key.
const MOST_ALIKE: usize = 8;
/// Services whose new rules are counted.
const MOST_COUNTED: usize = 4096;
pub(super) const DAY: u64 = 24 * 3600;

impl Learner {
    /// Puts it on trial, unless there are too many or it would touch clean lines.
    pub(super) fn make(&mut self, ripe: Ripe, at: Timestamp) {
        let day = at.as_nanos() / 1_000_000_000 / DAY;
        // Further shapes after a key count as one rule, as long as they are few.
        let alike =
            self.rules.values().filter(|rule| rule.is_of(&ripe.anchor, ripe.entity)).count();
        if self.is_crowded(&ripe, alike, day) {
            self.counts.crowded += 1;
            return;
        }
        let Ripe { anchor, entity, shape, tests, services, contexts } = ripe;
        let mut rule = Rule {
            id: self.next,
            key: anchor.key,
            past: anchor.past,
            shape,
            entity,
            services,
            state: RuleState::Trial,
            made: at,
            expires: at + LIFETIME,
            tests: RuleTests { matches: tests, spared: Vec::new() },
            tally: Tally::default(),
            worst: 0,
        };
        let compiled = rule.compiled();
        rule.worst = rule::worst(&compiled, &rule.tests.matches);
        let found = self.settings.sightings as u64;
        let mut statements = Statements { known: contexts, found, missed: 0 };
        let learned = Learned::new(&[compiled]);
        if !self.spares(&mut rule, &learned, &mut statements) || rule.check().is_err() {
            self.counts.stillborn += 1;
            return;
        }
        if self.new_rules.len() >= MOST_COUNTED {
            self.new_rules.retain(|_, (then, _)| *then == day);
        }
        for service in rule.services.iter().filter(|_| alike == 0) {
            let made = self.new_rules.entry(Arc::clone(service)).or_insert((day, 0));
            *made = (day, if made.0 == day { made.1 + 1 } else { 1 });
        }
        self.next += 1;
        self.counts.made += 1;
        self.settle();
        self.states.set(rule.id, RuleState::Trial);
        self.seen_in.insert(rule.id, statements);
        self.rules.insert(rule.id, rule);
        self.unsaved = true;
        self.sync();
    }

    /// True if there are as many rules as may be: of all services, of one of its services, or of one key.
    fn is_crowded(&self, ripe: &Ripe, alike: usize, day: u64) -> bool {
        let today = |service: &Arc<str>| match self.new_rules.get(service) {
            Some((then, made)) if *then == day => *made,
            _ => 0,
        };
        let full = |state: RuleState, most: usize| {
            let rules = || self.rules.values().filter(|rule| rule.state == state);
            let share = most.div_ceil(self.settings.one_in.max(1));
            let of = |service: &Arc<str>| rules().filter(|rule| rule.reaches(service)).count();
            rules().count() >= most || ripe.services.iter().any(|service| of(service) >= share)
        };
        alike >= MOST_ALIKE
            || full(RuleState::Trial, self.settings.on_trial)
            || full(RuleState::Adopted, self.settings.adopted)
            || alike == 0
                && ripe.services.iter().any(|service| today(service) >= self.settings.a_day)
            || self.next == u32::MAX
    }

    /// True if the rule touches none of the clean lines that are remembered, but for those of its own statements. Those that have its key
    /// become tests of it.
    fn spares(&self, rule: &mut Rule, learned: &Learned, statements: &mut Statements) -> bool {
        let mut spans = Vec::new();
        for line in self.stock.iter() {
            spans.clear();
            learned.scan(line, &mut spans);
            if !spans.iter().all(|span| statements.missed(context(line, span, spans.iter()))) {
                return false;
            }
            if !spans.is_empty() {
                continue;
            }
            if let Some(at) = find_ignoring_case(line, rule.key.as_bytes())
                && rule.tests.spared.len() < MOST_TESTS
            {
                let after = &line[at + rule.key.len()..];
                let test = format!("{}{}", rule.key, rule::filler(&after[..after.len().min(32)]));
                learned.scan(test.as_bytes(), &mut spans);
                // In the shape of a clean line there may be a value: then it is no test.
                if spans.is_empty() && !rule.tests.spared.contains(&test) {
                    rule.tests.spared.push(test);
                }
            }
        }
        true
    }
}

fn find_ignoring_case(line: &[u8], key: &[u8]) -> Option<usize> {
    line.windows(key.len()).position(|window| window.eq_ignore_ascii_case(key))
}
