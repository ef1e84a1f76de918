//! Nothing is allocated while memory is being freed.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gadget_actions::Linux;
use gadget_core::testing::{Counting, allocations};
use gadget_core::{
    Action as _, Bytes, CgroupId, MemoryLimit, ProcessId, Reach, Step, Subject, Undo,
};
use support::Desk;

mod support;

#[global_allocator]
static COUNTING: Counting = Counting;

fn counted<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let before = allocations();
    let result = f();
    (result, allocations() - before)
}

/// Prepares and applies with a real permit, and carries on until it is over; panics if anything but the policy and the
/// ledger allocated.
fn act(
    desk: &mut Desk,
    linux: &mut Linux,
    step: Step,
    subject: Subject,
    reach: Reach,
    name: &str,
) -> Undo {
    let what = step.to_string();
    let plan = desk.plan(step, subject, reach, name);
    let (_, preparing) = counted(|| linux.prepare(&plan).unwrap());
    let permit = desk.permit(linux, &plan);
    let undo = permit.undo().clone();
    let (_, applying) = counted(|| linux.apply(permit).unwrap());
    assert_eq!((preparing, applying), (0, 0), "allocations to prepare and apply: {what}");
    let mut now = desk.now;
    while linux.next_advance().is_some() {
        let ((), advancing) =
            counted(|| linux.advance(now, &mut |_, result| assert!(result.unwrap().complete)));
        assert_eq!(advancing, 0, "allocations to advance: {what}");
        now = now + Duration::from_millis(100);
        std::thread::sleep(Duration::from_millis(2));
    }
    desk.end(&plan, gadget_core::Ending::Met);
    undo
}

/// A child process, ended when dropped.
struct Guarded(Child, Subject);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn child(script: &str) -> Guarded {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start =
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let subject = Subject::Process(ProcessId { pid: child.id(), start });
    Guarded(child, subject)
}

/// A cgroup of the same path in several hierarchies, removed when dropped.
struct Groups(Vec<String>);

impl Groups {
    fn make(hierarchies: &[&str], path: &str) -> Option<Self> {
        let mut groups = Self(Vec::new());
        for hierarchy in hierarchies {
            let dir = format!("/sys/fs/cgroup/{hierarchy}{path}");
            if let Err(error) = std::fs::create_dir(&dir) {
                eprintln!(
                    "SKIPPED: cannot make {dir}: {error}; the fake tree and the processes are counted all the same"
                );
                return None;
            }
            groups.0.push(dir);
        }
        Some(groups)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for dir in &self.0 {
            let _ = std::fs::write(format!("{dir}/freezer.state"), "THAWED");
            for _ in 0..100 {
                if std::fs::remove_dir(dir).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

#[test]
fn ending_processes_allocates_nothing() {
    let (mut desk, mut linux) = (Desk::new(None), gadget_actions::linux());
    let sleeper = "echo ready; exec sleep 1000";
    let stubborn = "trap '' TERM; echo ready; exec sleep 1000";
    let family = "sleep 1000 & sleep 1000 & echo ready; wait";
    let grace = Duration::from_millis(300);
    for (script, step, reach) in [
        (sleeper, Step::Kill, Reach::Alone),
        (sleeper, Step::Terminate { grace }, Reach::Alone),
        (stubborn, Step::Terminate { grace }, Reach::Alone),
        (family, Step::Kill, Reach::Tree),
        (family, Step::Terminate { grace }, Reach::Tree),
    ] {
        let child = child(script);
        act(&mut desk, &mut linux, step, child.1, reach, "leaky");
    }
}

#[test]
fn steps_on_a_v2_group_allocate_nothing() {
    let root = tempfile::tempdir().unwrap();
    // Longer than what rustix keeps on the stack.
    let path = format!("/kubepods.slice/{}/{}", "pod".repeat(60), "cri-containerd-".repeat(12));
    let group = root.path().join(&path[1..]);
    std::fs::create_dir_all(&group).unwrap();
    std::fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
    std::fs::write(root.path().join("memory.reclaim"), "").unwrap();
    for (name, text) in [
        ("memory.high", "max"),
        ("memory.max", "max"),
        ("memory.reclaim", ""),
        ("memory.current", "1"),
        ("cgroup.freeze", "0"),
    ] {
        std::fs::write(group.join(name), text).unwrap();
    }
    let subject = Subject::Cgroup(CgroupId(std::fs::metadata(&group).unwrap().ino()));
    let (mut desk, mut linux) =
        (Desk::new(None), Linux::builder().cgroup_root(root.path()).build());
    let to = MemoryLimit::At(Bytes::from_mib(96));
    for step in [
        Step::SetMemoryHigh { to },
        Step::SetMemoryMax { to },
        Step::Freeze,
        Step::Reclaim { amount: Bytes::from_mib(1) },
    ] {
        let undo = act(&mut desk, &mut linux, step, subject, Reach::Alone, &path);
        assert_eq!(counted(|| linux.undo(&undo).unwrap()).1, 0);
    }
}

#[test]
fn steps_on_a_real_group_allocate_nothing() {
    let path = format!("/gadget-actions-allocation-{}", std::process::id());
    let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let hierarchies: &[&str] = if v2 { &[""] } else { &["memory", "freezer"] };
    let Some(groups) = Groups::make(hierarchies, &path) else { return };
    let subject = Subject::Cgroup(CgroupId(std::fs::metadata(&groups.0[0]).unwrap().ino()));
    let child = child("echo ready; exec sleep 1000");
    for dir in &groups.0 {
        std::fs::write(format!("{dir}/cgroup.procs"), child.0.id().to_string()).unwrap();
    }
    let (mut desk, mut linux) = (Desk::new(None), gadget_actions::linux());
    let to = MemoryLimit::At(Bytes::from_mib(96));
    let high = v2.then_some(Step::SetMemoryHigh { to });
    for step in high.into_iter().chain([
        Step::SetMemoryMax { to },
        Step::Freeze,
        Step::Reclaim { amount: Bytes::from_mib(100) },
        Step::Kill,
    ]) {
        let undo = act(&mut desk, &mut linux, step, subject, Reach::Alone, &path);
        assert_eq!(counted(|| linux.undo(&undo).unwrap()).1, 0);
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| std::hint::black_box(Box::new(1))).1, 1);
}
