//! Values that the slow path found and the rules missed, by the words before them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::key::{self, Join, Key};
use super::rule;
use crate::entity::Entity;
use crate::label::Lexicon;
use crate::scan::Shape;
use crate::span::Span;

/// Keys that are remembered.
const MOST_KEYS: usize = 2048;
/// Shapes of one key that are told apart.
const MOST_FORMS: usize = 8;
/// Values, tests and services that are remembered of a shape.
const MOST_EACH: usize = 8;

/// What one key is followed by.
#[derive(Debug)]
struct Form {
    shape: Shape,
    /// Hashes of the values under a key of this process; the values themselves are not kept.
    values: Vec<u64>,
    tests: Vec<String>,
    services: Vec<Arc<str>>,
    sightings: u32,
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
    pub(crate) key: String,
    pub(crate) entity: Entity,
    pub(crate) shape: Shape,
    pub(crate) tests: Vec<String>,
    pub(crate) services: Vec<Arc<str>>,
}

/// One sighting.
pub(crate) struct Sighting<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) service: &'a Arc<str>,
    pub(crate) span: &'a Span,
    /// All values of the line.
    pub(crate) values: &'a [Span],
}

#[derive(Debug, Default)]
pub(crate) struct Candidates {
    by_key: HashMap<(String, Entity), Candidate>,
    hasher: RandomState,
    sightings: u64,
}

impl Candidates {
    /// Takes in one sighting; what has now been seen with `wanted` different values, if something has.
    pub(crate) fn saw(
        &mut self,
        sighting: &Sighting<'_>,
        wanted: usize,
        refused: impl Fn(&str, Entity) -> bool,
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
        let keys: Vec<Key> = key::before(line, span.range(), values, words)
            .into_iter()
            .filter(|key| key::is_admissible(&key.text) && !refused(&key.text, entity))
            .collect();
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
        let candidate = self.by_key.get(&(key.text.clone(), entity))?;
        let Form { shape, tests, services, .. } = candidate.forms.get(form)?;
        let key = key.text.clone();
        let found = Ripe {
            key,
            entity,
            shape: shape.clone(),
            tests: tests.clone(),
            services: services.clone(),
        };
        for (key, form) in ripe {
            if let Some(candidate) = self.by_key.get_mut(&(key.text.clone(), entity)) {
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
        let place = (key.text.clone(), sighting.span.entity);
        if !self.by_key.contains_key(&place) && self.by_key.len() >= MOST_KEYS {
            let oldest = self
                .by_key
                .iter()
                .min_by_key(|(_, candidate)| candidate.last)
                .map(|(place, _)| place.clone());
            oldest.and_then(|oldest| self.by_key.remove(&oldest));
        }
        let candidate = self.by_key.entry(place).or_default();
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
                let (values, tests, services) = (Vec::new(), Vec::new(), Vec::new());
                candidate.forms.push(Form {
                    shape: shape.clone(),
                    values,
                    tests,
                    services,
                    sightings: 0,
                });
                candidate.forms.len() - 1
            }
        };
        let form = &mut candidate.forms[nth];
        form.sightings += 1;
        let hash = self.hasher.hash_one(value);
        if form.values.len() < MOST_EACH && !form.values.contains(&hash) {
            form.values.push(hash);
        }
        let start = sighting.span.start as usize;
        let head = &sighting.line[..start];
        let between = head.iter().rev().take_while(|byte| key::is_between(**byte)).count();
        let test = rule::test_of(&key.text, &head[start - between..], value);
        if form.tests.len() < MOST_EACH && !form.tests.contains(&test) {
            form.tests.push(test);
        }
        if form.services.len() < MOST_EACH && !form.services.contains(sighting.service) {
            form.services.push(Arc::clone(sighting.service));
        }
        (form.values.len() >= wanted).then_some(nth)
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }
}
