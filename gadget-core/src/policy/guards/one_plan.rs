//! Is there an open plan on the target, or a better one?

use super::{Case, Guard};
use crate::plan::{Reach, Risk};
use crate::policy::review::{GuardName, Opinion, Refusal};
use crate::policy::state::{Hold, MAX_OPEN};
use crate::subject::Subject;
use crate::world::World;

/// Allows one hand at a time on a target.
///
/// A permit holds its target from the moment it is given. Two plans are on one target if they name the same subject, if one
/// has to put back what belongs to the other's, or if both lose work and one lies inside the other.
pub(super) struct OnePlan;

impl Guard for OnePlan {
    fn name(&self) -> GuardName {
        GuardName::OnePlan
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        let holds = case.state.holds();
        if let Some(hold) = holds.iter().find(|hold| meet(case, hold)) {
            // The agent reviews the plans of one moment in the order of their merit.
            let outbid = hold.since == case.now && hold.plan != case.plan.id;
            return Opinion::Refuse(if outbid {
                Refusal::Outbid { by: hold.plan, gadget: hold.gadget.clone() }
            } else {
                Refusal::Busy { with: hold.plan }
            });
        }
        if holds.len() >= MAX_OPEN {
            return Opinion::Refuse(Refusal::TooMany { open: holds.len() });
        }
        Opinion::Pass
    }
}

fn meet(case: &Case<'_>, hold: &Hold) -> bool {
    let target = &case.plan.target;
    if hold.subject == target.subject || hold.changes == Some(target.subject) {
        return true;
    }
    let work_is_lost = case.kind.risk() == Risk::High && hold.kind.risk() == Risk::High;
    work_is_lost
        && (lies_in(case.world, target.subject, hold.subject, hold.reach)
            || lies_in(case.world, hold.subject, target.subject, target.reach))
}

fn lies_in(world: &World, inner: Subject, outer: Subject, reach: Reach) -> bool {
    let cgroup_of = |id| world.process(id)?.identity.as_ref()?.cgroup;
    match (inner, outer) {
        (Subject::Process(inner), Subject::Process(outer)) => {
            reach == Reach::Tree && world.descends_from(inner, outer)
        }
        (Subject::Process(inner), Subject::Cgroup(outer)) => {
            cgroup_of(inner).is_some_and(|within| world.cgroup_is_within(within, outer))
        }
        (Subject::Cgroup(inner), Subject::Cgroup(outer)) => world.cgroup_is_within(inner, outer),
        _ => false,
    }
}
