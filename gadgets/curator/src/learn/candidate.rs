//! Values that the slow path found and the rules missed, by the words before them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use gadget_template::shape_of;

use super::key::{self, Anchor, Join, Key};
use super::rule;
use crate::entity::Entity;
use crate::label::Lexicon;
use crate::scan::Shape;
use crate::span::Span;

/// Keys that are remembered.
const MOST_KEYS: usize = 2048;
/// Shapes of one key that are told apart.
const MOST_FORMS: usize = 8;
/// Values, tests, services and statements that are remembered of a shape.
const MOST_EACH: usize = 8;
/// Of the sightings that make a rule the slow path has to be sure of so many.
const SURE: usize = 2;

/// What one key is followed by.
#[derive(Debug)]
struct Form {
    shape: Shape,
    /// Hashes of the values under a key of this process; the values themselves are not kept.
    values: Vec<u64>,
    tests: Vec<String>,
    services: Vec<Arc<str>>,
    contexts: Vec<u64>,
    /// Sightings that the slow path was sure of, one for a value as long as few are remembered.
    sure: usize,
}

#[derive(Debug, Default)]
struct Candidate {
    forms: Vec<Form>,
    /// When it was last seen, in sightings of all.
    last: u64,
}

/// What is seen often enough to become a rule.
#[derive(Clone, Debug)]
pub(crate) struct Ripe {
    pub(crate) anchor: Anchor,
    pub(crate) entity: Entity,
    pub(crate) shape: Shape,
    pub(crate) tests: Vec<String>,
    pub(crate) services: Vec<Arc<str>>,
    /// The statements that it was seen in, see [`context`].
    pub(crate) contexts: Vec<u64>,
}

/// One sighting.
pub(crate) struct Sighting<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) service: &'a Arc<str>,
    pub(crate) span: &'a Span,
    /// All values of the line.
    pub(crate) values: &'a [Span],
    /// The statement that logged it, see [`context`].
    pub(crate) context: u64,
    /// False if the slow path only takes it to be likelier than not.
    pub(crate) sure: bool,
}

/// Bytes before and after a value that tell the statement.
const AROUND: usize = 48;

/// The statement that logged a value, as far as that can be told: the two words before it and the one after it, without other values.
pub(crate) fn context<'a>(
    line: &[u8],
    value: &Span,
    values: impl Iterator<Item = &'a Span>,
) -> u64 {
    let range = value.range();
    let (from, to) = (range.start.saturating_sub(AROUND), line.len().min(range.end + AROUND));
    let Some(mut around) = line.get(from..to).map(<[u8]>::to_vec) else { return 0 };
    for Range { start, end } in values.map(Span::range).chain([range.clone()]) {
        let (start, end) = (start.clamp(from, to) - from, end.clamp(from, to) - from);
        around[start..end].fill(0);
    }
    let (before, after) = around.split_at(range.start - from);
    let words = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0 | 0x80..);
        let runs = bytes.chunk_by(move |one, two| word(one) == word(two));
        runs.filter(|run| word(&run[0])).map(<[u8]>::to_vec).collect()
    };
    let after = words(&after[range.len()..]);
    let told = words(before).into_iter().rev().take(2).chain(after.into_iter().take(1));
    shape_of(&told.collect::<Vec<_>>().join(&b' '))
}

#[derive(Debug, Default)]
pub(crate) struct Candidates {
    by_anchor: HashMap<(Anchor, Entity), Candidate>,
    hasher: RandomState,
    sightings: u64,
}

