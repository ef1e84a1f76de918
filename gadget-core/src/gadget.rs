//! The trait that gadgets implement.

use crate::ledger::Outcome;
use crate::model::Name;
use crate::plan::{Plan, Plans};
use crate::signal::Signal;
use crate::units::Timestamp;
use crate::world::World;

/// Sees signals, says what they mean, and proposes what to do; it touches nothing itself.
///
/// A gadget has no clock, no randomness, no thread and no I/O: the same signals give the same plans, which is what makes
/// a replay exact. One that panics is dropped and made anew after a back-off.
pub trait Gadget: Send {
    /// The name under which policies, ledgers and metrics know it.
    fn name(&self) -> Name;

    /// Takes in one signal.
    fn observe(&mut self, signal: &Signal);

    /// Says what it thinks and what it would do at `now`. Asked after each batch of signals.
    ///
    /// `world` holds the latest reading and the identity of every subject, so that a gadget need not keep its own.
    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans);

    /// Hears that one of its own plans was carried out: the plan's id is what [`Plans::release`] wants.
    fn done(&mut self, plan: &Plan) {
        let _ = plan;
    }

    /// Hears that a plan of another gadget was carried out.
    fn witness(&mut self, plan: &Plan) {
        let _ = plan;
    }

    /// Hears how one of its own plans ended.
    fn learn(&mut self, outcome: &Outcome) {
        let _ = outcome;
    }
}

/// A gadget that wants nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idle;

impl Gadget for Idle {
    fn name(&self) -> Name {
        Name::Borrowed("idle")
    }
    fn observe(&mut self, _: &Signal) {}
    fn plan(&mut self, _: Timestamp, _: &World, _: &mut Plans) {}
}

macro_rules! forward {
    ($($holder:ty),*) => {$(
        impl<G: Gadget + ?Sized> Gadget for $holder {
            fn name(&self) -> Name {
                (**self).name()
            }
            fn observe(&mut self, signal: &Signal) {
                (**self).observe(signal);
            }
            fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
                (**self).plan(now, world, plans);
            }
            fn done(&mut self, plan: &Plan) {
                (**self).done(plan);
            }
            fn witness(&mut self, plan: &Plan) {
                (**self).witness(plan);
            }
            fn learn(&mut self, outcome: &Outcome) {
                (**self).learn(outcome);
            }
        }
    )*};
}
forward!(Box<G>, &mut G);
