//! Reclaim, with a cgroup whose limit a file is too large for.

use std::time::{Duration, Instant};

use gadget_core::{CgroupId, Reading, SignalProvider as _};
use gadget_signals::{CgroupLayout, ReclaimWatch};

use crate::places::LoopDevice;
use crate::support::{Group, about, or_skip, sample};

#[test]
fn a_cgroup_at_its_limit_wakes_us_and_another_is_not_named() {
    let Some(layout) = or_skip(CgroupLayout::detect()) else { return };
    let Some(mut watch) = or_skip(ReclaimWatch::host(Some(&layout))) else { return };
    let Some(group) = Group::new(&layout, "reclaim") else { return };
    group.limit_memory(8 << 20);
    // Not a file where files are memory, of which nothing can be reclaimed; long enough to wake often.
    let Some(disk) = LoopDevice::new(1 << 30) else { return };
    let _load = group.run(&format!("exec dd if={} of=/dev/null bs=1M status=none", disk.path()));

    let (mut begun, mut pages) = (0, 0);
    let until = Instant::now() + Duration::from_secs(20);
    while (begun < 10 || pages == 0) && Instant::now() < until {
        if !watch.wait(Duration::from_millis(100)).unwrap().unwrap() {
            continue;
        }
        let signals = sample(&mut watch);
        assert!(about(&signals, CgroupId(u64::MAX)).is_empty());
        for reading in about(&signals, group.id) {
            let Reading::Reclaim(reclaim) = reading else { panic!("{reading:?}") };
            begun += reclaim.begun;
            pages += reclaim.pages;
        }
    }
    assert!(begun >= 10 && pages > 0, "begun {begun}, pages {pages}");
}
