//! Rules that were learned: a literal key, and the shape of the value after it.

use aho_corasick::{AhoCorasick, MatchKind};

use super::shape::Shape;
use super::text;
use crate::entity::Entity;
use crate::span::{Finder, Span};

/// More rules than this are not applied.
pub const MOST_RULES: usize = 512;
/// The fewest and the most bytes of a key.
const KEY: std::ops::RangeInclusive<usize> = 3..=48;

/// A learned rule, ready to be applied: after `key`, whatever its case, come blanks, quotes and signs, and then a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRule {
    /// Its number.
    pub id: u32,
    /// The text before a value, in lower case.
    pub key: Vec<u8>,
    /// What a value looks like.
    pub shape: Shape,
    /// What it is.
    pub entity: Entity,
}

/// Learned rules, looked for all at once in one pass. Those with a key that is too short or too long are left out, and those beyond
/// [`MOST_RULES`].
#[derive(Clone, Debug)]
pub struct Learned {
    keys: Option<AhoCorasick>,
    rules: Vec<CompiledRule>,
}

impl Learned {
    /// Of these rules.
    #[must_use]
    pub fn new(rules: &[CompiledRule]) -> Self {
        let sound = rules.iter().filter(|rule| KEY.contains(&rule.key.len()));
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
        for hit in keys.find_overlapping_iter(text) {
            let rule = &self.rules[hit.pattern().as_usize()];
            if !text::begins(text, hit.start()) {
                continue;
            }
            let gap = text::gap(text, hit.end());
            if gap.at == hit.end() {
                continue;
            }
            let (length, looked) = rule.shape.look(&text[gap.at..]);
            steps += u32::try_from(gap.at - hit.end() + looked).unwrap_or(u32::MAX);
            if let Some(length) = length {
                spans.push(Span {
                    start: gap.at as u32,
                    end: (gap.at + length) as u32,
                    entity: rule.entity,
                    by: Finder::Learned(rule.id),
                    score: u8::MAX,
                });
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: u32, key: &str, value: &[u8]) -> CompiledRule {
        CompiledRule { id, key: key.into(), shape: Shape::of(value), entity: Entity::NationalId }
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
        ] {
            assert_eq!(found(&rules, text).len(), 1, "{text}");
        }
        for text in [
            "patient noAB-9876",
            "inpatient no AB-9876",
            "patient no AB-98765",
            "patient no: ab-9876",
        ] {
            assert_eq!(found(&rules, text), [], "{text}");
        }
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
}
