//! Page faults of programs in a cgroup of our own.
#![allow(unsafe_code)]

use std::fs::File;
use std::ptr;
use std::time::{Duration, Instant};

use gadget_core::{PageFaults, Reading, Subject};
use gadget_signals::{CgroupLayout, FaultWatch};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use crate::places::LoopDevice;
use crate::support::{Group, about, or_skip, sample};

#[test]
fn faults_of_a_cgroup_lie_between_what_the_kernel_counts_for_it() {
    let Some(layout) = or_skip(CgroupLayout::detect()) else { return };
    let Some(mut watch) = or_skip(FaultWatch::host(Some(&layout))) else { return };
    let Some(group) = Group::new(&layout, "faults") else { return };
    let mut counted = PageFaults::default();
    let mut rounds = 0;
    for _ in 0..3 {
        let mut child = group.run("exec dd if=/dev/zero of=/dev/null bs=16M count=1 status=none");
        assert!(child.0.wait().unwrap().success());
        for reading in about(&sample(&mut watch), group.id) {
            let Reading::PageFaults(faults) = reading else { continue };
            counted.minor += faults.minor;
            counted.major += faults.major;
            rounds += 1;
        }
    }
    assert_eq!(rounds, 3, "each round was told");
    let (ours, theirs) = (counted.minor + counted.major, group.stat("pgfault"));
    assert!(theirs > 3 * 256, "{theirs}: there is something to compare");
    // A shell that joins the group brings up to 15 faults along that are not yet counted, and the group's own number is of
    // what each of them did in it.
    assert!(ours <= theirs + 3 * 16 && ours + 3 * 16 >= theirs, "{ours} and {theirs}");
}

#[test]
fn what_had_to_be_read_is_a_major_fault() {
    let Some(mut watch) = or_skip(FaultWatch::host(CgroupLayout::detect().ok().as_ref())) else {
        return;
    };
    let Some(disk) = LoopDevice::new(64 << 20) else { return };
    sample(&mut watch);
    let disk = File::open(disk.path()).unwrap();
    // A page in each MiB, without reading ahead.
    let (pages, step) = (64, 1 << 20);
    let majors = std::thread::spawn(move || touch(&disk, pages, step)).join().unwrap();
    assert!(majors >= 16, "only {majors} of {pages} pages had to be read");
    // A thread is joined a moment before it has ended for the kernel.
    let (mut told, until) = (0, Instant::now() + Duration::from_secs(20));
    while told < majors && Instant::now() < until {
        told += sample(&mut watch)
            .iter()
            .filter(|signal| signal.subject == Subject::Host)
            .map(|signal| match signal.reading {
                Reading::PageFaults(faults) => faults.major,
                _ => 0,
            })
            .sum::<u64>();
    }
    assert!(told >= majors, "{told} of {majors}");
}

/// Touches pages of a mapping; how many major faults this thread had for it.
fn touch(file: &File, pages: usize, step: usize) -> u64 {
    let length = pages * step;
    let faults = || {
        let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        text.rsplit(')')
            .next()
            .unwrap()
            .split_ascii_whitespace()
            .nth(9)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before = faults();
    // SAFETY: a new mapping at an address that the kernel chooses, read within its length and unmapped once.
    unsafe {
        let at =
            mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0).unwrap();
        madvise(at, length, Advice::Random).unwrap();
        for page in 0..pages {
            at.cast::<u8>().add(page * step).read_volatile();
        }
        munmap(at, length).unwrap();
    }
    faults() - before
}
