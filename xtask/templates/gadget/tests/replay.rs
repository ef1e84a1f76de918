//! Recorded signals in, expected plans out.

use gadget_core::{
    Bytes, Gadget, HostFacts, HostMemory, Plan, Plans, Reading, Signal, Step, Subject, Timestamp,
    World,
};
use gadget_newcomer::{Config, Newcomer};

/// One reading a second of a host with 1000 MiB, of which this much is available.
fn replay(available_mib: &[u64]) -> Vec<Plan> {
    let mut gadget = Newcomer::new(Config::default()).expect("the defaults hold");
    let mut world = World::new(HostFacts {
        boot_id: "boot".into(),
        kernel: "6.12.0".into(),
        agent_pid: 1000,
        cpus: 2,
    });
    let mut proposed = Vec::new();
    for (second, &available) in available_mib.iter().enumerate() {
        let at = Timestamp::from_secs(second as u64);
        let memory = HostMemory {
            total: Bytes::from_mib(1000),
            available: Bytes::from_mib(available),
            ..HostMemory::default()
        };
        let signal = Signal { at, subject: Subject::Host, reading: Reading::HostMemory(memory) };
        world.observe(&signal);
        gadget.observe(&signal);
        let mut plans = Plans::default();
        gadget.plan(at, &world, &mut plans);
        assert_eq!(plans.assessments().len(), 1, "one statement for each reading");
        proposed.extend_from_slice(plans.proposals());
    }
    proposed
}

#[test]
fn a_host_with_memory_left_gets_no_plan() {
    assert_eq!(replay(&[900, 500, 200, 100]), []);
}

#[test]
fn a_host_that_runs_low_gets_its_caches_dropped_with_growing_confidence() {
    let plans = replay(&[500, 80, 20]);
    assert_eq!(plans.len(), 2);
    for plan in &plans {
        assert_eq!(plan.step, Step::DropCaches { level: 1 });
        assert_eq!(plan.target.subject, Subject::Host);
    }
    assert!(plans[0].confidence < plans[1].confidence);
    assert_eq!(plans[1].evidence[0].1, 2.0);
}

#[test]
fn the_same_signals_give_the_same_plans() {
    let signals = [300, 90, 40, 10, 60, 400];
    assert_eq!(replay(&signals), replay(&signals));
}
