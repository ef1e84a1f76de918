//! A gadget in its place: isolated, measured, and made anew when it panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::gadget::Gadget;
use crate::governor::{Breaker, BreakerState, Budget, Governor, Meter, Pace};
use crate::ledger::{Diagnostic, Outcome};
use crate::model::Name;
use crate::plan::{Plan, Plans};
use crate::signal::{Reading, Signal};
use crate::units::Timestamp;
use crate::world::World;

/// Makes a gadget, at the start and after each panic.
pub(super) type Factory = Box<dyn FnMut() -> Box<dyn Gadget> + Send>;

/// A part that panicked waits this long before it is made anew, doubling with each panic in a row.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);

pub(super) struct Slot {
    name: Name,
    make: Factory,
    gadget: Option<Box<dyn Gadget>>,
    breaker: Breaker,
    /// None in a replay: what this machine takes for it must not change what the gadget sees.
    governor: Option<Governor>,
    /// Batches since the last one that the gadget saw in full.
    skipped: u32,
    cpu: Duration,
    panics: u64,
}

/// What a gadget has cost so far.
#[derive(Clone, Debug, PartialEq)]
pub struct GadgetCost {
    /// The gadget.
    pub gadget: Name,
    /// CPU time since it was added; zero in a replay, which does not measure.
    pub cpu: Duration,
    /// How often it panicked.
    pub panics: u64,
    /// How often it runs now.
    pub pace: Pace,
}

impl Slot {
    pub(super) fn new(mut make: Factory, budget: Option<Budget>) -> Self {
        let gadget = make();
        let name = gadget.name();
        Self {
            governor: budget.map(|budget| Governor::new(name.clone(), budget)),
            name,
            make,
            gadget: Some(gadget),
            breaker: Breaker::new(1, FIRST_WAIT, LONGEST_WAIT),
            skipped: 0,
            cpu: Duration::ZERO,
            panics: 0,
        }
    }

    pub(super) const fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn cost(&self) -> GadgetCost {
        let pace = if self.is_down() { Pace::Stopped } else { self.pace() };
        GadgetCost { gadget: self.name.clone(), cpu: self.cpu, panics: self.panics, pace }
    }

    /// True while the gadget does not run, so that nobody looks after its effects.
    pub(super) fn is_down(&self) -> bool {
        self.gadget.is_none() || self.pace() == Pace::Stopped
    }

    fn pace(&self) -> Pace {
        self.governor.as_ref().map_or(Pace::Normal, Governor::pace)
    }

    /// By how much its sampling is slowed.
    pub(super) fn slowdown(&self) -> u32 {
        match self.pace() {
            Pace::Slow { factor } => factor,
            Pace::Normal | Pace::Stopped => 1,
        }
    }

    /// Shows it the signals and asks it for plans.
    pub(super) fn run(
        &mut self,
        signals: &[Signal],
        now: Timestamp,
        world: &World,
        plans: &mut Plans,
        note: &mut dyn FnMut(Diagnostic),
    ) {
        if self.gadget.is_none() && !self.make_anew(now, note) {
            return;
        }
        if self.governor.as_mut().is_some_and(|governor| !governor.admit(now)) {
            return;
        }
        let Some(gadget) = &mut self.gadget else { return };
        let factor = match self.governor.as_ref().map(Governor::pace) {
            Some(Pace::Slow { factor }) => factor,
            _ => 1,
        };
        self.skipped = (self.skipped + 1) % factor;
        let full = self.skipped == 0;
        let meter = self.governor.is_some().then(Meter::start);
        let result = catch_unwind(AssertUnwindSafe(|| {
            for signal in signals {
                if full || is_said_once(&signal.reading) {
                    gadget.observe(signal);
                }
            }
            if full {
                gadget.plan(now, world, plans);
            }
        }));
        if let (Some(meter), Some(governor)) = (meter, &mut self.governor) {
            let cost = meter.stop();
            self.cpu += cost.cpu;
            governor.charge(now, cost);
            if let Some(diagnostic) = governor.diagnostic() {
                note(diagnostic);
            }
        }
        match result {
            Ok(()) => {
                if self.breaker.state() != BreakerState::Closed {
                    self.breaker.succeeded(now);
                }
            }
            Err(panic) => {
                plans.clear();
                self.went_down(now, &*panic, note);
            }
        }
    }

    /// Tells it that one of its plans was carried out.
    pub(super) fn done(&mut self, plan: &Plan, now: Timestamp, note: &mut dyn FnMut(Diagnostic)) {
        let Some(gadget) = &mut self.gadget else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| gadget.done(plan))) {
            self.went_down(now, &*panic, note);
        }
    }

    /// Tells it that another gadget's plan was carried out.
    pub(super) fn witness(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        note: &mut dyn FnMut(Diagnostic),
    ) {
        let Some(gadget) = &mut self.gadget else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| gadget.witness(plan))) {
            self.went_down(now, &*panic, note);
        }
    }

    /// Tells it how one of its plans ended.
    pub(super) fn learn(
        &mut self,
        outcome: &Outcome,
        now: Timestamp,
        note: &mut dyn FnMut(Diagnostic),
    ) {
        let Some(gadget) = &mut self.gadget else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| gadget.learn(outcome))) {
            self.went_down(now, &*panic, note);
        }
    }

    fn make_anew(&mut self, now: Timestamp, note: &mut dyn FnMut(Diagnostic)) -> bool {
        if !self.breaker.admit(now) {
            return false;
        }
        match catch_unwind(AssertUnwindSafe(&mut self.make)) {
            Ok(gadget) => self.gadget = Some(gadget),
            Err(panic) => self.went_down(now, &*panic, note),
        }
        self.gadget.is_some()
    }

    fn went_down(
        &mut self,
        now: Timestamp,
        panic: &(dyn Any + Send),
        note: &mut dyn FnMut(Diagnostic),
    ) {
        // Dropping what panicked may panic as well, which must not end the agent either.
        let gadget = self.gadget.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(gadget)));
        self.panics += 1;
        self.breaker.failed(now);
        let wait = match self.breaker.state() {
            BreakerState::Open { until } => until.since(now),
            _ => Duration::ZERO,
        };
        let text =
            format!("panicked: {}; made anew in {:.0} s", panic_text(panic), wait.as_secs_f64());
        note(Diagnostic { part: self.name.clone(), text: text.into() });
    }
}

/// What a slowed gadget is shown all the same: things that are said only once.
const fn is_said_once(reading: &Reading) -> bool {
    matches!(
        reading,
        Reading::CgroupIdentity(_)
            | Reading::ProcessIdentity(_)
            | Reading::Gone
            | Reading::Exited(_)
            | Reading::OomKill(_)
            | Reading::Exits(_)
            | Reading::Users(_)
            | Reading::Settings(_)
            | Reading::LogTemplate(_)
            | Reading::CaptureCall(_)
    )
}

/// The text of a panic, as far as there is one.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no text"
    }
}
