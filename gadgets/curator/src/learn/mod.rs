//! What the slow path finds, the fast path learns.
//!
//! A value that the labeller found and no rule did is generalised: the words before it, and the shape of it. Seen with a few different
//! values, it becomes a [`Rule`] with its own tests, and is tried on every line: what it would hide is counted, and nothing is hidden.
//! Whether it is adopted decides a plan under policy; see [`Curator`](crate::Curator).
//!
//! Log lines are written by whoever can make a service log something, so that a rule is never more than this: anchored to one to three
//! words that do not tell lines apart, a shape of bounded length that does not fit what people write everywhere, matched in linear
//! time, in the services where the slow path has confirmed it, and ended by the first clean line that it touches on trial. There is a
//! bound on rules on trial, on adopted ones, and on new ones of a service in a day.

mod book;
mod candidate;
mod key;
mod rule;
mod stock;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{RuleReport, RuleState, RuleStates, Timestamp};

use crate::entity::Entity;
use crate::label::Lexicon;
use crate::scan::Learned;
use crate::span::{Finder, Span};

pub use book::{BookError, RuleBook};
pub use key::{KEY_BYTES, is_admissible};
pub use rule::{NotARule, Rule, RuleTests, Tally};

use candidate::{Candidates, Ripe, Sighting};
use rule::{LIFETIME, MOST_TESTS, overlap};
use stock::Stock;

/// A rule that was ended is not learned again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Rules that were ended and are remembered.
const MOST_REFUSED: usize = 1024;
/// Rules that were retired and are remembered; the oldest go.
const MOST_RETIRED: usize = 256;
/// Rules with one key.
const MOST_ALIKE: usize = 8;
/// Services whose new rules are counted.
const MOST_COUNTED: usize = 4096;
/// A rule's reach is taken of so many lines at least.
const FEW_LINES: u64 = 4_000;
const DAY: u64 = 24 * 3600;

/// What the learner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerSettings {
    /// Different values that make a rule. Default 3.
    pub sightings: usize,
    /// The most rules on trial. Default 64.
    pub on_trial: usize,
    /// The most adopted rules. Default 256.
    pub adopted: usize,
    /// Keys that are new to a service's rules in a day, each with up to eight shapes. Default 8.
    pub a_day: u32,
    /// Of a million lines a rule may touch so many; one that touches more has to be confirmed more often. Default 5,000.
    pub reach_per_million: u64,
    /// How often a rule of such a reach has to be confirmed. Default 24, which makes it right with 0.9 at least.
    pub broad_agreed: u64,
}

impl Default for LearnerSettings {
    fn default() -> Self {
        Self {
            sightings: 3,
            on_trial: 64,
            adopted: 256,
            a_day: 8,
            reach_per_million: 5_000,
            broad_agreed: 24,
        }
    }
}

/// What became of what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnerCounts {
    /// Values that the slow path found and no rule did.
    pub missed: u64,
    /// Rules that were made.
    pub made: u64,
    /// Rules that were not made: they would have touched a clean line that is remembered, or failed their tests.
    pub stillborn: u64,
    /// Rules that were not made, since there were as many as may be.
    pub crowded: u64,
    /// Rules whose trial ended badly.
    pub failed: u64,
    /// Rules that expired on trial.
    pub expired: u64,
}

/// One line, and what was found in it.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The line.
    pub line: &'a [u8],
    /// The service that logged it.
    pub service: &'a Arc<str>,
    /// When.
    pub at: Timestamp,
    /// What rules found that are built in.
    pub found: &'a [Span],
    /// What the slow path is sure of; none if it was not asked.
    pub labelled: Option<&'a [Span]>,
    /// What it is in doubt of, which counts neither for nor against a rule.
    pub doubtful: &'a [Span],
}

/// Learns rules, tries them, and says how they do.
#[derive(Debug)]
pub struct Learner {
    settings: LearnerSettings,
    states: RuleStates,
    changes: Option<u64>,
    rules: BTreeMap<u32, Rule>,
    next: u32,
    candidates: Candidates,
    stock: Stock,
    words: Lexicon,
    refused: HashMap<(String, Entity), Timestamp>,
    new_rules: HashMap<Arc<str>, (u64, u32)>,
    /// Lines since the tallies were brought up to date.
    lines: u64,
    /// The rules that are on trial or adopted.
    live: Learned,
    /// What they would hide, or have hidden, in the line that was scanned last.
    hits: Vec<Span>,
    counts: LearnerCounts,
    unsaved: bool,
}

