//! What cgroup v2 alone offers, on a real kernel: what a step does to processes, not only what the file says afterwards.
//!
//! Where the memory controller is on version 1 each test says that it is skipped; `cargo xtask guest-test` runs them in a
//! guest, and `tests/fake.rs` has what runs everywhere.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gadget_core::{
    Action as _, ActionError, Bytes, CgroupId, MemoryLimit, Setting, Step, StepKind, Subject,
    Timestamp, Undo,
};

use crate::testing::{self, Child, Groups, act, eventually, finish, plan, v2_alone};

const NOW: Timestamp = Timestamp::from_secs(2_000);
const TICK: Duration = Duration::from_millis(100);
const MIB: u64 = 1 << 20;

/// A group of our own that has `files`.
fn group(files: &[&str]) -> Option<Groups> {
    if !v2_alone() {
        eprintln!("SKIPPED: cgroup v2 is not alone here; `cargo xtask guest-test` runs this");
        return None;
    }
    let group = Groups::make(&[""])?;
    let missing = files.iter().find(|file| !group.dir("").join(file).exists());
    if let Some(file) = missing {
        eprintln!("SKIPPED: cgroup v2 has no {file} here; `cargo xtask guest-test` runs this");
        return None;
    }
    // What is tested is what happens when memory cannot go elsewhere.
    let _ = std::fs::write(group.dir("").join("memory.swap.max"), "0");
    Some(group)
}

/// A block device to read from: its path and numbers.
fn disk() -> Option<(PathBuf, (u32, u32))> {
    let disk = testing::disk();
    if disk.is_none() {
        eprintln!("SKIPPED: LAB_DISK names no block device; `cargo xtask guest-test` runs this");
    }
    disk
}

/// The number behind `key` in a file of keys and numbers.
fn field(group: &Groups, file: &str, key: &str) -> u64 {
    let text = group.read(&format!("/{file}"));
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {key} in {file}:\n{text}")).parse().unwrap()
}

fn usage(group: &Groups) -> u64 {
    group.read("/memory.current").trim().parse().unwrap()
}

/// A shell that joins `group` first, and prints a line then.
fn inside(group: &Groups, script: &str) -> Child {
    let dir = group.dir("");
    Child::script(&format!("echo $$ > {}/cgroup.procs; echo ready; {script}", dir.display()))
}

/// Takes so many bytes of memory that nothing can reclaim, and keeps them.
fn holding(group: &Groups, bytes: u64) -> Child {
    let held = bytes + 1;
    inside(group, &format!("(head -c {bytes} /dev/zero; sleep 1000) | tail -c {held} >/dev/null"))
}

const SPIN: &str = "while :; do :; done";

fn apply(linux: &mut crate::Linux, group: &Groups, step: Step) -> Undo {
    act(linux, &plan(step, group.subject(), &group.path)).unwrap().1
}

#[test]
fn every_step_on_a_group_is_supported() {
    let Some(_group) = group(&["memory.high", "cpu.max", "io.max", "pids.max"]) else { return };
    let linux = crate::linux();
    for kind in [
        StepKind::SetMemoryHigh,
        StepKind::SetMemoryMax,
        StepKind::SetCpuMax,
        StepKind::SetCpuWeight,
        StepKind::SetIoMax,
        StepKind::SetPidsMax,
        StepKind::Reclaim,
        StepKind::Freeze,
        StepKind::Kill,
    ] {
        assert!(linux.supports(kind).is_ok(), "{kind}: {:?}", linux.supports(kind));
    }
}

