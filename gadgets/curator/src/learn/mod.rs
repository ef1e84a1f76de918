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
mod make;
mod rule;
mod settings;
mod stock;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{RuleReport, RuleState, RuleStates, Timestamp};

use crate::entity::Entity;
use crate::label::Lexicon;
use crate::scan::Learned;
use crate::span::{Finder, Span};

pub use book::{BookError, NotABook, RuleBook};
pub use key::{KEY_BYTES, is_admissible};
pub use rule::{NotARule, Rule, RuleTests, Tally};
pub use settings::{LearnerCounts, LearnerSettings};

use candidate::{Candidates, Sighting, context};
use key::Anchor;
use rule::{LIFETIME, overlap};
use stock::Stock;

/// A rule that was ended is not learned again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);
/// Rules that were ended and are remembered.
const MOST_REFUSED: usize = 1024;
/// Rules that were retired and are remembered; the oldest go.
const MOST_RETIRED: usize = 256;
/// Statements of a rule that are remembered.
const MOST_CONTEXTS: usize = 16;
/// Of what an adopted rule hides the slow path looks at one in so many.
const CHECKED: u64 = 64;
/// From which score on a value in doubt is likelier one than not.
const LIKELY: u8 = 128;
/// A rule's reach is taken of so many lines at least.
const FEW_LINES: u64 = 4_000;

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

/// What learned rules are about in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tried {
    /// Nothing that they know.
    Nothing,
    /// A value that adopted ones hide.
    Known,
    /// Something that the slow path should be asked about: one that is on trial, or not confirmed in this service, would have found
    /// something, or it is time to look at an adopted one again.
    Trial,
}

/// Statements in which the slow path found what a rule finds, see [`context`]. Where it then finds nothing, it has rather missed a value
/// than the rule hit another thing, as long as that is the exception.
#[derive(Debug, Default)]
struct Statements {
    known: Vec<u64>,
    /// Values that it found there...
    found: u64,
    /// ...and those that it missed.
    missed: u64,
}

impl Statements {
    fn found(&mut self, context: u64) {
        self.found += 1;
        if self.known.len() < MOST_CONTEXTS && !self.known.contains(&context) {
            self.known.push(context);
        }
    }

    /// True if it is excused.
    fn missed(&mut self, context: u64) -> bool {
        let known = self.known.contains(&context);
        self.missed += u64::from(known);
        known && self.missed <= self.found
    }
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
    refused: HashMap<(Anchor, Entity), Timestamp>,
    /// The statements in which the slow path found what each rule does.
    seen_in: HashMap<u32, Statements>,
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
            seen_in: HashMap::new(),
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

    /// Appends what adopted rules find in a line of `service`, and says what is to be made of it.
    pub fn scan(&mut self, line: &[u8], service: &str, found: &mut Vec<Span>) -> Tried {
        self.lines += 1;
        self.hits.clear();
        self.live.scan(line, &mut self.hits);
        let mut tried = Tried::Nothing;
        for hit in &self.hits {
            let Finder::Learned(id) = hit.by else { continue };
            let Some(rule) = self.rules.get(&id) else { continue };
            let known = rule.state == RuleState::Adopted && rule.reaches(service);
            if known {
                found.push(*hit);
            }
            let sure = known && !rule.tally.hits.is_multiple_of(CHECKED);
            tried = tried.max(if sure { Tried::Known } else { Tried::Trial });
        }
        tried
    }

    /// Takes in the line that was scanned last, and what was found in it.
    pub fn saw(&mut self, sight: &Sight<'_>) {
        let hits = std::mem::take(&mut self.hits);
        let labelled = sight.labelled.unwrap_or_default();
        let values = || sight.found.iter().chain(labelled).chain(sight.doubtful);
        let context = |span| context(sight.line, span, values().chain(&hits));
        for hit in &hits {
            self.judge(hit, sight, context(hit));
        }
        if sight.labelled.is_some() {
            if values().next().is_none() && hits.is_empty() {
                self.stock.push(sight.line);
            }
            let likely = sight.doubtful.iter().filter(|span| span.score >= LIKELY);
            let spans = labelled.iter().map(|span| (span, true));
            for (span, sure) in spans.chain(likely.map(|span| (span, false))) {
                let known = sight.found.iter().chain(&hits).any(|other| overlap(span, other));
                if !known {
                    self.missed(sight, (span, sure), context(span));
                }
            }
        }
        self.hits = hits;
    }

    /// Counts what a rule hides, or would have hidden.
    fn judge(&mut self, hit: &Span, sight: &Sight<'_>, context: u64) {
        let Finder::Learned(id) = hit.by else { return };
        let Some(rule) = self.rules.get_mut(&id) else { return };
        rule.tally.hits += 1;
        let Some(labelled) = sight.labelled else { return };
        let among = |spans: &[Span]| spans.iter().any(|span| overlap(hit, span));
        let others = among(sight.found) || among(sight.doubtful);
        let statements = self.seen_in.entry(id).or_default();
        match among(labelled) {
            true => {
                rule.tally.agreed += 1;
                rule.expires = rule.expires.max(sight.at + LIFETIME);
                rule.add_service(sight.service);
                statements.found(context);
            }
            false if others => {}
            // What another service logs is no ground to end it where it was confirmed: it does not reach there.
            false if !rule.reaches(sight.service) => {}
            false if statements.missed(context) => {}
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
        self.seen_in.remove(&id);
        if self.refused.len() >= MOST_REFUSED {
            self.refused.retain(|_, since| at.since(*since) < REFUSED_FOR);
        }
        if self.refused.len() < MOST_REFUSED {
            self.refused.insert((rule.anchor(), rule.entity), at);
        }
        self.states.remove(id);
        self.unsaved = true;
        self.sync();
    }

    /// A value that no rule knows, and whether the slow path is sure of it.
    fn missed(&mut self, sight: &Sight<'_>, (span, sure): (&Span, bool), context: u64) {
        self.counts.missed += u64::from(sure);
        let values: Vec<Span> =
            sight.labelled.into_iter().flatten().chain(sight.found).copied().collect();
        let Sight { line, service, at, .. } = *sight;
        let sighting = Sighting { line, service, span, values: &values, context, sure };
        let (refused, rules) = (&self.refused, &self.rules);
        let refuses = |anchor: &Anchor, entity| {
            let ended = refused
                .get(&(anchor.clone(), entity))
                .is_some_and(|since| at.since(*since) < REFUSED_FOR);
            let retired = |rule: &Rule| rule.state == RuleState::Retired;
            ended || rules.values().any(|rule| retired(rule) && rule.is_of(anchor, entity))
        };
        if let Some(ripe) =
            self.candidates.saw(&sighting, self.settings.sightings, refuses, &self.words)
        {
            self.make(ripe, at);
        }
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
            self.seen_in.remove(&oldest);
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

#[cfg(test)]
mod tests;
