//! The OOM killer, in a cgroup of our own.

use std::fs;
use std::time::{Duration, Instant};

use gadget_core::{ProcessId, Reading, SignalProvider as _, Subject};
use gadget_signals::{CgroupLayout, OomVictims, parse};

use crate::support::{Group, or_skip, sample};

fn killed() -> u64 {
    let text = fs::read("/proc/vmstat").unwrap();
    parse::vmstat(&text, "/proc/vmstat".as_ref()).unwrap().1.unwrap()
}

#[test]
fn the_victim_is_named_as_it_is_chosen() {
    let Some(layout) = or_skip(CgroupLayout::detect()) else { return };
    let Some(mut victims) = or_skip(OomVictims::host()) else { return };
    let Some(group) = Group::new(&layout, "oom") else { return };
    group.limit_memory(12 << 20);
    let before = killed();
    let mut hog = group.run("read go; exec tail /dev/zero");
    let path = format!("/proc/{}/stat", hog.0.id());
    let start = parse::process_stat(&fs::read(&path).unwrap(), path.as_ref()).unwrap().start;
    let id = ProcessId { pid: hog.0.id(), start };
    hog.go();

    let (mut told, mut ours) = (0, 0);
    let until = Instant::now() + Duration::from_secs(30);
    while ours == 0 && Instant::now() < until {
        if !victims.wait(Duration::from_millis(500)).unwrap().unwrap() {
            continue;
        }
        for signal in sample(&mut victims) {
            if signal.reading == Reading::OomVictim {
                told += 1;
                ours += usize::from(signal.subject == Subject::Process(id));
            }
        }
    }
    assert_eq!(ours, 1, "the victim was not named once");
    hog.0.wait().unwrap();
    // Whatever else was killed on this host meanwhile.
    assert!(told >= 1 && killed() - before >= 1);
}