#[test]
fn settings_come_back_to_the_byte() {
    let Some((_, (major, minor))) = disk() else { return };
    let files = ["memory.high", "memory.max", "cpu.max", "cpu.weight", "io.max", "pids.max"];
    let Some(group) = group(&files) else { return };
    let mut linux = crate::linux();
    let all = || files.map(|file| group.read(&format!("/{file}")));
    group.write("/io.max", &format!("{major}:{minor} wbps=7340033 riops=120"));
    let before = all();
    let device = format!("{major}:{minor}");
    for (step, line) in [
        (
            Step::SetMemoryHigh { to: MemoryLimit::At(Bytes::new(100_000_001)) },
            "memory.high of PATH max -> 95.4 MiB",
        ),
        (
            Step::SetMemoryMax { to: MemoryLimit::At(Bytes::new(100_000_001)) },
            "memory.max of PATH max -> 95.4 MiB",
        ),
        (
            Step::SetCpuMax {
                quota: Some(Duration::from_millis(20)),
                period: Duration::from_millis(50),
            },
            "cpu.max of PATH max 100000 -> 20000 50000",
        ),
        (Step::SetCpuWeight { to: 50 }, "cpu.weight of PATH 100 -> 50"),
        (
            Step::SetIoMax { device: (major, minor), read: Some(Bytes::from_mib(1)), write: None },
            "io.max of PATH DEVICE rbps=max wbps=7340033 -> DEVICE rbps=1048576 wbps=max",
        ),
        (Step::SetPidsMax { to: Some(77) }, "pids.max of PATH max -> 77"),
    ] {
        let (effect, undo) = act(&mut linux, &plan(step, group.subject(), &group.path)).unwrap();
        let line = line.replace("PATH", &group.path).replace("DEVICE", &device);
        assert_eq!(&*effect.summary, line);
        assert_ne!(all(), before);
        linux.undo(&undo).unwrap();
        assert_eq!(all(), before);
        assert!(linux.undo(&undo).unwrap().contains("already"));
    }
}

#[test]
fn memory_high_holds_a_group_back_and_lets_it_go() {
    let Some(group) = group(&["memory.high"]) else { return };
    let mut linux = crate::linux();
    let high = Step::SetMemoryHigh { to: MemoryLimit::At(Bytes::from_mib(16)) };
    let undo = apply(&mut linux, &group, high.clone());
    let _child = holding(&group, 64 * MIB);
    eventually("it is held back", || field(&group, "memory.events", "high") > 0);
    std::thread::sleep(Duration::from_secs(1));
    assert!(usage(&group) < 48 * MIB, "{}", group.read("/memory.current"));
    linux.undo(&undo).unwrap();
    assert_eq!(group.read("/memory.high"), "max\n");
    eventually("it has what it wanted", || usage(&group) > 60 * MIB);
    // A limit below what is used is taken as well, and returns at once.
    let undo = apply(&mut linux, &group, high);
    assert_eq!(field(&group, "memory.events", "oom_kill"), 0);
    linux.undo(&undo).unwrap();
}

#[test]
fn memory_max_is_where_the_kernel_kills() {
    let Some(group) = group(&["memory.max"]) else { return };
    let mut linux = crate::linux();
    let max = Step::SetMemoryMax { to: MemoryLimit::At(Bytes::from_mib(16)) };
    let undo = apply(&mut linux, &group, max);
    let _child = holding(&group, 64 * MIB);
    eventually("the kernel killed", || field(&group, "memory.events", "oom_kill") > 0);
    linux.undo(&undo).unwrap();
    assert_eq!(group.read("/memory.max"), "max\n");
}

#[test]
fn reclaim_takes_about_what_was_asked() {
    let Some((disk, _)) = disk() else { return };
    let Some(group) = group(&["memory.reclaim"]) else { return };
    // Kept open: with the last who has a block device open its cache goes. Without a limit of time until it has read: the
    // idle time of an emulated guest flies.
    let (dir, bytes, disk) = (group.dir(""), 48 * MIB, disk.display());
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec 3<{disk}; head -c {bytes} <&3 >/dev/null; echo ready; exec sleep 1000",
        dir.display()
    );
    // Read anew: what another group has read already is charged to that one.
    std::fs::write("/proc/sys/vm/drop_caches", "1").unwrap();
    let _child = Child::script(&script);
    let cache = || field(&group, "memory.stat", "file");
    eventually("the kernel has counted it", || cache() >= 48 * MIB);
    let before = cache();
    let mut linux = crate::linux();
    let reclaim = Step::Reclaim { amount: Bytes::from_mib(16) };
    let (effect, undo) = act(&mut linux, &plan(reclaim, group.subject(), &group.path)).unwrap();
    assert_eq!(undo, Undo::Nothing);
    assert!(effect.summary.contains("of 16.0 MiB asked from"), "{effect:?}");
    let fell = before - cache();
    assert!((8 * MIB..32 * MIB).contains(&fell), "{fell}: {effect:?}");
}

