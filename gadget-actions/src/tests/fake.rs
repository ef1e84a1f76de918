//! What cgroup v2 alone offers, on a tree of regular files: what is written, and what is put back. That a kernel takes it is
//! shown by `v2.rs`, on hosts that have it.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, Bytes, CgroupId, MemoryLimit, Step, StepKind, Subject, Undo,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::linux::Linux;
use crate::testing::{act, plan};

const FILES: [(&str, &str); 8] = [
    ("memory.high", "max\n"),
    ("memory.max", "1073741824\n"),
    ("cpu.max", "max 100000\n"),
    ("cpu.weight", "100\n"),
    ("io.max", "8:16 rbps=2097152 wbps=max riops=max wiops=120\n"),
    ("pids.max", "max\n"),
    ("memory.current", "500000000\n"),
    ("cgroup.freeze", "0\n"),
];

fn tree() -> (TempDir, PathBuf, Linux) {
    let root = tempfile::tempdir().unwrap();
    let group = root.path().join("kubepods/pod");
    std::fs::create_dir_all(&group).unwrap();
    std::fs::write(root.path().join("cgroup.controllers"), "cpu io memory pids\n").unwrap();
    std::fs::write(root.path().join("memory.reclaim"), "").unwrap();
    std::fs::write(group.join("memory.reclaim"), "").unwrap();
    for (name, text) in FILES {
        std::fs::write(group.join(name), text).unwrap();
    }
    let linux = Linux::builder().cgroup_root(root.path()).build();
    (root, group, linux)
}

fn subject(group: &PathBuf) -> Subject {
    Subject::Cgroup(CgroupId(std::fs::metadata(group).unwrap().ino()))
}

#[test]
fn v2_steps_say_what_they_did_and_are_undone() {
    let (_root, group, mut linux) = tree();
    let read = |name: &str| std::fs::read_to_string(group.join(name)).unwrap();
    for (step, file, line) in [
        (
            Step::SetMemoryHigh { to: MemoryLimit::At(Bytes::from_mib(96)) },
            "memory.high",
            "memory.high of kubepods/pod max -> 96.0 MiB",
        ),
        (
            Step::SetMemoryMax { to: MemoryLimit::Unlimited },
            "memory.max",
            "memory.max of kubepods/pod 1.0 GiB -> max",
        ),
        (
            Step::SetCpuMax {
                quota: Some(Duration::from_millis(50)),
                period: Duration::from_millis(100),
            },
            "cpu.max",
            "cpu.max of kubepods/pod max 100000 -> 50000 100000",
        ),
        (Step::SetCpuWeight { to: 20 }, "cpu.weight", "cpu.weight of kubepods/pod 100 -> 20"),
        (Step::SetPidsMax { to: Some(500) }, "pids.max", "pids.max of kubepods/pod max -> 500"),
    ] {
        let before = read(file);
        let (effect, undo) = act(&mut linux, &plan(step, subject(&group), "kubepods/pod")).unwrap();
        assert_eq!(&*effect.summary, line);
        linux.undo(&undo).unwrap();
        assert_eq!(read(file), before.trim_end());
    }
}

#[test]
fn io_max_reads_the_line_of_its_device_and_leaves_operations_alone() {
    let (_root, group, mut linux) = tree();
    let step = |read| Step::SetIoMax { device: (8, 16), read, write: Some(Bytes::from_mib(1)) };
    let undo = linux.prepare(&plan(step(None), subject(&group), "/kubepods/pod")).unwrap();
    let Undo::Restore { before, wrote, .. } = undo else { panic!("{undo:?}") };
    assert_eq!(&*before, "8:16 rbps=2097152 wbps=max");
    assert_eq!(&*wrote, "8:16 rbps=max wbps=1048576");
    let refused = linux.prepare(&plan(step(Some(Bytes::ZERO)), subject(&group), "/kubepods/pod"));
    assert!(matches!(refused, Err(ActionError::Unsupported { .. })));
}

#[test]
fn reclaim_asks_for_the_bytes_and_freeze_writes_one() {
    let (_root, group, mut linux) = tree();
    let path = "/kubepods/pod";
    let amount = Bytes::from_mib(32);
    let (effect, _) =
        act(&mut linux, &plan(Step::Reclaim { amount }, subject(&group), path)).unwrap();
    assert_eq!(std::fs::read_to_string(group.join("memory.reclaim")).unwrap(), "33554432");
    assert_eq!(&*effect.summary, "reclaimed 0 B of 32.0 MiB asked from /kubepods/pod");
    let (_, undo) = act(&mut linux, &plan(Step::Freeze, subject(&group), path)).unwrap();
    assert_eq!(std::fs::read_to_string(group.join("cgroup.freeze")).unwrap(), "1");
    linux.undo(&undo).unwrap();
    assert_eq!(std::fs::read_to_string(group.join("cgroup.freeze")).unwrap(), "0");
}

