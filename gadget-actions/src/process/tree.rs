//! A process and all its descendants, held still so that none escapes by forking.

use std::io;
use std::time::Duration;

use gadget_core::{ActionError, ProcessId};
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::io::{Errno, Result};
use rustix::process::Signal;

use super::target::{Stat, Target, pid_path};
use crate::file;

/// The most processes of trees that are held at the same time.
pub(crate) const MAX_HELD: usize = 4096;

/// The most passes over a tree until it must have come to rest.
pub(super) const MAX_PASSES: usize = 64;

/// Between two passes that found nothing new.
const PAUSE: Duration = Duration::from_millis(1);

/// After this many passes that found nothing new, whatever is not at rest sleeps uninterruptibly: the parent in a vfork(2)
/// whose child was stopped before its execve(2), or a process that waits for a disk.
const QUIET_PASSES: usize = 4;

/// How a walk over a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// All of it is held and stands still.
    Held,
    /// All that was found is held, but some of it does not stop.
    Restless,
    /// There is more of it than [`MAX_HELD`] leaves room for.
    Full,
}

/// Stops the processes in `held` and all their descendants, and adds the descendants to `held`.
///
/// Each is stopped before its children are listed, and passes are made until one finds nothing new and all stand still,
/// so that nothing is forked behind the walk. A process that was handed to another parent before is not found.
pub(crate) fn stop(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>) -> Walk {
    stop_with(proc, held, has_children_files(proc))
}

fn stop_with(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>, children_files: bool) -> Walk {
    for &id in &*held {
        signal(proc, id, Signal::STOP);
    }
    let mut quiet = 0;
    for _ in 0..MAX_PASSES {
        let before = held.len();
        if pass(proc, held, children_files, &stop_it) {
            return Walk::Full;
        }
        quiet = if held.len() == before { quiet + 1 } else { 0 };
        if quiet > 0 && held.iter().all(|&id| stands_still(proc, id)) {
            return Walk::Held;
        }
        if quiet >= QUIET_PASSES && held.iter().all(|&id| sleeps_or_stands(proc, id)) {
            return Walk::Restless;
        }
        if quiet > 0 {
            // A loaded host lets them run late, and they stop only when they run.
            std::thread::sleep(PAUSE);
        }
    }
    Walk::Restless
}

/// Ends the processes in `held` and all their descendants with `SIGKILL`, and frees their memory at once. `held` holds all
/// of them afterwards, up to its room.
///
/// At any moment each that is stopped still has its parent: should we die here, [`find`] gets to all of them from the root.
pub(crate) fn kill(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>) -> Walk {
    let mut walk = stop(proc, held);
    if walk == Walk::Restless {
        // Killing the stopped child lets the parent in vfork(2) return and stop, before it is killed in its turn: nothing
        // that a restless process forked meanwhile is missed.
        for &id in held.iter().rev().filter(|&&id| is_below_the_restless(proc, held, id)) {
            signal(proc, id, Signal::KILL);
        }
        walk = stop(proc, held);
    }
    for &id in held.iter().rev() {
        signal(proc, id, Signal::KILL);
    }
    for &id in &*held {
        if let Ok(target) = Target::open(proc, id) {
            target.release_memory();
        }
    }
    walk
}

/// Adds all descendants of the processes in `held` to it, children behind their parents, in at most `passes` passes. Moves
/// nothing; what is forked meanwhile may be missed, but nothing below a process that stands still.
pub(crate) fn find(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>, passes: usize) -> Walk {
    let children_files = has_children_files(proc);
    for _ in 0..passes {
        let before = held.len();
        if pass(proc, held, children_files, &|_| {}) {
            return Walk::Full;
        }
        if held.len() == before {
            break;
        }
    }
    Walk::Held
}

/// Lets the processes in `held` go on, children before their parents, but for those in `stay`. Returns how many of them
/// were stopped.
pub(crate) fn let_go(proc: BorrowedFd<'_>, held: &[ProcessId], stay: &[ProcessId]) -> usize {
    let mut stopped = 0;
    for &id in held.iter().rev().filter(|id| !stay.contains(id)) {
        if let Ok(target) = Target::open(proc, id) {
            stopped += usize::from(target.stat().is_some_and(Stat::stopped));
            // In any case: one that waits uninterruptibly or is frozen has yet to take its SIGSTOP.
            let _ = target.signal(Signal::CONT);
        }
    }
    stopped
}

