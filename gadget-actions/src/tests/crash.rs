//! Killed at every write and every signal, on real cgroups and processes: the next start puts everything back.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gadget_core::{
    Action as _, Bytes, Ending, HostFacts, Ledger, MemoryLimit, ProcessId, Reach, Step, Subject,
    recover,
};
use rustix::process::Signal;

use super::support::Desk;
use crate::testing::{Child, Family, Groups, disk, eventually, finish, v2_alone};

/// Tells the process that is to die: the ledger's directory, and what it is to act on.
const TOLD: &str = "GADGET_CRASH_TOLD";

/// Lets `script` act on what it is `told` in a process that dies at the `crash`th point, takes a look, and recovers. True
/// if it came to its end.
fn recovers(script: &str, crash: usize, told: &str, look: impl FnOnce()) -> bool {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("ledger");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tests::crash::{script}")])
        .env("GADGET_CRASH_AT", crash.to_string())
        .env(TOLD, format!("{} {told}", dir.display()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "at {crash}: {status}");
    look();
    let now = gadget_core::Timestamp::from_secs(1_800_000_000);
    let facts = HostFacts::read(Path::new("/proc")).unwrap();
    let mut ledger = Ledger::open(&dir, &facts, now).unwrap();
    recover(&mut ledger, &mut crate::linux(), &facts, now);
    let unfinished = &ledger.carried().unfinished;
    assert!(unfinished.is_empty(), "at {crash}: {unfinished:?}");
    status.success()
}

fn process<'a>(words: &mut impl Iterator<Item = &'a str>) -> ProcessId {
    let mut number = || words.next().unwrap().parse().unwrap();
    ProcessId { pid: u32::try_from(number()).unwrap(), start: number() }
}

fn steps() -> Vec<Step> {
    let to = MemoryLimit::At(Bytes::from_mib(64));
    let mut steps = vec![
        Step::Freeze,
        Step::SetMemoryMax { to },
        // Two files on version 1, so that there is a moment between them.
        Step::SetCpuMax {
            quota: Some(Duration::from_millis(20)),
            period: Duration::from_millis(50),
        },
        Step::SetIoMax {
            device: device(),
            read: Some(Bytes::from_mib(1)),
            write: Some(Bytes::from_mib(2)),
        },
        Step::Pause,
        Step::SetOomScoreAdj { to: 700 },
    ];
    steps.extend(v2_alone().then_some(Step::SetMemoryHigh { to }));
    steps
}

/// Version 1 takes the numbers of any device.
fn device() -> (u32, u32) {
    disk().map_or((254, 0), |(_, device)| device)
}

/// One life that ends well, and one that ends with all effects in place.
fn script(told: &str) {
    let mut words = told.split(' ');
    let mut word = || words.next().unwrap();
    let (dir, path) = (word(), word());
    let cgroup = Subject::Cgroup(gadget_core::CgroupId(word().parse().unwrap()));
    let process = process(&mut words);
    let mut linux = crate::linux();
    for life in 0..2 {
        let mut desk = Desk::new(Some(Path::new(dir)));
        for step in steps() {
            let (subject, name) = match step {
                Step::Pause | Step::SetOomScoreAdj { .. } => (Subject::Process(process), "leaky"),
                _ => (cgroup, path),
            };
            let plan = desk.plan(step, subject, Reach::Alone, name);
            let undo = desk.act(&mut linux, &plan);
            // One open plan per target: the process is in the cgroup, and the world of this test does not know it.
            if life == 0 {
                linux.undo(&undo).unwrap();
                desk.end(&plan, Ending::Met);
            } else {
                desk.forget(&plan);
            }
        }
    }
}

#[test]
fn a_kill_at_any_write_leaves_no_cgroup_frozen_and_no_limit_set() {
    if let Ok(told) = std::env::var(TOLD) {
        return script(&told);
    }
    let (hierarchies, files): (&[&str], &[&str]) = if v2_alone() {
        (&[""], &["/memory.max", "/memory.high", "/cpu.max", "/io.max", "/cgroup.freeze"])
    } else {
        let files = &[
            "memory/memory.limit_in_bytes",
            "cpu/cpu.cfs_quota_us",
            "cpu/cpu.cfs_period_us",
            "blkio/blkio.throttle.read_bps_device",
            "blkio/blkio.throttle.write_bps_device",
            "freezer/freezer.state",
        ];
        (&["memory", "cpu", "blkio", "freezer"], files)
    };
    let Some(groups) = Groups::make(hierarchies) else { return };
    let child = Child::sleeping();
    groups.add(&child);
    let adjust =
        || std::fs::read_to_string(format!("/proc/{}/oom_score_adj", child.pid())).unwrap();
    let state = || (files.iter().map(|file| groups.read(file)).collect::<Vec<_>>(), adjust());
    let before = state();
    let Subject::Cgroup(cgroup) = groups.subject() else { panic!() };
    let (mut crash, mut changed) = (0, 0);
    loop {
        let id = child.id();
        let told = format!("{} {} {} {}", groups.path, cgroup.0, id.pid, id.start);
        let name = "a_kill_at_any_write_leaves_no_cgroup_frozen_and_no_limit_set";
        let ended = recovers(name, crash, &told, || {
            changed += usize::from(state() != before || child.state() == b'T');
        });
        assert_eq!(state(), before, "at {crash}");
        eventually("it runs", || child.state() == b'S');
        if ended {
            break;
        }
        crash += 1;
    }
    eprintln!("killed at {crash} writes; the host was changed after {changed} of them");
    assert!(crash > 100 && changed > 30, "{crash} writes, {changed} changed the host");
}

/// One ending of a tree.
fn end_tree(told: &str) {
    let mut words = told.split(' ');
    let (dir, step) = (words.next().unwrap(), words.next().unwrap());
    let root = Subject::Process(process(&mut words));
    let step = match step {
        "kill" => Step::Kill,
        _ => Step::Terminate { grace: Duration::from_millis(1) },
    };
    let mut desk = Desk::new(Some(Path::new(dir)));
    let mut linux = crate::linux();
    let plan = desk.plan(step, root, Reach::Tree, "leaky");
    desk.act(&mut linux, &plan);
    finish(&mut linux, desk.now, Duration::from_millis(1));
    desk.end(&plan, Ending::Met);
}

#[test]
fn a_kill_at_any_signal_to_a_tree_leaves_none_of_it_stopped() {
    if let Ok(told) = std::env::var(TOLD) {
        return end_tree(&told);
    }
    for step in ["kill", "terminate"] {
        let (mut crash, mut left, mut ended) = (0, 0, false);
        while !ended {
            let family = Family::of(2);
            // An operator had stopped the last one.
            let (ours, theirs) = family.members.split_at(4);
            Family::signal(theirs, Signal::STOP);
            eventually("theirs stops", || Family::are(theirs, true));
            let id = family.members[0];
            let told = format!("{step} {} {}", id.pid, id.start);
            let name = "a_kill_at_any_signal_to_a_tree_leaves_none_of_it_stopped";
            ended = recovers(name, crash, &told, || {
                left += usize::from(!Family::are(ours, false));
            });
            eventually("ours go on", || Family::are(ours, false));
            // To end on SIGTERM it has to run.
            eventually("theirs stays", || step == "terminate" || Family::are(theirs, true));
            crash += 1;
        }
        eprintln!("{step}: killed at {crash} points; some of the tree was stopped after {left}");
        assert!(crash > 30 && left > 10, "{step}: {crash} points, {left} left it stopped");
    }
}
