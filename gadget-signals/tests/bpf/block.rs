//! Requests to a loop device of our own, and to a real disk from a cgroup of our own.

use std::collections::BTreeMap;

use gadget_core::{BlockLatency, BlockOperation, Reading, Signal, Subject};
use gadget_signals::{BlockWatch, CgroupLayout};

use crate::places::{LoopDevice, run};
use crate::support::{Group, about, or_skip, sample};

const BLOCK: u64 = 4096;
const MIB: u64 = 1 << 20;

/// Requests and bytes of a device by operation, as the host's readings have them.
fn of_host(signals: &[Signal], device: (u32, u32)) -> BTreeMap<BlockOperation, (u64, u64)> {
    let mut found = BTreeMap::new();
    for signal in signals.iter().filter(|it| it.subject == Subject::Host) {
        let Reading::BlockLatency(block) = &signal.reading else { continue };
        let BlockLatency { operation, took, bytes, .. } = **block;
        if block.device == device {
            let before = found.insert(operation, (took.count(), bytes.get()));
            assert_eq!(before, None, "{operation:?} is told once");
        }
    }
    found
}

#[test]
fn every_kind_of_request_is_counted_as_the_device_counts_it() {
    let Some(mut watch) = or_skip(BlockWatch::host(CgroupLayout::detect().ok().as_ref())) else {
        return;
    };
    let Some(disk) = LoopDevice::new(16 * MIB) else { return };
    let device = disk.number();
    // Whoever looks at new devices reads a little of it.
    run("dd", &[&format!("if={}", disk.path()), "of=/dev/null", "bs=1M"]).unwrap();
    sample(&mut watch);
    let before = disk.stat();
    let path = disk.path();
    let (from, to) = (format!("if={path}"), format!("of={path}"));
    let count = |count: u64| format!("count={count}");
    run("dd", &[&from, "of=/dev/null", "bs=4096", &count(24), "iflag=direct"]).unwrap();
    run("dd", &["if=/dev/zero", &to, "bs=4096", &count(10), "oflag=direct"]).unwrap();
    run("dd", &["if=/dev/zero", &to, "bs=4096", &count(3), "oflag=direct", "conv=fsync"]).unwrap();
    let discards = run("blkdiscard", &["-o", "8M", "-l", "4M", path]).is_some();
    let signals = sample(&mut watch);
    let after = disk.stat();

    let found = of_host(&signals, device);
    let since = |field: usize| after[field] - before[field];
    // Fields of stat, from 0: requests and sectors read, written and discarded, and flushes.
    let of = |operation| found.get(&operation).copied().unwrap_or_default();
    assert_eq!(of(BlockOperation::Read), (since(0), since(2) * 512));
    assert!(since(0) >= 24 && since(4) >= 13, "{before:?} {after:?}");
    let (writes, written) = of(BlockOperation::Write);
    assert_eq!(written, since(6) * 512);
    // Whoever asks for a flush is counted as a write of nothing as well.
    assert!(writes <= since(4) && writes + since(15) >= since(4), "{writes} of {}", since(4));
    assert!(of(BlockOperation::Read).1 >= 24 * BLOCK && of(BlockOperation::Write).1 >= 13 * BLOCK);
    let (flushes, _) = of(BlockOperation::Flush);
    assert!(flushes >= 1 && flushes == since(15), "{flushes} of {}", since(15));
    if discards {
        assert_eq!(of(BlockOperation::Discard), (since(11), since(13) * 512));
        assert_eq!(of(BlockOperation::Discard).1, 4 * MIB);
    }
    assert!(of_host(&sample(&mut watch), device).is_empty(), "what was told is not told again");
}

#[test]
fn reads_are_told_of_the_cgroup_that_made_them() {
    let Some(layout) = or_skip(CgroupLayout::detect()) else { return };
    let Some(mut watch) = or_skip(BlockWatch::host(Some(&layout))) else { return };
    let Some(group) = Group::new(&layout, "block") else { return };
    let Some(disk) = LoopDevice::new(16 * MIB) else { return };
    sample(&mut watch);
    let (path, number) = (disk.path(), disk.number());
    let script = format!("exec dd if={path} of=/dev/null bs=64k count=32 iflag=direct status=none");
    let mut reader = group.run(&script);
    assert!(reader.0.wait().unwrap().success());
    let signals = sample(&mut watch);
    let mut bytes = 0;
    for reading in about(&signals, group.id) {
        let Reading::BlockLatency(block) = reading else { continue };
        assert_eq!((block.device, block.operation), (number, BlockOperation::Read));
        assert!(block.took.count() >= 32, "{block:?}");
        bytes += block.bytes.get();
    }
    assert_eq!(bytes, 2 * MIB);
    let (_, of_host) = of_host(&signals, number)[&BlockOperation::Read];
    assert!(of_host >= bytes);
}
