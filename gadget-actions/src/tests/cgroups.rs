use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, Bytes, MemoryLimit, Setting, Step, Subject, Timestamp, Undo,
};

use crate::testing::{Child, Groups, act, eventually, finish, plan};

const NOW: Timestamp = Timestamp::from_secs(2_000);
const TICK: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(5);

#[test]
fn a_group_of_a_hybrid_host_is_frozen_and_thawed_through_its_unified_twin() {
    let Some(groups) = Groups::make(&["memory", "unified"]) else { return };
    let child = Child::sleeping();
    groups.add(&child);
    let mut linux = crate::linux();
    let freeze = plan(Step::Freeze, groups.subject(), &groups.path);
    let (_, undo) = act(&mut linux, &freeze).unwrap();
    assert!(matches!(undo, Undo::Thaw { .. }));
    eventually("it is frozen", || groups.read("unified/cgroup.events").contains("frozen 1"));
    // Frozen by somebody: not ours to thaw.
    assert_eq!(linux.prepare(&freeze).unwrap(), Undo::Nothing);
    assert!(linux.undo(&undo).unwrap().ends_with(" thawed"));
    assert!(linux.undo(&undo).unwrap().ends_with(" was not frozen"));
    eventually("it runs", || groups.read("unified/cgroup.events").contains("frozen 0"));
}

#[test]
fn where_the_unified_twin_is_empty_the_v1_freezer_is_used() {
    let Some(groups) = Groups::make(&["memory", "freezer"]) else { return };
    let Ok(()) = std::fs::create_dir(groups.dir("unified")) else { return };
    let child = Child::sleeping();
    groups.add(&child);
    let mut linux = crate::linux();
    let (_, undo) = act(&mut linux, &plan(Step::Freeze, groups.subject(), &groups.path)).unwrap();
    eventually("it is frozen", || groups.read("freezer/freezer.state") == "FROZEN\n");
    assert_eq!(groups.read("unified/cgroup.freeze"), "0\n");
    linux.undo(&undo).unwrap();
    assert_eq!(groups.read("freezer/freezer.state"), "THAWED\n");
    std::fs::remove_dir(groups.dir("unified")).unwrap();
}

#[test]
fn a_twin_that_holds_somebody_else_is_never_used() {
    let Some(groups) = Groups::make(&["memory", "freezer"]) else { return };
    let (child, innocent) = (Child::sleeping(), Child::sleeping());
    groups.add(&child);
    groups.write("freezer/cgroup.procs", &innocent.pid().to_string());
    let error =
        crate::linux().prepare(&plan(Step::Freeze, groups.subject(), &groups.path)).unwrap_err();
    assert!(matches!(error, ActionError::Unsupported { .. }), "{error:?}");
    // Nor one that holds none of ours, which would freeze nobody.
    for child in [&child, &innocent] {
        std::fs::write("/sys/fs/cgroup/freezer/cgroup.procs", child.pid().to_string()).unwrap();
    }
    let error =
        crate::linux().prepare(&plan(Step::Freeze, groups.subject(), &groups.path)).unwrap_err();
    assert!(matches!(error, ActionError::Unsupported { .. }), "{error:?}");
}

#[test]
fn limits_come_back_to_the_byte() {
    let hierarchies = ["memory", "cpu", "blkio", "pids"];
    let Some(groups) = Groups::make(&hierarchies) else { return };
    let mut linux = crate::linux();
    let files = [
        "memory/memory.limit_in_bytes",
        "cpu/cpu.cfs_quota_us",
        "cpu/cpu.cfs_period_us",
        "cpu/cpu.shares",
        "blkio/blkio.throttle.read_bps_device",
        "blkio/blkio.throttle.write_bps_device",
        "pids/pids.max",
    ];
    let all = || files.map(|file| groups.read(file));
    groups.write("blkio/blkio.throttle.write_bps_device", "254:0 7340033");
    let before = all();
    for (step, line) in [
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
        (Step::SetCpuWeight { to: 50 }, "cpu.weight of PATH 1024 -> 512"),
        (
            Step::SetIoMax { device: (254, 0), read: Some(Bytes::from_mib(1)), write: None },
            "io.max of PATH 254:0 rbps=max wbps=7340033 -> 254:0 rbps=1048576 wbps=max",
        ),
        (Step::SetPidsMax { to: Some(77) }, "pids.max of PATH max -> 77"),
    ] {
        let (effect, undo) = act(&mut linux, &plan(step, groups.subject(), &groups.path)).unwrap();
        assert_eq!(&*effect.summary, line.replace("PATH", &groups.path));
        assert_ne!(all(), before);
        linux.undo(&undo).unwrap();
        assert_eq!(all(), before);
        assert!(linux.undo(&undo).unwrap().contains("already"));
    }
}

