//! What the provider of censuses says of itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gadget_core::CensusSource;

/// So many notes are kept; of more the oldest go, counted.
const MOST: usize = 32;

/// How censuses are taken just now. Clones are of the same provider, which may have moved to another thread.
#[derive(Clone, Debug)]
pub struct CensusStatus(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    state: CensusState,
    notes: VecDeque<String>,
    lost: u64,
}

/// How censuses are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CensusState {
    /// By what the last one was taken, or the next one will be.
    pub source: CensusSource,
    /// Censuses taken.
    pub taken: u64,
    /// They come so many times as seldom as they were asked for, since they cost too much; 1 at the pace that was asked for.
    pub pace: u32,
    /// How often that has changed.
    pub pace_changes: u64,
    /// Files that are kept open.
    pub kept_files: usize,
    /// Processes that the last one left out, because 100,000 are read at most.
    pub left_out: u64,
    /// Processes whose command line is remembered.
    pub details: usize,
    /// Command lines that were read and not remembered, because 4,096 are.
    pub details_not_kept: u64,
}

impl CensusStatus {
    pub(super) fn new(source: CensusSource) -> Self {
        let state = CensusState {
            source,
            taken: 0,
            pace: 1,
            pace_changes: 0,
            kept_files: 0,
            left_out: 0,
            details: 0,
            details_not_kept: 0,
        };
        Self(Arc::new(Mutex::new(Held { state, notes: VecDeque::new(), lost: 0 })))
    }

    /// How it is now.
    #[must_use]
    pub fn get(&self) -> CensusState {
        self.lock().state
    }

    /// What has changed since the last call, in lines for a person: another pace or another source, and why.
    #[must_use]
    pub fn take_notes(&self) -> Vec<String> {
        let mut held = self.lock();
        let lost = std::mem::take(&mut held.lost);
        let lost = (lost > 0).then(|| format!("{lost} notes before these are lost"));
        lost.into_iter().chain(held.notes.drain(..)).collect()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut CensusState)) {
        change(&mut self.lock().state);
    }

    pub(super) fn note(&self, line: String) {
        let mut held = self.lock();
        if held.notes.len() == MOST {
            held.notes.pop_front();
            held.lost += 1;
        }
        held.notes.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_given_once_and_the_oldest_of_too_many_are_counted() {
        let status = CensusStatus::new(CensusSource::Files);
        status.note("a".to_owned());
        assert_eq!(status.clone().take_notes(), ["a"]);
        assert!(status.take_notes().is_empty());
        for number in 0..MOST + 2 {
            status.note(number.to_string());
        }
        let notes = status.take_notes();
        assert_eq!((notes[0].as_str(), notes[1].as_str()), ("2 notes before these are lost", "2"));
        assert_eq!(notes.len(), MOST + 1);
    }
}
