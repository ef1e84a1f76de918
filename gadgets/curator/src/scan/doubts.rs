//! What may be a value, and is one if its line has another that is certain.

use std::ops::Range;

use super::Found;
use crate::entity::Entity;
use crate::span::Span;

/// So many of a text are kept.
const MOST: usize = 8;
/// A value further away than this tells nothing.
const REACH: usize = 1024;

/// The doubts of a text.
#[derive(Debug)]
pub(super) struct Doubts {
    these: [(Range<usize>, Entity); MOST],
    count: usize,
}

impl Default for Doubts {
    fn default() -> Self {
        Self { these: [const { (0..0, Entity::Name) }; MOST], count: 0 }
    }
}

impl Doubts {
    pub(super) fn add(&mut self, range: Range<usize>, entity: Entity) {
        if let Some(free) = self.these.get_mut(self.count) {
            *free = (range, entity);
            self.count += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds those whose line has one of the values that were found since `from`.
    pub(super) fn settle(&self, text: &[u8], from: usize, found: &mut Found<'_>) {
        let certain = found.spans.len();
        for (range, entity) in &self.these[..self.count] {
            let same = |span: &Span| {
                let (start, end) = (span.start as usize, span.end as usize);
                let between = start.min(range.start)..end.max(range.end);
                between.len() < REACH && memchr::memchr(b'\n', &text[between]).is_none()
            };
            if found.spans[from..certain].iter().any(same) {
                found.add(range.clone(), *entity);
            }
        }
    }
}
