//! Memory that is asked for while the gadget works: for processes nothing between windows, and at their ends only for what is sent.

#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

#[path = "survey/host.rs"]
#[allow(dead_code, reason = "a part of it is enough here")]
mod host;

use std::sync::Arc;

use gadget_core::testing::{Counting, allocations};
use gadget_core::{Bytes, Census, CensusRow, Reading, Subject};
use host::{Rig, census, ms, row};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many processes of few names.
fn hosts(count: u32, step: u64) -> Arc<Census> {
    let rows = (1..=count).map(|pid| CensusRow {
        user: ms(step * u64::from(pid % 7)),
        rss: Bytes::new(u64::from(pid % 100) << 20),
        ..row(pid, &format!("w{}", pid % 10))
    });
    Arc::new(census(ms(step * 10_000), rows.collect()))
}

/// How often memory was asked for: in scans between windows, and in one that ends a window.
fn asked_for(count: u32) -> (usize, usize) {
    let mut rig = Rig::new("[top]\ncapture = 0.0");
    let (mut between, mut ends) = (0, 0);
    for step in 0..=30 {
        rig.now = rig.now + ms(2_000);
        let reading = Reading::Census(hosts(count, step));
        let before = allocations();
        rig.see(Subject::Host, reading);
        rig.ask();
        let asked = allocations() - before;
        // The first windows make it warm.
        match step {
            0..=25 => {}
            30 => ends = asked as usize,
            _ => between += asked as usize,
        }
        rig.outbox.drain(|_| {});
    }
    (between, ends)
}

#[test]
fn memory_is_asked_for_what_is_sent_and_not_for_each_process() {
    let (between, few) = asked_for(1_000);
    let (same, many) = asked_for(8_000);
    // The watchdog lays its ladder anew each time that it is asked.
    assert!(between == same && between <= 4 * 4, "{between} and {same} in four scans");
    assert!(few > 0 && many <= few + few / 4 + 16, "{few} of 1,000 and {many} of 8,000");
}
