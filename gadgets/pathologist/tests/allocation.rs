//! Five hundred processes at rest cost no memory, and little time.

use std::time::{Duration, Instant};

use gadget_core::testing::{Counting, allocations};
use gadget_core::{
    Gadget, HostFacts, Plans, ProcessId, ProcessUsage, Reading, Signal, Subject, Timestamp, World,
};
use gadget_pathologist::Pathologist;

#[global_allocator]
static COUNTING: Counting = Counting;

const PROCESSES: u32 = 500;
const STEPS: u64 = 200;

#[test]
fn processes_at_rest_allocate_nothing() {
    let mut pathologist = Pathologist::builder().build().expect("the defaults are valid");
    let world =
        World::new(HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 1, cpus: 2 });
    let mut plans = Plans::default();
    let mut signals: Vec<Signal> = (0..PROCESSES)
        .map(|pid| {
            let usage = ProcessUsage { state: 'S', ..ProcessUsage::default() };
            let subject = Subject::Process(ProcessId { pid, start: 1 });
            Signal { at: Timestamp::EPOCH, subject, reading: Reading::ProcessUsage(usage) }
        })
        .collect();
    let (mut before, mut began) = (0, Instant::now());
    for step in 0..STEPS {
        // The first steps make room.
        if step == 2 {
            (before, began) = (allocations(), Instant::now());
        }
        let now = Timestamp::EPOCH + Duration::from_secs(30 * (step + 1));
        for (at, signal) in signals.iter_mut().enumerate() {
            signal.at = now;
            if let Reading::ProcessUsage(usage) = &mut signal.reading {
                // Some work, some idle, some now and then.
                usage.cpu += Duration::from_millis(if (at as u64 + step).is_multiple_of(7) {
                    900
                } else {
                    2
                });
            }
            pathologist.observe(signal);
        }
        plans.clear();
        pathologist.plan(now, &world, &mut plans);
        assert!(plans.proposals().is_empty() && plans.assessments().is_empty());
    }
    let allocated = allocations() - before;
    let each = began.elapsed().as_nanos() as f64 / (f64::from(PROCESSES) * (STEPS - 2) as f64);
    println!("{each:.0} ns per process and step");
    assert!(before > 0, "the meter does not count");
    assert_eq!(allocated, 0);
    assert_eq!((pathologist.processes(), pathologist.suspects().count()), (500, 0));
}
