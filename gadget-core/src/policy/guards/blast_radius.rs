//! How much of the host would it touch?

use super::{Case, Guard};
use crate::policy::review::{Extent, GuardName, Opinion, Refusal};
use crate::policy::state::Hold;
use crate::policy::touch::Touch;
use crate::units::{Bytes, Percent};

/// As many processes and cgroups may always be touched.
const ALWAYS: usize = 3;

/// Keeps what all open plans and this one touch below a share of the host.
pub(super) struct BlastRadius;

impl Guard for BlastRadius {
    fn name(&self) -> GuardName {
        GuardName::BlastRadius
    }
    fn judge(&self, case: &Case<'_>) -> Opinion {
        if case.touch == Touch::default() {
            return Opinion::Pass;
        }
        let settings = &case.settings.blast_radius;
        let others = || case.state.holds().iter().filter(|hold| hold.plan != case.plan.id);
        let sum = |what: fn(&Touch) -> usize| {
            what(&case.touch) + others().map(|hold| what(&hold.touch)).sum::<usize>()
        };
        let processes = (sum(|touch| touch.processes), case.world.user_processes());
        let cgroups = (sum(|touch| touch.cgroups), case.world.cgroup_count());
        for (what, adds, (touched, total), share) in [
            (Extent::Processes, case.touch.processes, processes, settings.processes),
            (Extent::Cgroups, case.touch.cgroups, cgroups, settings.cgroups),
        ] {
            let allowed = (total as f64 * share).max(ALWAYS as f64);
            if adds > 0 && touched as f64 > allowed {
                let (share, allowed) = (of(touched as f64, total), of(allowed, total));
                return Opinion::Refuse(Refusal::TooWide { what, share, allowed });
            }
        }
        if case.touch.memory == Bytes::ZERO {
            return Opinion::Pass;
        }
        let add = |sum: Bytes, hold: &Hold| sum.saturating_add(hold.touch.memory);
        let bytes = others().fold(case.touch.memory, add);
        // A share of a memory whose size is not known is nothing.
        let total = case.world.host().memory.map_or(Bytes::ZERO, |memory| memory.total);
        let allowed = Bytes::new((total.as_f64() * settings.memory) as u64);
        if bytes <= allowed {
            return Opinion::Pass;
        }
        Opinion::Refuse(Refusal::TooLarge { bytes, allowed })
    }
}

fn of(part: f64, total: usize) -> Percent {
    Percent::new((part / total.max(1) as f64 * 100.0).min(100.0)).unwrap_or_default()
}