impl Learner {
    /// Goes on with the rules of `book`, whose states are put into `states`. No name that is among `words` becomes part of a key.
    #[must_use]
    pub fn new(
        settings: LearnerSettings,
        states: RuleStates,
        book: RuleBook,
        words: Lexicon,
    ) -> Self {
        let (next, rules) = book.into_parts();
        for rule in rules.values() {
            states.set(rule.id, rule.state);
        }
        let mut learner = Self {
            settings,
            states,
            changes: None,
            rules,
            next,
            candidates: Candidates::default(),
            stock: Stock::default(),
            words,
            refused: HashMap::new(),
            new_rules: HashMap::new(),
            lines: 0,
            live: Learned::new(&[]),
            hits: Vec::new(),
            counts: LearnerCounts::default(),
            unsaved: false,
        };
        learner.sync();
        learner
    }

    /// Takes up what has become of the rules; true if others may be in force now than when this was last asked.
    pub fn sync(&mut self) -> bool {
        let changes = self.states.changes();
        if self.changes == Some(changes) {
            return false;
        }
        self.changes = Some(changes);
        for rule in self.rules.values_mut() {
            let state = self.states.get(rule.id).unwrap_or(RuleState::Retired);
            self.unsaved |= rule.state != state;
            rule.state = state;
        }
        self.forget_retired();
        let live = self.rules.values().filter(|rule| rule.state != RuleState::Retired);
        self.live = Learned::new(&live.map(Rule::compiled).collect::<Vec<_>>());
        true
    }

    /// Appends what adopted rules find in a line of `service`. True if a rule found something, or one that is on trial, or not confirmed
    /// in this service, would have: the slow path should be asked then.
    pub fn scan(&mut self, line: &[u8], service: &str, found: &mut Vec<Span>) -> bool {
        self.lines += 1;
        self.hits.clear();
        self.live.scan(line, &mut self.hits);
        for hit in &self.hits {
            if let Finder::Learned(id) = hit.by
                && let Some(rule) = self.rules.get(&id)
                && rule.state == RuleState::Adopted
                && rule.reaches(service)
            {
                found.push(*hit);
            }
        }
        !self.hits.is_empty()
    }

    /// Takes in the line that was scanned last, and what was found in it.
    pub fn saw(&mut self, sight: &Sight<'_>) {
        let hits = std::mem::take(&mut self.hits);
        for hit in &hits {
            self.judge(hit, sight);
        }
        if let Some(labelled) = sight.labelled {
            if labelled.is_empty() && sight.doubtful.is_empty() && sight.found.is_empty() {
                self.stock.push(sight.line);
            }
            for span in labelled {
                let known = sight.found.iter().chain(&hits).any(|other| overlap(span, other));
                if !known {
                    self.missed(span, labelled, sight);
                }
            }
        }
        self.hits = hits;
    }

    /// Counts what a rule hides, or would have hidden.
    fn judge(&mut self, hit: &Span, sight: &Sight<'_>) {
        let Finder::Learned(id) = hit.by else { return };
        let Some(rule) = self.rules.get_mut(&id) else { return };
        rule.tally.hits += 1;
        let Some(labelled) = sight.labelled else { return };
        let among = |spans: &[Span]| spans.iter().any(|span| overlap(hit, span));
        let others = among(sight.found) || among(sight.doubtful);
        match among(labelled) {
            true => {
                rule.tally.agreed += 1;
                rule.expires = rule.expires.max(sight.at + LIFETIME);
                rule.add_service(sight.service);
            }
            false if others => {}
            // What another service logs is no ground to end it where it was confirmed: it does not reach there.
            false if !rule.reaches(sight.service) => {}
            false => {
                rule.tally.disagreed += 1;
                if labelled.is_empty() && sight.found.is_empty() {
                    rule.tally.lookalikes += 1;
                }
                if rule.state == RuleState::Trial {
                    self.counts.failed += 1;
                    self.end(id, sight.at);
                }
            }
        }
        self.unsaved = true;
    }

    /// Ends a trial.
    fn end(&mut self, id: u32, at: Timestamp) {
        let Some(rule) = self.rules.remove(&id) else { return };
        if self.refused.len() >= MOST_REFUSED {
            self.refused.retain(|_, since| at.since(*since) < REFUSED_FOR);
        }
        if self.refused.len() < MOST_REFUSED {
            self.refused.insert((rule.key, rule.entity), at);
        }
        self.states.remove(id);
        self.unsaved = true;
        self.sync();
    }

    /// A value that no rule knows.
    fn missed(&mut self, span: &Span, labelled: &[Span], sight: &Sight<'_>) {
        self.counts.missed += 1;
        let values: Vec<Span> = labelled.iter().chain(sight.found).copied().collect();
        let Sight { line, service, at, .. } = *sight;
        let sighting = Sighting { line, service, span, values: &values };
        let (refused, rules) = (&self.refused, &self.rules);
        let refuses = |key: &str, entity| {
            let ended = refused
                .get(&(key.to_owned(), entity))
                .is_some_and(|since| at.since(*since) < REFUSED_FOR);
            ended
                || rules.values().any(|rule| {
                    rule.state == RuleState::Retired && rule.key == key && rule.entity == entity
                })
        };
        if let Some(ripe) =
            self.candidates.saw(&sighting, self.settings.sightings, refuses, &self.words)
        {
            self.make(ripe, at);
        }
    }