impl Candidates {
    /// Takes in one sighting; what has now been seen with `wanted` different values, if something has.
    pub(crate) fn saw(
        &mut self,
        sighting: &Sighting<'_>,
        wanted: usize,
        refused: impl Fn(&Anchor, Entity) -> bool,
        words: &Lexicon,
    ) -> Option<Ripe> {
        let Sighting { line, span, values, .. } = *sighting;
        let value = line.get(span.range())?;
        let shape = rule::shape_of(value, span.entity);
        if !rule::is_specific(&shape) {
            return None;
        }
        self.sightings += 1;
        let entity = span.entity;
        let mut keys = key::before(line, span.range(), values, words);
        keys.retain(|key| key::is_admissible(&key.anchor.key));
        if keys.is_empty() {
            keys.extend(key::behind(line, span.range(), values, words));
        }
        keys.retain(|key| !refused(&key.anchor, entity));
        let mut ripe: Vec<(&Key, usize)> = Vec::new();
        for key in &keys {
            if let Some(form) = self.count(key, sighting, &shape, value, wanted) {
                ripe.push((key, form));
            }
        }
        // A field's name says it all. In prose the more words the better: "issued for" is followed by anything.
        let (key, form) = match ripe.first()?.0.join {
            Join::Assigned => ripe.first().copied()?,
            Join::Prose => ripe.last().copied()?,
        };
        let candidate = self.by_anchor.get(&(key.anchor.clone(), entity))?;
        let Form { shape, tests, services, contexts, .. } = candidate.forms.get(form)?;
        let found = Ripe {
            anchor: key.anchor.clone(),
            entity,
            shape: shape.clone(),
            tests: tests.clone(),
            services: services.clone(),
            contexts: contexts.clone(),
        };
        for (key, form) in ripe {
            if let Some(candidate) = self.by_anchor.get_mut(&(key.anchor.clone(), entity)) {
                candidate.forms.remove(form);
            }
        }
        Some(found)
    }

    /// Counts it under one key; the place of its form if that is ripe.
    fn count(
        &mut self,
        key: &Key,
        sighting: &Sighting<'_>,
        shape: &Shape,
        value: &[u8],
        wanted: usize,
    ) -> Option<usize> {
        let place = (key.anchor.clone(), sighting.span.entity);
        if !self.by_anchor.contains_key(&place) && self.by_anchor.len() >= MOST_KEYS {
            let oldest = self
                .by_anchor
                .iter()
                .min_by_key(|(_, candidate)| candidate.last)
                .map(|(place, _)| place.clone());
            oldest.and_then(|oldest| self.by_anchor.remove(&oldest));
        }
        let candidate = self.by_anchor.entry(place).or_default();
        candidate.last = self.sightings;
        let joined = candidate.forms.iter().enumerate().find_map(|(nth, form)| {
            let joined = form.shape.join(shape).filter(rule::is_specific)?;
            Some((nth, joined))
        });
        let nth = match joined {
            Some((nth, joined)) => {
                candidate.forms[nth].shape = joined;
                nth
            }
            None if candidate.forms.len() >= MOST_FORMS => return None,
            None => {
                candidate.forms.push(Form {
                    shape: shape.clone(),
                    values: Vec::new(),
                    tests: Vec::new(),
                    services: Vec::new(),
                    contexts: Vec::new(),
                    sure: 0,
                });
                candidate.forms.len() - 1
            }
        };
        let form = &mut candidate.forms[nth];
        let start = sighting.span.start as usize;
        let head = &sighting.line[..start];
        let between = head.iter().rev().take_while(|byte| key::is_between(**byte)).count();
        let test = rule::test_of(&key.anchor, &head[start - between..], value);
        let new = remember(&mut form.values, self.hasher.hash_one(value));
        if new || form.values.len() == MOST_EACH {
            form.sure += usize::from(sighting.sure);
        }
        remember(&mut form.tests, test);
        remember(&mut form.services, Arc::clone(sighting.service));
        remember(&mut form.contexts, sighting.context);
        (form.values.len() >= wanted && form.sure >= SURE.min(wanted)).then_some(nth)
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_anchor.len()
    }
}

/// True if it was new and there was room for it.
fn remember<T: PartialEq>(all: &mut Vec<T>, one: T) -> bool {
    let new = all.len() < MOST_EACH && !all.contains(&one);
    if new {
        all.push(one);
    }
    new
}