#[test]
fn paths_that_lead_elsewhere_and_the_root_are_refused() {
    let (root, group, mut linux) = tree();
    let freeze = |subject, path| plan(Step::Freeze, subject, path);
    for path in ["kubepods/../kubepods/pod", "..", "/kubepods/pod/../../.."] {
        assert!(linux.prepare(&freeze(subject(&group), path)).is_err(), "{path}");
    }
    std::os::unix::fs::symlink(&group, root.path().join("link")).unwrap();
    assert!(matches!(
        linux.prepare(&freeze(subject(&group), "link")),
        Err(ActionError::Stale { .. })
    ));
    let top = subject(&root.path().to_owned());
    assert!(matches!(linux.prepare(&freeze(top, "/")), Err(ActionError::Unsupported { .. })));
}

#[test]
fn a_tree_without_a_controller_says_so_before_any_plan() {
    let (root, ..) = tree();
    std::fs::write(root.path().join("cgroup.controllers"), "memory\n").unwrap();
    std::fs::remove_file(root.path().join("memory.reclaim")).unwrap();
    let linux = Linux::builder().cgroup_root(root.path()).build();
    assert!(linux.supports(StepKind::SetMemoryHigh).is_ok());
    for kind in [StepKind::SetIoMax, StepKind::SetCpuMax, StepKind::SetPidsMax, StepKind::Reclaim] {
        assert!(matches!(linux.supports(kind), Err(ActionError::Unsupported { .. })), "{kind}");
    }
    let nowhere = Linux::builder().cgroup_root("/nonexistent").proc_root("/nonexistent").build();
    for &kind in StepKind::ALL
        .iter()
        .filter(|kind| !matches!(kind, StepKind::Sync | StepKind::SetOomScoreAdj))
    {
        assert!(nowhere.supports(kind).is_err(), "{kind}");
    }
}

fn limit() -> impl Strategy<Value = MemoryLimit> {
    prop_oneof![
        Just(MemoryLimit::Unlimited),
        any::<u64>().prop_map(|bytes| MemoryLimit::At(Bytes::new(bytes)))
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::option::of((1_u64..).prop_map(Bytes::new));
    prop_oneof![
        limit().prop_map(|to| Step::SetMemoryHigh { to }),
        limit().prop_map(|to| Step::SetMemoryMax { to }),
        (proptest::option::of(1_000_u64..10_000_000), 1_000_u64..=1_000_000).prop_map(
            |(quota, period)| {
                Step::SetCpuMax {
                    quota: quota.map(Duration::from_micros),
                    period: Duration::from_micros(period),
                }
            }
        ),
        (1_u16..=10_000).prop_map(|to| Step::SetCpuWeight { to }),
        proptest::option::of(any::<u64>()).prop_map(|to| Step::SetPidsMax { to }),
        (any::<(u32, u32)>(), bytes(), bytes()).prop_map(|(device, read, write)| Step::SetIoMax {
            device,
            read,
            write
        }),
    ]
}

proptest! {
    #[test]
    fn undo_after_apply_restores_the_bytes(steps in proptest::collection::vec(step(), 1..5)) {
        let (_root, group, mut linux) = tree();
        let all = || FILES.map(|(name, _)| std::fs::read_to_string(group.join(name)).unwrap().trim().to_owned());
        let mut states = vec![all()];
        let mut undos = Vec::new();
        for step in steps {
            // A regular file does not keep what io.max was not told.
            if matches!(step, Step::SetIoMax { .. }) {
                prop_assert!(linux.prepare(&plan(step, subject(&group), "kubepods/pod")).is_ok());
                continue;
            }
            let (_, undo) = act(&mut linux, &plan(step, subject(&group), "kubepods/pod")).unwrap();
            undos.push(undo);
            states.push(all());
        }
        while let Some(undo) = undos.pop() {
            states.pop();
            linux.undo(&undo).unwrap();
            linux.undo(&undo).unwrap();
            prop_assert_eq!(Some(&all()), states.last());
        }
    }
}