/// Why a tree is left alone.
pub(crate) fn too_large() -> ActionError {
    let source = io::ErrorKind::OutOfMemory.into();
    ActionError::System { attempt: "hold all processes of the tree; all run on", source }
}

/// True if `ancestor` is this process or one of its ancestors.
pub(crate) fn holds_us(proc: BorrowedFd<'_>, ancestor: u32) -> bool {
    let mut pid = std::process::id();
    // The depth of a process tree is bounded by the number of processes; a loop can only come from ids that are reused
    // while we climb.
    for _ in 0..MAX_HELD {
        if pid == ancestor {
            return true;
        }
        match Stat::of(proc, pid) {
            Some(stat) if stat.parent != 0 => pid = stat.parent,
            _ => return false,
        }
    }
    false
}

/// True if the kernel lists the children of a thread (`CONFIG_PROC_CHILDREN`).
fn has_children_files(proc: BorrowedFd<'_>) -> bool {
    file::open(proc, "thread-self/children", rustix::fs::OFlags::RDONLY).is_ok()
}

/// What is done to a process as soon as it is found.
type Seize = dyn Fn(&Target);

fn stop_it(target: &Target) {
    let _ = target.signal(Signal::STOP);
}

/// One pass over the tree; true if there was no more room.
fn pass(
    proc: BorrowedFd<'_>,
    held: &mut Vec<ProcessId>,
    children_files: bool,
    seize: &Seize,
) -> bool {
    if children_files { walk(proc, held, seize) } else { scan(proc, held, seize) }
}

/// One pass through the `children` files; true if there was no more room.
fn walk(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>, seize: &Seize) -> bool {
    let mut full = false;
    let mut next = 0;
    while let Some(&parent) = held.get(next) {
        next += 1;
        // A process that ends while it is read has no children left.
        let _ = for_each_child(proc, parent, &mut |child| {
            full |= !take(proc, held, child, seize, |stat| stat.parent == parent.pid);
        });
    }
    full
}

/// One pass over all processes; true if there was no more room. Finds a chain of any length when ids rise along it, and
/// one link of it otherwise, which the next pass carries on.
fn scan(proc: BorrowedFd<'_>, held: &mut Vec<ProcessId>, seize: &Seize) -> bool {
    let mut full = false;
    let _ = file::for_each_dir(proc, &mut |name| {
        if let Some(pid) = name.to_str().ok().and_then(|name| name.parse().ok()) {
            let ours = |stat: Stat| stat.parent != 0 && held_has(held, stat.parent);
            if Stat::of(proc, pid).is_some_and(ours) {
                full |= !take(proc, held, pid, seize, |_| true);
            }
        }
        Ok(())
    });
    full
}

fn held_has(held: &[ProcessId], pid: u32) -> bool {
    held.iter().any(|id| id.pid == pid)
}

/// Seizes `pid` and adds it, unless it is there already or `belongs` says no; false if there was no room.
fn take(
    proc: BorrowedFd<'_>,
    held: &mut Vec<ProcessId>,
    pid: u32,
    seize: &Seize,
    belongs: impl Fn(Stat) -> bool,
) -> bool {
    if held_has(held, pid) {
        return true;
    }
    if held.len() >= MAX_HELD {
        return false;
    }
    if let Ok(target) = Target::open_any(proc, pid)
        && target.stat().is_some_and(belongs)
    {
        seize(&target);
        held.push(target.id);
    }
    true
}

pub(super) fn signal(proc: BorrowedFd<'_>, id: ProcessId, signal: Signal) {
    if let Ok(target) = Target::open(proc, id) {
        let _ = target.signal(signal);
    }
}

fn stands_still(proc: BorrowedFd<'_>, id: ProcessId) -> bool {
    Stat::of(proc, id.pid).is_none_or(|stat| stat.start != id.start || stat.stands_still())
}

fn sleeps_or_stands(proc: BorrowedFd<'_>, id: ProcessId) -> bool {
    stands_still(proc, id) || Stat::of(proc, id.pid).is_none_or(|stat| stat.state == b'D')
}

