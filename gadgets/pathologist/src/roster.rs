//! All processes, by what they use alone: cheap enough for those that nobody suspects.

use std::collections::HashMap;
use std::time::Duration;

use gadget_core::{ProcessId, ProcessUsage, Timestamp};

use crate::evidence::WORKS;
use crate::state::State;

/// The most processes that are followed; what comes beyond is counted.
const MOST: usize = 20_000;
/// Share of a processor from which on it matters what for: on a busy host there is little more to have.
const BUSY: f64 = 0.05;
/// Readings that lie closer together tell too little of what was used in between.
const LEAST: Duration = Duration::from_millis(500);

/// One process.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    cpu: Duration,
    /// In uninterruptible sleep at the last reading.
    asleep: bool,
    state: State,
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// It was in this state, and now is in another.
    pub(crate) from: Option<State>,
    /// It sleeps where no signal reaches it, as it did at the reading before, and has not run since.
    pub(crate) sleeps_on: bool,
    /// It uses much of a processor.
    pub(crate) busy: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    entries: HashMap<ProcessId, Entry>,
    pub(crate) refused: u64,
}

impl Roster {
    /// Takes in one reading.
    pub(crate) fn read(&mut self, id: ProcessId, at: Timestamp, usage: &ProcessUsage) -> Change {
        let asleep = usage.state == 'D';
        let Some(entry) = self.entries.get_mut(&id) else {
            if self.entries.len() >= MOST {
                self.refused += 1;
                return Change::default();
            }
            let state = if is_stopped(usage) { State::Stopped } else { State::Unknown };
            self.entries.insert(id, Entry { at, cpu: usage.cpu, asleep, state });
            return Change {
                from: (state != State::Unknown).then_some(State::Unknown),
                ..Change::default()
            };
        };
        let over = at.since(entry.at);
        if over < LEAST {
            return Change::default();
        }
        let used = usage.cpu.saturating_sub(entry.cpu);
        let sleeps_on = asleep && entry.asleep && used.is_zero();
        let state = if is_stopped(usage) {
            State::Stopped
        } else if used.as_secs_f64() >= WORKS * over.as_secs_f64() {
            State::Working
        } else {
            State::Idle
        };
        let before = entry.state;
        *entry = Entry { at, cpu: usage.cpu, asleep, state };
        let busy = used.as_secs_f64() >= BUSY * over.as_secs_f64();
        Change { from: (state != before).then_some(before), sleeps_on, busy }
    }

    pub(crate) fn state(&self, id: ProcessId) -> Option<State> {
        self.entries.get(&id).map(|entry| entry.state)
    }

    pub(crate) fn gone(&mut self, id: ProcessId) {
        self.entries.remove(&id);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

const fn is_stopped(usage: &ProcessUsage) -> bool {
    matches!(usage.state, 'T' | 't')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ProcessId = ProcessId { pid: 7, start: 1 };

    fn read(roster: &mut Roster, second: u64, state: char, cpu_ms: u64) -> Change {
        let cpu = Duration::from_millis(cpu_ms);
        let usage = ProcessUsage { state, cpu, ..ProcessUsage::default() };
        roster.read(ID, Timestamp::from_secs(second), &usage)
    }

    #[test]
    fn what_it_uses_tells_work_from_rest() {
        let mut roster = Roster::default();
        read(&mut roster, 0, 'S', 0);
        assert_eq!(roster.state(ID), Some(State::Unknown));
        assert_eq!(read(&mut roster, 10, 'S', 90).from, Some(State::Unknown));
        assert_eq!(roster.state(ID), Some(State::Idle));
        assert_eq!(read(&mut roster, 20, 'R', 190).from, Some(State::Idle));
        assert_eq!(roster.state(ID), Some(State::Working));
        assert_eq!(read(&mut roster, 30, 'R', 400).from, None);
        assert_eq!(read(&mut roster, 40, 'T', 400).from, Some(State::Working));
        assert_eq!(roster.state(ID), Some(State::Stopped));
    }

    #[test]
    fn one_that_sleeps_on_in_the_kernel_is_noticed_at_the_second_reading() {
        let mut roster = Roster::default();
        assert!(!read(&mut roster, 0, 'D', 5).sleeps_on);
        assert!(read(&mut roster, 30, 'D', 5).sleeps_on);
        assert!(!read(&mut roster, 60, 'D', 6).sleeps_on, "it has run in between");
    }
}