#[test]
fn io_max_slows_reading_down() {
    let Some((disk, device)) = disk() else { return };
    let Some(group) = group(&["io.max"]) else { return };
    let mut linux = crate::linux();
    let read = || {
        let began = Instant::now();
        let disk = disk.display();
        let dd = format!("exec dd if={disk} of=/dev/null bs=64k count=64 iflag=direct");
        let mut child = inside(&group, &dd);
        // Without sleeping: the idle time of an emulated guest costs nothing, and measures nothing.
        while child.state() != b'Z' {}
        let took = began.elapsed();
        assert_eq!(child.ended_by(), None);
        took
    };
    let free = read();
    let max = Step::SetIoMax { device, read: Some(Bytes::from_mib(1)), write: None };
    let undo = apply(&mut linux, &group, max);
    let slowed = read();
    linux.undo(&undo).unwrap();
    // Four seconds' worth.
    assert!(slowed > free + Duration::from_secs(2), "{slowed:?} with, {free:?} without");
    assert_eq!(group.read("/io.max"), "");
}

#[test]
fn cpu_max_throttles() {
    let Some(group) = group(&["cpu.max"]) else { return };
    let mut linux = crate::linux();
    let _child = inside(&group, SPIN);
    let max = Step::SetCpuMax {
        quota: Some(Duration::from_millis(10)),
        period: Duration::from_millis(100),
    };
    let undo = apply(&mut linux, &group, max);
    let throttled = || field(&group, "cpu.stat", "nr_throttled");
    eventually("it is throttled", || throttled() > 2);
    linux.undo(&undo).unwrap();
    assert_eq!(group.read("/cpu.max"), "max 100000\n");
    // One period may have begun under the old quota.
    std::thread::sleep(Duration::from_millis(200));
    let after = throttled();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(throttled(), after);
}

#[test]
fn cpu_weight_shares_a_processor() {
    let (Some(light), Some(plain)) = (group(&["cpu.weight"]), group(&["cpu.weight"])) else {
        return;
    };
    let mut linux = crate::linux();
    let undo = apply(&mut linux, &light, Step::SetCpuWeight { to: 5 });
    let spin = "exec taskset -c 0 sh -c 'while :; do :; done'";
    let _children = [inside(&light, spin), inside(&plain, spin)];
    let used = |group: &Groups| field(group, "cpu.stat", "usage_usec");
    let start = [used(&light), used(&plain)];
    eventually("one has a second", || used(&plain) - start[1] > 1_000_000);
    let (light_used, plain_used) = (used(&light) - start[0], used(&plain) - start[1]);
    assert!(light_used * 4 < plain_used, "{light_used} us beside {plain_used} us");
    linux.undo(&undo).unwrap();
    assert_eq!(light.read("/cpu.weight"), "100\n");
}

#[test]
fn pids_max_refuses_one_more() {
    let Some(group) = group(&["pids.max"]) else { return };
    let mut linux = crate::linux();
    let undo = apply(&mut linux, &group, Step::SetPidsMax { to: Some(3) });
    let _child = inside(&group, "for i in 1 2 3 4 5; do sleep 1000 & done; wait");
    eventually("a fork was refused", || field(&group, "pids.events", "max") > 0);
    assert!(group.read("/pids.current").trim().parse::<u64>().unwrap() <= 3);
    linux.undo(&undo).unwrap();
    assert_eq!(group.read("/pids.max"), "max\n");
}

