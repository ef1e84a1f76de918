//! Rules that were learned: a literal key, and the shape of the value after it, or of one behind other values.

use std::ops::RangeInclusive;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::memmem;

use super::shape::Shape;
use super::text;
use crate::entity::Entity;
use crate::span::{Finder, Span};

/// More rules than this are not applied.
pub const MOST_RULES: usize = 512;
/// The fewest and the most bytes of a key.
const KEY: RangeInclusive<usize> = 2..=48;
/// Keys with such texts whose reach is remembered, so that a line of nothing but keys is not gone through for each.
const REMEMBERED: usize = 8;

/// A learned rule, ready to be applied: after `key`, whatever its case, come blanks, quotes and signs, and then a value. With `past`
/// other values come first: the texts are looked for one behind the other, and right after the last is the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRule {
    /// Its number.
    pub id: u32,
    /// The text before a value, in lower case.
    pub key: Vec<u8>,
    /// What ends each of the other values between the key and this one.
    pub past: Vec<Vec<u8>>,
    /// What a value looks like.
    pub shape: Shape,
    /// What it is.
    pub entity: Entity,
}

impl CompiledRule {
    /// The most texts that a value may stand behind...
    pub const MOST_PAST: usize = 4;
    /// ...the fewest and the most bytes of each...
    pub const PAST: RangeInclusive<usize> = 1..=16;
    /// ...and how far after the key the last of them ends, in bytes.
    pub const REACH: usize = 128;

    fn is_sound(&self) -> bool {
        KEY.contains(&self.key.len())
            && self.past.len() <= Self::MOST_PAST
            && self.past.iter().all(|text| Self::PAST.contains(&text.len()))
    }
}

/// Learned rules, looked for all at once in one pass. Those with a key or a text that is too short or too long are left out, and those
/// beyond [`MOST_RULES`].
#[derive(Clone, Debug)]
pub struct Learned {
    keys: Option<AhoCorasick>,
    rules: Vec<CompiledRule>,
}

impl Learned {
    /// Of these rules.
    #[must_use]
    pub fn new(rules: &[CompiledRule]) -> Self {
        let sound = rules.iter().filter(|rule| rule.is_sound());
        let rules: Vec<CompiledRule> = sound.take(MOST_RULES).cloned().collect();
        let keys = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(rules.iter().map(|rule| &rule.key));
        // Keys of bounded number and length always make an automaton.
        Self { keys: keys.ok().filter(|_| !rules.is_empty()), rules }
    }

    /// True if there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_none()
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        let rules: usize = self.rules.iter().map(|rule| size_of_val(rule) + rule.key.len()).sum();
        rules + self.keys.as_ref().map_or(0, AhoCorasick::memory_usage)
    }

    /// Adds the values that the rules find, in the order of their keys; they may overlap.
    pub fn scan(&self, text: &[u8], spans: &mut Vec<Span>) {
        self.steps(text, spans);
    }

    /// As [`scan`](Self::scan), and says how many bytes of values were looked at.
    pub fn steps(&self, text: &[u8], spans: &mut Vec<Span>) -> u32 {
        let mut steps = 0;
        let Some(keys) = &self.keys else { return steps };
        let (mut reached, mut turn) = ([(usize::MAX, 0); REMEMBERED], 0);
        for hit in keys.find_overlapping_iter(text) {
            let nth = hit.pattern().as_usize();
            let rule = &self.rules[nth];
            if !begins(text, hit.start()) {
                continue;
            }
            let at = if rule.past.is_empty() {
                let gap = text::gap(text, hit.end());
                Some(gap.at).filter(|at| *at > hit.end())
            } else {
                // A key within what this one has looked through is part of what is between.
                if reached.iter().any(|(rule, until)| *rule == nth && hit.end() <= *until) {
                    continue;
                }
                let (at, until) = past(text, hit.end(), &rule.past);
                reached[turn % REMEMBERED] = (nth, until);
                turn += 1;
                steps += u32::try_from(until - hit.end()).unwrap_or(u32::MAX);
                at
            };
            let Some(at) = at else { continue };
            let (mut at, (mut length, mut looked)) = (at, rule.shape.look(&text[at..]));
            // A bracket may be of the value, as in `(212) 555-0123`.
            if length.is_none() && rule.past.is_empty() && matches!(text[at - 1], b'(' | b'[') {
                at -= 1;
                let again = rule.shape.look(&text[at..]);
                (length, looked) = (again.0, looked + again.1);
            }
            steps += u32::try_from(at - hit.end() + looked).unwrap_or(u32::MAX);
            if let Some(length) = length {
                spans.push(Span {
                    start: at as u32,
                    end: (at + length) as u32,
                    entity: rule.entity,
                    by: Finder::Learned(rule.id),
                    score: u8::MAX,
                });
            }
        }
        steps
    }
}

/// True if no identifier goes on at `at`: the rule for `name` is none for `device_name`.
fn begins(text: &[u8], at: usize) -> bool {
    let goes_on = |byte| text::is_word(byte) || matches!(byte, b'_' | b'-' | b'.');
    !text::before(text, at).is_some_and(goes_on)
}