fn is_below_the_restless(proc: BorrowedFd<'_>, held: &[ProcessId], id: ProcessId) -> bool {
    let above =
        |pid| Stat::of(proc, pid).map(|stat| stat.parent).filter(|&pid| held_has(held, pid));
    std::iter::successors(above(id.pid), |&pid| above(pid))
        .take(MAX_HELD)
        .any(|pid| Stat::of(proc, pid).is_some_and(|stat| !stat.stands_still()))
}

/// Calls `f` with each child of each thread of `parent`.
fn for_each_child(proc: BorrowedFd<'_>, parent: ProcessId, f: &mut dyn FnMut(u32)) -> Result<()> {
    let target = Target::open(proc, parent).map_err(|_: ActionError| Errno::SRCH)?;
    let tasks = file::open_dir(target.dir.as_fd(), "task")?;
    file::for_each_dir(tasks.as_fd(), &mut |name| {
        let tid = name.to_str().ok().and_then(|name| name.parse().ok()).unwrap_or_default();
        match file::for_each_number(tasks.as_fd(), &pid_path(tid, "/children"), f) {
            Err(Errno::NOENT | Errno::SRCH) => Ok(()), // the thread has ended
            other => other,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Child, Family, eventually, identity, proc};

    fn ended(held: &[ProcessId]) -> bool {
        held.iter().all(|&id| Target::open(proc(), id).is_err())
    }

    fn held(root: &Child) -> Vec<ProcessId> {
        let mut held = Vec::with_capacity(MAX_HELD);
        held.push(root.id());
        held
    }

    #[test]
    fn both_ways_find_all_descendants_and_stop_them() {
        for children_files in [true, false] {
            let family = Family::of(3);
            let mut tree = held(&family.root);
            // A page that is read from the disk keeps one from stopping for longer than the walk waits.
            eventually("it is held", || stop_with(proc(), &mut tree, children_files) == Walk::Held);
            let states: Vec<_> =
                tree.iter().map(|id| Stat::of(proc(), id.pid).unwrap().state).collect();
            kill(proc(), &mut tree);
            // The shell, three shells, three sleeps.
            assert_eq!(states, [b'T'; 7], "children files: {children_files}");
            eventually("all have ended", || ended(&tree));
        }
    }

    #[test]
    fn a_storm_of_forks_is_killed_to_the_last_process() {
        // Twenty branches, each forking one short life after the other; the odd time is the storm's mark.
        let mark = format!("0.0{}1", std::process::id());
        let root = Child::script(&format!(
            "n=0; while [ $n -lt 20 ]; do n=$((n+1)); (i=0; while [ $i -lt 300 ]; do i=$((i+1)); \
             (sleep {mark}; sleep {mark}); done) & done; echo ready; wait"
        ));
        let mut tree = held(&root);
        assert_ne!(kill(proc(), &mut tree), Walk::Full);
        assert!(tree.len() > 20, "only {} processes were caught", tree.len());
        eventually("all have ended", || ended(&tree));
        // Whatever escaped would have been handed to the parent of orphans and go on sleeping and forking.
        let mut escaped = 0;
        file::for_each_dir(proc(), &mut |name| {
            let name = name.to_str().unwrap_or_default();
            let text = std::fs::read_to_string(format!("/proc/{name}/cmdline")).unwrap_or_default();
            escaped += usize::from(text.contains(&mark));
            Ok(())
        })
        .unwrap();
        assert_eq!(escaped, 0);
    }

    #[test]
    fn our_ancestors_and_ourselves_hold_us_and_our_children_do_not() {
        let child = Child::sleeping();
        let parent = Stat::of(proc(), std::process::id()).unwrap().parent;
        assert!(holds_us(proc(), std::process::id()));
        assert!(holds_us(proc(), parent));
        assert!(!holds_us(proc(), child.pid()));
    }

    #[test]
    fn a_recycled_id_in_the_list_is_not_signalled() {
        let child = Child::sleeping();
        let other = ProcessId { start: child.id().start + 1, ..child.id() };
        kill(proc(), &mut vec![other]);
        assert_eq!(identity(child.pid()), child.id());
        assert!(!matches!(child.state(), b'Z' | b'T'));
    }
}
