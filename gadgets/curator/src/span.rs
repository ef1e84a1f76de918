//! Where a value is in a line.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::entity::Entity;

/// Who found a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finder {
    /// A built-in rule, by its number.
    Rule(u16),
    /// A rule that was learned and adopted, by its number.
    Learned(u32),
    /// The labeller of the slow path.
    Labeller,
}

/// A value in a line. Never holds the value itself, so that it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What it is.
    pub entity: Entity,
    /// Who found it.
    pub by: Finder,
    /// How sure the finder is: 255 for certain.
    pub score: u8,
}

impl Span {
    /// The bytes of the line that it covers.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