/// Where a value is that stands behind all of `texts` after a key that ends at `from`, and how far was looked: within its line, and no
/// farther than [`CompiledRule::REACH`].
fn past(text: &[u8], from: usize, texts: &[Vec<u8>]) -> (Option<usize>, usize) {
    let end = text.len().min(from + CompiledRule::REACH);
    let end = memchr::memchr(b'\n', &text[from..end]).map_or(end, |line| from + line);
    if text.get(from).is_some_and(|byte| text::is_word(*byte)) {
        return (None, from);
    }
    let mut at = from;
    for sought in texts {
        match memmem::find(&text[at..end], sought) {
            Some(before) => at += before + sought.len(),
            None => return (None, end),
        }
    }
    (Some(at), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: u32, key: &str, value: &[u8]) -> CompiledRule {
        behind(id, key, &[], value)
    }

    fn behind(id: u32, key: &str, past: &[&str], value: &[u8]) -> CompiledRule {
        let past = past.iter().map(|text| text.as_bytes().to_vec()).collect();
        let (shape, entity) = (Shape::of(value), Entity::NationalId);
        CompiledRule { id, key: key.into(), past, shape, entity }
    }

    fn found(rules: &[CompiledRule], text: &str) -> Vec<(u32, String)> {
        let mut spans = Vec::new();
        Learned::new(rules).scan(text.as_bytes(), &mut spans);
        let what = |span: &Span| {
            let Finder::Learned(id) = span.by else { panic!("{span:?}") };
            (id, text[span.range()].to_owned())
        };
        spans.iter().map(what).collect()
    }

    #[test]
    fn a_value_is_found_after_its_key_however_it_is_written() {
        let rules = [rule(7, "patient no", b"AB-1234")];
        for text in [
            "patient no AB-9876",
            "PATIENT NO: ZZ-0000,",
            "{\"patient no\":\"QQ-1111\"}",
            "x patient no = 'QQ-1111'",
            "patient no = (QQ-1111)",
        ] {
            assert_eq!(found(&rules, text).len(), 1, "{text}");
        }
        for text in [
            "patient noAB-9876",
            "inpatient no AB-9876",
            "in_patient no AB-9876",
            "inPatient no AB-9876",
            "patient no AB-98765",
            "patient no: ab-9876",
        ] {
            assert_eq!(found(&rules, text), [], "{text}");
        }
    }

    #[test]
    fn a_bracket_may_be_of_the_value() {
        let rules = [rule(7, "phone", b"(212) 555-0123")];
        assert_eq!(found(&rules, "phone=(401) 934-0602"), [(7, "(401) 934-0602".into())]);
        assert_eq!(found(&rules, "phone=401 934-0602"), []);
    }

    #[test]
    fn rules_with_one_key_all_look() {
        let rules = [
            rule(1, "member", b"12345678"),
            rule(2, "member", b"A-123"),
            rule(3, "er", b"12345678"),
        ];
        assert_eq!(
            found(&rules, "member=87654321 member B-321"),
            [(1, "87654321".into()), (2, "B-321".into())]
        );
    }

    #[test]
    fn a_line_made_of_keys_costs_no_more_than_its_length_times_a_bound() {
        let rules = [rule(1, "aaa", &[b'a'; 128])];
        let (learned, mut spans) = (Learned::new(&rules), Vec::new());
        let text = "aaa ".repeat(4096);
        let steps = learned.steps(text.as_bytes(), &mut spans);
        assert!(steps as usize <= 8 * text.len(), "{steps} steps for {} bytes", text.len());
    }
    #[test]
    fn a_value_behind_others_is_found_past_what_ends_them() {
        let rules = [behind(1, "imported", &[",", ", "], b"AB-1234")];
        for text in [
            "imported row 7,Ann Lee, QQ-1111",
            "IMPORTED: x,, ZZ-9999.",
            "imported imported 7,x, ZZ-9999 imported",
        ] {
            assert_eq!(found(&rules, text).len(), 1, "{text}");
        }
        let far = format!("imported {},x, QQ-1111", "7".repeat(CompiledRule::REACH));
        for text in [
            "imported QQ-1111",
            "imported x, QQ-1111",
            "importedly x,y, QQ-1111",
            "imported x,y, not QQ-1111",
            "imported x,\ny, QQ-1111",
            "x,y, QQ-1111",
            &far,
        ] {
            assert_eq!(found(&rules, text), [], "{text}");
        }
    }

    #[test]
    fn a_line_made_of_keys_is_gone_through_once_for_what_stands_behind_them() {
        let rules: Vec<_> = (0..4).map(|id| behind(id, "aaa", &["~", "!"], b"AB-1234")).collect();
        let (learned, mut spans) = (Learned::new(&rules), Vec::new());
        let text = "aaa ".repeat(4096);
        let steps = learned.steps(text.as_bytes(), &mut spans);
        assert!(steps as usize <= 4 * text.len(), "{steps} steps for {} bytes", text.len());
    }
}
