//! The governor: what a part may cost, and what it is told when it costs more.

use std::borrow::Cow;
use std::time::Duration;

use super::breaker::{Breaker, BreakerState};
use super::meter::Cost;
use crate::ledger::Diagnostic;
use crate::model::Name;
use crate::units::{Bytes, Percent, Timestamp};

/// Costs are summed over this long, in [`SLOTS`] slots.
const WINDOW: Duration = Duration::from_secs(10);
const SLOTS: usize = 10;
const SLOT: Duration = Duration::from_secs(1);

/// Slowing down is tried up to one run in eight; then the breaker opens.
const MAX_SLOWING: u32 = 3;

const FIRST_STOP: Duration = Duration::from_secs(30);
const LONGEST_STOP: Duration = Duration::from_secs(3600);

/// What one part of an agent may cost. The defaults are a ceiling for guests; a part that knows better asks for less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// CPU time, as a share of one core over 10 s. Default 20 %; zero stops a part that does anything at all.
    pub cpu: Percent,
    /// Memory allocated and kept. Default 200 MB (200 * 10^6 bytes). Per part with
    /// [`Accounting`](crate::Accounting) installed; else only the agent as a whole can be held to one.
    pub memory: Bytes,
}

impl Default for Budget {
    fn default() -> Self {
        let cpu = Percent::new(20.0).unwrap_or_default();
        Self { cpu, memory: Bytes::new(200_000_000) }
    }
}

/// How often a part runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As it was set up.
    Normal,
    /// At `factor` times its interval, or once in `factor` steps.
    Slow {
        /// 2, 4 or 8.
        factor: u32,
    },
    /// Not at all, but for the single probe that [`Governor::admit`] lets through when it is due.
    Stopped,
}

/// Holds one part to its [`Budget`]: over it, the part is slowed, then stopped; later one probe decides.
///
/// Pure: costs and times are given. Before each run ask [`admit`](Self::admit), after it [`charge`](Self::charge), and
/// then take the [`diagnostic`](Self::diagnostic), which is there once for each change.
///
/// ```
/// # use {gadget_core::{Budget, Cost, Governor, Pace, Timestamp}, std::time::Duration};
/// let mut governor = Governor::new("oracle", Budget::default());
/// let costly = Cost { cpu: Duration::from_secs(3), allocated: None };
/// assert_eq!(governor.charge(Timestamp::from_secs(1), costly), Pace::Slow { factor: 2 });
/// assert!(governor.diagnostic().is_some());
/// ```
#[derive(Debug)]
pub struct Governor {
    part: Name,
    budget: Budget,
    breaker: Breaker,
    /// Each doubles the interval.
    slowing: u32,
    /// When `slowing` last changed.
    since: Timestamp,
    slots: [Duration; SLOTS],
    /// The number of the newest slot, counted from the epoch.
    newest: u64,
    live: i64,
    note: Option<Diagnostic>,
}

impl Governor {
    /// Holds the part called `part` to `budget`.
    #[must_use]
    pub fn new(part: impl Into<Name>, budget: Budget) -> Self {
        Self {
            part: part.into(),
            budget,
            breaker: Breaker::new(1, FIRST_STOP, LONGEST_STOP),
            slowing: 0,
            since: Timestamp::EPOCH,
            slots: [Duration::ZERO; SLOTS],
            newest: 0,
            live: 0,
            note: None,
        }
    }

    /// Whether the part may run at `now`. A `true` has to be followed by [`charge`](Self::charge).
    #[must_use]
    pub fn admit(&mut self, now: Timestamp) -> bool {
        self.breaker.admit(now)
    }

