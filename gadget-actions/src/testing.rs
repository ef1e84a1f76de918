//! Real processes and cgroups for tests.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, CgroupId, Change, Effect, Evidence, Expectation, Plan, PlanId,
    Probability, ProcessId, Reach, Step, Subject, Target, Timestamp, Undo,
};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use crate::linux::Linux;
use crate::process::{self, MAX_HELD, Stat, find};

/// The live `/proc`.
pub(crate) fn proc() -> BorrowedFd<'static> {
    static PROC: OnceLock<OwnedFd> = OnceLock::new();
    PROC.get_or_init(|| {
        rustix::fs::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    })
    .as_fd()
}

/// The identity of a live process.
pub(crate) fn identity(pid: u32) -> ProcessId {
    ProcessId { pid, start: Stat::of(proc(), pid).unwrap().start }
}

/// Waits until `holds`, for at most half a minute.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never came true: {what}");
}

/// A child process, ended when dropped.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Sleeps until it is killed.
    pub(crate) fn sleeping() -> Self {
        Self(
            Command::new("sleep")
                .arg("1000")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    /// Sleeps and ignores `SIGTERM`.
    pub(crate) fn ignoring_term() -> Self {
        Self::script("trap '' TERM; echo ready; exec sleep 1000")
    }

    /// Runs a shell script and returns once it has printed a line.
    pub(crate) fn script(script: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn id(&self) -> ProcessId {
        identity(self.pid())
    }

    pub(crate) fn state(&self) -> u8 {
        Stat::of(proc(), self.pid()).unwrap().state
    }

    /// Leaves it a zombie.
    pub(crate) fn kill_without_reaping(&mut self) {
        self.0.kill().unwrap();
        eventually("it is a zombie", || self.state() == b'Z');
    }

    /// Waits for it, and returns the signal that ended it.
    pub(crate) fn ended_by(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt as _;
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many threads of a process wait in futex(2).
#[cfg(all(feature = "stacks", target_arch = "x86_64"))]
pub(crate) fn threads_in_futex(pid: u32) -> usize {
    let futex = |entry: std::io::Result<std::fs::DirEntry>| {
        let call = std::fs::read_to_string(entry.unwrap().path().join("syscall"));
        call.is_ok_and(|call| call.starts_with(&format!("{} ", libc::SYS_futex)))
    };
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(futex)
        .filter(|waits| *waits)
        .count()
}

/// A shell with others below it, each with one child. All ignore `SIGTERM`, and are ended when dropped.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) root: Child,
    /// All of them, children behind their parents.
    pub(crate) members: Vec<ProcessId>,
}

impl Family {
    pub(crate) fn of(width: usize) -> Self {
        let root = Child::script(&format!(
            "trap '' TERM; for i in $(seq {width}); do sh -c 'sleep 1000 & wait' & done; \
             echo ready; wait"
        ));
        let mut members = Vec::with_capacity(MAX_HELD);
        eventually("all are there", || {
            members.clear();
            members.push(root.id());
            find(proc(), &mut members, 1);
            members.len() == 1 + 2 * width
        });
        Self { root, members }
    }

    pub(crate) fn signal(ids: &[ProcessId], signal: Signal) {
        for &id in ids {
            if let Ok(target) = process::Target::open(proc(), id) {
                target.signal(signal).unwrap();
            }
        }
    }

    /// True of each that has ended or is `stopped` or not.
    pub(crate) fn are(ids: &[ProcessId], stopped: bool) -> bool {
        ids.iter().all(|&id| {
            let stat = process::Target::open(proc(), id).ok().and_then(|target| target.stat());
            stat.is_none_or(|stat| stat.stopped() == stopped)
        })
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        Self::signal(&self.members, Signal::KILL);
    }
}

/// A plan that does `step` to `subject`, which people call `name`; for a cgroup, its path.
pub(crate) fn plan(step: Step, subject: Subject, name: &str) -> Plan {
    let confidence = Probability::ONE;
    let expects = Expectation { subject, change: Change::Gone, within: Duration::from_secs(10) };
    Plan {
        id: PlanId(1),
        gadget: "test".into(),
        at: Timestamp::from_secs(1_000),
        step,
        target: Target { subject, reach: Reach::Alone, name: name.into() },
        reason: "a test".into(),
        confidence,
        evidence: Evidence::new(),
        expects,
        merit: 1.0,
        deadline: None,
    }
}

/// Prepares and applies.
pub(crate) fn act(linux: &mut Linux, plan: &Plan) -> Result<(Effect, Undo), ActionError> {
    let undo = linux.prepare(plan)?;
    Ok((linux.carry_out(plan, &undo)?, undo))
}

/// Advances until all that is under way is over, and returns what was reported. The agent's time runs by `tick` a step.
pub(crate) fn finish(
    linux: &mut Linux,
    start: Timestamp,
    tick: Duration,
) -> Vec<Result<Effect, ActionError>> {
    let (mut now, mut results) = (start, Vec::new());
    eventually("all is over", || {
        linux.advance(now, &mut |_, result| results.push(result));
        now = now + tick;
        linux.next_advance().is_none()
    });
    results
}

/// True where there is cgroup v2 and no other: its one hierarchy is called "" then.
pub(crate) fn v2_alone() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The block device that `LAB_DISK` names, as in a guest of the lab: its path and numbers.
pub(crate) fn disk() -> Option<(PathBuf, (u32, u32))> {
    let path = std::env::var_os("LAB_DISK").map(PathBuf::from)?;
    let device = std::fs::metadata(&path).unwrap().rdev();
    Some((path, (rustix::fs::major(device), rustix::fs::minor(device))))
}

/// A cgroup of our own in several v1 hierarchies and the unified one, removed when dropped.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) path: String,
    dirs: Vec<PathBuf>,
}

impl Groups {
    /// Makes it in each of `hierarchies`, directories below `/sys/fs/cgroup`, or says loudly why not.
    pub(crate) fn make(hierarchies: &[&str]) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/gadget-actions-{}-{next}", std::process::id());
        let mut groups = Self { path: path.clone(), dirs: Vec::new() };
        for hierarchy in hierarchies {
            let dir = PathBuf::from(format!("/sys/fs/cgroup/{hierarchy}{path}"));
            if let Err(error) = std::fs::create_dir(&dir) {
                eprintln!(
                    "SKIPPED: cannot make {}: {error}; what runs everywhere is in tests/fake.rs",
                    dir.display()
                );
                return None;
            }
            groups.dirs.push(dir);
        }
        Some(groups)
    }

    pub(crate) fn dir(&self, hierarchy: &str) -> PathBuf {
        format!("/sys/fs/cgroup/{hierarchy}{}", self.path).into()
    }

    /// The identity, in the hierarchy that comes first.
    pub(crate) fn subject(&self) -> Subject {
        Subject::Cgroup(CgroupId(std::fs::metadata(&self.dirs[0]).unwrap().ino()))
    }

    /// Moves a process into it, in each hierarchy.
    pub(crate) fn add(&self, child: &Child) {
        for dir in &self.dirs {
            std::fs::write(dir.join("cgroup.procs"), child.pid().to_string()).unwrap();
        }
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!(
            "/sys/fs/cgroup/{}",
            file.replacen('/', &format!("{}/", self.path), 1)
        ))
        .unwrap()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = format!("/sys/fs/cgroup/{}", file.replacen('/', &format!("{}/", self.path), 1));
        std::fs::write(file, text).unwrap();
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for dir in &self.dirs {
            let _ = std::fs::write(dir.join("freezer.state"), "THAWED");
            let _ = std::fs::write(dir.join("cgroup.freeze"), "0");
            for _ in 0..300 {
                // Their processes are children of the test, which ends them when it drops them.
                for pid in
                    std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines()
                {
                    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                match std::fs::remove_dir(dir) {
                    Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    _ => break,
                }
            }
        }
    }
}
