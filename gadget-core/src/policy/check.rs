//! Ranges of settings.

use std::fmt::Debug;
use std::time::Duration;

use super::duration;
use super::error::PolicyError;

/// The most entries in a list of a policy.
const MAX_LIST: usize = 256;

/// Refuses values out of range, with the name, the range and the value.
pub(super) struct Check;

impl Check {
    pub(super) fn that(
        &self,
        holds: bool,
        key: &str,
        expected: &str,
        found: &dyn Debug,
    ) -> Result<(), PolicyError> {
        if holds {
            return Ok(());
        }
        Err(PolicyError::Value {
            line: None,
            key: key.to_owned(),
            problem: format!("has to be {expected}, found {found:?}"),
        })
    }

    pub(super) fn within(
        &self,
        key: &str,
        found: Duration,
        min: Duration,
        max: Duration,
    ) -> Result<(), PolicyError> {
        let [min_text, max_text, text] = [min, max, found].map(duration::print);
        let range = format!("from {min_text} to {max_text}");
        self.that((min..=max).contains(&found), key, &range, &text)
    }

    pub(super) fn share(&self, key: &str, found: f64) -> Result<(), PolicyError> {
        self.that((0.0..=1.0).contains(&found), key, "a share from 0 to 1", &found)
    }

    pub(super) fn count<T>(&self, key: &str, list: &[T]) -> Result<(), PolicyError> {
        self.that(list.len() <= MAX_LIST, key, "a list of at most 256", &list.len())
    }
}