    /// How often the part is to run.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        match (self.breaker.state(), self.slowing) {
            (BreakerState::Closed, 0) => Pace::Normal,
            (BreakerState::Closed, slowing) => Pace::Slow { factor: 1 << slowing },
            _ => Pace::Stopped,
        }
    }

    /// Takes in what a run cost, and says how often the part is to run from now on.
    pub fn charge(&mut self, now: Timestamp, cost: Cost) -> Pace {
        self.live = self.live.saturating_add(cost.allocated.unwrap_or(0));
        let used = self.add(now, cost.cpu);
        let allowed = WINDOW.mul_f64(self.budget.cpu.get() / 100.0);
        let too_large = self.live() > self.budget.memory;
        match self.breaker.state() {
            BreakerState::Open { .. } => {}
            BreakerState::HalfOpen if cost.cpu > allowed || too_large => {
                self.stop(now, cost.cpu, "in one run");
            }
            BreakerState::HalfOpen => {
                self.breaker.succeeded(now);
                self.settle(now, MAX_SLOWING);
                self.say(format!("runs again, at 1/{} of its pace", 1 << MAX_SLOWING).into());
            }
            BreakerState::Closed => {
                // Slowing down shows after a window; memory does not shrink in between, CPU starts from zero.
                let settled = now.since(self.since) >= WINDOW;
                if used > allowed || (too_large && (settled || self.slowing == 0)) {
                    self.slow_down(now, used);
                } else if self.slowing > 0 && settled && used * 2 <= allowed && !too_large {
                    self.settle(now, self.slowing - 1);
                    self.say(format!("is within its budget; {}", self.cadence()).into());
                }
            }
        }
        self.pace()
    }

    /// Sets the memory that the part keeps, where it is known as a whole: [`resident`](crate::resident) of the agent.
    pub fn occupy(&mut self, live: Bytes) {
        self.live = i64::try_from(live.get()).unwrap_or(i64::MAX);
    }

    /// Memory that the part keeps, as far as it is known.
    #[must_use]
    pub fn live(&self) -> Bytes {
        Bytes::new(u64::try_from(self.live).unwrap_or(0))
    }

    /// CPU time of the last 10 s.
    #[must_use]
    pub fn used(&self) -> Duration {
        self.slots.iter().sum()
    }

    /// What the last call changed, if it changed anything; once.
    pub fn diagnostic(&mut self) -> Option<Diagnostic> {
        self.note.take()
    }

    fn slow_down(&mut self, now: Timestamp, used: Duration) {
        if self.slowing == MAX_SLOWING {
            self.stop(now, used, "in 10 s");
            return;
        }
        self.settle(now, self.slowing + 1);
        self.say(format!("{}; {}", self.excess(used, "in 10 s"), self.cadence()).into());
    }

    fn stop(&mut self, now: Timestamp, used: Duration, over: &str) {
        self.breaker.failed(now);
        self.settle(now, MAX_SLOWING);
        let BreakerState::Open { until } = self.breaker.state() else { return };
        let wait = until.since(now).as_secs_f64();
        self.say(format!("{}; it is stopped for {wait:.0} s", self.excess(used, over)).into());
    }

    fn settle(&mut self, now: Timestamp, slowing: u32) {
        self.slowing = slowing;
        self.since = now;
        self.slots = [Duration::ZERO; SLOTS];
    }

    /// Adds to the slot of `now` and returns the sum of the window.
    fn add(&mut self, now: Timestamp, cpu: Duration) -> Duration {
        let slot = now.as_nanos() / u64::try_from(SLOT.as_nanos()).unwrap_or(u64::MAX);
        let passed = slot.saturating_sub(self.newest);
        for old in (1..=passed).take(SLOTS) {
            self.slots[index(self.newest + old)] = Duration::ZERO;
        }
        self.newest = self.newest.max(slot);
        self.slots[index(self.newest)] += cpu;
        self.used()
    }

    fn excess(&self, used: Duration, over: &str) -> String {
        let Budget { cpu, memory } = self.budget;
        format!(
            "used {:.0} ms of CPU {over} and holds {}, allowed are {cpu} of a core and {memory}",
            used.as_secs_f64() * 1e3,
            self.live()
        )
    }

    fn cadence(&self) -> String {
        match self.slowing {
            0 => "runs at its own pace".to_owned(),
            slowing => format!("runs at 1/{} of its pace", 1 << slowing),
        }
    }

    fn say(&mut self, text: Cow<'static, str>) {
        self.note = Some(Diagnostic { part: self.part.clone(), text });
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    const fn cpu(millis: u64) -> Cost {
        Cost { cpu: Duration::from_millis(millis), allocated: None }
    }

    fn governor() -> Governor {
        Governor::new("part", Budget::default())
    }

    #[test]
    fn a_part_within_its_budget_is_left_alone() {
        let mut governor = governor();
        for second in 0..100 {
            assert!(governor.admit(at(second * 1_000)));
            assert_eq!(governor.charge(at(second * 1_000), cpu(190)), Pace::Normal);
            assert_eq!(governor.diagnostic(), None);
        }
    }

    #[test]
    fn a_part_over_its_budget_is_slowed_step_by_step_and_then_stopped_each_said_once() {
        let mut governor = governor();
        let mut seen = vec![Pace::Normal];
        for second in 0..200 {
            if !governor.admit(at(second * 1_000)) {
                break;
            }
            let pace = governor.charge(at(second * 1_000), cpu(900));
            let changed = pace != *seen.last().unwrap();
            assert_eq!(governor.diagnostic().is_some(), changed, "at {second} s");
            if changed {
                seen.push(pace);
            }
        }
        let slow = |factor| Pace::Slow { factor };
        assert_eq!(seen, [Pace::Normal, slow(2), slow(4), slow(8), Pace::Stopped]);
    }

    #[test]
    fn a_part_that_becomes_cheap_gets_its_pace_back() {
        let mut governor = governor();
        governor.charge(at(0), cpu(3_000));
        governor.charge(at(100), cpu(3_000));
        assert_eq!(governor.pace(), Pace::Slow { factor: 4 });
        for second in 1..40 {
            governor.charge(at(second * 1_000), cpu(10));
        }
        assert_eq!(governor.pace(), Pace::Normal);
    }

    #[test]
    fn memory_that_is_not_given_back_stops_a_part() {
        let mut governor = governor();
        let grown = Cost { cpu: Duration::ZERO, allocated: Some(300_000_000) };
        assert_eq!(governor.charge(at(0), grown), Pace::Slow { factor: 2 });
        for second in 1..31 {
            governor.charge(at(second * 1_000), cpu(0));
        }
        assert_eq!(governor.pace(), Pace::Stopped);
        let text = governor.diagnostic().unwrap().text;
        assert!(
            text.contains("holds 286.1 MiB, allowed are 20.0 % of a core and 190.7 MiB"),
            "{text}"
        );
        assert!(governor.admit(at(61_000)));
        let freed = Cost { cpu: Duration::ZERO, allocated: Some(-250_000_000) };
        assert_eq!(governor.charge(at(61_000), freed), Pace::Slow { factor: 8 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn a_stopped_part_runs_once_per_opening_whatever_it_costs(
            costs in prop::collection::vec((0_u64..4_000, 0_u64..60_000), 1..200),
        ) {
            let mut governor = governor();
            let mut now = 0;
            for (cost, pause) in costs {
                now += pause;
                let before = governor.pace();
                if !governor.admit(at(now)) {
                    prop_assert_eq!(before, Pace::Stopped);
                    continue;
                }
                if before == Pace::Stopped {
                    prop_assert!(!governor.admit(at(now)), "a second probe");
                }
                let after = governor.charge(at(now), cpu(cost));
                let changed = after != before || before == Pace::Stopped;
                prop_assert_eq!(governor.diagnostic().is_some(), changed);
                prop_assert!(governor.used() <= WINDOW.mul_f64(0.2));
            }
        }
    }
}
