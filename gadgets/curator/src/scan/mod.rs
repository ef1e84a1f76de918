//! The fast path: one pass that marks where words and numbers begin, a table of the words that values stand beside, and checks where they
//! meet something.

mod clothes;
mod context;
mod dates;
mod doubts;
mod figures;
mod foreign;
mod given;
mod index;
mod keys;
mod kin;
mod learned;
mod mail;
mod marks;
mod net;
mod numbers;
mod pass;
mod people;
mod places;
mod rows;
mod secret;
mod segments;
mod set;
mod shape;
mod starts;
mod text;
mod tokens;
mod words;

use std::ops::Range;

use crate::entity::Entity;
use crate::redact::is_replacement;
use crate::span::{Finder, Span};
use doubts::Doubts;
use index::{Beginnings, Index};
use net::Whose;
use text::{Ends, Gap};
use tokens::Run;
use words::{Phrase, Sense};

pub use learned::{CompiledRule, Learned, MOST_RULES};
pub use shape::{MOST_BYTES, MOST_PIECES, NotAShape, Shape};

/// Finds values in lines by rules alone. Made once and used for every line; holds no text.
#[derive(Clone, Debug)]
pub struct Scanner {
    words: Index<Sense>,
    names: Index<()>,
    /// How those of the words begin that go on after a digit.
    inner: Beginnings,
    learned: Learned,
    entities: u32,
}

/// What checks write to.
struct Found<'a> {
    text: &'a [u8],
    spans: &'a mut Vec<Span>,
    entities: u32,
    ends: Ends,
    /// Figures in words were read as far as here.
    figures: usize,
    /// A name was read as far as here.
    names: usize,
    token: Run,
    whose: Whose,
    doubts: Doubts,
    /// Rows were read as far as here.
    rows: usize,
    /// An address was looked for as far as here, and for how many keys.
    places: (usize, u32),
}

impl<'a> Found<'a> {
    fn new(text: &'a [u8], spans: &'a mut Vec<Span>, entities: u32) -> Self {
        Self {
            text,
            spans,
            entities,
            ends: Ends::default(),
            figures: 0,
            names: 0,
            token: Run::default(),
            whose: Whose::default(),
            doubts: Doubts::default(),
            rows: 0,
            places: (0, 0),
        }
    }

    fn add(&mut self, range: Range<usize>, entity: Entity) {
        let wanted = self.entities & bit(entity) != 0;
        // What replaces a value is short.
        let replaced = || range.len() < 96 && is_replacement(&self.text[range.clone()]);
        if range.is_empty() || !wanted || replaced() {
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

    /// Where the value after `gap` is.
    fn value(&mut self, gap: &Gap) -> Range<usize> {
        self.ends.value(self.text, gap)
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
        let names = given::GIVEN.iter().map(|name| (*name, ()));
        let after_name = |(), next| matches!(next, b' ' | b'+' | b'%' | b'-' | b'\'' | 0x80..);
        let mut inner = Beginnings::new();
        for (word, sense) in words::words().filter(|(_, sense)| sense.goes_after_digits()) {
            inner.add(word.as_bytes(), |next| sense.goes_before(next));
        }
        Self {
            words: Index::new(words::words(), Sense::goes_before),
            names: Index::new(names, after_name),
            inner,
            learned: Learned::new(&[]),
            entities: u32::MAX,
        }
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
        size_of::<Self>()
            + self.words.memory()
            + self.names.memory()
            + self.inner.memory()
            + self.learned.memory()
    }

    /// Adds the values of a line, or of several with a line break after each: in order, none overlapping another. Allocates nothing
    /// where there is no value.
    pub fn scan(&self, text: &[u8], spans: &mut Vec<Span>) {
        let from = spans.len();
        let mut found = Found::new(text, spans, self.entities);
        let high = self.plain(text, &mut found);
        let doubts = found.doubts;
        clothes::scan(self, text, high, spans);
        if spans.len() > from {
            kin::scan(text, from, &mut Found::new(text, spans, self.entities));
        }
        if !doubts.is_empty() {
            doubts.settle(text, from, &mut Found::new(text, spans, self.entities));
        }
        if !self.learned.is_empty() {
            self.learned.scan(text, spans);
        }
        if spans.len() > from {
            settle(spans, from);
        }
    }
}

/// Looks for a value at a word.
fn look(scanner: &Scanner, text: &[u8], word: Range<usize>, sense: Sense, found: &mut Found<'_>) {
    match sense {
        Sense::Key(key) => keys::after(text, word, key, found),
        Sense::Token(token) => tokens::at(text, word, token, found),
        Sense::Person(phrase) => {
            if phrase == Phrase::Role {
                found.whose.speak(text, word.clone());
            }
            people::after(text, word, phrase, found);
        }
        Sense::Owner(owner) => net::after(text, word, owner, found),
        Sense::At => mail::in_words(text, word, found),
        Sense::Street => places::street(text, word, found),
        Sense::Rue => places::rue(text, word, found),
        Sense::Figure => figures::at(text, word, found),
        Sense::Program => tokens::program(text, word, found),
        Sense::Segment => segments::at(text, word, found),
        Sense::Rows => rows::after(scanner, text, word, found),
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