#[test]
fn a_limit_that_an_operator_changed_is_theirs() {
    let Some(groups) = Groups::make(&["memory"]) else { return };
    let mut linux = crate::linux();
    let step = Step::SetMemoryMax { to: MemoryLimit::At(Bytes::from_mib(64)) };
    let plan = plan(step, groups.subject(), &groups.path);
    let (_, undo) = act(&mut linux, &plan).unwrap();
    groups.write("memory/memory.limit_in_bytes", "50000000");
    let Err(ActionError::Yielded { setting: Setting::MemoryMax, found }) = linux.undo(&undo) else {
        panic!()
    };
    assert_eq!(&*found, "49999872");
    assert!(matches!(linux.carry_out(&plan, &undo), Err(ActionError::Yielded { .. })));
    assert_eq!(groups.read("memory/memory.limit_in_bytes"), "49999872\n");
}

#[test]
fn a_group_made_anew_under_the_same_path_is_another() {
    let Some(groups) = Groups::make(&["memory", "unified"]) else { return };
    let mut linux = crate::linux();
    let limit = plan(
        Step::SetMemoryMax { to: MemoryLimit::At(Bytes::from_mib(64)) },
        groups.subject(),
        &groups.path,
    );
    let freeze = plan(Step::Freeze, groups.subject(), &groups.path);
    let undos = [act(&mut linux, &limit).unwrap().1, linux.prepare(&freeze).unwrap()];
    std::fs::remove_dir(groups.dir("memory")).unwrap();
    let stale = |result: Result<_, ActionError>| matches!(result, Err(ActionError::Stale { .. }));
    assert!(undos.iter().all(|undo| stale(linux.undo(undo))));
    std::fs::create_dir(groups.dir("memory")).unwrap();
    for (plan, undo) in [limit, freeze].iter().zip(&undos) {
        assert!(stale(linux.prepare(plan).map(|_| gadget_core::Summary::new())));
        assert!(stale(linux.carry_out(plan, undo).map(|effect| effect.summary)));
        assert!(stale(linux.undo(undo)));
    }
    assert_eq!(groups.read("memory/memory.limit_in_bytes"), "9223372036854771712\n");
    assert_eq!(groups.read("unified/cgroup.freeze"), "0\n");
}

#[test]
fn a_group_is_killed_at_once_or_one_by_one_also_when_it_is_frozen() {
    for (hierarchies, line) in [
        (&["memory", "unified"][..], "cgroup.kill of PATH"),
        (&["memory"], "SIGKILL to 3 processes of PATH"),
        (&["memory", "freezer"], "SIGKILL to 3 processes of PATH"),
    ] {
        let Some(groups) = Groups::make(hierarchies) else { return };
        let mut children = [Child::sleeping(), Child::ignoring_term(), Child::ignoring_term()];
        children.iter().for_each(|child| groups.add(child));
        let mut linux = crate::linux();
        if hierarchies.len() > 1 {
            act(&mut linux, &plan(Step::Freeze, groups.subject(), &groups.path)).unwrap();
        }
        let (effect, _) =
            act(&mut linux, &plan(Step::Kill, groups.subject(), &groups.path)).unwrap();
        assert_eq!(&*effect.summary, line.replace("PATH", &groups.path));
        let results = finish(&mut linux, NOW, Duration::ZERO);
        let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
        assert!(effect.summary.ends_with("ended on SIGKILL"));
        for child in &mut children {
            assert_eq!(child.ended_by(), Some(9));
        }
    }
}

