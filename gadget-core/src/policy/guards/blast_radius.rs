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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::*;
    use std::time::Duration;

    use crate::{CgroupId, ProcessId, Step};

    const CROWD: CgroupId = CgroupId(40);

    #[test]
    fn a_group_of_too_many_processes_is_refused() {
        let (scene, mut policy) = (Scene::new(), policy(acting()));
        // 40 of the 47 that are not the kernel's.
        let (share, allowed) = (of(40.0, 47), Percent::new(25.0).unwrap());
        let wide = Refusal::TooWide { what: Extent::Processes, share, allowed };
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, CROWD), Some(wide));
        assert_eq!(scene.refusal(&mut policy, RECLAIM, CROWD), None, "nobody notices");
    }

    #[test]
    fn what_is_open_counts_until_it_ends() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for (group, pids) in [(50, 1_100..1_107), (51, 1_200..1_207)] {
            scene.group(group, Some(1), "/some");
            for pid in pids {
                scene.spawn(pid, 1, "worker", group);
            }
        }
        // A quarter of 61 is 15 processes, of which two groups of 7 leave one.
        let first = scene.act(&mut policy, Step::Freeze, CgroupId(50));
        scene.pass(Duration::from_secs(6));
        let second = scene.act(&mut policy, Step::Freeze, CgroupId(51));
        scene.pass(Duration::from_secs(6));
        let refusal = scene.refusal(&mut policy, Step::Freeze, APP);
        assert!(
            matches!(refusal, Some(Refusal::TooWide { what: Extent::Processes, .. })),
            "{refusal:?}"
        );
        scene.end(&mut policy, &first);
        scene.end(&mut policy, &second);
        scene.pass(Duration::from_secs(6));
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None);
    }

    #[test]
    fn a_fork_storm_is_one_culprit() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for pid in 2_000..2_400 {
            let parent = if pid < 2_010 { LEAK.pid } else { pid - 10 };
            scene.spawn(pid, parent, "leak", APP.0);
        }
        assert_eq!(scene.refusal(&mut policy, Step::Kill, tree(LEAK)), None);
        let refusal = scene.refusal(&mut policy, Step::Freeze, APP);
        assert!(
            matches!(refusal, Some(Refusal::TooWide { .. })),
            "the group holds others too: {refusal:?}"
        );
    }

    #[test]
    fn a_parent_of_many_programs_is_not_one_culprit() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for pid in 2_000..2_050 {
            scene.spawn(pid, LEAK.pid, &format!("service-{pid}"), APP.0);
        }
        let refusal = scene.refusal(&mut policy, Step::Kill, tree(LEAK));
        assert!(matches!(refusal, Some(Refusal::TooWide { .. })), "{refusal:?}");
    }

    #[test]
    fn three_processes_and_groups_may_be_touched_on_the_smallest_host() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for pid in 1_000..1_040 {
            scene.tell(
                crate::Subject::Process(ProcessId { pid, start: pid.into() }),
                crate::Reading::Gone,
            );
        }
        scene.spawn(102, LEAK.pid, "helper", APP.0);
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), None, "3 of 8");
        scene.spawn(103, LEAK.pid, "helper", APP.0);
        assert!(scene.refusal(&mut policy, Step::Kill, APP).is_some(), "4 of 9");
    }

    #[test]
    fn groups_count_with_those_below_them() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        for group in 60..63 {
            scene.group(group, Some(APP.0), "/app/part");
        }
        let refusal = scene.refusal(&mut policy, Step::Freeze, APP);
        assert!(
            matches!(refusal, Some(Refusal::TooWide { what: Extent::Cgroups, .. })),
            "{refusal:?}"
        );
    }

    #[test]
    fn a_group_that_holds_too_much_memory_is_refused_and_one_process_is_not() {
        let (mut scene, mut policy) = (Scene::new(), policy(acting()));
        scene.charge(APP, 3_073);
        let (bytes, allowed) = (Bytes::from_mib(3_073), Bytes::from_mib(3_072));
        let large = Refusal::TooLarge { bytes, allowed };
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, APP), Some(large));
        assert_eq!(scene.refusal(&mut policy, TERMINATE, LEAK), None);
        scene.charge(DB, 4_000);
        assert_eq!(scene.refusal(&mut policy, Step::Freeze, DB), None, "it holds one process");
    }
}
