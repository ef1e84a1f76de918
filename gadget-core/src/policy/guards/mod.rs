//! The guards, each a small type that looks at one thing.

mod autonomy;
mod blast_radius;
mod budget;
mod confidence;
mod cooldown;
mod gate;
mod one_plan;
mod protected;
mod stale;
mod sustained;
mod yielding;

use std::sync::Arc;

use super::review::{GuardName, Opinion};
use super::settings::PolicySettings;
use super::state::{Standing, State};
use super::touch::{Inside, Touch};
use crate::model::Name;
use crate::plan::{Plan, StepKind};
use crate::units::Timestamp;
use crate::world::World;
pub(super) use yielding::changes;

/// Says of a plan whether one thing speaks against it. Has no state, no clock and no memory of its own.
pub(super) trait Guard: Sync {
    /// Its place in the order.
    fn name(&self) -> GuardName;
    /// What it says of the case.
    fn judge(&self, case: &Case<'_>) -> Opinion;
}

/// All that a guard may look at.
pub(super) struct Case<'a> {
    pub(super) plan: &'a Plan,
    pub(super) kind: StepKind,
    pub(super) now: Timestamp,
    pub(super) world: &'a World,
    pub(super) incapable: Option<&'a Name>,
    pub(super) paused: Option<&'a Arc<str>>,
    pub(super) settings: &'a PolicySettings,
    pub(super) state: &'a State,
    /// The plan as it goes on being proposed; none if it was never admitted.
    pub(super) standing: Option<&'a Standing>,
    /// What is inside the target.
    pub(super) inside: &'a Inside,
    /// How much of the host it would touch.
    pub(super) touch: Touch,
}

/// All guards, in the order in which they are asked.
pub(super) const GUARDS: [&dyn Guard; 12] = [
    &gate::Capability,
    &gate::Pause,
    &autonomy::AutonomyLevel,
    &protected::Protected,
    &stale::Stale,
    &yielding::Yield,
    &confidence::Confidence,
    &sustained::Sustained,
    &cooldown::Cooldown,
    &budget::Budget,
    &blast_radius::BlastRadius,
    &one_plan::OnePlan,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guards_are_asked_in_the_order_of_their_names() {
        let names = GUARDS.map(Guard::name);
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert_eq!(names.first(), Some(&GuardName::Capability));
        assert_eq!(names.last(), Some(&GuardName::OnePlan));
    }
}