#[test]
fn one_process_of_a_frozen_v1_group_is_thawed_to_die() {
    let Some(groups) = Groups::make(&["memory", "freezer"]) else { return };
    let mut child = Child::sleeping();
    groups.add(&child);
    let mut linux = crate::linux();
    act(&mut linux, &plan(Step::Freeze, groups.subject(), &groups.path)).unwrap();
    eventually("it is frozen", || groups.read("freezer/freezer.state") == "FROZEN\n");
    let (effect, _) =
        act(&mut linux, &plan(Step::Kill, Subject::Process(child.id()), "leaky")).unwrap();
    assert!(effect.summary.ends_with("its cgroup thawed so that it can end"), "{effect:?}");
    finish(&mut linux, NOW, Duration::ZERO);
    assert_eq!(child.ended_by(), Some(9));
}

#[test]
fn a_group_is_asked_before_it_is_killed() {
    let Some(groups) = Groups::make(&["memory"]) else { return };
    let mut children = [Child::sleeping(), Child::ignoring_term()];
    children.iter().for_each(|child| groups.add(child));
    let mut linux = crate::linux();
    let plan = plan(Step::Terminate { grace: GRACE }, groups.subject(), &groups.path);
    let (effect, _) = act(&mut linux, &plan).unwrap();
    assert_eq!(
        &*effect.summary,
        format!("SIGTERM to 2 processes of {}, SIGKILL in 5.0 s", groups.path)
    );
    assert_eq!(finish(&mut linux, NOW, TICK).len(), 1);
    assert_eq!(children.each_mut().map(|child| child.ended_by()), [Some(15), Some(9)]);
}

#[test]
fn the_root_and_the_group_of_the_agent_are_refused() {
    let mut linux = crate::linux();
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let ours =
        text.lines().find_map(|line| line.split_once(":memory:")).map_or("/", |(_, path)| path);
    let mut paths = vec!["/"];
    paths.extend((ours != "/").then_some(ours));
    for path in paths {
        let dir = format!("/sys/fs/cgroup/memory{path}");
        let Ok(found) = std::fs::metadata(&dir) else {
            eprintln!("SKIPPED: {dir} is not there; tests/fake.rs has the same for the root");
            return;
        };
        let id = gadget_core::CgroupId(std::os::unix::fs::MetadataExt::ino(&found));
        for step in [Step::Kill, Step::Freeze, Step::Terminate { grace: GRACE }] {
            let prepared = linux.prepare(&plan(step, Subject::Cgroup(id), path));
            assert!(
                matches!(prepared, Err(ActionError::Unsupported { .. })),
                "{path}: {prepared:?}"
            );
        }
    }
}

#[test]
fn all_cache_is_reclaimed_where_that_is_about_what_was_asked() {
    let Some(groups) = Groups::make(&["memory"]) else { return };
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = dir.path().join("cache");
    let command = format!(
        "echo $$ > {}/cgroup.procs; head -c 20000000 /dev/zero > {file}; sync {file}; cat {file} >/dev/null; echo ready; exec sleep 1000",
        groups.dir("memory").display(),
        file = file.display()
    );
    let _child = Child::script(&command);
    let cache = || {
        let stat = groups.read("memory/memory.stat");
        let field = |key| {
            stat.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(|n| n.trim().parse::<u64>().unwrap())
        };
        field("total_inactive_file ").unwrap() + field("total_active_file ").unwrap()
    };
    let before = cache();
    if before < 10_000_000 {
        eprintln!("SKIPPED: the file system under /var/tmp leaves no page cache ({before} bytes)");
        return;
    }
    let mut linux = crate::linux();
    let reclaim =
        |bytes| plan(Step::Reclaim { amount: Bytes::new(bytes) }, groups.subject(), &groups.path);
    let error = act(&mut linux, &reclaim(before / 5)).unwrap_err();
    assert!(matches!(error, ActionError::Unsupported { .. }), "{error:?}");
    assert_eq!(cache(), before);
    let (effect, undo) = act(&mut linux, &reclaim(before / 2)).unwrap();
    assert!(effect.summary.starts_with("reclaimed ") && effect.complete, "{effect:?}");
    assert_eq!(undo, Undo::Nothing);
    assert!(cache() < before / 10, "{} of {before} bytes are left", cache());
}
