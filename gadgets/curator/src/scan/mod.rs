//! The fast path: one automaton over words, one pass over digits, and checks where they meet something.

mod keys;
mod learned;
mod mail;
mod net;
mod numbers;
mod people;
mod shape;
mod text;
mod tokens;
mod words;

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::entity::Entity;
use crate::redact::is_replacement;
use crate::span::{Finder, Span};
use words::{Sense, WORDS};

pub use learned::{CompiledRule, Learned, MOST_RULES};
pub use shape::{MOST_BYTES, MOST_PIECES, NotAShape, Shape};

/// Finds values in lines by rules alone. Made once and used for every line; holds no text.
#[derive(Clone, Debug)]
pub struct Scanner {
    words: AhoCorasick,
    learned: Learned,
    entities: u32,
}

/// What checks write to.
struct Found<'a> {
    text: &'a [u8],
    spans: &'a mut Vec<Span>,
    entities: u32,
}

impl Found<'_> {
    fn add(&mut self, range: Range<usize>, entity: Entity) {
        let wanted = self.entities & bit(entity) != 0;
        if range.is_empty() || !wanted || is_replacement(&self.text[range.clone()]) {
            return;
        }
        self.spans.push(Span {
            start: range.start as u32,
            end: range.end as u32,
            entity,
            by: Finder::Rule(entity as u16),
            score: u8::MAX,
        });
    }
}

const fn bit(entity: Entity) -> u32 {
    1 << entity as u32
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// With every kind of entity, and no learned rule.
    #[must_use]
    pub fn new() -> Self {
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(WORDS.iter().map(|(word, _)| *word));
        let Ok(words) = words else { unreachable!("the words are few and short") };
        Self { words, learned: Learned::new(&[]), entities: u32::MAX }
    }

    /// Finds these kinds of entity alone.
    #[must_use]
    pub fn only(mut self, entities: &[Entity]) -> Self {
        self.entities = entities.iter().fold(0, |bits, entity| bits | bit(*entity));
        self
    }

    /// With these learned rules as well, in place of those it had.
    #[must_use]
    pub fn with_learned(mut self, rules: &[CompiledRule]) -> Self {
        self.learned = Learned::new(rules);
        self
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.words.memory_usage() + self.learned.memory()
    }

    /// Adds the values of a line, or of several with a line break after each: in order, none overlapping another. Allocates nothing
    /// where there is no value.
    pub fn scan(&self, text: &[u8], spans: &mut Vec<Span>) {
        let from = spans.len();
        let mut found = Found { text, spans, entities: self.entities };
        for hit in self.words.find_iter(text) {
            let word = hit.range();
            match WORDS[hit.pattern().as_usize()].1 {
                Sense::Key(key) => keys::after(text, word, key, &mut found),
                Sense::Token(token) => tokens::at(text, word, token, &mut found),
                Sense::Person(phrase) => people::after(text, word, phrase, &mut found),
                Sense::Owner => net::after(text, word, &mut found),
                Sense::Mail => mail::encoded(text, word, &mut found),
                Sense::Street => people::street(text, word, &mut found),
            }
        }
        mail::plain(text, &mut found);
        numbers::all(text, &mut found);
        if !self.learned.is_empty() {
            self.learned.scan(text, spans);
        }
        if spans.len() > from {
            settle(spans, from);
        }
    }
}

/// Sorts, and of two that overlap keeps the longer one, grown by what the other has beyond.
pub(crate) fn settle(spans: &mut Vec<Span>, from: usize) {
    spans[from..].sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut kept = from;
    for at in from + 1..spans.len() {
        let next = spans[at];
        let last = &mut spans[kept];
        if next.start < last.end {
            last.end = last.end.max(next.end);
        } else {
            kept += 1;
            spans[kept] = next;
        }
    }
    spans.truncate(kept + 1);
}