    fn make(&mut self, ripe: Ripe, at: Timestamp) {
        let count = |state| self.rules.values().filter(|rule| rule.state == state).count();
        let day = at.as_nanos() / 1_000_000_000 / DAY;
        let today = |service: &Arc<str>| match self.new_rules.get(service) {
            Some((then, made)) if *then == day => *made,
            _ => 0,
        };
        // Further shapes after a key count as one rule, as long as they are few.
        let alike = self
            .rules
            .values()
            .filter(|rule| rule.key == ripe.key && rule.entity == ripe.entity)
            .count();
        let crowded = alike >= MOST_ALIKE
            || count(RuleState::Trial) >= self.settings.on_trial
            || count(RuleState::Adopted) >= self.settings.adopted
            || alike == 0
                && ripe.services.iter().any(|service| today(service) >= self.settings.a_day)
            || self.next == u32::MAX;
        if crowded {
            self.counts.crowded += 1;
            return;
        }
        let Ripe { key, entity, shape, tests, services } = ripe;
        let mut rule = Rule {
            id: self.next,
            key,
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
        if !self.spares(&mut rule, &Learned::new(&[compiled])) || rule.check().is_err() {
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
        self.rules.insert(rule.id, rule);
        self.unsaved = true;
        self.sync();
    }

    /// True if the rule touches none of the clean lines that are remembered. Those that have its key become tests of it.
    fn spares(&self, rule: &mut Rule, learned: &Learned) -> bool {
        let mut spans = Vec::new();
        for line in self.stock.iter() {
            learned.scan(line, &mut spans);
            if !spans.is_empty() {
                return false;
            }
            if let Some(at) = find_ignoring_case(line, rule.key.as_bytes())
                && rule.tests.spared.len() < MOST_TESTS
            {
                let after = &line[at + rule.key.len()..];
                let test = rule::test_of(&rule.key, b"", &after[..after.len().min(32)]);
                learned.scan(test.as_bytes(), &mut spans);
                // In the shape of a clean line there may be a value: then it is no test.
                if spans.is_empty() && !rule.tests.spared.contains(&test) {
                    rule.tests.spared.push(test);
                }
                spans.clear();
            }
        }
        true
    }

    /// Brings the tallies up to date, and ends trials that have expired.
    fn settle(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        for rule in self.rules.values_mut() {
            rule.tally.lines += lines;
        }
    }

    /// Says how each rule does that is on trial or adopted.
    pub fn reports(&mut self, now: Timestamp) -> Vec<RuleReport> {
        self.settle();
        let over = |rule: &&Rule| rule.state == RuleState::Trial && now >= rule.expires;
        let over: Vec<u32> = self.rules.values().filter(over).map(|rule| rule.id).collect();
        for id in over {
            self.counts.expired += 1;
            self.end(id, now);
        }
        let shown = |rule: &&Rule| match rule.state {
            // Not before it is known to be right can a rule of such reach be adopted.
            RuleState::Trial => {
                !self.is_broad(rule) || rule.tally.agreed >= self.settings.broad_agreed
            }
            RuleState::Adopted => true,
            RuleState::Retired => false,
        };
        self.rules.values().filter(shown).map(Rule::report).collect()
    }

    fn is_broad(&self, rule: &Rule) -> bool {
        let Tally { hits, lines, .. } = rule.tally;
        // A share of few lines says little.
        let lines = lines.max(FEW_LINES);
        hits.saturating_mul(1_000_000) > lines.saturating_mul(self.settings.reach_per_million)
    }

    fn forget_retired(&mut self) {
        let retired = |rule: &&Rule| rule.state == RuleState::Retired;
        while self.rules.values().filter(retired).count() > MOST_RETIRED {
            let Some(oldest) = self.rules.values().find(retired).map(|rule| rule.id) else {
                return;
            };
            self.rules.remove(&oldest);
        }
    }

    /// Every rule that is known.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// What became of what was seen.
    #[must_use]
    pub const fn counts(&self) -> LearnerCounts {
        self.counts
    }

    /// Keys that may become rules.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// All that is to be remembered, if something has changed since this was last asked.
    pub fn unsaved(&mut self) -> Option<RuleBook> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        self.settle();
        Some(RuleBook::from_parts(self.next, self.rules.clone()))
    }
}

fn find_ignoring_case(line: &[u8], key: &[u8]) -> Option<usize> {
    line.windows(key.len()).position(|window| window.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests;