#[test]
fn a_frozen_group_stands_still() {
    let Some(group) = group(&["cgroup.freeze"]) else { return };
    let mut linux = crate::linux();
    let _child = inside(&group, SPIN);
    let freeze = plan(Step::Freeze, group.subject(), &group.path);
    let (_, undo) = act(&mut linux, &freeze).unwrap();
    assert!(matches!(undo, Undo::Thaw { .. }));
    eventually("it is frozen", || field(&group, "cgroup.events", "frozen") == 1);
    // Frozen by somebody: not ours to thaw.
    assert_eq!(linux.prepare(&freeze).unwrap(), Undo::Nothing);
    let used = || field(&group, "cpu.stat", "usage_usec");
    let before = used();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(used(), before);
    assert!(linux.undo(&undo).unwrap().ends_with(" thawed"));
    eventually("it runs", || used() > before);
    assert!(linux.undo(&undo).unwrap().ends_with(" was not frozen"));
}

#[test]
fn a_group_and_those_below_it_are_killed_at_once_also_frozen() {
    let Some(group) = group(&["cgroup.kill"]) else { return };
    for frozen in [false, true] {
        let below = group.dir("").join("below");
        std::fs::create_dir(&below).unwrap();
        let mut children = [Child::sleeping(), Child::ignoring_term()];
        group.add(&children[0]);
        std::fs::write(below.join("cgroup.procs"), children[1].pid().to_string()).unwrap();
        let mut linux = crate::linux();
        if frozen {
            apply(&mut linux, &group, Step::Freeze);
            eventually("it is frozen", || field(&group, "cgroup.events", "frozen") == 1);
        }
        let kill = plan(Step::Kill, group.subject(), &group.path);
        let (effect, _) = act(&mut linux, &kill).unwrap();
        assert_eq!(*effect.summary, format!("cgroup.kill of {}", group.path));
        let results = finish(&mut linux, NOW, Duration::ZERO);
        let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
        assert!(effect.summary.ends_with("ended on SIGKILL"));
        assert_eq!(children.each_mut().map(|child| child.ended_by()), [Some(9), Some(9)]);
        group.write("/cgroup.freeze", "0");
        std::fs::remove_dir(&below).unwrap();
    }
}

#[test]
fn a_group_is_asked_before_it_is_killed() {
    let Some(group) = group(&["cgroup.kill"]) else { return };
    let mut children = [Child::sleeping(), Child::ignoring_term()];
    children.iter().for_each(|child| group.add(child));
    let mut linux = crate::linux();
    apply(&mut linux, &group, Step::Terminate { grace: Duration::from_secs(5) });
    assert_eq!(finish(&mut linux, NOW, TICK).len(), 1);
    assert_eq!(children.each_mut().map(|child| child.ended_by()), [Some(15), Some(9)]);
}

#[test]
fn what_an_operator_changed_is_theirs_and_a_group_made_anew_is_another() {
    let Some(group) = group(&["memory.high"]) else { return };
    let mut linux = crate::linux();
    let high = plan(
        Step::SetMemoryHigh { to: MemoryLimit::At(Bytes::from_mib(64)) },
        group.subject(),
        &group.path,
    );
    let (_, undo) = act(&mut linux, &high).unwrap();
    group.write("/memory.high", "50000000");
    let Err(ActionError::Yielded { setting: Setting::MemoryHigh, found }) = linux.undo(&undo)
    else {
        panic!()
    };
    assert_eq!(&*found, "49999872");
    std::fs::remove_dir(group.dir("")).unwrap();
    assert!(matches!(linux.undo(&undo), Err(ActionError::Stale { .. })));
    std::fs::create_dir(group.dir("")).unwrap();
    assert!(matches!(linux.undo(&undo), Err(ActionError::Stale { .. })));
    assert!(matches!(linux.prepare(&high), Err(ActionError::Stale { .. })));
    assert_eq!(group.read("/memory.high"), "max\n");
}

#[test]
fn the_root_of_the_tree_is_refused() {
    let Some(_group) = group(&["cgroup.kill"]) else { return };
    let id = CgroupId(std::fs::metadata("/sys/fs/cgroup").unwrap().ino());
    for step in [Step::Kill, Step::Freeze, Step::Reclaim { amount: Bytes::from_mib(1) }] {
        let prepared = crate::linux().prepare(&plan(step, Subject::Cgroup(id), "/"));
        assert!(matches!(prepared, Err(ActionError::Unsupported { .. })), "{prepared:?}");
    }
}
