//! Killed at every write, on real cgroups: the next start puts everything back.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gadget_core::{
    Action as _, Bytes, Ending, HostFacts, Ledger, MemoryLimit, ProcessId, Reach, Step, Subject,
    recover,
};

use super::support::Desk;
use crate::testing::{Child, Groups, eventually};

/// Tells the process that is to die: the ledger's directory, the target cgroup and the target process.
const TOLD: &str = "GADGET_CRASH_TOLD";
const NAME: &str = "tests::crash::a_kill_at_any_write_leaves_no_cgroup_frozen_and_no_limit_set";

fn steps() -> [Step; 6] {
    [
        Step::Freeze,
        Step::SetMemoryMax { to: MemoryLimit::At(Bytes::from_mib(64)) },
        // Two files on version 1, so that there is a moment between them.
        Step::SetCpuMax {
            quota: Some(Duration::from_millis(20)),
            period: Duration::from_millis(50),
        },
        Step::SetIoMax {
            device: (254, 0),
            read: Some(Bytes::from_mib(1)),
            write: Some(Bytes::from_mib(2)),
        },
        Step::Pause,
        Step::SetOomScoreAdj { to: 700 },
    ]
}

/// One life that ends well, and one that ends with all effects in place.
fn script(told: &str) {
    let mut words = told.split(' ');
    let mut word = || words.next().unwrap();
    let (dir, path) = (word(), word());
    let cgroup = Subject::Cgroup(gadget_core::CgroupId(word().parse().unwrap()));
    let process = ProcessId { pid: word().parse().unwrap(), start: word().parse().unwrap() };
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
    let hierarchies = ["memory", "cpu", "blkio", "freezer"];
    let Some(groups) = Groups::make(&hierarchies) else { return };
    let child = Child::sleeping();
    groups.add(&child);
    let adjust =
        || std::fs::read_to_string(format!("/proc/{}/oom_score_adj", child.pid())).unwrap();
    let state = || {
        let files = [
            "memory/memory.limit_in_bytes",
            "cpu/cpu.cfs_quota_us",
            "cpu/cpu.cfs_period_us",
            "blkio/blkio.throttle.read_bps_device",
            "blkio/blkio.throttle.write_bps_device",
            "freezer/freezer.state",
        ];
        (files.map(|file| groups.read(file)), adjust())
    };
    let (before, facts) = (state(), HostFacts::read(Path::new("/proc")).unwrap());
    let Subject::Cgroup(cgroup) = groups.subject() else { panic!() };
    let (mut crash, mut changed) = (0, 0);
    loop {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("ledger");
        let id = child.id();
        let told =
            format!("{} {} {} {} {}", dir.display(), groups.path, cgroup.0, id.pid, id.start);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("GADGET_CRASH_AT", crash.to_string())
            .env(TOLD, &told)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success() || status.signal() == Some(9), "at {crash}: {status}");
        changed += usize::from(state() != before || child.state() == b'T');
        let now = gadget_core::Timestamp::from_secs(1_800_000_000);
        let mut ledger = Ledger::open(&dir, &facts, now).unwrap();
        recover(&mut ledger, &mut crate::linux(), &facts, now);
        assert!(
            ledger.carried().unfinished.is_empty(),
            "at {crash}: {:?}",
            ledger.carried().unfinished
        );
        assert_eq!(state(), before, "at {crash}");
        eventually("it runs", || child.state() == b'S');
        if status.success() {
            break;
        }
        crash += 1;
    }
    eprintln!("killed at {crash} writes; the host was changed after {changed} of them");
    assert!(crash > 100 && changed > 30, "{crash} writes, {changed} changed the host");
}
